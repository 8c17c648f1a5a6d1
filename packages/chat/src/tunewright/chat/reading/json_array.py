"""One JSON array of rows, alone or in an object, taken apart row by row as it is read: it is never in memory as a whole."""

import json
import re
from collections.abc import Iterator

from tunewright.chat.reading.batch import LONG_ROW, Batch, Fault, decode, long_row
from tunewright.chat.reading.files import DataFile

_BLANK = re.compile(r"[ \t\r\n,]*")
# An object around the array: {"data": [{…
_WRAPPED = re.compile(rb'\s*\{\s*"(?:data|rows|examples|train|items)"\s*:\s*(?=\[\s*\{)')
_DECODER = json.JSONDecoder()


def unwrapped(data: bytes) -> bytes:
    """The beginning of a file without what precedes an array of rows inside an object; its lines still count."""
    found = _WRAPPED.match(data)
    return b"\n" * data.count(b"\n", 0, found.end()) + data[found.end() :] if found else data


def is_array(data: bytes, complete: bool) -> bool:
    """Whether a file that begins with `data` is one array of rows, alone or in an object, and not a row a line."""
    start = data.lstrip()
    found = _WRAPPED.match(start)
    if not found and not start.startswith(b"["):
        return False
    first, _, following = start.partition(b"\n")
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        return True
    items = next(value[key] for key in value) if found else value
    bare = any(isinstance(item, dict) and ("role" in item or "from" in item) for item in items)
    return not bare and not following.strip() and complete


def array_batches(
    file: DataFile, pieces: Iterator[bytes], faults: list[Fault], batch_bytes: int
) -> Iterator[Batch]:
    """Yield the rows of the array whose bytes are `pieces`, and its faults; fill in the file's lines and rows."""
    text = _Text(pieces, faults)
    rows: list[str] = []
    numbers: list[int] = []
    size = 0
    while (row := text.next_row()) is not None:
        file.rows += 1
        rows.append(row)
        numbers.append(text.line)
        size += len(row)
        if size >= batch_bytes:
            yield Batch(rows, file.rows - len(rows) + 1, numbers)
            rows, numbers, size = [], [], 0
    yield Batch(rows, file.rows - len(rows) + 1, numbers, faults)
    file.lines = text.count_lines()


class _Text:
    """The array as text, of which only what is not taken yet is kept."""

    def __init__(self, pieces: Iterator[bytes], faults: list[Fault]) -> None:
        self._pieces = pieces
        self._faults = faults
        self._undecoded = b""
        self._text = ""
        self._at = 0  # where in `_text` the next row begins
        self._seen = 0  # up to where in `_text` line feeds are counted
        self._first = True
        self._comma = False  # there was one since the row taken last
        self._torn = False  # the text so far does not end with a line feed
        self.line = 1  # of the row taken last

    def _more(self) -> bool:
        """Read another piece; False at the end."""
        piece = next(self._pieces, b"")
        data = self._undecoded + piece
        if not data:
            return False
        # A character that is cut at the end of a piece waits for its rest.
        end = _whole(data) if piece else len(data)
        read, faults = decode(data[:end], self.line + self._text.count("\n", self._seen))
        self._faults += faults
        self._undecoded = data[end:]
        self._text = self._text[self._at :] + read
        self._seen -= self._at
        self._at = 0
        if read:
            self._torn = not read.endswith("\n")
        return True

    def next_row(self) -> str | None:
        """The next row on one line; None at the end of the array, or where it cannot be read any further."""
        while True:
            at = _BLANK.match(self._text, self._at).end()  # pyright: ignore[reportOptionalMemberAccess]
            if self._first and self._text[at : at + 1] == "[":
                self._first = False
                at = _BLANK.match(self._text, at + 1).end()  # pyright: ignore[reportOptionalMemberAccess]
            self._comma = self._comma or "," in self._text[self._at : at]
            self.line += self._text.count("\n", self._seen, at)
            self._at = self._seen = at
            if at < len(self._text):
                break
            if not self._more():
                self._faults.append(
                    Fault(self.line, "cut", "the array is not closed: the file was cut short")
                )
                return None
        if self._text[self._at] == "]":
            if self._comma:
                self._faults.append(Fault(self.line, "unreadable", "a comma before the end of the array"))
            return None
        self._comma = False
        end = self._end()
        if end is None:
            return None
        row = self._text[self._at : end]
        if len(row) > LONG_ROW:
            self._faults.append(long_row(self.line, len(row)))
        self._at = end
        return row.replace("\r", " ").replace("\n", " ")

    def _end(self) -> int | None:
        """Where the row ends that begins at `_at`."""
        while True:
            try:
                _, end = _DECODER.raw_decode(self._text, self._at)
                if end < len(self._text) or not self._more():
                    return end
            except (ValueError, RecursionError) as error:
                # A row that is only cut by the end of what was read so far looks broken there, or has an open string.
                cut = isinstance(error, json.JSONDecodeError) and (
                    error.msg.startswith("Unterminated string") or error.pos >= len(self._text) - 16
                )
                if not cut or not self._more():
                    reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
                    fault = f"not JSON: {reason}; the rest of the array is unread"
                    self._faults.append(Fault(self.line, "unreadable", fault))
                    return None

    def count_lines(self) -> int:
        """Lines of the whole file; what was not taken is read to its end."""
        line = self.line + self._text.count("\n", self._seen)
        for piece in self._pieces:
            line += piece.count(b"\n")
            self._torn = not piece.endswith(b"\n")
        return line - (not self._torn)


def _whole(data: bytes) -> int:
    """The length of `data` without a character that is cut at its end."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte >= 0xC0:
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(data) - back if back < needed else len(data)
        if byte < 0x80:
            break
    return len(data)
