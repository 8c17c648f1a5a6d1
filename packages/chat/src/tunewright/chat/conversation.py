"""Any row of chat data as one conversation, and back: the one way in which a row is read.

    read_conversation(row)  ->  Conversation  ->  normal_form()  the normal form, for training and suites
                                              ->  .plain       what its messages mean, for the audit
                                              ->  .row()       a row of `messages` that has lost nothing, for writers

Calls written as text stay text (tunewright.chat.calls finds them); calls that are data are `tool_calls`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tunewright.chat import arrow_nulls
from tunewright.chat.reading.call_pattern import take_out
from tunewright.chat.reading.found import Found
from tunewright.chat.reading.messages import LISTS
from tunewright.chat.reading.settings import Reading
from tunewright.chat.reading.shapes import find_conversation
from tunewright.chat.reading.turns import (
    Message,
    UnknownShapeError,
    call_name,
    flat_text,
    kind_of,
    openai_messages,
    plain_messages,
)
from tunewright.chat.review_mark import KEEP, mark_of

__all__ = ["TOOL_KEYS", "Conversation", "UnknownShapeError", "call_name", "read_conversation"]

_AS_IT_IS = Reading()
TOOL_KEYS = ("tools", "functions", "available_tools")


@dataclass
class Conversation:
    """One row that was read.

    `messages` are OpenAI's, with every key and block that the turns had, and end with the answer to be imitated;
    `rejected` is the answer that is not wanted in its place. `label` says of an answer without a rival whether it is
    wanted (KTO). `notes` are faults found on the way, as (kind, detail); `read_from` are the keys of the row that the
    messages come from, those of a request and of its answer first.
    """

    shape: str
    messages: list[Message]
    tools: list[Any] | None = None
    rejected: list[Message] | None = None
    label: bool | None = None
    notes: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    read_from: tuple[str, ...] = ()
    source: Any = field(default=None, repr=False)  # the row as it was read
    reading: Reading = field(default=_AS_IT_IS, repr=False)
    _list: list[Message] | None = field(default=None, repr=False)  # what is written as `messages`
    _left: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    _lost: str = field(default="", repr=False)

    @cached_property
    def plain(self) -> list[Message]:
        """What the messages mean: one of four roles, content as text, calls in `tool_calls`.

        Calls that a user's own pattern finds are `tool_calls` here, too; those of the known dialects stay text.
        """
        plain = plain_messages(self.messages)
        if self.reading.drop_padding:
            plain = arrow_nulls.of_messages(plain, self.tools or ())
        return [self._with_calls(message) for message in plain] if self.reading.patterns else plain

    def _with_calls(self, message: Message) -> Message:
        if message["role"] != "assistant":
            return message
        text, calls = take_out(message["content"], self.reading.patterns)
        return (
            {**message, "content": text, "tool_calls": [*message.get("tool_calls", ()), *calls]}
            if calls
            else message
        )

    @property
    def others(self) -> dict[str, Any]:
        """The row's other keys, as they are in the row: neither its conversation nor its tools."""
        return {key: value for key, value in self.row().items() if key not in ("messages", *TOOL_KEYS)}

    def unwanted(self, mark: str = KEEP) -> str:
        """Why the answer must not be imitated: it is labelled so, or the row is from a served log and has another mark."""
        if self.label is False:
            return "marked as not wanted"
        return "" if mark_of(self.source) in (None, mark) else f"from a served log, and not marked {mark}"

    @property
    def is_preference(self) -> bool:
        """Whether the row says which answer is better, or whether one is wanted: not all in it is to be imitated."""
        return self.shape == "preference"

    def row(self) -> dict[str, Any]:
        """The row with its conversation under `messages`, in the place where it was, and all its other keys.

        A row in the form of `messages` comes back as it is, to the last key. Of preference data the wanted answer ends
        the messages, and the other one stays where it was. Raises UnknownShapeError where something would be lost.
        """
        if self._lost:
            raise UnknownShapeError(self._lost)
        written = self.messages if self._list is None else self._list
        if not isinstance(self.source, dict):
            return {"messages": written}
        row: dict[str, Any] = {}
        for key, value in self.source.items():
            if key == self.read_from[0]:
                row["messages"] = written
            elif key not in self.read_from and key != "messages":
                row[key] = value
        row |= self._left
        if self.tools and not any(row.get(key) for key in TOOL_KEYS):
            row["tools"] = self.tools
        return arrow_nulls.of_row(row, self.tools) if self.reading.drop_padding else row


