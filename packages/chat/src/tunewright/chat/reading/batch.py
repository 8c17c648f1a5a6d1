"""Consecutive rows of a file as text, and what is wrong with their bytes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

# DuckDB's own JSON reader, among others, refuses an object above this size.
LONG_ROW = 16 << 20


@dataclass(frozen=True)
class Fault:
    """Something wrong with a line as bytes. `kind` is one of the names that checks/format_*.sql ask for."""

    line: int
    kind: str
    detail: str


@dataclass
class Batch:
    """Consecutive rows of a file as text, and their line numbers."""

    rows: list[str]
    first: int  # the number of the first row in its file, from 1
    # Line of each row where rows are not lines (several rows of a JSON array may share one); None: first, first + 1, …
    numbers: list[int] | None = None
    faults: list[Fault] = field(default_factory=list[Fault])
    torn_line: int = 0  # the last line when it has no line end; 0 otherwise

    @property
    def lines(self) -> Sequence[int]:
        """The line on which each row begins."""
        if self.numbers is not None:
            return self.numbers
        return range(self.first, self.first + len(self.rows))


def decode(data: bytes | memoryview, first: int) -> tuple[str, list[Fault]]:
    """Bytes as text, and the lines that are not UTF-8: what is wrong in them is replaced. Lines count from `first`."""
    try:
        return str(data, "utf-8"), []
    except UnicodeDecodeError:
        faults: list[Fault] = []
        lines: list[str] = []
        for number, line in enumerate(bytes(data).split(b"\n"), start=first):
            try:
                lines.append(line.decode())
            except UnicodeDecodeError as error:
                detail = f"byte {error.start + 1} is not UTF-8 (0x{line[error.start]:02x})"
                faults.append(Fault(number, "utf8", detail))
                lines.append(line.decode(errors="replace"))
        return "\n".join(lines), faults


def long_rows(rows: list[str], first: int) -> list[Fault]:
    """The lines that many readers refuse."""
    return [long_row(number, len(row)) for number, row in enumerate(rows, start=first) if len(row) > LONG_ROW]


def long_row(line: int, length: int) -> Fault:
    """The fault of a row of so many characters."""
    return Fault(
        line, "long_row", f"a row of {length / 1e6:.1f} MB: many readers refuse a JSON object above 16 MB"
    )
