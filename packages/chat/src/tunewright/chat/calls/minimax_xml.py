"""MiniMax M2: `<minimax:tool_call>`, and in it `<invoke name="f">\\n<parameter name="a">1</parameter>\\n</invoke>`."""

from collections.abc import Sequence

from tunewright.chat.calls.found import Block, Call
from tunewright.chat.calls.text import Text
from tunewright.chat.calls.xml_calls import read_invokes, write_invokes

NAME = "minimax_xml"
OPENINGS = ("<minimax:tool_call>",)
CLOSINGS = ("</minimax:tool_call>",)
TAGS = r"</?(?:minimax:tool_call|invoke|parameter)\b[^<>\n]*>"


def read(text: Text, start: int) -> Block | None:
    """Every `<invoke>` of a block."""
    return read_invokes(text, NAME, start, "minimax:tool_call")


def write(calls: Sequence[Call]) -> str:
    return write_invokes(calls, "minimax:tool_call")
