"""One message as a file holds it: what it says and calls, and edits that lose nothing else. Pure.

A message here is OpenAI's, with its own keys and blocks; read/turns.py says what it means.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from tunewright.chat.calls import find
from tunewright.chat.reading.call_pattern import declared_calls
from tunewright.chat.reading.turns import CALL_BLOCKS, ROLES, Message, listed_calls, plain_messages, text_key

# Dialects that write calls without a mark at their beginning.
UNMARKED = ("pythonic", "json", "llama_json")
# Text before a call above this length says something, and is kept.
LONGEST_PREAMBLE = 200
_read = lru_cache(1000)(find)  # a row is looked at several times, from several sides
# Thoughts and other marked text before a call (<think>, <|channel|>, [THINK]) are not a preamble.
_MARKED = re.compile(r"<[/|]?\w|\[/?[A-Z_]+\]")


def role_of(message: Mapping[str, Any]) -> str:
    """system, user, assistant or tool."""
    return ROLES[str(message["role"]).strip().lower()]


def text_of(message: Mapping[str, Any]) -> str:
    """What a message says, blocks flattened."""
    content = message.get("content")
    return content if isinstance(content, str) else plain_messages([dict(message)])[0]["content"]


def call_start(message: Mapping[str, Any]) -> int | None:
    """Where the call begins in an answer's text: its end for calls that are data. None without a call, and for one
    without a mark that is the whole text: servers take it for a call only while nothing precedes it."""
    text = text_of(message)
    if listed_calls(message):
        return len(text)
    if own := declared_calls(text):
        return own[0][0]
    first = next(iter(_read(text).calls), None)
    return (
        None
        if first is None or (first.syntax in UNMARKED and not text[: first.start].strip())
        else first.start
    )


def called_by(message: Mapping[str, Any]) -> list[str]:
    """Names of the tools that a message calls, in order."""
    if role_of(message) != "assistant":
        return []
    if calls := listed_calls(message):
        functions = [call.get("function", call) if isinstance(call, dict) else {} for call in calls]
        return [str(function.get("name")) for function in functions if isinstance(function, dict)]
    text = text_of(message)
    if own := declared_calls(text):
        return [name for _, name in own]
    return [str(call.name) for call in _read(text).calls]


def first_tool(messages: Iterable[Mapping[str, Any]]) -> str:
    """The first tool that a conversation calls; empty when it calls none, or none that can be read."""
    return next((name for message in messages for name in called_by(message) if name not in ("", "None")), "")


def is_plain(message: Mapping[str, Any]) -> bool:
    """Whether there is nothing but a role and a text, and perhaps a weight: it may be moved or removed."""
    others = {key for key, value in message.items() if value not in (None, "", [], {})}
    return isinstance(message.get("content"), str) and others <= {"role", "content", "weight"}


def with_text(message: Message, text: str) -> Message | None:
    """The message with another text: its content, or its only block. None where that cannot be told apart."""
    content = message.get("content")
    if isinstance(content, str):
        return {**message, "content": text}
    if isinstance(content, list) and len(content) == 1 and (key := text_key(content[0])):
        return {**message, "content": [{**content[0], key: text}]}
    return None


def stripped(message: Message) -> Message:
    """Without whitespace around its text."""
    text = text_of(message)
    return message if text == text.strip() else with_text(message, text.strip()) or message


def has_preamble(message: Mapping[str, Any]) -> bool:
    """Whether an answer says something before its call."""
    start = call_start(message)
    return start is not None and bool(_said_before(message, start).strip())


def _said_before(message: Mapping[str, Any], start: int | None) -> str:
    """The text before a call; of blocks, only those that are text, for a thought is not said."""
    content = message.get("content")
    if not isinstance(content, list):
        return text_of(message)[:start]
    return "".join(block[key] for block in content[: _first_call(content)] if (key := text_key(block)))


def with_preamble(message: Message, words: str) -> Message | None:
    """An answer with words before its call, where it has none. None where they have no place."""
    start, content = call_start(message), message.get("content")
    if isinstance(content, list):
        if not listed_calls(message):
            return None
        at = _first_call(content)
        # The blocks of a dataset hold their text under one key.
        key = "value" if any("value" in block for block in content if isinstance(block, dict)) else "text"
        return {**message, "content": [*content[:at], {"type": "text", key: words}, *content[at:]]}
    call = text_of(message)[start:]
    return {**message, "content": f"{words}\n\n{call}" if call else words}


def without_preamble(message: Message) -> Message | None:
    """An answer that begins with its call. None where the text before the call is more than a preamble."""
    start, content = call_start(message), message.get("content")
    said = _said_before(message, start)
    if len(said.strip()) > LONGEST_PREAMBLE or _MARKED.search(said):
        return None
    if isinstance(content, list):
        at = _first_call(content)
        if not listed_calls(message) or not all(
            text_key(block) and len(block) == 2 for block in content[:at]
        ):
            return None
        # Some trainers refuse an empty list of blocks.
        return {**message, "content": content[at:] or ""}
    return {**message, "content": text_of(message)[start:]}


def _first_call(blocks: list[Any]) -> int:
    """The position of the first call among blocks; the number of blocks where none is a call."""
    calls = (
        n for n, block in enumerate(blocks) if isinstance(block, dict) and block.get("type") in CALL_BLOCKS
    )
    return next(calls, len(blocks))
