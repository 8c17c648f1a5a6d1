"""From files to lines: finds the data files, hashes them, undoes compression, and hands out batches of lines.

Nothing here knows what a row means. Whatever a file holds, every line keeps its number in the file as it is
on the disk, because that is where its owner will look for it.
"""

import gzip
import hashlib
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from tunewright.contract.errors import UserError

BATCH_BYTES = 16 << 20
# DuckDB's own JSON reader, among others, refuses an object above this size.
LONG_ROW = 16 << 20
SUFFIXES = (".jsonl", ".json", ".ndjson", ".parquet")
COMPRESSIONS = (".gz", ".zst")
_SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
    "testing": "test",
    "eval": "test",
}


@dataclass(frozen=True)
class Fault:
    """Something wrong with a line as bytes. `kind` is one of the names that checks/format_*.sql ask for."""

    line: int
    kind: str
    detail: str


@dataclass
class DataFile:
    """One input. What is read from it is filled in when its batches have been taken to the end."""

    path: Path
    split: str
    sha256: str = ""
    size: int = 0  # bytes on the disk
    lines: int = 0


@dataclass
class Batch:
    """Consecutive rows of a file: their text joined by line feeds, and their line numbers."""

    text: str
    first_line: int
    # Line of each row where rows are not lines (a JSON array); None: first_line, first_line + 1, …
    numbers: list[int] | None = None
    faults: list[Fault] = field(default_factory=list[Fault])
    torn_line: int = 0  # the last line when it has no line end; 0 otherwise


def split_of(path: Path) -> str:
    """The split that a file's name says: train, valid or test; train when it says none."""
    words = re.findall(r"[a-z]+", path.name.lower())
    found = [_SPLIT_WORDS[word] for word in words if word in _SPLIT_WORDS]
    return found[-1] if found else "train"


def is_data(path: Path) -> bool:
    """Whether a name is one that rows are read from, compressed or not."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    while suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return bool(suffixes) and suffixes[-1] in SUFFIXES


def find_files(paths: Sequence[Path]) -> list[DataFile]:
    """Files, folders and globs, each file once. Raises UserError for what is missing or empty."""
    found: dict[Path, DataFile] = {}
    for path in paths:
        for file in _expand(path):
            found.setdefault(file.resolve(), DataFile(file, split_of(file)))
    if not found:
        raise UserError("no data given", "Give a .jsonl file, or a folder with train.jsonl and valid.jsonl.")
    for file in found.values():
        if file.path.stat().st_size == 0:
            raise UserError(f"{file.path}: the file is empty", "Each line must hold one example.")
    return list(found.values())


def _expand(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file() and is_data(file))
        named = [
            file for file in files if set(re.findall(r"[a-z]+", file.name.lower())) & _SPLIT_WORDS.keys()
        ]
        # dataset.json and the like describe the rows; they are not rows.
        files = named or [file for file in files if file.suffix != ".json"] or files
        if not files:
            raise UserError(
                f"{path}: no data files in it", f"Looked for {', '.join(SUFFIXES)}, also with .gz or .zst."
            )
        return _in_order(files)
    if any(character in str(path) for character in "*?["):
        base = Path(path.anchor) if path.is_absolute() else Path()
        pattern = str(path.relative_to(path.anchor)) if path.is_absolute() else str(path)
        files = sorted(file for file in base.glob(pattern) if file.is_file())
        if not files:
            raise UserError(
                f"nothing matches {path}", "Check the pattern; quote it so that the shell leaves it."
            )
        return files
    raise UserError(f"no data at {path}", "Give a .jsonl file, or a folder with train.jsonl and valid.jsonl.")


def _in_order(files: list[Path]) -> list[Path]:
    order = ("train", "valid", "test")
    return sorted(files, key=lambda file: (order.index(split_of(file)), file.name))


class _HashingReader(io.RawIOBase):
    """Passes bytes through and hashes them, so that a file is read once."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        count: int = self._file.readinto(buffer)  # pyright: ignore[reportAttributeAccessIssue]
        self.digest.update(memoryview(buffer)[:count])
        self.size += count
        return count

    def drain(self) -> None:
        """Hash what a decompressor left unread."""
        while data := self._file.read(1 << 20):
            self.digest.update(data)
            self.size += len(data)


