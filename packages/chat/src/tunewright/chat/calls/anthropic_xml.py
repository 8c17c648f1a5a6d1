"""Anthropic: `<function_calls>\\n<invoke name="f">\\n<parameter name="a">1</parameter>\\n</invoke>\\n</function_calls>`."""

from collections.abc import Sequence

from tunewright.chat.calls.found import Block, Call
from tunewright.chat.calls.text import Text
from tunewright.chat.calls.xml_calls import read_invokes, write_invokes

NAME = "anthropic_xml"
_PREFIX = "antml:"  # in some prompts every tag has it
OPENINGS = ("<function_calls>", f"<{_PREFIX}function_calls>", "<invoke name=", f"<{_PREFIX}invoke name=")
CLOSINGS = ("</function_calls>", f"</{_PREFIX}function_calls>", "</invoke>", f"</{_PREFIX}invoke>")
TAGS = rf"</?(?:{_PREFIX})?(?:function_calls|invoke|parameter)\b[^<>\n]*>"


def read(text: Text, start: int) -> Block | None:
    """Every `<invoke>` of a block, or a single one on its own."""
    prefixed = text.text.startswith(f"<{_PREFIX}", start)
    return read_invokes(text, NAME, start, f"{_PREFIX if prefixed else ''}function_calls")


def write(calls: Sequence[Call]) -> str:
    return write_invokes(calls, "function_calls")
