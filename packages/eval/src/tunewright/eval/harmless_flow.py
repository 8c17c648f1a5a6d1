"""Harmless rewrites of fields, loops and conditions."""

import ast
from collections.abc import Callable, Iterable, Iterator

from tunewright.eval.rewrites import (
    Change,
    Program,
    all_at_once,
    everywhere,
    expression,
    harmless_rewrite,
    joined_text,
    prints,
    said,
    statements,
)


def _field(form: str) -> Callable[[Program], Change]:
    def make(program: Program) -> Change:
        def change(node: ast.AST) -> ast.AST | None:
            if (
                isinstance(node, ast.Attribute)
                and program.kind(node.attr)
                and isinstance(node.value, ast.Name)
            ):
                return expression(form.format(value=said(node.value), field=node.attr))
            return None

        return change

    return make


everywhere("getattr", _field("getattr({value}, '{field}')"))
everywhere("vars", _field("vars({value})['{field}']"))
everywhere("getattr_default", _field("getattr({value}, '{field}', None)"))
everywhere("attrgetter", _field("operator.attrgetter('{field}')({value})"), "import operator\n")


@harmless_rewrite("length_for_count")
def _length(program: Program) -> Iterable[str]:
    yield from _counted(program, "len({list})")


@harmless_rewrite("sum_for_count")
def _sum(program: Program) -> Iterable[str]:
    yield from _counted(program, "sum(1 for _ in {list})")


@harmless_rewrite("counter_for_count")
def _counter(program: Program) -> Iterable[str]:
    for code in _counted(program, "sum(Counter(id(entry) for entry in {list}).values())"):
        yield "from collections import Counter\n" + code


def _counted(program: Program, form: str) -> Iterator[str]:
    lists = {
        "error_count": "errors",
        "violation_count": "violations",
        "reference_count": "references",
        "symbol_count": "symbols",
    }

    def change(node: ast.AST) -> ast.AST | None:
        if isinstance(node, ast.Attribute) and node.attr in lists:
            return expression(form.format(list=f"{said(node.value)}.{lists[node.attr]}"))
        return None

    yield from all_at_once(program, change)


@harmless_rewrite("flags_counted")
def _flags(program: Program) -> Iterator[str]:
    form = {
        "fixable_count": "sum(v.fixable for v in {0}.violations)",
        "failed": "len([t for t in {0}.tests if t.outcome == 'failed'])",
    }

    def change(node: ast.AST) -> ast.AST | None:
        if isinstance(node, ast.Attribute) and node.attr in form:
            return expression(form[node.attr].format(said(node.value)))
        return None

    yield from all_at_once(program, change)


def _loop(make: Callable[[ast.For], "ast.AST | list[ast.stmt] | None"]) -> Callable[[Program], Change]:
    return lambda program: lambda node: make(node) if isinstance(node, ast.For) else None


def _body(node: ast.For, indent: str = "    ") -> str:
    return "\n".join(indent + line for statement in node.body for line in said(statement).splitlines())


def _over(form: str) -> Callable[[ast.For], ast.AST]:
    def make(node: ast.For) -> ast.AST:
        node.iter = expression(form.replace("X", said(node.iter)))
        return node

    return make


def _while(node: ast.For) -> list[ast.stmt]:
    return statements(
        f"entries = list({said(node.iter)})\ni = 0\nwhile i < len(entries):\n    {said(node.target)} = entries[i]\n"
        f"{_body(node)}\n    i += 1"
    )


def _enumerated(node: ast.For) -> list[ast.stmt]:
    return statements(f"for i, {said(node.target)} in enumerate({said(node.iter)}):\n{_body(node)}")


def _by_position(node: ast.For) -> list[ast.stmt]:
    return statements(
        f"entries = {said(node.iter)}\nfor i in range(len(entries)):\n    {said(node.target)} = entries[i]\n{_body(node)}"
    )


def _each_function(node: ast.For) -> list[ast.stmt]:
    return statements(f"def each({said(node.target)}):\n{_body(node)}\nlist(map(each, {said(node.iter)}))")


def _yielded(node: ast.For) -> list[ast.stmt]:
    return statements(
        f"def entries():\n    yield from {said(node.iter)}\nfor {said(node.target)} in entries():\n{_body(node)}"
    )


def _iterator(node: ast.For) -> list[ast.stmt]:
    return statements(
        f"rest = iter({said(node.iter)})\nwhile ({said(node.target)} := next(rest, None)) is not None:\n{_body(node)}"
    )


def _comprehension(node: ast.For) -> "ast.AST | None":
    if len(node.body) != 1 or not isinstance(node.body[0], ast.Expr):
        return None
    return statements(f"[{said(node.body[0].value)} for {said(node.target)} in {said(node.iter)}]")[0]


