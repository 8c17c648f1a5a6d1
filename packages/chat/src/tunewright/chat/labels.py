"""Which tool a conversation calls first, in whatever syntax its calls are written."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from tunewright.chat.calls.code_mode import CallSyntaxError, calls_in, parse_turn

_NAMED = re.compile(r"<function=([\w.:-]+)>")
_JSON = re.compile(r"<tool_call>\s*(\{.*?\})\s*</tool_call>", re.DOTALL)
_MISTRAL = re.compile(r"\[TOOL_CALLS\]\s*(\[.*\])", re.DOTALL)
_PYTHONIC = re.compile(r"^\s*\[\s*([A-Za-z_][\w.]*)\(")
CODE = "execute_code"


def first_tool(messages: Iterable[Mapping[str, Any]]) -> str:
    """The first tool called; empty when no message calls one."""
    for message in messages:
        if message.get("role") != "assistant":
            continue
        name = _from_calls(message.get("tool_calls")) or _from_text(str(message.get("content") or ""))
        if name:
            return name
    return ""


def _from_calls(calls: Any) -> str:
    for call in calls if isinstance(calls, list) else []:
        function = call.get("function") if isinstance(call, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        if isinstance(name, str) and name:
            return name
    return ""


def _from_text(text: str) -> str:
    if found := _NAMED.search(text):
        return _from_code(text) if found.group(1) == CODE else found.group(1)
    for pattern in (_JSON, _MISTRAL):
        if found := pattern.search(text):
            try:
                value = json.loads(found.group(1))
            except ValueError:
                return ""
            value = value[0] if isinstance(value, list) and value else value
            name = value.get("name") if isinstance(value, dict) else None
            return name if isinstance(name, str) else ""
    if found := _PYTHONIC.match(text):
        return found.group(1)
    return ""


def _from_code(text: str) -> str:
    try:
        for program in parse_turn(text).programs:
            for call in calls_in(program):
                return call.name
    except CallSyntaxError:
        return CODE
    return CODE
