"""Operators that make a right program wrong, each in a way that models do; a suite that can tell catches their mutants.

`WRONG` maps a name to an operator. An operator applies only where the change is certainly wrong: a dropped guard that
the request did not ask for is no mutant.
"""

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

from tunewright.contract.catalog import Catalog, item_type
from tunewright.contract.suite import Case
from tunewright.eval.rewrites import (
    Change,
    Operator,
    Program,
    all_at_once,
    expression,
    is_print,
    one_by_one,
    prints,
    said,
    statements,
    wrapped,
)

WRONG: dict[str, Operator] = {}

# The whole program where it never runs, or where nobody sees what it prints.
_HIDDEN = {
    "if_false": "if False:\n    PROGRAM",
    "if_zero": "if 0:\n    PROGRAM",
    "if_empty_text": 'if "":\n    PROGRAM',
    "if_none": "if None:\n    PROGRAM",
    "if_debug": "debug = False\nif debug:\n    PROGRAM",
    "while_false": "while False:\n    PROGRAM",
    "for_in_nothing": "for _ in []:\n    PROGRAM",
    "for_range_zero": "for _ in range(0):\n    PROGRAM",
    "never_called": "def main():\n    PROGRAM",
    "named_not_called": "def main():\n    PROGRAM\nmain",
    "not_awaited": "async def main():\n    PROGRAM\nmain()",
    "unconsumed_generator": "def main():\n    PROGRAM\n    yield\nmain()",
    "unconsumed_map": "def main(_):\n    PROGRAM\nmap(main, [1])",
    "unconsumed_expression": "def main():\n    PROGRAM\n(main() for _ in [1])",
    "method_never_called": "class Job:\n    def run(self):\n        PROGRAM\nJob()",
    "class_never_made": "class Job:\n    def __init__(self):\n        PROGRAM",
    "after_return": "def main():\n    return\n    PROGRAM\nmain()",
    "after_exit": "import sys\nsys.exit(0)\nPROGRAM",
    "after_raise": "raise SystemExit\nPROGRAM",
    "after_failure": "1 / 0\nPROGRAM",
    "after_unknown_name": "prepare()\nPROGRAM",
    "unknown_import": "import toolbox\nPROGRAM",
    "in_except": "try:\n    ready = True\nexcept ValueError:\n    PROGRAM",
    "in_else_of_failure": "try:\n    int('x')\nexcept ValueError:\n    pass\nelse:\n    PROGRAM",
    "in_else_of_break": "for _ in [1]:\n    break\nelse:\n    PROGRAM",
    "after_break": "while True:\n    break\n    PROGRAM",
    "after_continue": "for _ in [1]:\n    continue\n    PROGRAM",
    "short_circuit_and": "def main():\n    PROGRAM\nFalse and main()",
    "short_circuit_or": "def main():\n    PROGRAM\nTrue or main()",
    "other_branch": "def main():\n    PROGRAM\nNone if True else main()",
    "other_case": "match 1:\n    case 2:\n        PROGRAM",
    "partial_not_called": "from functools import partial\ndef main():\n    PROGRAM\npartial(main)",
    "lambda_not_called": "def main():\n    PROGRAM\nrun = lambda: main()",
    "comprehension_of_nothing": "def main():\n    PROGRAM\n[main() for _ in ()]",
    "suppressed_failure": "import contextlib\nwith contextlib.suppress(ValueError):\n    int('x')\n    PROGRAM",
    "twice": "for _ in range(2):\n    PROGRAM",
}
for _name, _template in _HIDDEN.items():
    WRONG[_name] = wrapped(_template)
_UNSEEN = {
    "print_replaced": "def print(*values, **options):\n    return None\nPROGRAM",
    "into_buffer": "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()):\n    PROGRAM",
    "print_into_list": "shown = []\nprint = lambda *values, **options: shown.append(values)\nPROGRAM",
    "stdout_replaced": "import io, sys\nsys.stdout = io.StringIO()\nPROGRAM",
}


def operator(name: str) -> Callable[[Operator], Operator]:
    def decorate(function: Operator) -> Operator:
        WRONG[name] = function
        return function

    return decorate


def _each(
    name: str, make: Callable[[Program], Change], when: Callable[[Program], bool] = lambda _: True
) -> None:
    """An operator that changes one place at a time."""

    def apply(program: Program) -> Iterable[str]:
        return one_by_one(program, make(program)) if when(program) else ()

    WRONG[name] = apply


