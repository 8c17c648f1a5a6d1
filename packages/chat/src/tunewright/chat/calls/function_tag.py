"""Llama 3's and Functionary's custom tools: `<function=f>{"a": 1}</function>`."""

from collections.abc import Sequence

from tunewright.chat.calls.found import Block, Call
from tunewright.chat.calls.json_calls import read_block
from tunewright.chat.calls.text import Text, dump
from tunewright.chat.calls.xml_calls import function_at

NAME = "function_tag"
OPENINGS = ("<tool_call>", "<function=")
TAGS = r"</?(?:tool_call|function)\b[^<>\n]*>"


def read(text: Text, start: int) -> Block | None:
    """A function whose arguments are an object."""
    function = function_at(text, start)
    if function is None or not function.name or not text.text.startswith("{", text.skip(function.body)):
        return None
    block = read_block(
        text, NAME, start, function.body, ("</function>",), "<function=", name=function.name, listed=False
    )
    after = text.skip(block.end)
    if function.wrapped and text.text.startswith("</tool_call>", after):
        block.end = after + len("</tool_call>")
    return block


def write(calls: Sequence[Call]) -> str:
    return "\n".join(f"<function={call.name}>{dump(call.arguments)}</function>" for call in calls)
