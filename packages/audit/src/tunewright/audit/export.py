"""The rows of a dataset parted into clean ones and rejected ones with the reasons, so that fixing starts from files."""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb

from tunewright.audit.checks import Check
from tunewright.chat.reading.files import DataFile
from tunewright.chat.reading.lines import read_batches
from tunewright.contract.atomic import atomic_writer
from tunewright.contract.errors import UserError

# Checks whose rows are wrong one by one. What is wrong with a dataset as a whole is in none of its rows.
OF_ROWS = (
    *("format.", "call.", "conflict.", "text.", "trainer."),
    *("duplicates.exact", "split.leak_exact", "split.leak_query", "split.suite_contamination"),
)
_REASONS = """
SELECT coalesce(o.file, e.file) AS file, coalesce(o.line, e.line) AS line, check_id, severity,
    message, min(detail) AS detail
FROM offences o LEFT JOIN examples e USING (example)
WHERE coalesce(o.line, e.line) IS NOT NULL GROUP BY ALL ORDER BY ALL
"""


def check_folder(folder: Path, splits: Sequence[str]) -> None:
    """Raise UserError where an export would replace a file."""
    for name in _names(splits).values():
        for kind in ("clean", "rejected"):
            if (path := folder / name.format(kind)).exists():
                raise UserError(f"{path}: exists already", "Name another folder: nothing is replaced.")


def _names(splits: Sequence[str]) -> dict[str, str]:
    """File names by split: with one split `clean.jsonl`, with several `train.clean.jsonl`."""
    known = list(dict.fromkeys(splits))
    return {split: "{}.jsonl" if len(known) == 1 else f"{split}.{{}}.jsonl" for split in known}


def export_rows(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[DataFile],
    checks: Sequence[Check],
    faulty: Callable[[str, str], bool],
    folder: Path,
) -> None:
    """Write every row once: as it is where it is clean, or under `row` next to its `reasons`.

    `faulty(check, severity)` says whether a finding is held against a row. A line that is not JSON is under `text`.
    """
    own = {check.id: check for check in checks}
    reasons: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
    for file, line, check_id, severity, message, detail in connection.execute(_REASONS).fetchall():
        check = own[check_id]
        graded = severity or check.severity
        if check_id.startswith(OF_ROWS) and faulty(check_id, graded):
            said = message or check.message.format(rows="") or check.reason
            reason = {"check": check_id, "severity": graded, "message": said}
            reasons[file, line].append(reason | ({"detail": detail} if detail else {}))
    folder.mkdir(parents=True, exist_ok=True)
    for split, name in _names([file.split for file in files]).items():
        with (
            atomic_writer(folder / name.format("clean")) as clean,
            atomic_writer(folder / name.format("rejected")) as rejected,
        ):
            for number, file in enumerate(files):
                if file.split != split:
                    continue
                for batch in read_batches(file):
                    for line, text in zip(batch.lines, batch.rows):
                        if found := reasons.get((number, line)):
                            entry = {"file": str(file.path), "line": line, "reasons": found, **_row(text)}
                            rejected.write(
                                json.dumps(entry, ensure_ascii=False).encode(errors="replace") + b"\n"
                            )
                        elif text.strip():
                            clean.write(_on_one_line(text).encode(errors="replace") + b"\n")


def _row(text: str) -> dict[str, Any]:
    try:
        return {"row": json.loads(text)}
    except (ValueError, RecursionError):
        return {"text": text}


def _on_one_line(text: str) -> str:
    text = text.strip("\r\n")
    return json.dumps(json.loads(text), ensure_ascii=False) if "\n" in text else text