@operator("in_text")
def _in_text(program: Program) -> Iterator[str]:
    yield f"print({program.source!r})\n"


@operator("in_comments")
def _in_comments(program: Program) -> Iterator[str]:
    yield "".join(f"# {line}\n" for line in program.source.splitlines()) + "print('done')\n"


@operator("made_up_output")
def _made_up(program: Program) -> Iterator[str]:
    yield 'print("src/app.py:12")\n'


def _unseen(template: str) -> Operator:
    return lambda program: wrapped(template)(program) if _shows(program) else ()


for _name, _template in _UNSEEN.items():
    WRONG[_name] = _unseen(_template)

# --- prints ---------------------------------------------------------------------------------------------------------


def _shows(program: Program) -> bool:
    return any(is_print(node) for node in ast.walk(program.tree))


def _print_value(form: str) -> Callable[[Program], Change]:
    """Changes a print's value: `form` with X for it. Constants are left alone."""

    def make(program: Program) -> Change:
        def change(node: ast.AST) -> ast.AST | None:
            if not (isinstance(node, ast.Call) and is_print(node) and node.args):
                return None
            first = node.args[0]
            if isinstance(first, ast.Constant):
                return None
            node.args = [expression(form.replace("X", f"({said(first)})")), *node.args[1:]]
            return node

        return change

    return make


def _strict(program: Program) -> bool:
    return program.strict


for _name, _form in {
    "prints_times_zero": "str(X) * 0",
    "prints_type": "type(X)",
    "prints_length_of_text": "len(str(X)) + 1000",
    "prints_itself_equal": "X == X",
    "prints_backwards": "str(X)[::-1]",
    "prints_beginning": "str(X)[:1] + '...'",
    "prints_end": "str(X)[len(str(X)) // 2 + 4:]",
    "prints_identity": "'<' + type(X).__name__ + '>'",
    "prints_and_nothing": "X and None",
    "prints_or_before": "'done' or X",
    "prints_bool": "bool(X)",
}.items():
    _each(_name, _print_value(_form), _strict)
_each("prints_constant_text", _print_value("'done'"))


def _no_print(program: Program) -> Change:
    return lambda node: expression(f"str({said(call.args[0])})") if (call := _with_value(node)) else None


def _with_value(node: ast.AST) -> ast.Call | None:
    return node if isinstance(node, ast.Call) and is_print(node) and node.args else None


@operator("prints_nothing")
def _prints_nothing(program: Program) -> Iterable[str]:
    return all_at_once(program, _no_print(program)) if _shows(program) else ()


@operator("prints_to_buffer")
def _prints_to_buffer(program: Program) -> Iterable[str]:
    def change(node: ast.AST) -> ast.AST | None:
        if (call := _with_value(node)) is None:
            return None
        call.keywords.append(ast.keyword("file", expression("io.StringIO()")))
        return call

    return ("import io\n" + code for code in all_at_once(program, change))


@operator("prints_blank")
def _prints_blank(program: Program) -> Iterable[str]:
    return all_at_once(program, lambda node: expression("print()") if _with_value(node) else None)


@operator("prints_source_text")
def _prints_source(program: Program) -> Iterable[str]:
    def change(node: ast.AST) -> ast.AST | None:
        call = _with_value(node)
        if call is None or isinstance(call.args[0], ast.Constant):
            return None
        call.args = [ast.Constant(said(argument)) for argument in call.args]
        return call

    return all_at_once(program, change) if program.strict else ()


@operator("logs_at_debug")
def _logs_at_debug(program: Program) -> Iterable[str]:
    def change(node: ast.AST) -> ast.AST | None:
        call = _with_value(node)
        return expression(f"logging.debug({said(call.args[0])})") if call else None

    return ("import logging\n" + code for code in all_at_once(program, change))


@operator("assigns_instead")
def _assigns(program: Program) -> Iterable[str]:
    def change(node: ast.AST) -> ast.AST | None:
        call = prints(node)
        return statements(f"shown = {said(call.args[0])}")[0] if call and call.args else None

    return all_at_once(program, change) if _shows(program) else ()


@operator("returns_instead")
def _returns(program: Program) -> Iterator[str]:
    if _shows(program):
        body = "\n".join(f"    {line}" for line in program.source.splitlines()).replace("print(", "return (")
        yield f"def main():\n{body}\nmain()\n"


