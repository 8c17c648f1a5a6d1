"""Granite 3: `<|tool_call|>[{"name": "f", "arguments": {"a": 1}}]`, without a closing tag."""

from collections.abc import Sequence

from tunewright.chat.calls.found import Block, Call
from tunewright.chat.calls.json_calls import read_block
from tunewright.chat.calls.text import Text, dump

NAME = "granite"
OPENINGS = ("<|tool_call|>",)


def read(text: Text, start: int) -> Block | None:
    """A list of calls, or one."""
    return read_block(
        text, NAME, start, start + len(OPENINGS[0]), ("<|end_of_text|>",), OPENINGS[0], closed=False
    )


def write(calls: Sequence[Call]) -> str:
    return OPENINGS[0] + dump([{"name": call.name, "arguments": call.arguments} for call in calls])
