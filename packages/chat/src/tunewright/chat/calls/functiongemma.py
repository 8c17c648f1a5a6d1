"""FunctionGemma: `<start_function_call>call:f{a:<escape>text<escape>,n:1}<end_function_call>`.

Gemma 4 writes the same between `<|tool_call>` and `<tool_call|>`, with text between `<|"|>`: that is read too.
"""

import re
from collections.abc import Sequence
from typing import Any

from tunewright.chat.calls.found import Block, Call, CallSyntaxError, FoundCall
from tunewright.chat.calls.text import DEEPEST, Text, dump, load

NAME = "functiongemma"
OPENINGS = ("<start_function_call>", "<|tool_call>")
CLOSINGS = ("<end_function_call>", "<tool_call|>")
_QUOTES = {OPENINGS[0]: "<escape>", OPENINGS[1]: '<|"|>'}
_HEAD = re.compile(r"\s*call:([\w.-]+)(?=\{)")
_KEY = re.compile(r"\s*([^\s:{}\[\],<>]+)\s*:")
_PLAIN = re.compile(r"[^,{}\[\]<>]*")


def read(text: Text, start: int) -> Block | None:
    """One call."""
    mark = 0 if text.text.startswith(OPENINGS[0], start) else 1
    opening, closing = OPENINGS[mark], CLOSINGS[mark]
    at = start + len(opening)
    head = _HEAD.match(text.text, at)
    call = FoundCall(NAME, head.group(1) if head else None, start=start)
    end = at
    if head is None:
        call.error = "no call:NAME{…} after the mark"
    else:
        try:
            call.arguments, end = _object(text, head.end(), _QUOTES[opening], 0)
        except CallSyntaxError as error:
            call.error = str(error)
    after = text.skip(end)
    stop = text.stop(after, closing, opening)
    closed = text.text.startswith(closing, stop)
    call.end = stop + len(closing) if closed else stop
    if not closed:
        call.error = call.error or f"{opening} is never closed"
    elif stop != after:
        call.error = call.error or "text after the call"
    return Block(start, call.end, [call])


def _object(text: Text, at: int, quote: str, depth: int) -> tuple[dict[str, Any], int]:
    values: dict[str, Any] = {}
    at = text.skip(at + 1)
    while not text.text.startswith("}", at):
        key = _KEY.match(text.text, at)
        if key is None:
            raise CallSyntaxError("a value without its name")
        if key.group(1) in values:
            raise CallSyntaxError(f"{key.group(1)} is given twice")
        values[key.group(1)], at = _value(text, text.skip(key.end()), quote, depth)
        at = _comma(text, at, "}")
    return values, at + 1


def _value(text: Text, at: int, quote: str, depth: int) -> tuple[Any, int]:
    if depth > DEEPEST:
        raise CallSyntaxError("nested too deeply")
    if text.text.startswith(quote, at):
        begin = at + len(quote)
        stop = text.find(quote, begin)
        if stop < 0:
            raise CallSyntaxError(f"a text between {quote} is not closed")
        return text.text[begin:stop], stop + len(quote)
    if text.text.startswith("{", at):
        return _object(text, at, quote, depth + 1)
    if text.text.startswith("[", at):
        values: list[Any] = []
        at = text.skip(at + 1)
        while not text.text.startswith("]", at):
            value, at = _value(text, at, quote, depth + 1)
            values.append(value)
            at = _comma(text, at, "]")
        return values, at + 1
    found = _PLAIN.match(text.text, at)
    written = found.group().strip() if found else ""
    if not found or not written:
        raise CallSyntaxError("a value is missing")
    if written in ("None", "True", "False"):
        return {"None": None, "True": True, "False": False}[written], found.end()
    try:
        return load(written), found.end()
    except ValueError as error:
        if text.strict:
            raise CallSyntaxError(f"a text without {quote}") from error
        return written, found.end()


def _comma(text: Text, at: int, closing: str) -> int:
    at = text.skip(at)
    if text.text.startswith(closing, at):
        return at
    if not text.text.startswith(",", at):
        raise CallSyntaxError(f"no {closing} after the values")
    return text.skip(at + 1)


def write(calls: Sequence[Call]) -> str:
    return "".join(f"{OPENINGS[0]}call:{call.name}{_written(call.arguments)}{CLOSINGS[0]}" for call in calls)


def _written(value: Any) -> str:
    if isinstance(value, str):
        return f"<escape>{value}<escape>"
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or not _KEY.fullmatch(f"{key}:") or key != key.strip():
                raise CallSyntaxError(f"{key!r} cannot be the name of a value")
        return "{" + ",".join(f"{key}:{_written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_written, value)) + "]"
    return dump(value)
