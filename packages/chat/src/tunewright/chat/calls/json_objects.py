"""Calls that are JSON without a mark. Most JSON is not a call, so only what has the exact shape of one counts."""

import re
from collections.abc import Sequence
from typing import Any

from tunewright.chat.calls.found import Block, FoundCall
from tunewright.chat.calls.json_calls import call_of
from tunewright.chat.calls.text import Text

_KEYS = frozenset({"name", "arguments", "parameters", "id", "type", "index", "call_id", "tool_call_id"})
_BETWEEN = re.compile(r"\s*+(?:;\s*+)?(?=\{)")
_TORN = re.compile(r'\s*+(?:\[\s*+)?\{\s*"name"\s*:\s*"([^"\\\n]+)"\s*,\s*"(arguments|parameters)"\s*:')


def read_objects(
    text: Text, syntax: str, start: int, fields: Sequence[str], stop: str = "", at: int | None = None
) -> Block | None:
    """Calls one after another, or in a list; no calls for JSON that is something else, None for what is not JSON.

    An object begins at `at`, or else at `start`; what begins like a call and is torn is a call with an error. With
    `stop`, the JSON has to end there.
    """
    at = text.skip(start if at is None else at)
    block = Block(start, at)
    while True:
        try:
            value, end = text.json(at)
        except ValueError as error:
            torn = _TORN.match(text.text, at)
            is_call = torn is not None and torn.group(2) in fields and _offered(text, torn.group(1))
            if not is_call and not block.calls:
                return None
            end = text.stop(at, stop) if stop else len(text)
            name = torn.group(1) if torn else None
            block.calls.append(FoundCall(syntax, name, error=f"not JSON: {error}"))
            block.end = end
            break
        calls = calls_in(text, syntax, value, fields)
        if calls is None:  # JSON, and no call: what is inside it is none either
            block.end = end
            break
        block.calls += calls
        block.end = end
        following = _BETWEEN.match(text.text, end)
        if following is None:
            break
        at = following.end()
    for call in block.calls:
        call.start, call.end = start, block.end
    return block


def calls_in(text: Text, syntax: str, value: Any, fields: Sequence[str]) -> list[FoundCall] | None:
    """A value's calls, in whatever wrapping OpenAI gives them; None when it has not the shape of calls."""
    if isinstance(value, dict) and isinstance(listed := value.get("tool_calls"), list) and len(value) <= 2:
        value = listed
    values: list[Any] = value if isinstance(value, list) else [value]
    calls: list[FoundCall] = []
    for each in values:
        inner = each.get("function") if isinstance(each, dict) else None
        if isinstance(inner, dict) and each.keys() <= _KEYS | {"function"}:
            each = {**inner, "id": each.get("id", "")}
        if not _is_call(each, fields) or not _offered(text, each["name"]):
            return None
        calls.append(call_of(text, syntax, each, fields=fields, as_text=True))
    return calls or None


def _is_call(value: Any, fields: Sequence[str]) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str) or not value["name"]:
        return False
    given = [key for key in fields if key in value]
    if not given or not value.keys() <= _KEYS:
        return False
    arguments = value[given[0]]
    # A tool's definition has `parameters` as well: the schema of an object.
    is_schema = isinstance(arguments, dict) and "properties" in arguments and "type" in arguments
    return isinstance(arguments, dict | str) and not is_schema


def _offered(text: Text, name: str) -> bool:
    return text.tools is None or name in text.tools
