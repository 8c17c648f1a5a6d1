"""Python between the tags of Hermes: `<tool_call>result = f(a=1)\\nprint(result)</tool_call>`."""

import re
from collections.abc import Sequence

from tunewright.chat.calls.found import Block, Call, FoundCall
from tunewright.chat.calls.python_calls import program_calls, write_call
from tunewright.chat.calls.text import Text

NAME = "python_in_tool_call"
OPENINGS = ("<tool_call>",)
TAGS = r"</?tool_call>"
_CALLED = re.compile(r"[A-Za-z_]\w*\s*\(")


def read(text: Text, start: int) -> Block | None:
    """A program up to the closing tag; anything else there is reported as unreadable."""
    at = start + len("<tool_call>")
    stop = text.stop(at, "</tool_call>", "<tool_call>")
    closed = text.text.startswith("</tool_call>", stop)
    code = text.text[at:stop]
    if not closed and not _CALLED.search(code):  # words about a tag
        return None
    end = stop + len("</tool_call>") if closed else stop
    calls = program_calls(NAME, code.strip()) if _CALLED.search(code) else []
    if not calls:
        what = "calls nothing" if code.strip() else "is empty"
        calls = [FoundCall(NAME, None, error=f"the text between the tags {what}")]
    for call in calls:
        call.start, call.end, call.program = start, end, ""  # a program is what code mode's own tool runs
        call.error = call.error or ("" if closed else "<tool_call> is never closed")
    return Block(start, end, calls)


def write(calls: Sequence[Call]) -> str:
    return "<tool_call>\n" + "\n".join(write_call(call) for call in calls) + "\n</tool_call>"
