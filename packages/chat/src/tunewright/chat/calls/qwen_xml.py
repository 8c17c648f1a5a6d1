"""Qwen3-Coder: `<tool_call>\\n<function=f>\\n<parameter=a>\\n1\\n</parameter>\\n</function>\\n</tool_call>`."""

from collections.abc import Sequence

from tunewright.chat.calls.found import Block, Call
from tunewright.chat.calls.text import Text
from tunewright.chat.calls.xml_calls import function_at, read_function, written

NAME = "qwen_xml"
OPENINGS = ("<tool_call>", "<function=")
TAGS = r"</?(?:tool_call|function|parameter)\b[^<>\n]*>"


def read(text: Text, start: int) -> Block | None:
    """A function whose parameters are elements."""
    function = function_at(text, start)
    return read_function(text, function) if function else None


def write(calls: Sequence[Call]) -> str:
    return "\n".join(_write(call) for call in calls)


def _write(call: Call) -> str:
    parts = [f"<tool_call>\n<function={call.name}>\n"]
    parts += [f"<parameter={key}>\n{written(value)}\n</parameter>\n" for key, value in call.arguments.items()]
    return "".join([*parts, "</function>\n</tool_call>"])
