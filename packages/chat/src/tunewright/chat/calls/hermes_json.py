"""Hermes, Qwen2.5 and Qwen3: `<tool_call>\\n{"name": "f", "arguments": {"a": 1}}\\n</tool_call>`, also after `<think>`."""

from collections.abc import Sequence

from tunewright.chat.calls.found import Block, Call
from tunewright.chat.calls.json_calls import read_block
from tunewright.chat.calls.text import Text, dump

NAME = "hermes_json"
OPENINGS = ("<tool_call>",)
TAGS = r"</?tool_call>"


def read(text: Text, start: int) -> Block | None:
    """An object, or a list of them, between the tags."""
    at = text.skip(start + len("<tool_call>"))
    if not text.text.startswith(("{", "[{"), at):
        return None
    return read_block(text, NAME, start, at, ("</tool_call>",), "<tool_call>")


def write(calls: Sequence[Call]) -> str:
    return "\n".join(
        f"<tool_call>\n{dump({'name': call.name, 'arguments': call.arguments})}\n</tool_call>"
        for call in calls
    )
