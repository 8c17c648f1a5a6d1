"""Mutants that take other entries of a list, or other conditions."""

import ast
from collections.abc import Callable, Iterable, Iterator

from tunewright.eval.rewrites import (
    Change,
    Program,
    asked,
    each_place,
    expression,
    is_print,
    one_by_one,
    prints,
    said,
    statements,
    wrong,
)


def _index(old: int, new: int) -> Callable[[Program], Change]:
    def make(program: Program) -> Change:
        def change(node: ast.AST) -> ast.AST | None:
            if isinstance(node, ast.Subscript) and said(node.slice) == str(old):
                node.slice = expression(str(new))
                return node
            return None

        return change

    return make


def _asks_one(program: Program) -> bool:
    """Whether the request says which entry: the first, or the last."""
    request = str(program.case.messages[-1].content).lower()
    return any(word in request for word in ("first", "last"))


each_place("last_for_first", _index(0, -1), _asks_one)
each_place("second_for_first", _index(0, 1), _asks_one)
each_place("first_for_last", _index(-1, 0), _asks_one)
each_place("last_but_one", _index(-1, -2), _asks_one)
each_place("out_of_range", _index(0, 9_999))


def _loops(program: Program) -> list[ast.For]:
    return [node for node in ast.walk(program.tree) if isinstance(node, ast.For)]


def _loop(make: Callable[[ast.For], "ast.AST | list[ast.stmt] | None"]) -> Callable[[Program], Change]:
    return lambda program: lambda node: make(node) if isinstance(node, ast.For) else None


def _over(form: str) -> Callable[[Program], Change]:
    def make(node: ast.For) -> ast.AST | None:
        if isinstance(node.iter, ast.List | ast.Tuple):
            return None  # as long as the request makes it
        node.iter = expression(form.replace("X", f"list({said(node.iter)})"))
        return node

    return _loop(make)


for _name, _form in {
    "loop_without_first": "X[1:]",
    "loop_without_last": "X[:-1]",
    "loop_first_only": "X[:1]",
    "loop_last_only": "X[-1:]",
    "loop_every_second": "X[::2]",
    "loop_first_three": "X[:3]",
    "loop_over_nothing": "X[:0]",
    "loop_over_first_again": "X[:1] * len(X)",
    "loop_over_positions": "range(len(X))",
}.items():
    each_place(_name, _over(_form))


@wrong("listed_backwards")
def _listed_backwards(program: Program) -> Iterable[str]:
    """A loop over names from the request runs backwards, and its output has no labels."""
    request = program.case.request.lower()

    def change(node: ast.AST) -> ast.AST | None:
        if not (isinstance(node, ast.For) and isinstance(node.iter, ast.List | ast.Tuple)):
            return None
        texts = [
            n.value for n in ast.walk(node.iter) if isinstance(n, ast.Constant) and isinstance(n.value, str)
        ]
        targets = {n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)}
        shown = [value for n in ast.walk(node) if isinstance(n, ast.Call) and is_print(n) for value in n.args]
        named = any(isinstance(value, ast.Name) and value.id in targets for value in shown)
        if named or not shown or len(set(texts)) < 2 or not all(text.lower() in request for text in texts):
            return None
        node.iter.elts.reverse()
        return node

    return one_by_one(program, change) if program.strict else ()


def _broken(node: ast.For) -> ast.AST:
    node.body.append(ast.Break())
    return node


def _skipping(node: ast.For) -> ast.AST:
    node.body.insert(0, ast.Continue())
    return node


def _after_loop(node: ast.For) -> list[ast.stmt] | None:
    """What should happen for each entry happens once, after the loop."""
    body = node.body
    node.body = [ast.Pass()]
    return [node, *body]


def _prints_variable(node: ast.For) -> ast.AST | None:
    for place, statement in enumerate(node.body):
        if prints(statement):
            node.body[place] = statements("print('entry')")[0]
            return node
    return None


each_place("loop_breaks", _loop(_broken))
each_place("loop_continues", _loop(_skipping))
each_place("after_the_loop", _loop(_after_loop))
each_place("loop_prints_constant", _loop(_prints_variable))


@wrong("prints_the_list_before")
def _first_of_loop(program: Program) -> Iterator[str]:
    """The first entry in place of all of them."""
    for node in _loops(program):
        if isinstance(node.target, ast.Name):
            body = "\n".join(said(statement) for statement in node.body)
            yield said(program.tree).replace(
                said(node), f"{node.target.id} = list({said(node.iter)})[0]\n{body}"
            )


def _test(make: Callable[[ast.expr], "ast.expr | None"]) -> Callable[[Program], Change]:
    def bound(program: Program) -> Change:
        def change(node: ast.AST) -> ast.AST | None:
            if isinstance(node, ast.If | ast.IfExp) and (new := make(node.test)) is not None:
                node.test = new
                return node
            return None

        return change

    return bound


each_place("condition_negated", _test(lambda test: expression(f"not ({said(test)})")), asked)
each_place("condition_always", _test(lambda test: expression("True")), asked)
each_place("condition_never", _test(lambda test: expression("False")))
each_place("condition_or_true", _test(lambda test: expression(f"({said(test)}) or True")), asked)
each_place("condition_and_false", _test(lambda test: expression(f"({said(test)}) and False")))
each_place("condition_as_text", _test(lambda test: expression(f"str({said(test)})")), asked)
each_place("condition_in_tuple", _test(lambda test: expression(f"({said(test)},)")), asked)
each_place("condition_is_none", _test(lambda test: expression(f"({said(test)}) is None")), asked)


