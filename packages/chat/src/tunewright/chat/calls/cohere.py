"""Command R7B and A: `<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "f", "parameters": {"a": 1}}]<|END_ACTION|>`.

Command R's older ``Action: ```json`` with a list of the same objects is read too.
"""

import re
from collections.abc import Sequence

from tunewright.chat.calls.found import Block, Call
from tunewright.chat.calls.json_calls import read_block
from tunewright.chat.calls.text import Text, dump

NAME = "cohere"
OPENINGS = ("<|START_ACTION|>",)
CLOSINGS = ("<|END_ACTION|>",)
PATTERN = r'(?m:^)Action:[ \t]*```(?:json)?\s*\[\s*\{\s*"tool_(?:name|call_id)"'
HINTS = ("Action:",)
TAGS = r"<\|(?:START|END)_ACTION\|>"
_FENCE = re.compile(r"Action:[ \t]*```(?:json)?")


def read(text: Text, start: int) -> Block | None:
    """A list of calls between the marks, or in a fence."""
    names = ("tool_name", "name")
    if fence := _FENCE.match(text.text, start):
        return read_block(text, NAME, start, fence.end(), ("```",), names=names)
    return read_block(text, NAME, start, start + len(OPENINGS[0]), CLOSINGS, OPENINGS[0], names=names)


def write(calls: Sequence[Call]) -> str:
    listed = [
        dump({"tool_call_id": call.id or str(number), "tool_name": call.name, "parameters": call.arguments})
        for number, call in enumerate(calls)
    ]
    return f"{OPENINGS[0]}[\n    " + ",\n    ".join(listed) + f"\n]{CLOSINGS[0]}"
