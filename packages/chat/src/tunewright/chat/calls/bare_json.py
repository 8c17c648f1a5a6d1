"""A call that is nothing but JSON, `{"name": "f", "arguments": {"a": 1}}`, or in a fence of ```json; a list of them too."""

import re
from collections.abc import Sequence

from tunewright.chat.calls.found import Block, Call
from tunewright.chat.calls.json_objects import read_objects
from tunewright.chat.calls.text import Text, dump

NAME = "json"
OPENINGS = ()
PATTERN = (
    r"(?m:^)[ \t]*(?:```(?:json|tool_calls?|tool_code|function_call)?[ \t]*\n\s{0,9})?"
    r'(?:\{\s*"tool_calls"\s*:\s{0,9})?(?:\[\s*)?\{\s*"(?:name|arguments|parameters|type|id|index|function|call_id|tool_call_id)"\s*:'
)
HINTS = ('"name"',)
_FENCE = re.compile(r"[ \t]*```\w*[ \t]*\n")


def read(text: Text, start: int) -> Block | None:
    """JSON of the shape of a call. In a fence it is one when the message ends with it, or the tool is offered."""
    fence = _FENCE.match(text.text, start)
    if fence is None:
        return read_objects(text, NAME, start, ("arguments", "parameters"))
    block = read_objects(text, NAME, start, ("arguments", "parameters"), "```", fence.end())
    stop = text.stop(block.end if block else fence.end(), "```")
    closed = stop < len(text)
    end = stop + 3 if closed else stop
    if block is None or not block.calls:
        return Block(start, end)  # what a fence shows is not a call
    following = text.skip(end)
    if text.tools is None and following < len(text) and not text.text.startswith("```", following):
        return Block(start, end)
    for call in block.calls:
        call.end = end
        call.error = call.error or ("" if closed else "the fence is not closed")
    block.end = end
    return block


def write(calls: Sequence[Call]) -> str:
    return "\n".join(dump({"name": call.name, "arguments": call.arguments}) for call in calls)
