"""A user's `[read]` table: which columns and role names an unknown shape has, and the guess at one for a row.

    [read]
    messages = "dialogue"       # the column with the list of turns, or its JSON text
    role = "speaker"            # the key in each turn that says who speaks (role)
    content = "utterance"       # the key in each turn that holds what is said (content)
    roles = { customer = "user", agent = "assistant" }

or, where the request and its answer have a column each, `prompt` and `answer`. Next to either: `system`, `tools`,
`chosen`, `rejected`, `label`.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from tunewright.chat.reading.found import Found, Row
from tunewright.chat.reading.prompt_completion import continued, said_in
from tunewright.chat.reading.turns import (
    ROLES,
    Message,
    UnknownShapeError,
    kind_of,
    listed_turns,
    openai_messages,
)
from tunewright.contract.errors import UserError

_ROLE_NAMES = ("system", "user", "assistant", "tool", "tool_call")
_WITHIN = ("role", "content", "roles", "origin")  # what is in a turn; all else names a column


@dataclass(frozen=True)
class ReadTable:
    """Names of columns, and of what is in a turn."""

    messages: str = ""
    prompt: str = ""
    answer: str = ""
    chosen: str = ""
    rejected: str = ""
    label: str = ""
    system: str = ""
    tools: str = ""
    role: str = "role"
    content: str = "content"
    roles: Mapping[str, str] = field(default_factory=dict[str, str])
    origin: str = ""  # the file that the table is in

    @property
    def columns(self) -> dict[str, str]:
        """The columns that the table names, by key."""
        named = {key.name: getattr(self, key.name) for key in fields(self) if key.name not in _WITHIN}
        return {key: column for key, column in named.items() if column}

    def no_column(self, missing: Mapping[str, str]) -> UserError:
        """The mistake of naming columns that no row has."""
        key, column = next(iter(missing.items()))
        return UserError(
            f"{self.origin}: read.{key}: no row has the column {column!r}",
            "Name columns as the rows have them.",
        )

    def find(self, row: Row) -> Found | None:
        """The conversation that the table finds in a row; None where the row lacks a column that the conversation is in."""
        needed = [name for name in (self.messages, self.prompt, self.answer, self.chosen) if name]
        if not all(name in row for name in needed):
            return None
        before = self._turns(row[self.messages]) if self.messages else []
        before += said_in(row[self.prompt], "user") if self.prompt else []
        answer = self.answer or self.chosen
        messages = continued(before, self._said(row[answer])) if answer else before
        used = [*needed]
        if self.system and row.get(self.system) and (not messages or messages[0]["role"] != "system"):
            messages = [{"role": "system", "content": row[self.system]}, *messages]
            used.append(self.system)
        rejected = row.get(self.rejected) if self.rejected else None
        found = Found("mapped", messages, tuple(used), self._said(rejected) or None)
        for name, column in (("tools", self.tools), ("rejected", self.rejected), ("label", self.label)):
            if column and column in row and column != name:
                found.left[name] = row[column]
                found.read_from += (column,)
        return found

    def _turns(self, value: Any) -> list[Message]:
        turns = listed_turns(value)
        if turns is None:
            raise UnknownShapeError(
                f"{self.messages} (read.messages) is {kind_of(value)}, not a list of turns"
            )
        return openai_messages(self._turn(turn, number) for number, turn in enumerate(turns, start=1))

    def _turn(self, turn: Any, number: int) -> Any:
        if not isinstance(turn, dict):
            return turn
        if self.role not in turn:
            raise UnknownShapeError(f"message {number} has no {self.role!r} (read.role)")
        said_by = turn[self.role]
        name = self.roles.get(said_by, said_by) if isinstance(said_by, str) else said_by
        others = {key: value for key, value in turn.items() if key not in (self.role, self.content)}
        return {"role": name, "content": turn.get(self.content), **others}

    def _said(self, value: Any) -> list[Message]:
        """An answer: a text, a turn or a list of turns."""
        if isinstance(value, dict):
            return openai_messages([self._turn(value, 1)])
        return self._turns(value) if isinstance(value, list) and value else said_in(value, "assistant")


def parse_read_table(value: Any, origin: str) -> ReadTable:
    """Check a `[read]` table. Raises UserError that names the key."""
    if not isinstance(value, dict):
        raise UserError(f"{origin}: read: a table is needed", f"For example:\n{_EXAMPLE}")
    known = [key.name for key in fields(ReadTable) if key.name != "origin"]
    for key, name in value.items():
        if key not in known:
            raise UserError(f"{origin}: read.{key}: no such key", f"Known: {', '.join(known)}.")
        if key == "roles":
            _check_roles(name, origin)
        elif not isinstance(name, str) or not name:
            raise UserError(
                f"{origin}: read.{key}: the name of a column is needed, not {kind_of(name)}", f'{key} = "…"'
            )
    table = ReadTable(**value, origin=origin)
    if not (table.messages or table.prompt):
        raise UserError(
            f"{origin}: read: neither messages nor prompt is given",
            "Name the column with the list of turns (messages), or those of the request and its answer (prompt, answer).",
        )
    return table


_EXAMPLE = '[read]\nmessages = "dialogue"\nrole = "speaker"\ncontent = "utterance"'


def _check_roles(roles: Any, origin: str) -> None:
    if not isinstance(roles, dict):
        raise UserError(
            f"{origin}: read.roles: a table is needed", 'roles = { customer = "user", agent = "assistant" }'
        )
    for name, role in roles.items():
        if role not in _ROLE_NAMES:
            raise UserError(
                f"{origin}: read.roles.{name}: {role!r} is not a role", f"Roles: {', '.join(_ROLE_NAMES)}."
            )


_REQUEST_NAMES = (
    "prompt",
    "question",
    "query",
    "request",
    "instruction",
    "input",
    "user",
    "human",
    "problem",
    "context",
)
_ANSWER_NAMES = (
    "answer",
    "response",
    "reply",
    "completion",
    "output",
    "assistant",
    "solution",
    "target",
    "bot",
    "text",
)
_ROLE_KEYS = ("role", "from", "speaker", "author", "sender", "who", "type", "name")
_CONTENT_KEYS = ("content", "value", "text", "utterance", "message", "body", "said")


def guess_table(row: Any) -> str:
    """A `[read]` table for a row of an unknown shape, as TOML, filled in as far as could be guessed."""
    lines = _guess_turns(row) or _guess_columns(row) if isinstance(row, dict) else []
    return "\n".join(["[read]", *(lines or ['messages = "…"', 'role = "…"', 'content = "…"'])])


def _guess_turns(row: Mapping[str, Any]) -> list[str]:
    for column, value in row.items():
        turns: list[dict[str, Any]] = [turn for turn in listed_turns(value) or () if isinstance(turn, dict)]
        texts: set[str] = {key for turn in turns for key, said in turn.items() if isinstance(said, str)}
        if not turns or not texts:
            continue
        length = {key: sum(len(str(turn.get(key))) for turn in turns) for key in sorted(texts)}
        # Who speaks is said in few words, and in the same ones.
        few = {key: (len({str(turn.get(key)) for turn in turns}), length[key]) for key in length}
        speaker = _by_name(few, _ROLE_KEYS) or min(few, key=few.__getitem__)
        rest = [key for key in length if key != speaker]
        said = _by_name(rest, _CONTENT_KEYS) or max(rest, key=length.__getitem__, default="…")
        lines = [f"messages = {_toml(column)}", f"role = {_toml(speaker)}", f"content = {_toml(said)}"]
        names = list(dict.fromkeys(turn[speaker] for turn in turns if isinstance(turn.get(speaker), str)))
        unknown = [name for name in names if name.strip().lower() not in ROLES]
        if unknown:
            free = [
                role
                for role in ("user", "assistant")
                if role not in {ROLES.get(name.lower()) for name in names}
            ]
            guessed = dict(zip(unknown, [*free, *["…"] * len(unknown)]))
            lines.append(
                "roles = { "
                + ", ".join(f"{_toml(name)} = {_toml(role)}" for name, role in guessed.items())
                + " }"
            )
        return lines
    return []


def _guess_columns(row: Mapping[str, Any]) -> list[str]:
    texts = [key for key, value in row.items() if isinstance(value, str)]
    prompt = _by_name(texts, _REQUEST_NAMES) or (texts[0] if texts else "…")
    rest = [key for key in texts if key != prompt]
    answer = _by_name(rest, _ANSWER_NAMES) or (rest[0] if rest else "…")
    return [f"prompt = {_toml(prompt)}", f"answer = {_toml(answer)}"]


def _by_name(keys: Iterable[str], names: tuple[str, ...]) -> str:
    """The key that is, or else contains, the first of these names."""
    lowered = {key.lower(): key for key in keys}
    exact = next((lowered[name] for name in names if name in lowered), "")
    return exact or next((lowered[key] for name in names for key in sorted(lowered) if name in key), "")


def _toml(text: str) -> str:
    """A TOML string; JSON's escapes are TOML's too."""
    return json.dumps(text, ensure_ascii=False)
