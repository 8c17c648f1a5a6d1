"""ReAct: `Action: f` and then `Action Input: {"a": 1}`; an input that is not JSON is the tool's only value.

LangChain's ``Action:`` with a fence of `{"action": "f", "action_input": {"a": 1}}` is read too.
"""

import re
from collections.abc import Sequence

from tunewright.chat.calls.found import Block, Call, FoundCall
from tunewright.chat.calls.json_calls import read_block
from tunewright.chat.calls.text import Text, dump

NAME = "react"
OPENINGS = ()
PATTERN = (
    r'(?m:^)Action:[ \t]*(?:[^\s`{\[][^\n]*\n[ \t]*Action Input:|(?:\n[ \t]*)?```(?:json)?\s*\{\s*"action")'
)
HINTS = ("Action:",)
_HEAD = re.compile(r"Action:[ \t]*([^\s`{\[][^\n]*?)[ \t]*\n[ \t]*Action Input:[ \t]*")
_FENCE = re.compile(r"Action:[ \t]*(?:\n[ \t]*)?```(?:json)?")
_NAME = re.compile(r"[\w.-]+")
_ACTION = re.compile(r'"action"\s*:\s*"([^"\\\n]+)"')


def read(text: Text, start: int) -> Block | None:
    """An action with its input."""
    if head := _HEAD.match(text.text, start):
        return _read_lines(text, start, head)
    fence = _FENCE.match(text.text, start)
    if fence is None:
        return None
    at = text.skip(fence.end())
    try:
        value, _ = text.json(at)
    except ValueError as error:
        end = text.stop(at, "```")
        name = _ACTION.search(text.text, at, end)
        call = FoundCall(
            NAME, name.group(1) if name else None, error=f"not JSON: {error}", start=start, end=end
        )
        return Block(start, end, [call])
    if not isinstance(value, dict) or not isinstance(value.get("action"), str):
        return None
    block = read_block(text, NAME, start, at, ("```",), names=("action",))
    given = value.get("action_input", {})
    if not block.calls[0].error:
        block.calls[0].arguments = given if isinstance(given, dict) else {"$0": given}
    return block


def _read_lines(text: Text, start: int, head: "re.Match[str]") -> Block | None:
    name, at = head.group(1), head.end()
    if not _NAME.fullmatch(name) or (text.tools is not None and name not in text.tools):
        return None
    if text.text.startswith(("{", "["), at):
        return read_block(
            text, NAME, start, at, ("<|im_end|>",), "\nAction:", closed=False, name=name, listed=False
        )
    end = text.stop(at, "\n")
    said = text.text[at:end].strip()
    error = "the input is not an object" if text.strict else ""
    error = error if said else "no input after Action Input"
    call = FoundCall(NAME, name, {"$0": said} if said else {}, error, start=start, end=end)
    return Block(start, end, [call])


def write(calls: Sequence[Call]) -> str:
    return "\n".join(f"Action: {call.name}\nAction Input: {dump(call.arguments)}" for call in calls)
