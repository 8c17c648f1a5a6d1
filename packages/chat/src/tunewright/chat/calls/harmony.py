"""gpt-oss: `<|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{"a": 1}<|call|>`.

The recipient may also come before the channel, as gpt-oss's own chat template writes it.
"""

import re
from collections.abc import Sequence

from tunewright.chat.calls.found import Block, Call, FoundCall
from tunewright.chat.calls.json_calls import read_block
from tunewright.chat.calls.text import Text, dump

NAME = "harmony"
OPENINGS = ("<|start|>", "<|channel|>")
CLOSINGS = ("<|call|>",)
TAGS = r"<\|(?:start|channel|constrain|message|call)\|>"
HEADER = re.compile(
    r"(?:<\|start\|>(?:assistant)?(?:[ \t]*+to=([\w.:-]++))?)?[ \t]*+<\|channel\|>[ \t]*+(\w++)"
    r"(?:[ \t]++to=([\w.:-]++))?(?:[ \t]++|<\|constrain\|>|json)*+<\|message\|>"
)

_TORN = re.compile(r"(?:<\|(?:start|channel|constrain)\|>[^<\n]*+)+")


def read(text: Text, start: int) -> Block | None:
    """A message to a function; None for one to the user."""
    head = HEADER.match(text.text, start)
    recipient = (head.group(1) or head.group(3)) if head else None
    torn = None if head else _TORN.match(text.text, start)
    if torn and " to=" in torn.group():
        error = "a message to a function without <|message|>"
        return Block(start, torn.end(), [FoundCall(NAME, None, error=error, start=start, end=torn.end())])
    if head is None or recipient is None or recipient == "assistant":
        return None
    name = recipient.removeprefix("functions.")
    return read_block(
        text,
        NAME,
        start,
        head.end(),
        ("<|call|>", "<|end|>"),
        "<|start|>",
        closed=False,
        name=name,
        listed=False,
    )


def write(calls: Sequence[Call]) -> str:
    return "<|start|>assistant".join(
        f"<|channel|>commentary to=functions.{call.name} <|constrain|>json<|message|>{dump(call.arguments)}<|call|>"
        for call in calls
    )
