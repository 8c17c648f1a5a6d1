"""Glaive: `<functioncall> {"name": "f", "arguments": '{"a": 1}'}`, the arguments JSON text between apostrophes."""

import re
from collections.abc import Sequence

from tunewright.chat.calls.found import Block, Call, FoundCall
from tunewright.chat.calls.json_calls import call_of, read_block
from tunewright.chat.calls.text import Text, dump, load

NAME = "glaive"
OPENINGS = ("<functioncall>",)
CLOSINGS = ("</functioncall>",)
_HEAD = re.compile(r"""\s*\{\s*"name"\s*:\s*"([^"\\\n]+)"\s*,\s*"arguments"\s*:\s*'""")
_TAIL = re.compile(r"\s*'\s*\}\s*(?:</functioncall>|<\|endoftext\|>)?")


def read(text: Text, start: int) -> Block | None:
    """A call whose arguments are between apostrophes, or plain JSON."""
    at = start + len(OPENINGS[0])
    head = _HEAD.match(text.text, at)
    if head is None:
        return read_block(
            text, NAME, start, at, (*CLOSINGS, "<|endoftext|>"), OPENINGS[0], closed=False, as_text=True
        )
    name = head.group(1)
    try:
        # The end is where the JSON ends: an apostrophe may be in a value.
        value, end = text.json(text.skip(head.end()))
        tail = _TAIL.match(text.text, end)
    except ValueError as error:
        return _escaped(text, start, head, error)
    call = call_of(text, NAME, {"name": name, "arguments": value})
    if tail is None:
        call.error = call.error or "the arguments are not closed"
    call.start, call.end = start, tail.end() if tail else end
    return Block(start, call.end, [call])


def _escaped(text: Text, start: int, head: "re.Match[str]", error: ValueError) -> Block:
    """Arguments with apostrophes escaped as Python does, which JSON does not."""
    stop = text.stop(head.end(), "'}", OPENINGS[0])
    tail = _TAIL.match(text.text, stop)
    end = tail.end() if tail else stop
    call = FoundCall(NAME, head.group(1), error=f"not JSON: {error}", start=start, end=end)
    if tail and not text.strict:
        try:
            found = call_of(
                text,
                NAME,
                {
                    "name": head.group(1),
                    "arguments": load(text.text[head.end() : stop].strip().replace("\\'", "'")),
                },
            )
            call.arguments, call.error = found.arguments, found.error
        except ValueError:
            pass
    return Block(start, end, [call])


def write(calls: Sequence[Call]) -> str:
    return "\n".join(
        f'{OPENINGS[0]} {{"name": {dump(call.name)}, "arguments": \'{dump(call.arguments)}\'}}'
        for call in calls
    )