def read_conversation(value: Any, reading: Reading = _AS_IT_IS) -> Conversation:
    """Read one row, by a user's `[read]` table where it fits and else by the known shapes. Raises UnknownShapeError."""
    if isinstance(value, list):
        return Conversation("messages", openai_messages(value), source=value, reading=reading)
    if not isinstance(value, dict):
        raise UnknownShapeError(f"a row must be an object, this is {kind_of(value)}")
    found = reading.table.find(value) if reading.table is not None else None
    found = found or find_conversation(value)
    if not found.messages:
        raise UnknownShapeError("the prompt and the answer are empty")
    key, system = _system(value, found) if found.shape != "mapped" else ("", None)
    if key and plain_messages(found.messages[:1])[0]["role"] != "system":
        message = {"role": "system", "content": system}
        found.messages = [message, *found.messages]
        found.own_list = found.own_list and [message, *found.own_list]
        found.read_from += (key,)
    notes: list[tuple[str, str]] = []
    seen = {**value, **found.left}
    tools = read_tools(seen, found.tools, notes)
    unread = next((detail for kind, detail in notes if kind == "tools"), "")
    # Tools inside the text that is taken apart are lost when they cannot be read; a column of tools stays.
    lost = f"tools would be lost: {unread}" if unread and found.tools else ""
    if value.get("messages") and "messages" not in found.read_from:
        lost = lost or "`messages` holds something else than the conversation, which would be lost"
    if not reading.drop_padding and (nulls := arrow_nulls.padding(tools or [], found.messages)):
        notes.append(("padding", nulls))
    labels = (seen.get(name) for name in ("label", "kto_tag"))
    return Conversation(
        found.shape,
        found.messages,
        tools,
        found.rejected,
        next((label for label in labels if isinstance(label, bool)), None),
        notes,
        found.read_from,
        value,
        reading,
        found.own_list,
        found.left,
        found.lost or lost,
    )


def _system(value: Mapping[str, Any], found: Found) -> tuple[str, Any]:
    """The key and the content of the system message that is next to the conversation; no key without one."""
    # What `system_prompt` is next to a list of messages, no trainer agrees on; there the list has to have it.
    listed = found.read_from[0] in LISTS
    for key in ("system",) if listed else ("system", "system_prompt"):
        said = value.get(key)
        if isinstance(said, str | list) and flat_text(said):
            return key, _glaive_system(said) if found.shape == "glaive" else said
    return "", None


def _glaive_system(said: str | list[Any]) -> str:
    return flat_text(said).removeprefix("SYSTEM:").strip()


def read_tools(value: Mapping[str, Any], written: Any, notes: list[tuple[str, str]]) -> list[Any] | None:
    """Tools that the row offers; several datasets keep the list as JSON text. What cannot be read is noted."""
    found: list[Any] | None = None
    for key, listed in (*((key, value.get(key)) for key in TOOL_KEYS), ("the conversation", written)):
        if isinstance(listed, str):
            if not listed.strip():
                if listed and key == "tools":
                    notes.append(("blank_tools", "tools is blank text"))
                continue
            # Rows have other things by these names: only what looks like a list of tools is missed there.
            missed = key not in TOOL_KEYS[1:] or listed.lstrip()[0] in "[{"
            try:
                listed = json.loads(listed)
            except (ValueError, RecursionError) as error:
                if missed:
                    notes.append(("tools", f"{key} is text that is not JSON: {error}"))
                continue
        if isinstance(listed, list):
            if listed:
                return listed
            found = listed
        elif listed and (key not in TOOL_KEYS[1:] or isinstance(listed, dict)):
            notes.append(("tools", f"{key} is {kind_of(listed)}, not a list"))
    return found
