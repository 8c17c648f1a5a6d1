"""The structure of one row drawn anew: system message, earlier exchange, preamble, the order of its tools. Pure.

Every draw comes from a hash of what the row is about, which redrawing does not change: drawn again, it comes out the
same. Requests, results and answers stay as they are but for whitespace around requests, and calls byte for byte.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tunewright.chat.before_after import Changes
from tunewright.chat.conversation import TOOL_KEYS
from tunewright.chat.message import (
    call_start,
    called_by,
    has_preamble,
    is_plain,
    role_of,
    stripped,
    text_of,
    with_preamble,
    with_text,
    without_preamble,
)
from tunewright.chat.reading.turns import Message, listed_calls

Row = dict[str, Any]
PREAMBLES = (
    "Let me check.",
    "I'll look that up.",
    "One moment.",
    "Let me find out.",
    "I'll take a look.",
    "Checking now.",
    "Let me see.",
    "I'll do that now.",
)


@dataclass(frozen=True)
class Wanted:
    """How often a row gets each part, and what it may get.

    `system` is the common system message and `replaceable` the texts that it may replace; `telling` are
    texts as common that speak of tools. `donors` are exchanges [request, answer] that may precede a row's own.
    """

    system_message: float
    earlier: float
    preamble: float
    system: str
    replaceable: frozenset[str] = frozenset()
    telling: frozenset[str] = frozenset()
    donors: Sequence[Sequence[Message]] = ()


class Draw:
    """Numbers that depend on a text and nothing else: the same data give the same dataset on every machine."""

    def __init__(self, text: str) -> None:
        self._text = text.encode(errors="replace")

    def share(self, name: str) -> float:
        """A number from 0 to 1 that belongs to `name`."""
        digest = hashlib.sha256(name.encode(errors="replace") + b"\0" + self._text).digest()
        return int.from_bytes(digest[:8], "big") / 2**64

    def pick(self, name: str, items: Sequence[Any]) -> Any:
        return items[int(self.share(name) * len(items))]


def gist(row: Row) -> str:
    """What a row is about, without what redrawing changes: system message, earlier exchange, preambles, whitespace."""
    messages = [message for message in row["messages"] if role_of(message) != "system"]
    if has_earlier(messages):
        messages = messages[2:]
    parts = [
        (role_of(message), text_of(message)[call_start(message) or 0 :].strip(), listed_calls(message))
        for message in messages
    ]
    return json.dumps(parts, sort_keys=True, ensure_ascii=False)


def redraw_row(row: Row, wanted: Wanted, draw: Draw, changes: Changes | None = None) -> Row:
    """One row with its structure drawn anew. `changes` counts what was done and what was not."""
    changes = changes if changes is not None else Changes()
    new = dict(row)
    messages = _with_system(row, wanted, draw, changes)
    messages = _with_preamble(messages, wanted.preamble, draw, changes)
    messages = _with_exchange(messages, wanted, draw, changes)
    new["messages"] = [
        stripped(message) if role_of(message) in ("user", "system") else message for message in messages
    ]
    changes.rows["whitespace stripped"] += new["messages"] != messages
    for key in TOOL_KEYS:
        if key in row:
            new[key] = _shuffled(row[key], draw)
    changes.rows["tools shuffled"] += any(new.get(key) != row.get(key) for key in TOOL_KEYS)
    return new


def _with_system(row: Row, wanted: Wanted, draw: Draw, changes: Changes) -> list[Message]:
    messages: list[Message] = row["messages"]
    wants = draw.share("system") < wanted.system_message
    first = messages[0]
    if row.get("system") or any(role_of(message) == "system" for message in messages[1:]):
        changes.left["system message, it is not one text at the beginning"] += 1
        return messages
    if role_of(first) != "system":
        changes.rows["system message added"] += wants
        return [{"role": "system", "content": wanted.system}, *messages] if wants else messages
    text = text_of(first)
    if wants and text.strip() == wanted.system:
        return messages
    if text not in wanted.replaceable:
        why = "speaks of tools" if text in wanted.telling else "is the row's own"
        changes.left[f"system message, it {why}"] += 1
        return messages
    if wants and (new := with_text(first, wanted.system)):
        changes.rows["system message made the same"] += 1
        changes.replaced[text] += 1
        return [new, *messages[1:]]
    if not wants and len(messages) > 1 and is_plain(first) and "weight" not in first:
        changes.rows["system message removed"] += 1
        changes.removed[text] += 1
        return messages[1:]
    changes.left["system message, it has keys or blocks of its own"] += 1
    return messages


def _with_preamble(messages: list[Message], share: float, draw: Draw, changes: Changes) -> list[Message]:
    """The first call gets words before it, or loses them."""
    at = next((n for n, message in enumerate(messages) if _calls_after_words(message)), None)
    if at is None:
        return messages
    wants, has = draw.share("preamble") < share, has_preamble(messages[at])
    if wants == has:
        return messages
    new = (
        with_preamble(messages[at], draw.pick("words", PREAMBLES))
        if wants
        else without_preamble(messages[at])
    )
    if new is None:
        changes.left[
            "text before the call, it is more than a preamble" if has else "call inside a block"
        ] += 1
        return messages
    changes.rows["preamble added" if wants else "preamble removed"] += 1
    return [*messages[:at], new, *messages[at + 1 :]]


def _calls_after_words(message: Message) -> bool:
    return role_of(message) == "assistant" and call_start(message) is not None


def exchange_of(row: Row) -> list[Message] | None:
    """The request and the answer of a row that is one exchange in words, to be shown in other rows too.

    None for every other row, and for one whose answer is not wanted: with `weight` 0, or `label` or `kto_tag` false.
    """
    messages = [message for message in row["messages"] if role_of(message) != "system"]
    if [role_of(message) for message in messages] != ["user", "assistant"] or called_by(messages[1]):
        return None
    if any(row.get(key, True) in (0, False) for key in ("weight", "label", "kto_tag")):
        return None
    if not all(is_plain(message) and text_of(message).strip() for message in messages):
        return None
    return [dict(message) for message in messages]


def has_earlier(messages: Iterable[Message]) -> bool:
    """Whether a conversation begins with an exchange in words and goes on to another request."""
    said = [message for message in messages if role_of(message) != "system"]
    begins = [role_of(message) for message in said[:3]] == ["user", "assistant", "user"]
    return begins and not called_by(said[1])


def _with_exchange(messages: list[Message], wanted: Wanted, draw: Draw, changes: Changes) -> list[Message]:
    """An earlier exchange about something else, where there is none yet."""
    at = 1 if role_of(messages[0]) == "system" else 0
    if draw.share("earlier") >= wanted.earlier or has_earlier(messages):
        return messages
    own = {text_of(message).strip() for message in messages if role_of(message) == "user"}
    exchange = draw.pick("exchange", wanted.donors) if wanted.donors else None
    if exchange is None or text_of(exchange[0]).strip() in own:
        changes.left["turns, no other exchange in words to put before them"] += 1
        return messages
    if [role_of(message) for message in messages[at : at + 1]] != ["user"]:
        changes.left["turns, they do not begin with a request"] += 1
        return messages
    changes.rows["earlier exchange added"] += 1
    return [*messages[:at], *(dict(message) for message in exchange), *messages[at:]]


def _shuffled(tools: Any, draw: Draw) -> Any:
    """The tools in another order; a list that is JSON text stays JSON text."""
    if isinstance(tools, str):
        try:
            listed = json.loads(tools)
        except (ValueError, RecursionError):
            return tools
        return _written(_shuffled(listed, draw), tools, listed) if isinstance(listed, list) else tools
    if not isinstance(tools, list):
        return tools
    # By what a tool is and not by its place, so that the order comes out the same however they stood.
    named = [f"tool {json.dumps(tool, sort_keys=True)}" for tool in tools]
    return [tools[n] for n in sorted(range(len(tools)), key=lambda n: draw.share(named[n]))]


def _written(new: Any, text: str, old: Any) -> str:
    """`new` as JSON, spaced and escaped as `text`, which says `old`."""
    if new == old:
        return text
    styles: list[dict[str, Any]] = [
        {"ensure_ascii": ascii_only, "separators": separators, "indent": indent}
        for ascii_only in (False, True)
        for separators in (None, (",", ":"))
        for indent in (None, 2, 4)
    ]
    style = next((style for style in styles if json.dumps(old, **style) == text), styles[0])
    return json.dumps(new, **style)


def first_tool(row: Row) -> str | None:
    """The first tool that a row calls; None when it calls none."""
    return next((name for message in row["messages"] for name in called_by(message)), None)


def parts_of(messages: Sequence[Message]) -> list[str]:
    """Which parts of structure a conversation has, by the names of the table's columns."""
    answers = [message for message in messages if role_of(message) == "assistant"]
    calling = next((message for message in answers if call_start(message) is not None), None)
    has = {
        "system": any(role_of(message) == "system" for message in messages),
        "earlier": has_earlier(messages),
        "answers": len(answers) > 1,
        "preamble": calling is not None and has_preamble(calling),
    }
    return [part for part, there in has.items() if there]
