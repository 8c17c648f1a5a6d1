"""GLM 4.5: `<tool_call>f\\n<arg_key>a</arg_key>\\n<arg_value>1</arg_value>\\n</tool_call>`."""

import re
from collections.abc import Sequence

from tunewright.chat.calls.found import Block, Call, CallSyntaxError, FoundCall
from tunewright.chat.calls.text import Text
from tunewright.chat.calls.xml_calls import written

NAME = "glm45"
OPENINGS = ("<tool_call>",)
TAGS = r"</?(?:tool_call|arg_key|arg_value)>"
_HEAD = re.compile(r"<tool_call>\s*([\w.:-]+)\s*(?=<arg_key>|</tool_call>)")
_VALUE = re.compile(r"</arg_key>\s*<arg_value>")


def read(text: Text, start: int) -> Block | None:
    """A name, then keys and values in turn."""
    head = _HEAD.match(text.text, start)
    if head is None:
        return None
    name, at, error = head.group(1), head.end(), ""
    values: dict[str, object] = {}
    while text.text.startswith("<arg_key>", at):
        begin = at + len("<arg_key>")
        stop = text.stop(begin, "</arg_key>", "</tool_call>")
        between = _VALUE.match(text.text, stop)
        end = text.stop(between.end(), "</arg_value>", "</tool_call>") if between else -1
        if between is None or not text.text.startswith("</arg_value>", end):
            error = error or "a key without its value, or a value that is not closed"
            at = max(stop, end)
            break
        key = text.text[begin:stop].strip()
        if key in values:
            error = error or f"{key} is given twice"
        try:
            values[key] = text.value(name, key, text.text[between.end() : end])
        except CallSyntaxError as fault:
            error = error or str(fault)
        at = text.skip(end + len("</arg_value>"))
    stop = text.stop(at, "</tool_call>", "<tool_call>")
    closed = text.text.startswith("</tool_call>", stop)
    if not closed:
        error = error or "<tool_call> is never closed"
    elif stop != at:
        error = error or "text between the values"
    end = stop + len("</tool_call>") if closed else stop
    return Block(start, end, [FoundCall(NAME, name, values, error, start=start, end=end)])


def write(calls: Sequence[Call]) -> str:
    return "\n".join(_write(call) for call in calls)


def _write(call: Call) -> str:
    lines = [f"<tool_call>{call.name}"]
    for key, value in call.arguments.items():
        lines += [f"<arg_key>{key}</arg_key>", f"<arg_value>{written(value)}</arg_value>"]
    return "\n".join([*lines, "</tool_call>"])
