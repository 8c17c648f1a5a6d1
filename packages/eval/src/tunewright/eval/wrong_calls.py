"""Mutants that call another tool, with other arguments, too often or not at all."""

import ast
from collections.abc import Callable, Iterable, Iterator

from tunewright.eval.rewrites import (
    Change,
    Program,
    each_place,
    expression,
    one_by_one,
    said,
    statements,
    wrong,
)


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
            if node.value == "" and new("X") in ("X.swapcase()", "X[:len(X) // 2]"):
                return None  # of an empty text there is nothing to change
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
    each_place(_name, _argument(int, lambda text, new=_new: new.format(text)))
for _name, _new in {
    "text_longer": "{0} + 'x'",
    "text_upper": "{0}.swapcase()",
    "text_empty": "''",
    "text_none": "None",
    "text_first_half": "{0}[:len({0}) // 2]",
    "text_in_list": "[{0}]",
    "text_quoted": "repr(repr({0}))",
    "text_absolute": "'/' + {0}",
    "text_in_other_folder": "'lib/' + {0}",
    "text_with_blank": "{0} + ' --all'",
    "text_placeholder": "'<' + {0} + '>'",
}.items():
    each_place(_name, _argument(str, lambda text, new=_new: new.format(text)))


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


each_place("other_tool", _call(_other_tool))


def _renamed(program: Program, node: ast.Call) -> ast.AST:
    assert isinstance(node.func, ast.Name)
    node.func.id = f"{node.func.id}s"
    return node


each_place("misspelt_tool", _call(_renamed))


def _fewer(program: Program, node: ast.Call) -> ast.AST | None:
    if not node.args:
        return None
    node.args.pop()
    return node


each_place("argument_missing", _call(_fewer))


def _more(program: Program, node: ast.Call) -> ast.AST:
    node.keywords.append(ast.keyword("verbose", ast.Constant(True)))
    return node


each_place("argument_unknown", _call(_more))


def _turned(program: Program, node: ast.Call) -> ast.AST | None:
    if len(node.args) < 2 or said(node.args[0]) == said(node.args[-1]):
        return None
    node.args[0], node.args[-1] = node.args[-1], node.args[0]
    return node


each_place("arguments_swapped", _call(_turned))


@wrong("arguments_exchanged")
def _exchanged(program: Program) -> Iterator[str]:
    """Two calls of one tool, each with the other's argument, where what they return is printed as it is."""
    if not program.strict or not _prints_fields_only(program):
        return
    calls = [node for node in ast.walk(program.tree) if program.is_tool(node)]
    alone = {said(node.value) for node in ast.walk(program.tree) if isinstance(node, ast.Expr)}
    for place, first in enumerate(calls):
        for second in calls[place + 1 :]:
            one, other = said(first), said(second)
            same_tool = one.split("(")[0] == other.split("(")[0]
            if (
                same_tool
                and one != other
                and all(_is_literal(call) and said(call) not in alone for call in (first, second))
            ):
                code = said(program.tree)
                yield code.replace(one, "\0").replace(other, one).replace("\0", other)


def _is_literal(call: ast.AST) -> bool:
    return all(isinstance(argument, ast.Constant) for argument in call.args)  # type: ignore[attr-defined]


def _prints_fields_only(program: Program) -> bool:
    """Whether no value is computed of several results before it is printed."""
    return not any(
        isinstance(node, ast.BinOp | ast.Compare | ast.BoolOp | ast.GeneratorExp | ast.ListComp)
        or (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("sum", "max", "min")
        )
        for node in ast.walk(program.tree)
    )


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


each_place("option_turned", _call(_flag))


@wrong("call_twice")
def _call_twice(program: Program) -> Iterator[str]:
    calls = [node for node in ast.walk(program.tree) if program.is_tool(node)]
    for call in calls:
        if all(isinstance(argument, ast.Constant) for argument in call.args):  # type: ignore[attr-defined]
            yield f"{said(call)}\n{program.source}"


@wrong("another_call_before")
def _another_before(program: Program) -> Iterator[str]:
    yield f"{_extra(program, 'git_status')}{program.source}"


@wrong("another_call_after")
def _another_after(program: Program) -> Iterator[str]:
    yield f"{program.source.rstrip()}\n{_extra(program, 'git_log')}"


def _extra(program: Program, likely: str) -> str:
    """A call that the request does not ask for and the conversation has not made, `likely` if it qualifies."""
    known = {result.tool for result in program.case.results}
    tools = [tool for tool in program.catalog.tools if tool.name not in known]
    if any(tool.name == likely for tool in tools):
        return f"{likely}()\n"
    for tool in tools:
        if tool.name not in program.case.expect.tools and not any(p.required for p in tool.parameters):
            return f"{tool.name}()\n"
    return ""


@wrong("step_left_out")
def _step_left_out(program: Program) -> Iterator[str]:
    """A statement that calls a tool goes, and what it named is made up."""
    body = program.tree.body
    for place, statement in enumerate(body):
        if isinstance(statement, ast.Assign) and program.is_tool(statement.value) and len(body) > 1:
            rest = [*body[:place], *statements(f"{said(statement.targets[0])} = None"), *body[place + 1 :]]
            yield ast.unparse(ast.Module(rest, []))


@wrong("computed_argument_fixed")
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


@wrong("fallback_call")
def _fallback(program: Program) -> Iterator[str]:
    """The right calls, then a search for good measure."""
    if program.catalog.tool("workspace_symbols"):
        yield f'{program.source.rstrip()}\nworkspace_symbols("main")\n'