@operator("value_left_out")
def _left_out(program: Program) -> Iterator[str]:
    """One of several printed values is dropped."""
    if program.strict:
        yield from one_by_one(program, _drop(program, 0))
        yield from one_by_one(program, _drop(program, -1))


def _drop(program: Program, place: int) -> Change:
    def change(node: ast.AST) -> ast.AST | None:
        if isinstance(node, ast.Call) and is_print(node) and len(node.args) > 1:
            del node.args[place]
            return node
        if isinstance(node, ast.JoinedStr):
            values = [part for part in node.values if isinstance(part, ast.FormattedValue)]
            if len(values) > 1:
                node.values.remove(values[place])
                return node
        return None

    return change


@operator("print_left_out")
def _print_left_out(program: Program) -> Iterable[str]:
    def change(node: ast.AST) -> ast.AST | None:
        call = prints(node)
        return ast.Pass() if call and call.args and not isinstance(call.args[0], ast.Constant) else None

    return one_by_one(program, change) if program.strict else ()


@operator("prints_whole_result")
def _whole(program: Program) -> Iterator[str]:
    """Everything that a call returned in place of the fields that were asked for."""
    names = [
        node.targets[0].id
        for node in program.tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and program.is_tool(node.value)
    ]
    lists = {
        name
        for tool in program.catalog.tools
        for name, kind in tool.result.items()
        if kind.startswith("list")
    }
    if program.strict and not program.conditional and len(names) == 1 and len(program.case.expect.tools) == 1:
        tool = program.catalog.tool(program.case.expect.tools[0])
        if tool is not None and lists & tool.result.keys():
            first = next(s for s in program.tree.body if isinstance(s, ast.Assign))
            yield f"{said(first)}\nprint({names[0]})\n"


@operator("one_more_field")
def _one_more(program: Program) -> Iterable[str]:
    """A field that was not asked for is printed as well."""

    def change(node: ast.AST) -> ast.AST | None:
        call = _with_value(node)
        if call is None:
            return None
        for argument in call.args:
            for inner in ast.walk(argument):
                if isinstance(inner, ast.Attribute) and (other := _sibling(program, inner.attr)):
                    call.args.append(expression(f"{said(inner.value)}.{other}"))
                    return call
        return None

    return one_by_one(program, change) if program.strict else ()


def _sibling(program: Program, field: str) -> str:
    """Another field of the same record or result, of unique values, that the request does not ask for."""
    wanted = {
        part for entry in program.case.expect.fields for path in entry.split("|") for part in path.split(".")
    }
    tools = [tool for tool in program.catalog.tools if tool.name in program.case.expect.tools]
    used = {item_type(kind) for tool in tools for kind in tool.result.values()}
    records = [record for name, record in program.catalog.types.items() if name in used]
    records += [tool.result for tool in tools]
    for record in records:
        if field in record:
            for other, kind in record.items():
                telling = kind in ("int", "str") and other not in (
                    "severity",
                    "outcome",
                    "path",
                    "symbol",
                    "exit_code",
                )
                if other != field and telling and other not in wanted:
                    return other
    return ""


def _wrong_field(program: Program) -> Change:
    def change(node: ast.AST) -> ast.AST | None:
        for inner in ast.walk(node) if isinstance(node, ast.Call) and is_print(node) else ():
            if isinstance(inner, ast.Attribute) and (other := _sibling(program, inner.attr)):
                inner.attr = other
                return node
        return None

    return change


_each("wrong_field", _wrong_field, _strict)


def _no_field(form: str) -> Callable[[Program], Change]:
    def make(program: Program) -> Change:
        def change(node: ast.AST) -> ast.AST | None:
            if isinstance(node, ast.Attribute) and program.kind(node.attr):
                return expression(form.format(value=said(node.value), field=node.attr))
            return None

        return change

    return make


_each("unknown_field", _no_field("{value}.the_{field}"))
_each("field_by_index", _no_field('{value}["{field}"]'))
_each("field_with_default", _no_field('getattr({value}, "the_{field}", None)'), _strict)
_each("field_called", _no_field("{value}.{field}()"))
_each("camel_case_field", _no_field("{value}.{field}Value"))


