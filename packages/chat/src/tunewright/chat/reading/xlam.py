"""xLAM's shape: `query`, `answers` (a list of calls or its JSON text) and `tools`."""

import json
from typing import Any

from tunewright.chat.reading.found import Found, Row
from tunewright.chat.reading.turns import Message, call_name, calls_of, openai_messages


def read(row: Row) -> Found | None:
    if not all(key in row for key in ("query", "answers", "tools")):
        return None
    asked = openai_messages([{"role": "user", "content": row["query"]}])
    return Found("xlam", [*asked, _answer(row["answers"])], ("query", "answers"))


def _answer(value: Any) -> Message:
    """What holds no call is an answer in words."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    try:
        calls = json.loads(text)
    except (ValueError, RecursionError):
        calls = []
        if text.lstrip()[:1] in ("[", "{"):
            calls = [{"name": call_name(text), "arguments": text}]
    if not isinstance(calls, list | dict) or not calls:
        return {"role": "assistant", "content": text}
    return {"role": "assistant", "content": "", "tool_calls": calls_of(calls)}
