"""Mutants that print something else, or nothing, and that read another field."""

import ast
import copy
from collections.abc import Callable, Iterable, Iterator

from tunewright.contract.catalog import item_type
from tunewright.eval.rewrites import (
    Change,
    Program,
    all_at_once,
    each_place,
    expression,
    is_print,
    one_by_one,
    prints,
    said,
    shows,
    statements,
    strict,
    wrong,
)
from tunewright.eval.wordings import says


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
    each_place(_name, _print_value(_form), strict)
each_place("prints_constant_text", _print_value("'done'"))


def _no_print(program: Program) -> Change:
    return lambda node: expression(f"str({said(call.args[0])})") if (call := _with_value(node)) else None


def _with_value(node: ast.AST) -> ast.Call | None:
    return node if isinstance(node, ast.Call) and is_print(node) and node.args else None


@wrong("prints_nothing")
def _prints_nothing(program: Program) -> Iterable[str]:
    return all_at_once(program, _no_print(program)) if shows(program) else ()


@wrong("prints_to_buffer")
def _prints_to_buffer(program: Program) -> Iterable[str]:
    def change(node: ast.AST) -> ast.AST | None:
        if (call := _with_value(node)) is None:
            return None
        call.keywords.append(ast.keyword("file", expression("io.StringIO()")))
        return call

    return ("import io\n" + code for code in all_at_once(program, change))


@wrong("prints_blank")
def _prints_blank(program: Program) -> Iterable[str]:
    return all_at_once(program, lambda node: expression("print()") if _with_value(node) else None)


@wrong("prints_source_text")
def _prints_source(program: Program) -> Iterable[str]:
    def change(node: ast.AST) -> ast.AST | None:
        call = _with_value(node)
        if call is None or isinstance(call.args[0], ast.Constant):
            return None
        call.args = [ast.Constant(said(argument)) for argument in call.args]
        return call

    return all_at_once(program, change) if program.strict else ()


@wrong("logs_at_debug")
def _logs_at_debug(program: Program) -> Iterable[str]:
    def change(node: ast.AST) -> ast.AST | None:
        call = _with_value(node)
        return expression(f"logging.debug({said(call.args[0])})") if call else None

    return ("import logging\n" + code for code in all_at_once(program, change))


@wrong("assigns_instead")
def _assigns(program: Program) -> Iterable[str]:
    def change(node: ast.AST) -> ast.AST | None:
        call = prints(node)
        return statements(f"shown = {said(call.args[0])}")[0] if call and call.args else None

    return all_at_once(program, change) if shows(program) else ()


@wrong("returns_instead")
def _returns(program: Program) -> Iterator[str]:
    if shows(program):
        body = "\n".join(f"    {line}" for line in program.source.splitlines()).replace("print(", "return (")
        yield f"def main():\n{body}\nmain()\n"


@wrong("value_left_out")
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


@wrong("print_left_out")
def _print_left_out(program: Program) -> Iterable[str]:
    def change(node: ast.AST) -> ast.AST | None:
        call = prints(node)
        return ast.Pass() if call and call.args and not isinstance(call.args[0], ast.Constant) else None

    return one_by_one(program, change) if program.strict else ()


@wrong("prints_whole_result")
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


@wrong("one_more_field")
def _one_more(program: Program) -> Iterable[str]:
    """A field that was not asked for is printed as well."""

    def change(node: ast.AST) -> ast.AST | None:
        call = _with_value(node)
        if call is None or _notice(program, "")(copy.deepcopy(call)) is not None:
            return None  # further details of a failure are harmless
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
    known = program.catalog.types
    # A search finds the name that it was given, and a file's symbols are in that file: both may be said again.
    again = {
        (item_type(kind), field)
        for tool in tools
        for kind in tool.result.values()
        for parameter, field in (("query", "name"), ("file", "file"))
        if tool.parameter_names == (parameter,)
    }
    records = [(name, record) for name, record in known.items() if name in used]
    records += [("", tool.result) for tool in tools]
    for name, record in records:
        if field in record:
            for other, kind in record.items():
                telling = kind in ("int", "str") and other not in (
                    "severity",
                    "outcome",
                    "path",
                    "symbol",
                    "exit_code",
                )
                if other != field and telling and (name, other) not in again and other not in wanted:
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


each_place("wrong_field", _wrong_field, strict)


def _no_field(form: str) -> Callable[[Program], Change]:
    def make(program: Program) -> Change:
        def change(node: ast.AST) -> ast.AST | None:
            if isinstance(node, ast.Attribute) and program.kind(node.attr):
                return expression(form.format(value=said(node.value), field=node.attr))
            return None

        return change

    return make


each_place("unknown_field", _no_field("{value}.the_{field}"))
each_place("field_by_index", _no_field('{value}["{field}"]'))
each_place("field_with_default", _no_field('getattr({value}, "the_{field}", None)'), strict)
each_place("field_called", _no_field("{value}.{field}()"))
each_place("camel_case_field", _no_field("{value}.{field}Value"))


@wrong("swapped_labels")
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
        call.args = [ast.Constant(f"{b.attr}:"), a, ast.Constant(f"{a.attr}:"), b]
        return call

    return one_by_one(program, change) if program.strict else ()


@wrong("pairs_torn")
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


def _notice(program: Program, text: str) -> Change:
    """Replace the text of a failure message."""

    def change(node: ast.AST) -> ast.AST | None:
        call = _with_value(node)
        if call is None or not isinstance(call.args[0], ast.Constant | ast.JoinedStr):
            return None
        parts = [n.value for n in ast.walk(call.args[0]) if isinstance(n, ast.Constant)]
        if not says(" ".join(map(str, parts)), program.case.expect.notices):
            return None
        call.args = [ast.Constant(text)]
        return call

    return change


def _has_notices(program: Program) -> bool:
    return bool(program.case.expect.notices)


each_place("failure_as_success", lambda program: _notice(program, "done"), _has_notices)
each_place("failure_as_zero", lambda program: _notice(program, "0"), _has_notices)


@wrong("failure_always")
def _failure_always(program: Program) -> Iterator[str]:
    """The right output, followed by a failure message in every case."""
    if program.case.expect.notices:
        wording = program.case.expect.notices[0].replace("*", "").replace("...", "").strip("^ ")
        yield f"{program.source.rstrip()}\nprint({wording!r})\n"


@wrong("failure_unsaid")
def _failure_unsaid(program: Program) -> Iterator[str]:
    """The failure message is left out."""

    def change(node: ast.AST) -> ast.AST | None:
        call = prints(node)
        return (
            ast.Pass() if call is not None and _notice(program, "")(copy.deepcopy(call)) is not None else None
        )

    if program.case.expect.notices:
        yield from all_at_once(program, change)