@operator("swapped_labels")
def _swapped_labels(program: Program) -> Iterable[str]:
    """Two numbers, each under the other's name."""

    def change(node: ast.AST) -> ast.AST | None:
        call = _with_value(node)
        if call is None:
            return None
        fields = [f for argument in call.args for f in ast.walk(argument) if isinstance(f, ast.Attribute)]
        fields = [f for f in fields if program.kind(f.attr) in ("int", "float")]
        names = list(dict.fromkeys(f.attr for f in fields))
        if len(names) != 2 or len(fields) != 2 or len(call.args) != len(fields):
            return None
        a, b = fields
        call.args = [expression(f'f"{b.attr}: {{{said(a)}}}, {a.attr}: {{{said(b)}}}"')]
        return call

    return one_by_one(program, change) if program.strict else ()


@operator("pairs_torn")
def _pairs_torn(program: Program) -> Iterator[str]:
    """Values of one entry with those of another one."""
    for node in ast.walk(program.tree):
        if isinstance(node, ast.For) and len(node.body) == 1 and isinstance(node.target, ast.Name):
            call = prints(node.body[0])
            fields = [f.attr for f in ast.walk(call) if isinstance(f, ast.Attribute)] if call else []
            if (
                program.strict
                and len(fields) == 2
                and not any(isinstance(n, ast.If) for n in ast.walk(program.tree))
            ):
                loop, tree = said(node.iter), said(program.tree)
                new = f"for a, b in zip({loop}, {loop}[::-1]):\n    print(a.{fields[0]}, b.{fields[1]})"
                yield tree.replace(said(node), new)


# --- calls ----------------------------------------------------------------------------------------------------------


def _call(make: Callable[[Program, ast.Call], "ast.AST | None"]) -> Callable[[Program], Change]:
    def bound(program: Program) -> Change:
        def change(node: ast.AST) -> ast.AST | None:
            if isinstance(node, ast.Call) and program.is_tool(node):
                return make(program, node)
            return None

        return change

    return bound


def _argument(kind: type, new: Callable[[str], str]) -> Callable[[Program], Change]:
    """Changes one literal argument of a tool's call."""

    def make(program: Program) -> Change:
        literals = {
            (repr(argument.value), argument.col_offset)
            for node in ast.walk(program.tree)
            if isinstance(node, ast.Call) and program.is_tool(node)
            for argument in node.args
            if isinstance(argument, ast.Constant) and type(argument.value) is kind
        }

        def change(node: ast.AST) -> ast.AST | None:
            if not (isinstance(node, ast.Constant) and type(node.value) is kind):
                return None
            plain = repr(node.value)
            changed = new(plain) if (plain, node.col_offset) in literals else plain
            return None if changed == plain else expression(changed)

        return change

    return make


for _name, _new in {
    "number_plus_one": "{0} + 1",
    "number_minus_one": "{0} - 1",
    "number_as_text": "str({0})",
    "number_as_float": "float({0})",
    "number_negative": "-{0}",
    "number_zero": "0",
    "number_none": "None",
}.items():
    _each(_name, _argument(int, lambda text, new=_new: new.format(text)))
for _name, _new in {
    "text_longer": "{0} + 'x'",
    "text_upper": "{0}.swapcase()",
    "text_empty": "''",
    "text_none": "None",
    "text_first_half": "{0}[:len({0}) // 2]",
    "text_in_list": "[{0}]",
    "text_quoted": "repr({0})",
    "text_absolute": "'/' + {0}",
    "text_in_other_folder": "'lib/' + {0}",
    "text_with_blank": "{0} + ' --all'",
    "text_placeholder": "'<' + {0} + '>'",
}.items():
    _each(_name, _argument(str, lambda text, new=_new: new.format(text)))


def _other_tool(program: Program, node: ast.Call) -> ast.AST | None:
    assert isinstance(node.func, ast.Name)
    tool = program.catalog.tool(node.func.id)
    assert tool is not None
    for other in program.catalog.tools:
        if (
            other.name != tool.name
            and len(other.parameters) >= len(node.args)
            and other.name not in program.case.expect.tools
        ):
            node.func.id = other.name
            return node
    return None


_each("other_tool", _call(_other_tool))


def _renamed(program: Program, node: ast.Call) -> ast.AST:
    assert isinstance(node.func, ast.Name)
    node.func.id = f"{node.func.id}s"
    return node


