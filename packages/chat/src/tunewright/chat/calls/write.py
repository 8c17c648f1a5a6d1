"""The six ways to write a call, and back: `code_mode` is a program, the others are single calls with values.

    qwen_xml     <tool_call>\\n<function=f>\\n<parameter=a>\\n1\\n</parameter>\\n</function>\\n</tool_call>
    hermes_json  <tool_call>\\n{"name": "f", "arguments": {"a": 1}}\\n</tool_call>
    openai       the message's `tool_calls`; its arguments are JSON text
    pythonic     [f(a=1)]
    mistral      [TOOL_CALLS] [{"name": "f", "arguments": {"a": 1}, "id": "a1b2c3d4e"}]

Reading is strict. Values of `qwen_xml` are bare text, so their types come from the catalog.
"""

import ast
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from tunewright.chat.calls.code_mode import CallSyntaxError
from tunewright.contract.atomic import sha256_json
from tunewright.contract.catalog import Catalog

Syntax = Literal["code_mode", "qwen_xml", "hermes_json", "openai", "pythonic", "mistral"]
SYNTAXES: tuple[Syntax, ...] = ("code_mode", "qwen_xml", "hermes_json", "openai", "pythonic", "mistral")

_XML = re.compile(r"<tool_call>\n<function=(\w+)>\n(.*?)</function>\n</tool_call>", re.DOTALL)
_XML_PARAMETER = re.compile(r"<parameter=(\w+)>\n(.*?)\n</parameter>\n", re.DOTALL)
_HERMES = re.compile(r"<tool_call>\n(\{.*?\})\n</tool_call>(?=\s*(?:<tool_call>|\Z))", re.DOTALL)
_TAG = re.compile(r"</?(?:tool_call|function|parameter)\b|\[TOOL_CALLS\]|<\|im_(?:start|end)\|>")


@dataclass(frozen=True)
class ToolCall:
    """A call with its values by parameter name."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])


def call_id(call: ToolCall, number: int) -> str:
    """Nine letters and digits that follow from the call: what Mistral's and OpenAI's forms need."""
    return sha256_json([call.name, call.arguments, number])[:9]


def write_calls(calls: Sequence[ToolCall], syntax: Syntax) -> str:
    """Calls as the text of an assistant message.

    Raises CallSyntaxError when a value would end its call early, and for syntaxes that are no single calls.
    """
    for call in calls:
        for value in call.arguments.values():
            if isinstance(value, str) and (found := _TAG.search(value)):
                raise CallSyntaxError(f"a value cannot contain {found.group()}: it would end the call early")
    if syntax == "qwen_xml":
        return "\n".join(_write_xml(call) for call in calls)
    if syntax == "hermes_json":
        return "\n".join(
            f"<tool_call>\n{_json({'name': call.name, 'arguments': call.arguments})}\n</tool_call>"
            for call in calls
        )
    if syntax == "pythonic":
        return "[" + ", ".join(_write_python(call) for call in calls) + "]"
    if syntax == "mistral":
        listed = [
            {"name": call.name, "arguments": call.arguments, "id": call_id(call, number)}
            for number, call in enumerate(calls)
        ]
        return f"[TOOL_CALLS] {_json(listed)}"
    raise CallSyntaxError(f"{syntax} does not write calls as text of this kind")


def openai_calls(calls: Sequence[ToolCall]) -> list[dict[str, Any]]:
    """Calls as a message's `tool_calls`."""
    return [
        {
            "id": f"call_{call_id(call, number)}",
            "type": "function",
            "function": {"name": call.name, "arguments": _json(call.arguments)},
        }
        for number, call in enumerate(calls)
    ]


def read_calls(text: str, syntax: Syntax, catalog: Catalog) -> tuple[str, list[ToolCall]]:
    """The text before the calls, and the calls. Raises CallSyntaxError for anything that is not whole."""
    if syntax == "qwen_xml":
        return _read_blocks(text, _XML, partial(_read_xml, catalog=catalog))
    if syntax == "hermes_json":
        return _read_blocks(text, _HERMES, _read_hermes)
    if syntax == "pythonic":
        return _read_python(text, catalog)
    if syntax == "mistral":
        before, marker, after = text.partition("[TOOL_CALLS] ")
        if not marker:
            return text, []
        try:
            listed = json.loads(after)
        except ValueError as error:
            raise CallSyntaxError(f"not JSON after [TOOL_CALLS]: {error}") from error
        if not isinstance(listed, list):
            raise CallSyntaxError("[TOOL_CALLS] is not followed by a list")
        return before, [_from_value(value) for value in listed]
    raise CallSyntaxError(f"{syntax} does not write calls as text of this kind")


