"""Granite 20B and others: `<function_call>{"name": "f", "arguments": {"a": 1}}</function_call>`, perhaps not closed."""

from collections.abc import Sequence

from tunewright.chat.calls.found import Block, Call
from tunewright.chat.calls.json_calls import read_block
from tunewright.chat.calls.text import Text, dump

NAME = "function_call_tag"
OPENINGS = ("<function_call>",)
CLOSINGS = ("</function_call>",)
TAGS = r"</?function_call>"


def read(text: Text, start: int) -> Block | None:
    """A call, or a list of them."""
    return read_block(text, NAME, start, start + len(OPENINGS[0]), CLOSINGS, OPENINGS[0], closed=False)


def write(calls: Sequence[Call]) -> str:
    return "\n".join(
        f"{OPENINGS[0]}{dump({'name': call.name, 'arguments': call.arguments})}{CLOSINGS[0]}"
        for call in calls
    )
