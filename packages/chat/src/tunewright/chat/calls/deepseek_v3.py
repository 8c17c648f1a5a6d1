"""DeepSeek V3 and R1: as V3.1, but each call is `function<｜tool▁sep｜>f` and its arguments in a fence of ```json."""

import re
from collections.abc import Sequence

from tunewright.chat.calls.deepseek_v31 import CLOSINGS, OPENINGS, TAGS, read_section
from tunewright.chat.calls.found import Block, Call
from tunewright.chat.calls.json_calls import read_block
from tunewright.chat.calls.text import Text, dump

__all__ = ["CLOSINGS", "NAME", "OPENINGS", "TAGS", "read", "write"]

NAME = "deepseek_v3"
_HEAD = re.compile(r"<｜tool▁call▁begin｜>\s*function\s*<｜tool▁sep｜>\s*([\w.-]+)\s*```(?:json)?[ \t]*\n")


def read(text: Text, start: int) -> Block | None:
    """A section of calls, or one call without its section."""
    return read_section(text, start, _HEAD, _one, NAME)


def _one(text: Text, start: int, head: "re.Match[str]") -> Block:
    return read_block(text, NAME, start, head.end(), (f"```{CLOSINGS[1]}",), OPENINGS[1], name=head.group(1))


def write(calls: Sequence[Call]) -> str:
    inner = "\n".join(
        f"{OPENINGS[1]}function<｜tool▁sep｜>{call.name}\n```json\n{dump(call.arguments)}\n```{CLOSINGS[1]}"
        for call in calls
    )
    return f"{OPENINGS[0]}{inner}{CLOSINGS[0]}"
