"""Writes calls in any dialect, and makes sure that they read back equal."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tunewright.chat.calls.dialects import DIALECTS, part
from tunewright.chat.calls.found import Call, CallSyntaxError
from tunewright.chat.calls.scan import find

if TYPE_CHECKING:
    from tunewright.contract.example import ToolCall

# Marks of turns and of the commonest dialects: no value may hold them, whatever dialect it is written in.
_TAG = re.compile(r"</?(?:tool_call|function|parameter)\b|\[TOOL_CALLS\]|<\|im_(?:start|end)\|>")


def write(calls: "Sequence[ToolCall | Call | tuple[str, Mapping[str, Any]]]", dialect: str) -> str:
    """Calls as the text of an assistant message: names and values, or the calls of the normal form.

    Raises CallSyntaxError when a name or a value would break the dialect, for the text must read back equal.
    """
    listed = [_call(call) for call in calls]
    chosen = DIALECTS[dialect]
    marks = (*chosen.OPENINGS, *(part(chosen, "CLOSINGS") or ()))
    for call in listed:
        for value in _texts(call.arguments):
            found = _TAG.search(value)
            mark = found.group() if found else next((each for each in marks if each in value), "")
            if mark:
                raise CallSyntaxError(f"a value cannot contain {mark}: it would end the call early")
    text = chosen.write(listed)
    for call in listed:
        _check(text if len(listed) == 1 else chosen.write([call]), [call], dialect)
    if len(listed) > 1:
        found = find(text, dialects=[dialect]).calls
        if [each.name for each in found] != [call.name for call in listed]:
            raise CallSyntaxError(f"the calls would not read back from {dialect}")
    return text


def _check(text: str, calls: list[Call], dialect: str) -> None:
    """Raises CallSyntaxError unless a call reads back equal."""
    schemas = {
        call.name: {"properties": {key: _schema(value) for key, value in call.arguments.items()}}
        for call in calls
    }
    found = find(text, strict=True, dialects=[dialect], tools=schemas).calls
    if [(each.name, each.arguments) for each in found] != [call[:2] for call in calls]:
        raise CallSyntaxError(f"the call would not read back equal from {dialect}")


def _call(call: "ToolCall | Call | tuple[str, Mapping[str, Any]]") -> Call:
    if isinstance(call, Call):
        return call
    if isinstance(call, tuple):
        return Call(call[0], dict(call[1]))
    return Call(call.function.name, call.function.arguments, call.id)


def _schema(value: Any) -> dict[str, Any]:
    return {"type": "string"} if isinstance(value, str) else {}


def _texts(value: Any) -> list[str]:
    """Every text in a value."""
    texts: list[str] = []
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            texts.append(each)
        elif isinstance(each, Mapping):
            waiting += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple):
            waiting += each
    return texts
