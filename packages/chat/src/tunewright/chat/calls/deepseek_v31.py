"""DeepSeek V3.1: a section of `<｜tool▁call▁begin｜>f<｜tool▁sep｜>{"a": 1}<｜tool▁call▁end｜>`."""

import re
from collections.abc import Callable, Sequence

from tunewright.chat.calls.found import Block, Call, FoundCall
from tunewright.chat.calls.json_calls import read_block
from tunewright.chat.calls.text import Text, dump

NAME = "deepseek_v31"
OPENINGS = ("<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>")
CLOSINGS = ("<｜tool▁calls▁end｜>", "<｜tool▁call▁end｜>")
TAGS = r"<｜tool▁\w+(?:▁\w+)?｜>"
_HEAD = re.compile(r"<｜tool▁call▁begin｜>\s*([\w.-]+)\s*<｜tool▁sep｜>(?=\s*\{)")


def read(text: Text, start: int) -> Block | None:
    """A section of calls, or one call without its section."""
    return read_section(text, start, _HEAD, _one)


def _one(text: Text, start: int, head: "re.Match[str]") -> Block:
    return read_block(text, NAME, start, head.end(), (CLOSINGS[1],), OPENINGS[1], name=head.group(1))


def read_section(
    text: Text,
    start: int,
    head: "re.Pattern[str]",
    one: Callable[[Text, int, "re.Match[str]"], Block],
    syntax: str = NAME,
) -> Block | None:
    """The calls of a section; None where the first is written in another way."""
    section = text.text.startswith(OPENINGS[0], start)
    at = text.skip(start + len(OPENINGS[0])) if section else start
    block = Block(start, at)
    while text.text.startswith(OPENINGS[1], at):
        if found := head.match(text.text, at):
            part = one(text, start, found)
        elif not block.calls and syntax != NAME:
            return None
        else:
            stop = text.stop(at + len(OPENINGS[1]), *CLOSINGS, *OPENINGS)
            past = stop + len(CLOSINGS[1]) if text.text.startswith(CLOSINGS[1], stop) else stop
            part = Block(at, past, [FoundCall(syntax, None, error="no name and arguments in the call")])
        block.calls += part.calls
        block.end, at = part.end, text.skip(part.end)
    if section and text.text.startswith(CLOSINGS[0], at):
        block.end = at + len(CLOSINGS[0])
    elif section:
        block.problems.append(("tags", f"{OPENINGS[0]} is never closed"))
    for call in block.calls:
        call.start, call.end = block.start, block.end
    return block


def write(calls: Sequence[Call]) -> str:
    inner = "".join(
        f"{OPENINGS[1]}{call.name}<｜tool▁sep｜>{dump(call.arguments)}{CLOSINGS[1]}" for call in calls
    )
    return f"{OPENINGS[0]}{inner}{CLOSINGS[0]}"