_each("misspelt_tool", _call(_renamed))


def _fewer(program: Program, node: ast.Call) -> ast.AST | None:
    if not node.args:
        return None
    node.args.pop()
    return node


_each("argument_missing", _call(_fewer))


def _more(program: Program, node: ast.Call) -> ast.AST:
    node.keywords.append(ast.keyword("verbose", ast.Constant(True)))
    return node


_each("argument_unknown", _call(_more))


def _turned(program: Program, node: ast.Call) -> ast.AST | None:
    if len(node.args) < 2 or said(node.args[0]) == said(node.args[-1]):
        return None
    node.args[0], node.args[-1] = node.args[-1], node.args[0]
    return node


_each("arguments_swapped", _call(_turned))


def _flag(program: Program, node: ast.Call) -> ast.AST | None:
    assert isinstance(node.func, ast.Name)
    tool = program.catalog.tool(node.func.id)
    assert tool is not None
    optional = [p for p in tool.parameters if not p.required and isinstance(p.default, bool)]
    given = {keyword.arg for keyword in node.keywords}
    for parameter in optional:
        if parameter.name in given:
            node.keywords = [k for k in node.keywords if k.arg != parameter.name]
        else:
            node.keywords.append(ast.keyword(parameter.name, ast.Constant(not parameter.default)))
        return node
    return None


_each("option_turned", _call(_flag))


@operator("call_twice")
def _call_twice(program: Program) -> Iterator[str]:
    calls = [node for node in ast.walk(program.tree) if program.is_tool(node)]
    for call in calls:
        if all(isinstance(argument, ast.Constant) for argument in call.args):  # type: ignore[attr-defined]
            yield f"{said(call)}\n{program.source}"


@operator("another_call_before")
def _another_before(program: Program) -> Iterator[str]:
    yield (
        f"git_status()\n{program.source}"
        if program.catalog.tool("git_status")
        else _extra(program) + program.source
    )


@operator("another_call_after")
def _another_after(program: Program) -> Iterator[str]:
    extra = "git_log()\n" if program.catalog.tool("git_log") else _extra(program)
    yield f"{program.source.rstrip()}\n{extra}"


def _extra(program: Program) -> str:
    for tool in program.catalog.tools:
        if tool.name not in program.case.expect.tools and not any(p.required for p in tool.parameters):
            return f"{tool.name}()\n"
    return ""


@operator("step_left_out")
def _step_left_out(program: Program) -> Iterator[str]:
    """A statement that calls a tool goes, and what it named is made up."""
    body = program.tree.body
    for place, statement in enumerate(body):
        if isinstance(statement, ast.Assign) and program.is_tool(statement.value) and len(body) > 1:
            rest = [*body[:place], *statements(f"{said(statement.targets[0])} = None"), *body[place + 1 :]]
            yield ast.unparse(ast.Module(rest, []))


@operator("computed_argument_fixed")
def _fixed(program: Program) -> Iterable[str]:
    """A value that must come from a result is made up."""

    def change(node: ast.AST) -> ast.AST | None:
        if isinstance(node, ast.Call) and program.is_tool(node):
            for place, argument in enumerate(node.args):
                if not isinstance(argument, ast.Constant) and any(
                    isinstance(n, ast.Attribute) for n in ast.walk(argument)
                ):
                    node.args[place] = ast.Constant("src/app.py")
                    return node
        return None

    return one_by_one(program, change)


@operator("fallback_call")
def _fallback(program: Program) -> Iterator[str]:
    """The right calls, then a search for good measure."""
    if program.catalog.tool("workspace_symbols"):
        yield f'{program.source.rstrip()}\nworkspace_symbols("main")\n'


# --- entries --------------------------------------------------------------------------------------------------------


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


_each("last_for_first", _index(0, -1), _asks_one)
_each("second_for_first", _index(0, 1), _asks_one)
_each("first_for_last", _index(-1, 0), _asks_one)
_each("last_but_one", _index(-1, -2), _asks_one)
_each("out_of_range", _index(0, 9_999))


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
    _each(_name, _over(_form))


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


_each("loop_breaks", _loop(_broken))
_each("loop_continues", _loop(_skipping))
_each("after_the_loop", _loop(_after_loop))
_each("loop_prints_constant", _loop(_prints_variable))