def read_batches(file: DataFile, batch_bytes: int = BATCH_BYTES) -> Iterator[Batch]:
    """Yield every row's text once, in order; fill in the file's hash, size and number of lines.

    Raises UserError when the file cannot be opened or is not what its name says.
    """
    if ".parquet" in file.path.suffixes:
        yield from _parquet_batches(file)
        return
    try:
        handle = file.path.open("rb")
    except OSError as error:
        raise UserError(f"{file.path}: {error.strerror}", "Check that the file may be read.") from error
    with handle:
        raw = _HashingReader(handle)
        stream = _decompressed(file.path, io.BufferedReader(raw, 1 << 20))
        yield from _line_batches(file, stream, batch_bytes)
        raw.drain()
        file.sha256, file.size = raw.digest.hexdigest(), raw.size


def _decompressed(path: Path, stream: io.BufferedReader) -> BinaryIO:
    head = stream.peek(4)[:4]
    if head[:2] == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=stream)  # pyright: ignore[reportReturnType]
    if head == b"\x28\xb5\x2f\xfd":
        import zstandard

        return zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True)  # pyright: ignore[reportReturnType]
    if path.suffix in COMPRESSIONS:
        raise UserError(
            f"{path}: not a {path.suffix} file", "Its first bytes are of another kind; rename it."
        )
    return stream


def _line_batches(file: DataFile, stream: BinaryIO, batch_bytes: int) -> Iterator[Batch]:
    line, rest, first = 1, b"", True
    crlf_line = crlf_count = 0
    while True:
        data, broken = _read(stream, batch_bytes)
        at_end = not data or broken is not None
        data = rest + data
        if first:
            first = False
            bom = data.startswith(b"\xef\xbb\xbf")
            data = data.removeprefix(b"\xef\xbb\xbf")
            if not at_end and len(data) < batch_bytes:
                more, broken = _read(stream, batch_bytes)
                data, at_end = data + more, not more or broken is not None
            if _is_array(data, complete=at_end):
                pieces = [data]
                while not at_end:
                    more, broken = _read(stream, batch_bytes)
                    pieces.append(more)
                    at_end = not more or broken is not None
                yield from _array_batches(file, b"".join(pieces), bom)
                return
            if bom:
                yield Batch("", 1, [], [Fault(1, "bom", "the file begins with a byte order mark")])
        cut = len(data) if at_end else data.rfind(b"\n") + 1
        rest = data[cut:]
        if cut:
            torn = not data.endswith(b"\n", 0, cut)
            # A view, not a copy: copying a batch costs as much as decoding it.
            batch = _decode(memoryview(data)[: cut if torn else cut - 1], line)
            count = data.count(b"\n", 0, cut) + torn
            carriage_returns = data.count(b"\r\n", 0, cut) if data.find(b"\r", 0, cut) >= 0 else 0
            if carriage_returns and not crlf_count:
                crlf_line = line + data.count(b"\n", 0, data.find(b"\r\n"))
            crlf_count += carriage_returns
            batch.torn_line = line + count - 1 if torn else 0
            line += count
            yield batch
        if at_end:
            if broken is not None:
                yield Batch("", line, [], [Fault(line, "cut", f"the compressed data end early ({broken})")])
            if crlf_count:
                detail = f"{crlf_count} lines end in CR LF, the first is line {crlf_line}"
                yield Batch("", line, [], [Fault(crlf_line, "crlf", detail)])
            file.lines = line - 1
            return


def _read(stream: BinaryIO, size: int) -> tuple[bytes, Exception | None]:
    """Up to `size` bytes, and what stopped a damaged compressed stream."""
    pieces: list[bytes] = []
    total = 0
    try:
        # What a damaged stream gave before it broke is only kept when it was asked for in small pieces.
        most = size if isinstance(stream, io.BufferedReader) else 1 << 16
        while total < size and (piece := stream.read(min(most, size - total))):
            pieces.append(piece)
            total += len(piece)
    except (OSError, EOFError) as error:
        return b"".join(pieces), error
    except Exception as error:
        # zlib.error and ZstdError share no base with the others.
        if type(error).__module__.partition(".")[0] not in ("zlib", "zstandard"):
            raise
        return b"".join(pieces), error
    return pieces[0] if len(pieces) == 1 else b"".join(pieces), None


