"""Llama 3.1 and later: `{"name": "f", "parameters": {"a": 1}}` as the whole message, perhaps after `<|python_tag|>`.

Several are separated by `; `.
"""

from collections.abc import Sequence

from tunewright.chat.calls.found import Block, Call
from tunewright.chat.calls.json_calls import read_block
from tunewright.chat.calls.json_objects import read_objects
from tunewright.chat.calls.text import Text, dump

NAME = "llama_json"
OPENINGS = ("<|python_tag|>",)
PATTERN = r'(?m:^)[ \t]*\{\s*"(?:name|type|function|parameters)"\s*:'
HINTS = ('"parameters"',)
_ENDS = ("<|eom_id|>", "<|eot_id|>")


def read(text: Text, start: int) -> Block | None:
    """Objects one after another, all with `parameters`."""
    at = start
    marked = text.text.startswith(OPENINGS[0], start)
    if marked:
        at = text.skip(start + len(OPENINGS[0]))
        if not text.text.startswith("{", at):
            return None
        block = read_block(text, NAME, start, at, _ENDS, OPENINGS[0], closed=False, listed=False)
        while text.text.startswith(";", text.skip(block.end)) and not block.calls[-1].error:
            at = text.skip(text.skip(block.end) + 1)
            more = read_block(text, NAME, start, at, _ENDS, OPENINGS[0], closed=False, listed=False)
            block.calls += more.calls
            block.end = more.end
        return block
    return read_objects(text, NAME, start, fields=("parameters",))


def write(calls: Sequence[Call]) -> str:
    return "; ".join(dump({"name": call.name, "parameters": call.arguments}) for call in calls)
