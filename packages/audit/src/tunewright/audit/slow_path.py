"""Rows that SQL would not vouch for: parsed in Python, their faults noted, brought to the plain form. Pure."""

import json
from collections.abc import Sequence
from typing import Any

from tunewright.chat.read.batch import Fault
from tunewright.chat.read.shapes import UnknownShapeError, canonical


def mend_rows(rows: Sequence[tuple[int, int, str, bool]]) -> tuple[list[dict[str, Any]], list[Fault]]:
    """Rows as (number, line, text, whether the file ends in it): those that can be read, and what is wrong with them."""
    faults: list[Fault] = []
    mended: list[dict[str, Any]] = []
    for number, line, text, torn in rows:
        if not text.strip(" \t\r"):
            faults.append(Fault(line, "blank", "a blank line"))
        elif row := mend_row(line, text, torn, faults):
            mended.append({"number": number, "line": line, **row})
    return mended, faults


def mend_row(line: int, text: str, torn: bool, faults: list[Fault]) -> dict[str, Any] | None:
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
                    f"the key {twice!r} stands twice in one object; readers differ in which wins",
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
                "not JSON: more than one value on the line, or line ends that are no line feeds",
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
        row = canonical(value)
    except (UnknownShapeError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        faults.append(Fault(line, "shape", reason))
        return None
    faults += [Fault(line, kind, detail) for kind, detail in row.notes]
    keys = list(value) if isinstance(value, dict) else []
    kept = {key: value[key] for key in ("meta", "metadata", "source", "dataset") if key in keys}
    return {
        "shape": row.shape,
        "keys": keys,
        "row": {"messages": row.messages, "tools": row.tools, **kept},
    }


def _has_surrogates(text: str, value: Any) -> bool:
    if "\\ud" not in text and "\\uD" not in text:
        return False
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