def _decode(data: bytes | memoryview, first_line: int) -> Batch:
    faults: list[Fault] = []
    try:
        text = str(data, "utf-8")
    except UnicodeDecodeError:
        lines: list[str] = []
        for number, line in enumerate(bytes(data).split(b"\n"), start=first_line):
            try:
                lines.append(line.decode())
            except UnicodeDecodeError as error:
                detail = f"byte {error.start + 1} is not UTF-8 (0x{line[error.start]:02x})"
                faults.append(Fault(number, "utf8", detail))
                lines.append(line.decode(errors="replace"))
        text = "\n".join(lines)
    # A line that long covers a whole half of its length: no line feed in there.
    half = LONG_ROW // 2
    if any(text.find("\n", start, start + half) < 0 for start in range(0, len(text) - half, half)):
        for number, line in enumerate(text.split("\n"), start=first_line):
            if len(line) > LONG_ROW:
                detail = f"a row of {len(line) / 1e6:.1f} MB: many readers refuse a JSON object above 16 MB"
                faults.append(Fault(number, "long_row", detail))
    return Batch(text, first_line, None, faults)


def _is_array(data: bytes, complete: bool) -> bool:
    """Whether a file is one JSON array of rows, and not lines that happen to be arrays."""
    if not data.lstrip().startswith(b"["):
        return False
    first, _, following = data.lstrip().partition(b"\n")
    try:
        value = json.loads(first)
    except ValueError:
        return True
    bare = any(isinstance(item, dict) and ("role" in item or "from" in item) for item in value)
    return not bare and not following.strip() and complete


def _array_batches(file: DataFile, data: bytes, bom: bool) -> Iterator[Batch]:
    decoded = _decode(data, 1)
    text, faults = decoded.text, decoded.faults
    if bom:
        faults.append(Fault(1, "bom", "the file begins with a byte order mark"))
    decoder = json.JSONDecoder()
    rows: list[str] = []
    numbers: list[int] = []
    size, line, seen = 0, 1, 0
    position = text.index("[") + 1
    blank = re.compile(r"[\s,]*")
    while True:
        position = blank.match(text, position).end()  # pyright: ignore[reportOptionalMemberAccess]
        line, seen = line + text.count("\n", seen, position), position
        if position >= len(text):
            faults.append(Fault(line, "cut", "the array is not closed: the file was cut short"))
            break
        if text[position] == "]":
            break
        try:
            _, end = decoder.raw_decode(text, position)
        except ValueError as error:
            faults.append(Fault(line, "unreadable", f"not JSON: {error}; the rest of the array is unread"))
            break
        rows.append(text[position:end].replace("\n", " "))
        numbers.append(line)
        size += end - position
        position = end
        if size > BATCH_BYTES:
            yield Batch("\n".join(rows), 1, numbers, [])
            rows, numbers, size = [], [], 0
    file.lines = text.count("\n") + (not text.endswith("\n"))
    yield Batch("\n".join(rows), 1, numbers, faults)


def _parquet_batches(file: DataFile) -> Iterator[Batch]:
    import duckdb

    from tunewright.contract.atomic import sha256_file

    connection = duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"})
    try:
        connection.execute("SET enable_progress_bar = false")
        rows = connection.execute("SELECT to_json(t)::VARCHAR FROM read_parquet($1) t", [str(file.path)])
        line = 1
        while taken := rows.fetchmany(5000):
            yield Batch("\n".join(row[0] for row in taken), line)
            line += len(taken)
    except duckdb.Error as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{file.path}: cannot be read as Parquet ({reason})", "Write the file again."
        ) from error
    finally:
        connection.close()
    file.lines = line - 1
    file.sha256, file.size = sha256_file(file.path), file.path.stat().st_size
