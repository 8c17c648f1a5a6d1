"""Glaive's shape: `system`, and a `chat` of USER:, ASSISTANT: and FUNCTION RESPONSE: with <functioncall>s."""

import json
import re
from typing import Any

from tunewright.chat.reading.found import Found, Row
from tunewright.chat.reading.turns import Message, UnknownShapeError, call_name

_SPEAKER = re.compile(r"(?:\A|\n)[ \t]*(USER|ASSISTANT|FUNCTION RESPONSE):")
_ROLES = {"USER": "user", "ASSISTANT": "assistant", "FUNCTION RESPONSE": "tool"}
_CALL = "<functioncall>"
# Glaive puts the arguments, which are JSON, between single quotes.
_QUOTED_ARGUMENTS = re.compile(r"""["']arguments["']\s*:\s*'(.*)'\s*\}\s*\Z""", re.DOTALL)


def read(row: Row) -> Found | None:
    if not isinstance(chat := row.get("chat"), str):
        return None
    before, *parts = _SPEAKER.split(chat)
    if before.strip() or not parts:
        raise UnknownShapeError(
            "`chat` is not all turns that begin with USER:, ASSISTANT: or FUNCTION RESPONSE:"
        )
    return Found("glaive", [_turn(who, said) for who, said in zip(parts[::2], parts[1::2])], ("chat",))


def _turn(speaker: str, said: str) -> Message:
    said = said.replace("<|endoftext|>", "").strip()
    if speaker != "ASSISTANT" or _CALL not in said:
        return {"role": _ROLES[speaker], "content": said}
    before, *written = said.split(_CALL)
    return {
        "role": "assistant",
        "content": before.strip(),
        "tool_calls": [{"function": _call(call.strip())} for call in written],
    }


def _call(text: str) -> dict[str, Any]:
    try:
        call = json.loads(text)
    except (ValueError, RecursionError):
        call = None
    if isinstance(call, dict):
        return {"name": call.get("name"), "arguments": call.get("arguments")}
    quoted = _QUOTED_ARGUMENTS.search(text)
    arguments = quoted.group(1).replace("\\'", "'") if quoted else text
    return {"name": call_name(text), "arguments": arguments}
