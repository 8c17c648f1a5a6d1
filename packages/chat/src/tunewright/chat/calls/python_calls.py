"""Calls that are Python: programs, lists of calls, and the literal values in them."""

import ast
import builtins
import keyword
import re
import warnings
from typing import Any

from tunewright.chat.calls.found import Call, CallSyntaxError, FoundCall

_BUILTINS = frozenset(vars(builtins))
_LEAVES = frozenset((ast.Name, ast.Constant, ast.Load, ast.Store, ast.alias))
_IMPORTS = (ast.Import, ast.ImportFrom)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_JSON_CONSTANTS: dict[str, Any] = {"true": True, "false": False, "null": None}
_FIRST_CALLED = re.compile(r"^(?:[^#\n]*?[\s=(])?([a-z_]\w*)\(", re.MULTILINE)


def parse_program(code: str) -> ast.Module:
    """The program's syntax tree. Raises CallSyntaxError with the line when it is not Python."""
    try:
        return _parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        reason = error.args[0] if error.args else "too deeply nested"  # a MemoryError says nothing
        raise CallSyntaxError(f"not a Python program{f', line {line}' if line else ''}: {reason}") from error


def _parse(code: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape in somebody's data is not ours to warn about
        return ast.parse(code)


def _expression(source: str) -> ast.expr:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source, mode="eval").body


def program_calls(syntax: str, code: str) -> list[FoundCall]:
    """Calls of tools in a program: of bare names that are neither builtins nor defined by the program."""
    program = code.removeprefix("\n").removesuffix("\n")
    try:
        tree = parse_program(program)
    except CallSyntaxError as error:
        # The first name called still says what the example teaches.
        name = _FIRST_CALLED.search(program)
        return [FoundCall(syntax, name.group(1) if name else None, {}, str(error), program)]
    bound: set[str] = set()
    found: list[tuple[int, int, str, ast.Call]] = []
    # One pass by hand over the tree: three of ast.walk took two thirds of the time.
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        kind = type(node)
        if kind in _LEAVES:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                bound.add(node.id)
            continue
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                found.append((node.lineno, node.col_offset, node.func.id, node))
        elif isinstance(node, _IMPORTS):
            bound |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, _DEFINITIONS):
            bound.add(node.name)
        for field in node._fields:  # as ast.iter_child_nodes, whose generators take as long as the rest
            value = getattr(node, field, None)
            if isinstance(value, ast.AST):
                stack.append(value)
            elif isinstance(value, list):
                stack += [item for item in value if isinstance(item, ast.AST)]
    found.sort(key=lambda entry: entry[:2])
    return [
        FoundCall(syntax, name, arguments_of(node), "", program)
        for _, _, name, node in found
        if name not in _BUILTINS and name not in bound
    ]


def list_of_calls(syntax: str, source: str) -> list[FoundCall] | None:
    """The calls of `[f(a=1), g()]`, names with dots too; None for another list. Raises CallSyntaxError."""
    try:
        tree = _expression(source.strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.args[0] if error.args else "too deeply nested"
        raise CallSyntaxError(f"not a list of calls: {reason}") from error
    if not isinstance(tree, ast.List) or not tree.elts:
        return None
    found: list[FoundCall] = []
    for item in tree.elts:
        name = _dotted(item.func) if isinstance(item, ast.Call) else None
        if name is None or not isinstance(item, ast.Call):
            return None
        found.append(FoundCall(syntax, name, arguments_of(item, json_constants=True)))
    return found


def _dotted(node: ast.expr) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else None


def arguments_of(call: ast.Call, *, json_constants: bool = False) -> dict[str, Any]:
    """Literal values by name, positional ones as `$0`, `$1`, …; what is computed as its source.

    `json_constants`: `true`, `false` and `null` are values, for templates write nested ones as JSON.
    """
    arguments = {f"${number}": _evaluate(value, json_constants) for number, value in enumerate(call.args)}
    return arguments | {each.arg or "**": _evaluate(each.value, json_constants) for each in call.keywords}


def _evaluate(node: ast.expr, json_constants: bool) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | bool):
        return node.value
    try:
        value = ast.literal_eval(_Constants().visit(node) if json_constants else node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return {"$expression": _source(node)}
    return value if _is_json(value) else repr(value)


def _source(node: ast.expr) -> str:
    try:
        return ast.unparse(node)
    except RecursionError:
        return "(nested too deeply)"


class _Constants(ast.NodeTransformer):
    """JSON's names of constants, where Python has none of that name."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id not in _JSON_CONSTANTS:
            return node
        return ast.copy_location(ast.Constant(_JSON_CONSTANTS[node.id]), node)


def _is_json(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(_is_json(item) for item in value)
    return (
        value is None
        or isinstance(value, str | int | bool)
        or (isinstance(value, float) and value - value == 0)
    )


def write_call(call: Call, *, dots: bool = False) -> str:
    """`f(a=1, b='x')`. Raises CallSyntaxError for names that Python does not take, and values without a literal."""
    for name in (*(call.name.split(".") if dots else [call.name]), *call.arguments):
        if not name.isidentifier() or keyword.iskeyword(name):
            raise CallSyntaxError(f"{name!r} is not a name in Python")
    if not _is_json(call.arguments):
        raise CallSyntaxError(f"{call.name}: a value has no literal in Python")
    return f"{call.name}({', '.join(f'{name}={value!r}' for name, value in call.arguments.items())})"