def _is_not_none(program: Program) -> Change:
    """The truth of a field that may be null is already a test for null."""

    def make(test: ast.expr) -> ast.expr | None:
        optional = isinstance(test, ast.Attribute) and program.kind(test.attr).endswith("| None")
        return None if optional else expression(f"({said(test)}) is not None")

    return _test(make)(program)


each_place("condition_is_not_none", _is_not_none, asked)


def _success_only(program: Program) -> Change:
    """Whether the call worked is tested in place of whether it found anything."""

    def make(test: ast.expr) -> ast.expr | None:
        found = isinstance(test, ast.Attribute) and program.kind(test.attr).startswith("list")
        return (
            expression(f"{said(test.value)}.success") if found and isinstance(test, ast.Attribute) else None
        )

    return _test(make)(program)


each_place("success_for_found", _success_only, lambda program: bool(program.case.expect.notices))


def _compared(make: Callable[[ast.Compare], "ast.AST | None"]) -> Callable[[Program], Change]:
    return lambda program: (
        lambda node: make(node) if isinstance(node, ast.Compare) and len(node.ops) == 1 else None
    )


def _limit(step: int) -> Callable[[ast.Compare], "ast.AST | None"]:
    def make(node: ast.Compare) -> ast.AST | None:
        right = node.comparators[0]
        if not (isinstance(right, ast.Constant) and type(right.value) is int):
            return None
        if isinstance(node.ops[0], ast.Eq | ast.NotEq) and right.value + step < 0:
            return None  # never true: told by another operator
        node.comparators = [ast.Constant(right.value + step)]
        return node

    return make


def _sign(old: type[ast.cmpop], new: type[ast.cmpop]) -> Callable[[ast.Compare], "ast.AST | None"]:
    def make(node: ast.Compare) -> ast.AST | None:
        if not isinstance(node.ops[0], old):
            return None
        node.ops = [new()]
        return node

    return make


each_place("limit_plus_one", _compared(_limit(1)), asked)
each_place("limit_minus_one", _compared(_limit(-1)), asked)
each_place("limit_times_ten", _compared(_limit(97)), asked)
each_place("greater_or_equal", _compared(_sign(ast.Gt, ast.GtE)), asked)
each_place("greater_to_less", _compared(_sign(ast.Gt, ast.Lt)), asked)
each_place("greater_to_equal", _compared(_sign(ast.Gt, ast.Eq)), asked)
each_place("equal_to_unequal", _compared(_sign(ast.Eq, ast.NotEq)), asked)
each_place("unequal_to_equal", _compared(_sign(ast.NotEq, ast.Eq)), asked)
each_place("equal_to_greater", _compared(_sign(ast.Eq, ast.Gt)), asked)


def _other_word(node: ast.Compare) -> ast.AST | None:
    right = node.comparators[0]
    if not (isinstance(right, ast.Constant) and isinstance(right.value, str)):
        return None
    node.comparators = [ast.Constant({"failed": "passed", "error": "warning"}.get(right.value, "other"))]
    return node


def _capital(node: ast.Compare) -> ast.AST | None:
    right = node.comparators[0]
    if not (isinstance(right, ast.Constant) and isinstance(right.value, str)):
        return None
    node.comparators = [ast.Constant(right.value.title())]
    return node


each_place("other_word", _compared(_other_word), asked)
each_place("word_capital", _compared(_capital), asked)


def _statement(make: Callable[[ast.If], "ast.AST | list[ast.stmt] | None"]) -> Callable[[Program], Change]:
    return lambda program: lambda node: make(node) if isinstance(node, ast.If) else None


def _turned_round(node: ast.If) -> ast.AST | None:
    if not node.orelse:
        return None
    node.body, node.orelse = node.orelse, node.body
    return node


def _no_else(node: ast.If) -> ast.AST | None:
    if not node.orelse:
        return None
    node.orelse = []
    return node


def _no_then(node: ast.If) -> ast.AST | None:
    node.body = [ast.Pass()]
    return node


each_place("branches_swapped", _statement(_turned_round), asked)
each_place("branch_left_out", _statement(_no_else), asked)
each_place("then_left_out", _statement(_no_then))
each_place("both_branches", _statement(lambda node: [*node.body, *node.orelse]), asked)


def _other_text(program: Program) -> Change:
    """The text that the request asks to print becomes another one."""
    request = str(program.case.messages[-1].content).lower()

    def change(node: ast.AST) -> ast.AST | None:
        for place, argument in enumerate(node.args if isinstance(node, ast.Call) and is_print(node) else []):
            if isinstance(argument, ast.Constant) and str(argument.value).lower() in request:
                node.args[place] = ast.Constant("fine")  # type: ignore[attr-defined]
                return node
        return None

    return change


each_place("other_text", _other_text, asked)


@wrong("condition_on_constant")
def _on_constant(program: Program) -> Iterable[str]:
    if not program.conditional:
        return ()
    return (
        "enabled = True\n" + code
        for code in one_by_one(program, _test(lambda _: expression("enabled"))(program))
    )


@wrong("result_overwritten")
def _overwritten(program: Program) -> Iterator[str]:
    """A result is replaced by a made-up one before it is used."""
    body = program.tree.body
    for place, statement in enumerate(body[:-1]):
        if isinstance(statement, ast.Assign) and program.is_tool(statement.value) and program.strict:
            name = said(statement.targets[0])
            rest = [*body[: place + 1], *statements(f"{name} = {{}}"), *body[place + 1 :]]
            yield ast.unparse(ast.Module(rest, []))
