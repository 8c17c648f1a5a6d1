"""Calls in assistant text: five syntaxes recognised a message at a time, what is wrong with them, and how they are spaced.

The sixth, OpenAI's `tool_calls`, is data and not text: SQL reads it (ingest.py). Unlike scoring, an audit has to go
on after a fault, so what cannot be read strictly is read as far as it goes and the fault is kept beside it.
"""

import ast
import builtins
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tunewright.chat.calls.code_mode import CallSyntaxError, parse_program
from tunewright.chat.conversation import call_name

# What makes SQL hand a message to `read_turn` (RE2 syntax).
MARKER = (
    r"</?tool_call>|<function=|</?parameter\b|</function>|\[TOOL_CALLS\]|<\|python_(?:start|tag)\|>"
    r"|^\s*\[\s*[A-Za-z_][\w.]*\("
)
MARKER_PATTERN = re.compile(r"<tool_call>|<function=|\[TOOL_CALLS\]|<\|python_(?:start|tag)\|>")
_TAG = re.compile(r"<(/?)(tool_call|function|parameter)\b[^>\n]*>")
_PREFIX = re.compile(
    r"<tool_call>|<function=|\[TOOL_CALLS\]|<\|python_(?:start|tag)\|>|^\s*\[\s*[A-Za-z_][\w.]*\(|</?parameter\b|</"
)
_FUNCTION = re.compile(r"<function=([^>\n]*)>(.*?)</function>", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=([^>\n]*)>(.*?)</parameter>", re.DOTALL)
_HERMES = re.compile(r"<tool_call>\s*(\{.*?\})\s*</tool_call>", re.DOTALL)
_MISTRAL_NAMED = re.compile(r"\s*([\w.-]+)(?:\[CALL_ID\]\w+)?(?:\[ARGS\])?(?=\{)")
_PYTHONIC = re.compile(r"(?:<\|python_(?:start|tag)\|>)?\s*(\[.*\])\s*(?:<\|python_end\|>)?\s*", re.DOTALL)
_DECODER = json.JSONDecoder()
_BUILTINS = frozenset(vars(builtins))
_LEAVES = frozenset((ast.Name, ast.Constant, ast.Load, ast.Store, ast.alias))
_IMPORTS = (ast.Import, ast.ImportFrom)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass
class FoundCall:
    """One call. `arguments` are literal values; expressions are their source. `error` is empty when all is well."""

    syntax: str
    name: str | None
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    error: str = ""
    program: str = ""  # code mode: the program that it stands in
    id: str = ""
    start: int = -1
    end: int = -1


@dataclass
class FoundTurn:
    """An assistant message taken apart."""

    preamble: str
    syntaxes: tuple[str, ...] = ()
    dialect: str = ""  # the whitespace between and just inside the tags
    calls: list[FoundCall] = field(default_factory=list[FoundCall])
    problems: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])  # (kind, detail)
    reasoning: str = ""  # the text of blocks of thoughts
    after: str = ""  # what is said after the first call
    reasoning: str = ""


def _load(text: str) -> Any:
    """`json.loads`, for which too deep a nesting is just another ValueError."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _decode(text: str) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def read_turn(text: str) -> FoundTurn:
    """Find the calls of one assistant message. Never raises: what is wrong becomes a problem or a call's error."""
    start = _PREFIX.search(text)
    turn = FoundTurn(preamble=(text[: start.start()] if start else text).strip())
    blocks = list(_FUNCTION.finditer(text))
    # Between backticks a tag is spoken of, and opens nothing.
    if tags := [tag for tag in _TAG.finditer(text) if not _is_quoted(text, tag)]:
        _read_tagged(text, blocks, tags, turn)
    if "[TOOL_CALLS]" in text:
        _read_mistral(text, turn)
    elif not turn.calls and (match := _PYTHONIC.fullmatch(text)):
        _read_pythonic(match.group(1), turn)
    turn.syntaxes = tuple(sorted({call.syntax for call in turn.calls}))
    return turn


def _is_quoted(text: str, tag: re.Match[str]) -> bool:
    return text.startswith("`", tag.end()) and text[tag.start() - 1 : tag.start()] == "`"


def _read_tagged(text: str, blocks: list[re.Match[str]], tags: list[re.Match[str]], turn: FoundTurn) -> None:
    for block in blocks:
        name, body = block.group(1).strip(), block.group(2)
        parameters = _PARAMETER.findall(body)
        if name == "execute_code":
            code = next((value for key, value in parameters if key == "code"), None)
            if code is None:
                turn.calls.append(FoundCall("code_mode", None, error="no <parameter=code> in the call"))
            else:
                turn.calls += _program_calls(code)
        else:
            arguments = {key.strip(): _plain(value) for key, value in parameters}
            error = "" if name else "the function has no name"
            turn.calls.append(FoundCall("qwen_xml", name or None, arguments, error))
    for match in _HERMES.finditer(text):
        turn.calls.append(_hermes_call(match.group(1)))
    turn.problems += _tag_problems(tags)
    turn.dialect = _dialect(text, tags)


def _hermes_call(text: str) -> FoundCall:
    try:
        value = _load(text)
    except ValueError as error:
        # What Python printed is no JSON, and still says which tool is called.
        return FoundCall("hermes_json", call_name(text), error=f"not JSON: {error}")
    return _json_call("hermes_json", value)


