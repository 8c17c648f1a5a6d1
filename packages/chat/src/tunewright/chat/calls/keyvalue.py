"""Lines with keys: `tool_call: f` and then `arguments: {"a": 1}`."""

import re
from collections.abc import Sequence

from tunewright.chat.calls.found import Block, Call
from tunewright.chat.calls.json_calls import read_block
from tunewright.chat.calls.text import Text, dump

NAME = "keyvalue"
OPENINGS = ()
PATTERN = r"(?m:^)[ \t]*(?:tool_call|function_call):[ \t]*[\w.-]+[ \t]*\n[ \t]*(?:arguments|parameters):"
HINTS = ("tool_call:", "function_call:")
_HEAD = re.compile(
    r"[ \t]*(?:tool_call|function_call):[ \t]*([\w.-]+)[ \t]*\n[ \t]*(?:arguments|parameters):"
)


def read(text: Text, start: int) -> Block | None:
    """A name's line and its arguments."""
    head = _HEAD.match(text.text, start)
    if head is None or (text.tools is not None and head.group(1) not in text.tools):
        return None
    return read_block(
        text, NAME, start, head.end(), ("<|im_end|>",), "tool_call:", closed=False, name=head.group(1)
    )


def write(calls: Sequence[Call]) -> str:
    return "\n".join(f"tool_call: {call.name}\narguments: {dump(call.arguments)}" for call in calls)
