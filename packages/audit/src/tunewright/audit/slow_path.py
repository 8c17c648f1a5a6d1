"""Rows that SQL would not vouch for: parsed in Python, their faults noted, brought to the plain form. Pure."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tunewright.chat import arrow_nulls
from tunewright.chat.conversation import Conversation, UnknownShapeError, read_conversation
from tunewright.chat.reading.batch import Fault
from tunewright.chat.reading.settings import Reading
from tunewright.chat.reading.turns import flat_text


def repair_rows(
    rows: Sequence[tuple[int, int, str, bool]], reading: Reading
) -> tuple[list[dict[str, Any]], list[Fault]]:
    """Rows as (number, line, text, whether the file ends in it): those that can be read, and what is wrong with them."""
    faults: list[Fault] = []
    repaired: list[dict[str, Any]] = []
    for number, line, text, torn in rows:
        if not text.strip(" \t\r"):
            faults.append(Fault(line, "blank", "a blank line"))
        elif row := repair_row(line, text, torn, faults, reading):
            repaired.append({"number": number, "line": line, **row})
    return repaired, faults


def repair_row(
    line: int, text: str, torn: bool, faults: list[Fault], reading: Reading
) -> dict[str, Any] | None:
    """A row that SQL would not vouch for: parsed in Python, its faults noted, brought to the plain form."""
    notes: list[tuple[str, str]] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) < len(items):
            keys = [key for key, _ in items]
            twice = next(key for key in keys if keys.count(key) > 1)
            notes.append(
                (
                    "duplicate_key",
                    f"the key {twice!r} occurs twice in one object; readers differ in which wins",
                )
            )
        return found

    def constant(name: str) -> None:
        notes.append(("nan", f"{name} is not JSON"))

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        if reason.startswith("Extra data"):
            kind, detail = (
                "unreadable",
                "not JSON: more than one value on the line, or line ends that are not line feeds",
            )
        elif torn:
            kind, detail = "torn", f"the file ends in the middle of a row: {reason}"
        else:
            kind, detail = "unreadable", f"not JSON: {reason}"
        faults.append(Fault(line, kind, detail))
        return None
    if _has_surrogates(text, value):
        notes.append(("surrogate", "half of a surrogate pair (\\ud800 to \\udfff): no UTF-8 can hold it"))
    faults += [Fault(line, kind, detail) for kind, detail in dict(notes).items()]
    try:
        row = read_conversation(value, reading)
    except (UnknownShapeError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        faults.append(Fault(line, "shape", reason))
        return None
    # Lists of tools are looked at once each, whichever way their rows were read.
    faults += [Fault(line, kind, detail) for kind, detail in row.notes if kind != "padding"]
    if nulls := arrow_nulls.message_padding(row.tools or [], row.messages):
        faults.append(Fault(line, "padding", nulls))
    keys = list(value) if isinstance(value, dict) else []
    blocks = list(_content_blocks(row.messages))
    marks = [kind for block in blocks if (kind := _mark(block))]
    faults += [
        Fault(line, "block", f"a content block of the type {kind!r} is not text: a mark replaces it")
        for kind in marks
    ]
    kept = {key: value[key] for key in ("meta", "metadata", "source", "dataset", "template") if key in keys}
    return {
        "shape": row.shape,
        "keys": keys,
        "blocks": len(blocks) - len(marks),
        **({"preference": preference} if (preference := _preference(row)) else {}),
        "row": {"messages": row.plain, "tools": row.tools, **kept},
    }


def _preference(row: Conversation) -> dict[str, Any] | None:
    """The wanted answer, the one that is not, and the label of a single answer; None where nothing is preferred."""
    if row.rejected is None and row.label is None:
        return None
    return {
        "chosen": _answer(row.plain),
        "rejected": None if row.rejected is None else _answer(row.rejected),
        "label": row.label,
    }


def _answer(messages: Sequence[Mapping[str, Any]]) -> str:
    """The text and the calls of the answers that end these messages."""
    parts: list[str] = []
    for message in reversed(messages):
        if message.get("role") not in ("assistant", "model", "gpt"):
            break
        calls = message.get("tool_calls")
        parts += [json.dumps(calls, ensure_ascii=False)] if calls else []
        parts.append(flat_text(message.get("content")))
    return "\n".join(part for part in reversed(parts) if part)


def _has_surrogates(text: str, value: Any) -> bool:
    if "\\ud" not in text and "\\uD" not in text:
        return False
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


_MARK = re.compile(r"\[(.*?)(?: [0-9a-f]{8})?\]", re.DOTALL)


def _content_blocks(messages: Iterable[Mapping[str, Any]]) -> Iterator[Any]:
    """The typed blocks of messages, those inside a tool's result too."""
    for message in messages:
        content = message.get("content")
        for block in content if isinstance(content, list) else ():
            inner = block.get("content") if isinstance(block, dict) else None
            yield from inner if isinstance(inner, list) else [block]


def _mark(block: Any) -> str:
    """The type of a block for which `flat_text` leaves a mark; empty for one that it reads."""
    if not isinstance(block, dict):
        return ""
    kind = str(block.get("type", "block"))
    found = _MARK.fullmatch(flat_text([block]))
    return kind if found and found.group(1) == kind else ""