def _json_call(syntax: str, value: Any) -> FoundCall:
    if not isinstance(value, dict) or not isinstance(name := value.get("name"), str):
        return FoundCall(syntax, None, error="the call has no name")
    arguments = value.get("arguments", value.get("parameters", {}))
    if isinstance(arguments, str):
        try:
            arguments = _load(arguments)
        except ValueError as error:
            return FoundCall(syntax, name, error=f"arguments are not JSON: {error}")
    if not isinstance(arguments, dict):
        return FoundCall(syntax, name, error="arguments are not an object")
    return FoundCall(syntax, name, arguments)


def _plain(value: str) -> Any:
    """A parameter's text as a value: numbers, booleans and structures by JSON, all else as text."""
    stripped = value.strip("\n")
    try:
        return _load(stripped)
    except ValueError:
        return stripped


def _program_calls(code: str) -> list[FoundCall]:
    """Calls of tools in a program: of bare names that are no builtin and that the program does not make itself."""
    program = code.removeprefix("\n").removesuffix("\n")
    try:
        tree = parse_program(program)
    except CallSyntaxError as error:
        # The first name called still says what the example teaches.
        name = re.search(r"^(?:[^#\n]*?[\s=(])?([a-z_]\w*)\(", program, re.MULTILINE)
        return [FoundCall("code_mode", name.group(1) if name else None, {}, str(error), program)]
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
        stack += ast.iter_child_nodes(node)
    found.sort(key=lambda entry: entry[:2])
    return [
        FoundCall("code_mode", name, _arguments(node), "", program)
        for _, _, name, node in found
        if name not in _BUILTINS and name not in bound
    ]


def _arguments(call: ast.Call) -> dict[str, Any]:
    """Literal values by name, positional ones as `$0`, `$1`, …; what is computed as its source."""
    arguments: dict[str, Any] = {f"${number}": _evaluate(value) for number, value in enumerate(call.args)}
    return arguments | {keyword.arg or "**": _evaluate(keyword.value) for keyword in call.keywords}


def _evaluate(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | bool):
        return node.value
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return {"$expression": ast.unparse(node)}
    return value if _is_json(value) else repr(value)


def _is_json(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(_is_json(item) for item in value)
    return (
        value is None or isinstance(value, str | int | bool) or (isinstance(value, float) and value == value)
    )


def _read_mistral(text: str, turn: FoundTurn) -> None:
    for part in text.split("[TOOL_CALLS]")[1:]:
        try:
            if part.lstrip().startswith("["):
                value, _ = _decode(part.lstrip())
                turn.calls += [_json_call("mistral", item) for item in value]
            elif match := _MISTRAL_NAMED.match(part):
                value, _ = _decode(part[match.end() :])
                turn.calls.append(_json_call("mistral", {"name": match.group(1), "arguments": value}))
            else:
                turn.calls.append(FoundCall("mistral", None, error="no call after [TOOL_CALLS]"))
        except ValueError as error:
            bare = re.match(r"\s*([\w.-]+)", part)
            name = bare.group(1) if bare else call_name(part)
            turn.calls.append(FoundCall("mistral", name, error=f"not JSON: {error}"))


def _read_pythonic(text: str, turn: FoundTurn) -> None:
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        name = re.match(r"\[\s*([\w.]+)\(", text)
        if name:
            turn.calls.append(
                FoundCall("pythonic", name.group(1), error=f"not a list of calls: {error.args[0]}")
            )
        return
    if not isinstance(tree, ast.List) or not all(isinstance(item, ast.Call) for item in tree.elts):
        return
    for item in tree.elts:
        if isinstance(item, ast.Call):
            turn.calls.append(FoundCall("pythonic", ast.unparse(item.func), _arguments(item)))


def _tag_problems(tags: list[re.Match[str]]) -> Iterator[tuple[str, str]]:
    """Tags that do not nest as tool_call > function > parameter, each inside the one before and closed."""
    open_tags: list[str] = []
    for tag in tags:
        written = tag.group()
        slash, name = tag.groups()
        if slash:
            if name not in open_tags:
                yield "tags", f"{written} closes nothing"
                return
            if open_tags[-1] != name:
                yield "tags", f"<{open_tags[-1]}> is not closed before {written}"
                return
            open_tags.pop()
        elif name in open_tags:
            yield "double_wrap", f"{written} inside another <{name}>"
            return
        elif name == "parameter" and (not open_tags or open_tags[-1] != "function"):
            yield "tags", f"{written} outside a <function>"
            return
        else:
            open_tags.append(name)
    if open_tags:
        yield "tags", f"<{open_tags[-1]}> is never closed"


def _dialect(text: str, tags: list[re.Match[str]]) -> str:
    """The tags with the whitespace that touches them; what stands between is left out."""
    parts: list[str] = []
    end = 0
    for tag in tags:
        if parts:
            parts.append(_edges(text[end : tag.start()]))
        written, equals, _ = tag.group().partition("=")
        parts.append(f"{written}=…>" if equals else written)
        end = tag.end()
    return "".join(dict.fromkeys(_blocks("".join(parts))))


def _edges(text: str) -> str:
    if not text.strip():
        return text
    head = text[: len(text) - len(text.lstrip())]
    tail = text[len(text.rstrip()) :]
    # Only the first character of indentation is the wrapping's own; the rest belongs to what is wrapped.
    return f"{head[:1]}…{tail[-1:]}"


def _blocks(skeleton: str) -> list[str]:
    """One piece a call, so that a message with two calls has the dialect of its calls."""
    return [piece.strip() for piece in re.findall(r".+?(?:</tool_call>|\Z)", skeleton, re.DOTALL)]