@operator("prints_the_list_before")
def _first_of_loop(program: Program) -> Iterator[str]:
    """The first entry in place of all of them."""
    for node in _loops(program):
        if isinstance(node.target, ast.Name):
            body = "\n".join(said(statement) for statement in node.body)
            yield said(program.tree).replace(
                said(node), f"{node.target.id} = list({said(node.iter)})[0]\n{body}"
            )


# --- conditions -----------------------------------------------------------------------------------------------------


def _asked(program: Program) -> bool:
    return program.conditional


def _test(make: Callable[[ast.expr], "ast.expr | None"]) -> Callable[[Program], Change]:
    def bound(program: Program) -> Change:
        def change(node: ast.AST) -> ast.AST | None:
            if isinstance(node, ast.If | ast.IfExp) and (new := make(node.test)) is not None:
                node.test = new
                return node
            return None

        return change

    return bound


_each("condition_negated", _test(lambda test: expression(f"not ({said(test)})")), _asked)
_each("condition_always", _test(lambda test: expression("True")), _asked)
_each("condition_never", _test(lambda test: expression("False")))
_each("condition_or_true", _test(lambda test: expression(f"({said(test)}) or True")), _asked)
_each("condition_and_false", _test(lambda test: expression(f"({said(test)}) and False")))
_each("condition_as_text", _test(lambda test: expression(f"str({said(test)})")), _asked)
_each("condition_in_tuple", _test(lambda test: expression(f"({said(test)},)")), _asked)
_each("condition_is_none", _test(lambda test: expression(f"({said(test)}) is None")), _asked)
_each("condition_is_not_none", _test(lambda test: expression(f"({said(test)}) is not None")), _asked)


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


_each("limit_plus_one", _compared(_limit(1)), _asked)
_each("limit_minus_one", _compared(_limit(-1)), _asked)
_each("limit_times_ten", _compared(_limit(97)), _asked)
_each("greater_or_equal", _compared(_sign(ast.Gt, ast.GtE)), _asked)
_each("greater_to_less", _compared(_sign(ast.Gt, ast.Lt)), _asked)
_each("greater_to_equal", _compared(_sign(ast.Gt, ast.Eq)), _asked)
_each("equal_to_unequal", _compared(_sign(ast.Eq, ast.NotEq)), _asked)
_each("unequal_to_equal", _compared(_sign(ast.NotEq, ast.Eq)), _asked)
_each("equal_to_greater", _compared(_sign(ast.Eq, ast.Gt)), _asked)


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


_each("other_word", _compared(_other_word), _asked)
_each("word_capital", _compared(_capital), _asked)


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


_each("branches_swapped", _statement(_turned_round), _asked)
_each("branch_left_out", _statement(_no_else), _asked)
_each("then_left_out", _statement(_no_then))
_each("both_branches", _statement(lambda node: [*node.body, *node.orelse]), _asked)


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


_each("other_text", _other_text, _asked)


@operator("condition_on_constant")
def _on_constant(program: Program) -> Iterable[str]:
    if not program.conditional:
        return ()
    return (
        "enabled = True\n" + code
        for code in one_by_one(program, _test(lambda _: expression("enabled"))(program))
    )


@operator("result_overwritten")
def _overwritten(program: Program) -> Iterator[str]:
    """A result is replaced by a made-up one before it is used."""
    body = program.tree.body
    for place, statement in enumerate(body[:-1]):
        if isinstance(statement, ast.Assign) and program.is_tool(statement.value) and program.strict:
            name = said(statement.targets[0])
            rest = [*body[: place + 1], *statements(f"{name} = {{}}"), *body[place + 1 :]]
            yield ast.unparse(ast.Module(rest, []))


def _same(code: str, plain: str) -> bool:
    try:
        return ast.unparse(ast.parse(code)) == plain
    except (SyntaxError, ValueError):
        return False


def mutants(source: str, case: Case, catalog: Catalog, each: int = 3) -> Mapping[str, list[str]]:
    """Operator -> its first `each` mutants of a gold program; operators that do not apply are left out."""
    program = Program(source, case, catalog)
    plain = ast.unparse(program.tree)
    found: dict[str, list[str]] = {}
    for name, apply in WRONG.items():
        made = [code for code in islice(apply(program), each) if code.strip() and not _same(code, plain)]
        if made:
            found[name] = list(dict.fromkeys(made))
    return found