def read_openai(message: dict[str, Any]) -> list[ToolCall]:
    """The calls of a message's `tool_calls`. Raises CallSyntaxError."""
    return [
        _from_value({"name": call["function"]["name"], "arguments": _decoded(call["function"]["arguments"])})
        for call in message.get("tool_calls") or ()
    ]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _decoded(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise CallSyntaxError(f"arguments are not JSON: {error}") from error


def _read_hermes(match: "re.Match[str]") -> ToolCall:
    return _from_value(_decoded(match.group(1)))


def _from_value(value: Any) -> ToolCall:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise CallSyntaxError("a call needs a name")
    arguments = value.get("arguments", {})
    if not isinstance(arguments, dict):
        raise CallSyntaxError(f"{value['name']}: arguments are not an object")
    return ToolCall(value["name"], arguments)


def _read_blocks(
    text: str, pattern: "re.Pattern[str]", read: Callable[["re.Match[str]"], ToolCall]
) -> tuple[str, list[ToolCall]]:
    calls: list[ToolCall] = []
    outside: list[str] = []
    end = 0
    for match in pattern.finditer(text):
        outside.append(text[end : match.start()])
        calls.append(read(match))
        end = match.end()
    outside.append(text[end:])
    for part in outside:
        if found := _TAG.search(part):
            raise CallSyntaxError(f"{found.group()} stands outside a complete call")
    if any(part.strip() for part in outside[1:]):
        raise CallSyntaxError("text after a call")
    return outside[0], calls


def _write_xml(call: ToolCall) -> str:
    parts = [f"<tool_call>\n<function={call.name}>\n"]
    for name, value in call.arguments.items():
        text = value if isinstance(value, str) else _json(value)
        parts.append(f"<parameter={name}>\n{text}\n</parameter>\n")
    return "".join([*parts, "</function>\n</tool_call>"])


def _read_xml(match: "re.Match[str]", catalog: Catalog) -> ToolCall:
    name, body = match.groups()
    tool = catalog.tool(name)
    if tool is None:
        raise CallSyntaxError(f"no tool {name}")
    types = {parameter.name: parameter.type for parameter in tool.parameters}
    arguments: dict[str, Any] = {}
    end = 0
    for found in _XML_PARAMETER.finditer(body):
        if found.start() != end:
            raise CallSyntaxError(f"{name}: text between parameters")
        key, text = found.groups()
        if key not in types:
            raise CallSyntaxError(f"{name} has no parameter {key!r}")
        arguments[key] = text if types[key].startswith("str") else _decoded(text)
        end = found.end()
    if end != len(body):
        raise CallSyntaxError(f"{name}: a parameter is not whole")
    return ToolCall(name, arguments)


def _write_python(call: ToolCall) -> str:
    return f"{call.name}({', '.join(f'{name}={value!r}' for name, value in call.arguments.items())})"


def _read_python(text: str, catalog: Catalog) -> tuple[str, list[ToolCall]]:
    start = re.search(rf"\[(?:{'|'.join(map(re.escape, catalog.tool_names))})\(", text)
    if start is None:
        return text, []
    try:
        tree = ast.parse(text[start.start() :], mode="eval").body
    except SyntaxError as error:
        raise CallSyntaxError(f"not a list of calls: {error.msg}") from error
    if not isinstance(tree, ast.List):
        raise CallSyntaxError("not a list of calls")
    calls: list[ToolCall] = []
    for node in tree.elts:
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args):
            raise CallSyntaxError("an item is not a call with named values")
        try:
            arguments = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in node.keywords}
        except ValueError as error:
            raise CallSyntaxError(f"{node.func.id}: a value is not a literal") from error
        calls.append(ToolCall(node.func.id, arguments))
    return text[: start.start()], calls
