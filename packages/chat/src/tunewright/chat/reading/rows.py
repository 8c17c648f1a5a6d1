"""Every row of data files as a conversation, for those who write rows: no row may be missed, no fault passed over."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tunewright.chat.conversation import Conversation, UnknownShapeError, read_conversation
from tunewright.chat.reading.files import DataFile
from tunewright.chat.reading.lines import read_batches
from tunewright.chat.reading.mapping import guess_table
from tunewright.chat.reading.settings import Reading
from tunewright.chat.reading.shapes import KNOWN_SHAPES
from tunewright.contract.errors import UserError

MOST_SHOWN = 20  # rows that are named of those that cannot be read
# Faults after which rows are missing; the others are about bytes that readers take differently.
_LOST = ("cut", "unreadable")
_HINT = "See every such row: ./inv audit --data; correct or remove them."


@dataclass
class Problems:
    """Rows that cannot be read or written, to be told all at once."""

    lines: list[str] = field(default_factory=list[str])
    total: int = 0
    hint: str = ""

    def add(self, file: DataFile, line: int, reason: str, hint: str = _HINT) -> None:
        self.total += 1
        self.hint = self.hint or hint
        if self.total <= MOST_SHOWN:
            self.lines.append(f"{file.path}:{line}: {reason}")

    def check(self) -> None:
        """Raise UserError when there are any."""
        if not self.total:
            return
        lines = list(self.lines)
        if self.total > len(lines):
            lines.append(f"and {self.total - len(lines):,} more rows")
        if self.total > 1:
            lines.append(f"{self.total:,} rows cannot be read or written, so nothing is written")
        raise UserError("\n".join(lines), self.hint)


def read_conversations(
    files: Sequence[DataFile], problems: Problems, reading: Reading
) -> Iterator[tuple[DataFile, int, Conversation]]:
    """Yield (file, line, conversation) of each row that can be read, note the others, and fill in the files' hashes.

    Raises UserError for a file without rows, and for a column that a `[read]` table names and no row has.
    """
    check_columns(files, reading)
    for file in files:
        empty = True
        for line, value in _values(file, problems):
            empty = False
            try:
                conversation = read_conversation(value, reading)
            except RecursionError:
                problems.add(file, line, "nested too deeply")
            except UnknownShapeError as error:
                problems.add(file, line, str(error), shape_hint(value))
            else:
                yield file, line, conversation
        if empty and not problems.total:
            raise UserError(
                f"{file.path}: no examples in it", "The file is empty, or holds only blank lines."
            )


def check_columns(files: Sequence[DataFile], reading: Reading) -> None:
    """Raise UserError for a column that a `[read]` table names and no row has. Reads until each has been seen."""
    missing = dict(reading.table.columns) if reading.table is not None else {}
    for file in files:
        for text in (text for batch in read_batches(file) for text in batch.rows) if missing else ():
            named = any(
                json.dumps(column, ensure_ascii=escaped) in text
                for column in missing.values()
                for escaped in (False, True)
            )
            if named and isinstance(value := _parsed(text), dict):
                missing = {key: column for key, column in missing.items() if column not in value}
                if not missing:
                    return
    if reading.table is not None and missing:
        raise reading.table.no_column(missing)


def first_row(file: DataFile, line: int) -> Any:
    """The row that begins on a line; None when it cannot be read."""
    for batch in read_batches(file):
        for number, text in zip(batch.lines, batch.rows):
            if number == line:
                return _parsed(text)
    return None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def shape_hint(value: Any) -> str:
    """What to do about a row of an unknown shape: the known ones, and a `[read]` table filled in for this one."""
    lines = guess_table(value).splitlines()
    return "\n".join(
        [
            f"{KNOWN_SHAPES} For any other, say where it is, in a file given with --config:",
            *(f"    {line}" for line in lines),
        ]
    )


def _values(file: DataFile, problems: Problems) -> Iterator[tuple[int, Any]]:
    """The rows' values with their lines; what is not JSON, or missing, is noted."""
    for batch in read_batches(file):
        for line, text in zip(batch.lines, batch.rows):
            if not text.strip():
                continue
            try:
                value = json.loads(text)
            except (ValueError, RecursionError) as error:
                problems.add(file, line, f"not a JSON document ({error})")
            else:
                yield line, value
        for fault in batch.faults:
            if fault.kind in _LOST:
                problems.add(file, fault.line, fault.detail)
