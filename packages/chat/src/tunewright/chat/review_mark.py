"""The mark that a person gives a row of a served log: without one, nothing of the log is trained on."""

from typing import Any

SERVED = "served"  # `meta.source` of a row that `serve --log` wrote
KEEP = "keep"  # train on it
CASE = "case"  # make cases of a suite out of it


def mark_of(row: Any) -> str | None:
    """The mark of a row that came from a served log, empty until a person gives one; None for every other row."""
    meta = row.get("meta") if isinstance(row, dict) else None
    if not isinstance(meta, dict) or meta.get("source") != SERVED:
        return None
    mark = row.get("mark")
    return mark if isinstance(mark, str) else ""
