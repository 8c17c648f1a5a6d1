"""Mistral, in both forms: `[TOOL_CALLS] [{"name": "f", "arguments": {"a": 1}, "id": "a1b2c3d4e"}]`, which is also
written, and since Mistral Small 3.2 `[TOOL_CALLS]f[CALL_ID]a1b2c3d4e[ARGS]{"a": 1}`."""

import re
from collections.abc import Sequence

from tunewright.chat.calls.found import Block, Call, FoundCall
from tunewright.chat.calls.json_calls import name_in, read_block
from tunewright.chat.calls.openai import call_id
from tunewright.chat.calls.text import Text, dump

NAME = "mistral"
OPENINGS = ("[TOOL_CALLS]",)
_NAMED = re.compile(r"\s*([\w.-]+)(?:\[CALL_ID\](\w+))?(?:\[ARGS\])?\s*(?=\{)")
_ID = re.compile(r"[A-Za-z0-9]{9}")  # chat templates refuse any other
_BARE = re.compile(r"\s*([\w.-]+)")


def read(text: Text, start: int) -> Block | None:
    """A list of calls, or one call by its name."""
    return read_after(text, NAME, start, start + len("[TOOL_CALLS]"))


def read_after(text: Text, syntax: str, start: int, at: int) -> Block:
    """What follows on the mark."""
    if text.text.startswith("[", text.skip(at)):
        return read_block(
            text, syntax, start, at, ("</s>", "<|im_end|>"), "[TOOL_CALLS]", closed=False, as_text=True
        )
    if named := _NAMED.match(text.text, at):
        block = read_block(
            text,
            syntax,
            start,
            named.end(),
            ("</s>", "<|im_end|>"),
            "[TOOL_CALLS]",
            closed=False,
            name=named.group(1),
        )
        block.calls[0].id = named.group(2) or ""
        return block
    stop = text.stop(at, "[TOOL_CALLS]")
    bare = _BARE.match(text.text, at, stop)
    name = bare.group(1) if bare else name_in(text.text[at:stop])
    return Block(
        start, stop, [FoundCall(syntax, name, error="no call after [TOOL_CALLS]", start=start, end=stop)]
    )


def write(calls: Sequence[Call]) -> str:
    listed = [
        {
            "name": call.name,
            "arguments": call.arguments,
            "id": call.id if _ID.fullmatch(call.id) else call_id(call, number),
        }
        for number, call in enumerate(calls)
    ]
    return f"[TOOL_CALLS] {dump(listed)}"
