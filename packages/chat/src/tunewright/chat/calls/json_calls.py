"""Calls that are JSON: an object with a name and arguments, or a list of them, between a dialect's own marks."""

import re
from collections.abc import Sequence
from typing import Any

from tunewright.chat.calls.found import Block, FoundCall
from tunewright.chat.calls.text import Text, load

_NAME = re.compile(r"""(["'])(?:tool_)?name\1\s*:\s*(["'])([^"'\n]+)\2""")

# What may follow on a call at once: the next mark, or the end of a turn.
_FOLLOWS = re.compile(r"<\|\w+\|>|<｜[^｜<>]*｜>|</?\w+>|\[TOOL_CALLS\]|;|```")


def name_in(text: str) -> str | None:
    """The name in a call that is not JSON, which Python's quotes may surround; None when none can be read."""
    found = _NAME.search(text)
    return found.group(3) if found else None


def call_of(
    text: Text,
    syntax: str,
    value: Any,
    names: Sequence[str] = ("name",),
    fields: Sequence[str] = ("arguments", "parameters"),
    *,
    as_text: bool = False,
) -> FoundCall:
    """A JSON value as a call. `as_text`: arguments that are JSON text are the dialect's own way, also in strict reading."""
    if not isinstance(value, dict):
        return FoundCall(syntax, None, error="the call is not an object")
    name = _first(value, names)
    if not isinstance(name, str) or not name:
        return FoundCall(syntax, None, error="the call has no name")
    arguments = _first(value, fields)
    if isinstance(arguments, str) and (as_text or not text.strict):
        try:
            arguments = load(arguments)
        except ValueError as error:
            return FoundCall(syntax, name, error=f"arguments are not JSON: {error}")
    if arguments is None and not any(key in value for key in fields):
        arguments = {}
    if not isinstance(arguments, dict):
        return FoundCall(syntax, name, error="arguments are not an object")
    identity = _first(value, ("id", "tool_call_id", "call_id"))
    return FoundCall(syntax, name, arguments, id=identity if isinstance(identity, str) else "")


def _first(value: dict[str, Any], keys: Sequence[str]) -> Any:
    for key in keys:
        if key in value:
            return value[key]
    return None


def read_block(
    text: Text,
    syntax: str,
    start: int,
    at: int,
    closings: Sequence[str],
    opening: str = "",
    *,
    closed: bool = True,
    listed: bool = True,
    names: Sequence[str] = ("name",),
    name: str = "",
    as_text: bool = False,
) -> Block:
    """JSON at `at` up to one of the `closings`, as a block that begins at `start`.

    The JSON is a call or, where `listed`, also a list of calls; with `name`, it holds the arguments of that tool.
    Unless `closed`, the closing may be missing, but no other text may follow on the JSON at once.
    """
    at = text.skip(at)
    try:
        value, end = text.json(at)
    except ValueError as error:
        end = text.stop(at, *closings, *([opening] if opening else ()))
        found = FoundCall(syntax, name or name_in(text.text[at:end]), error=f"not JSON: {error}")
        return _placed(Block(start, _past(text, end, closings), [found]))
    values = value if listed and isinstance(value, list) and not name else [value]
    block = Block(start, end)
    for each in values:
        each = {"name": name, "arguments": each} if name else each
        block.calls.append(call_of(text, syntax, each, names, as_text=as_text))
    if not values:
        block.calls.append(FoundCall(syntax, None, error="a list without a call"))
    after = text.skip(end)
    past = _past(text, after, closings)
    if past > after:
        block.end = past
        if text.strict and (inside := next((c for c in closings if c in text.text[at:end]), "")):
            _fault(block, f"a value cannot contain {inside}: it would end the call early")
    elif closed:
        stop = text.stop(after, *closings, *([opening] if opening else ()))
        block.end = max(end, _past(text, stop, closings))
        _fault(
            block,
            f"no {closings[0]} after the call"
            if stop == after or stop == len(text)
            else "text after the JSON",
        )
    elif after == end < len(text) and not _FOLLOWS.match(text.text, end):
        _fault(block, "text after the JSON")
    return _placed(block)


def _past(text: Text, at: int, closings: Sequence[str]) -> int:
    return next((at + len(closing) for closing in closings if text.text.startswith(closing, at)), at)


def _fault(block: Block, error: str) -> None:
    for call in block.calls:
        call.error = call.error or error


def _placed(block: Block) -> Block:
    for call in block.calls:
        call.start, call.end = block.start, block.end
    return block
