"""Kimi K2: a section of `<|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{"a": 1}<|tool_call_end|>`."""

import re
from collections.abc import Sequence

from tunewright.chat.calls.found import Block, Call, FoundCall
from tunewright.chat.calls.json_calls import read_block
from tunewright.chat.calls.text import Text, dump

NAME = "kimi_k2"
OPENINGS = ("<|tool_calls_section_begin|>", "<|tool_call_begin|>")
CLOSINGS = ("<|tool_calls_section_end|>", "<|tool_call_end|>")
TAGS = r"<\|tool_call\w*\|>"
_HEAD = re.compile(
    r"<\|tool_call_begin\|>\s*((?:functions\.)?([\w.-]+?)(?::\d+)?)\s*<\|tool_call_argument_begin\|>"
)


def read(text: Text, start: int) -> Block | None:
    """A section of calls, or one call without its section."""
    section = text.text.startswith(OPENINGS[0], start)
    at = text.skip(start + len(OPENINGS[0])) if section else start
    block = Block(start, at)
    while text.text.startswith(OPENINGS[1], at):
        if head := _HEAD.match(text.text, at):
            part = read_block(text, NAME, start, head.end(), (CLOSINGS[1],), OPENINGS[1], name=head.group(2))
            part.calls[0].id = head.group(1)
        else:
            stop = text.stop(at + len(OPENINGS[1]), *CLOSINGS, *OPENINGS)
            past = stop + len(CLOSINGS[1]) if text.text.startswith(CLOSINGS[1], stop) else stop
            part = Block(at, past, [FoundCall(NAME, None, error="no name and arguments in the call")])
        block.calls += part.calls
        block.end, at = part.end, text.skip(part.end)
    if section and text.text.startswith(CLOSINGS[0], at):
        block.end = at + len(CLOSINGS[0])
    elif section:
        block.problems.append(("tags", f"{OPENINGS[0]} is never closed"))
    for call in block.calls:
        call.start, call.end = block.start, block.end
    return block


def _identity(call: Call, number: int) -> str:
    """The id, which holds the name: the call's own where it has that form."""
    return call.id if call.id.startswith(f"functions.{call.name}:") else f"functions.{call.name}:{number}"


def write(calls: Sequence[Call]) -> str:
    inner = "".join(
        f"<|tool_call_begin|>{_identity(call, number)}<|tool_call_argument_begin|>"
        f"{dump(call.arguments)}<|tool_call_end|>"
        for number, call in enumerate(calls)
    )
    return f"{OPENINGS[0]}{inner}{CLOSINGS[0]}"