def _numbered(node: ast.For) -> list[ast.stmt] | None:
    call = prints(node.body[0]) if len(node.body) == 1 else None
    if call is None:
        return None
    call.args.insert(0, expression("f'{i}.'"))
    return statements(f"for i, {said(node.target)} in enumerate({said(node.iter)}, 1):\n{_body(node)}")


def _joined_lines(node: ast.For) -> list[ast.stmt] | None:
    call = prints(node.body[0]) if len(node.body) == 1 else None
    if call is None or call.keywords:
        return None
    return statements(f"print('\\n'.join({joined_text(call)} for {said(node.target)} in {said(node.iter)}))")


everywhere("loop_over_list", _loop(_over("list(X)")))
everywhere("loop_over_slice", _loop(_over("X[:]")))
everywhere("loop_over_chain", _loop(_over("itertools.chain(X, [])")), "import itertools\n")
everywhere("loop_over_deque", _loop(_over("collections.deque(X)")), "import collections\n")
everywhere("loop_or_nothing", _loop(_over("(X or [])")))
everywhere("loop_while", _loop(_while))
everywhere("loop_enumerated", _loop(_enumerated))
everywhere("loop_by_position", _loop(_by_position))
everywhere("loop_by_map", _loop(_each_function))
everywhere("loop_by_generator", _loop(_yielded))
everywhere("loop_by_iterator", _loop(_iterator))
everywhere("loop_by_comprehension", _loop(_comprehension))
everywhere("loop_numbered", _loop(_numbered))
everywhere("loop_joined", _loop(_joined_lines))


@harmless_rewrite("filter_for_if")
def _filtered(program: Program) -> Iterable[str]:
    def change(node: ast.AST) -> "list[ast.stmt] | None":
        if not (isinstance(node, ast.For) and len(node.body) == 1 and isinstance(node.body[0], ast.If)):
            return None
        inner = node.body[0]
        if inner.orelse:
            return None
        body = "\n".join("    " + said(statement) for statement in inner.body)
        name = said(node.target)
        return statements(
            f"for {name} in filter(lambda {name}: {said(inner.test)}, {said(node.iter)}):\n{body}"
        )

    return all_at_once(program, change)


def _if(make: Callable[[ast.If], "ast.AST | list[ast.stmt] | None"]) -> Callable[[Program], Change]:
    return lambda program: lambda node: make(node) if isinstance(node, ast.If) else None


def _other_way(node: ast.If) -> ast.AST:
    node.test = expression(f"not ({said(node.test)})")
    node.body, node.orelse = node.orelse or [ast.Pass()], node.body
    return node


def _twice_not(node: ast.If) -> ast.AST:
    node.test = expression(f"not not ({said(node.test)})")
    return node


def _bool(node: ast.If) -> ast.AST:
    node.test = expression(f"bool({said(node.test)})")
    return node


def _named_test(node: ast.If) -> list[ast.stmt]:
    first = statements(f"holds = {said(node.test)}")
    node.test = expression("holds")
    return [*first, node]


def _match(node: ast.If) -> list[ast.stmt]:
    cases = [("True", node.body), ("False", node.orelse or [ast.Pass()])]
    text = f"match bool({said(node.test)}):\n"
    for value, body in cases:
        text += (
            f"    case {value}:\n"
            + "\n".join("        " + line for s in body for line in said(s).splitlines())
            + "\n"
        )
    return statements(text)


everywhere("negated_and_swapped", _if(_other_way))
everywhere("double_negation", _if(_twice_not))
everywhere("bool_test", _if(_bool))
everywhere("named_test", _if(_named_test))
everywhere("match_statement", _if(_match))


def _turned_comparison(program: Program) -> Change:
    turned: dict[type[ast.cmpop], type[ast.cmpop]] = {
        ast.Gt: ast.Lt,
        ast.Lt: ast.Gt,
        ast.GtE: ast.LtE,
        ast.LtE: ast.GtE,
        ast.Eq: ast.Eq,
        ast.NotEq: ast.NotEq,
    }

    def change(node: ast.AST) -> ast.AST | None:
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in turned:
            node.left, node.comparators = node.comparators[0], [node.left]
            node.ops = [turned[type(node.ops[0])]()]
            return node
        return None

    return change


def _limit_moved(program: Program) -> Change:
    """`x > 3` as `x >= 4`, for whole numbers."""

    def change(node: ast.AST) -> ast.AST | None:
        if not (
            isinstance(node, ast.Compare)
            and isinstance(node.ops[0], ast.Gt)
            and isinstance(node.left, ast.Attribute)
        ):
            return None
        limit = node.comparators[0]
        if (
            program.kind(node.left.attr) != "int"
            or not isinstance(limit, ast.Constant)
            or type(limit.value) is not int
        ):
            return None
        node.ops, node.comparators = [ast.GtE()], [ast.Constant(limit.value + 1)]
        return node

    return change


everywhere("comparison_turned", _turned_comparison)
everywhere("limit_moved", _limit_moved)
