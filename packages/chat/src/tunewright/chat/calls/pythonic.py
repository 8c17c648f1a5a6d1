"""Python without a program: `[f(a=1), g()]` as Llama 4 and OLMo write it, between `<|tool_call_start|>` and its end as LFM2
does, and Gemma's fence of ```tool_code, which may hold any Python."""

import re
from collections.abc import Sequence

from tunewright.chat.calls.found import Block, Call, CallSyntaxError, FoundCall
from tunewright.chat.calls.python_calls import list_of_calls, program_calls, write_call
from tunewright.chat.calls.text import Text

NAME = "pythonic"
OPENINGS = ("<|python_start|>", "<|python_tag|>", "<|tool_call_start|>", "<function_calls>")
CLOSINGS = ("<|python_end|>", "<|tool_call_end|>")
PATTERN = r"(?m:^)[ \t]*(?:\[\s*[A-Za-z_][\w.]*\(|```tool_code[ \t]*\n)"
HINTS = ("(",)
_CLOSING = {
    "<|python_start|>": "<|python_end|>",
    "<|python_tag|>": "<|eom_id|>",
    "<|tool_call_start|>": "<|tool_call_end|>",
    "<function_calls>": "</function_calls>",
}
_FENCE = re.compile(r"[ \t]*```tool_code[ \t]*\n")
_FIRST = re.compile(r"\[\s*([A-Za-z_][\w.]*)\(")
_BUILTIN = re.compile(r"[A-Za-z_]\w*\.call\(")
_ENDS_OF_TURN = ("<|eot|>", "<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|python_end|>")


def read(text: Text, start: int) -> Block | None:
    """A list of calls to the end of the message, or Python between marks or in a fence of tool code."""
    opening = next((each for each in OPENINGS if text.text.startswith(each, start)), "")
    if fence := _FENCE.match(text.text, start):
        return _between(text, start, fence.end(), "```tool_code", "```")
    if opening:
        at = start + len(opening)
        if opening in ("<function_calls>", "<|python_tag|>") and text.text.startswith(
            ("<", "{"), text.skip(at)
        ):
            return None
        return _between(text, start, at, opening, _CLOSING[opening])
    return _bare(text, start)


def _between(text: Text, start: int, at: int, opening: str, closing: str) -> Block:
    stop = text.stop(at, closing, *([opening] if opening.startswith("<") else ()))
    closed = text.text.startswith(closing, stop)
    end = stop + len(closing) if closed else stop
    source = text.text[at:stop].strip()
    calls = _calls(source)
    for call in calls:
        call.start, call.end = start, end
        if not closed and opening != "<|python_tag|>":
            call.error = call.error or f"{opening} is never closed"
    return Block(start, end, calls)


def _calls(source: str) -> list[FoundCall]:
    if builtin := _BUILTIN.match(source):  # Llama's own tools: `brave_search.call(query="…")`
        source = f"[{source}]"
    if source.startswith("["):
        try:
            calls = list_of_calls(NAME, source)
        except CallSyntaxError as error:
            first = _FIRST.match(source)
            return [FoundCall(NAME, first.group(1) if first else None, error=str(error))]
        for call in calls or ():
            call.name = str(call.name).removesuffix(".call") if builtin else call.name
        return calls or [FoundCall(NAME, None, error="a list without calls")]
    calls = program_calls(NAME, source)
    for call in calls:
        call.program = ""  # a program is what code mode's own tool runs
    return calls or [FoundCall(NAME, None, error="Python that calls nothing")]


def _bare(text: Text, start: int) -> Block | None:
    at = text.skip(start)
    first = _FIRST.match(text.text, at)
    if first is None:
        return None
    offered = text.tools is not None and first.group(1) in text.tools
    if text.tools is not None and not offered:
        return None
    source = text.text[at:].rstrip()
    for mark in _ENDS_OF_TURN:
        source = source.removesuffix(mark).rstrip()
    try:
        calls = list_of_calls(NAME, source)
    except CallSyntaxError as error:
        # In words a bracket may open anything: it is a torn call where a message begins with one, or the tool is known.
        if not offered and text.text[:at].strip():
            return None
        calls = [FoundCall(NAME, first.group(1), error=str(error))]
    if calls is None:
        return None
    for call in calls:
        positional = [value for key, value in call.arguments.items() if key.startswith("$")]
        if positional and not offered and (text.text[:at].strip() or not any(map(_is_text, positional))):
            return None  # `[see(1)]` is a reference
        if text.strict and (positional or any(_is_expression(value) for value in call.arguments.values())):
            call.error = call.error or "an item is not a call with named values that are literals"
        call.start, call.end = start, len(text)
    return Block(start, len(text), calls)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_expression(value: object) -> bool:
    return isinstance(value, dict) and value.keys() == {"$expression"}


def write(calls: Sequence[Call]) -> str:
    return "[" + ", ".join(write_call(call, dots=True) for call in calls) + "]"
