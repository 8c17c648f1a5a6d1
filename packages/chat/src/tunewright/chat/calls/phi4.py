"""Phi-4-mini: `<|tool_call|>[{"name": "f", "arguments": {"a": 1}}]<|/tool_call|>`, or `functools[…]` with the same list."""

from collections.abc import Sequence

from tunewright.chat.calls.found import Block, Call
from tunewright.chat.calls.json_calls import read_block
from tunewright.chat.calls.text import Text, dump

NAME = "phi4"
OPENINGS = ("<|tool_call|>", "functools[")
CLOSINGS = ("<|/tool_call|>",)
TAGS = r"<\|/?tool_call\|>"


def read(text: Text, start: int) -> Block | None:
    """A list of calls that is closed; None for one that another opening or the end follows: Granite closes nothing."""
    if text.text.startswith(OPENINGS[1], start):
        at = start + len(OPENINGS[1]) - 1
        return read_block(text, NAME, start, at, ("<|end|>",), OPENINGS[1], closed=False)
    at = start + len(OPENINGS[0])
    if not text.text.startswith("<|/", text.stop(at, CLOSINGS[0][:4], OPENINGS[0])):
        return None
    return read_block(text, NAME, start, at, CLOSINGS, OPENINGS[0])


def write(calls: Sequence[Call]) -> str:
    return (
        OPENINGS[0] + dump([{"name": call.name, "arguments": call.arguments} for call in calls]) + CLOSINGS[0]
    )
