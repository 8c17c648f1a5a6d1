"""From files to lines: hashes a file, undoes its compression, and hands out its rows in batches.

Nothing here knows what a row means. Whatever a file holds, every row keeps the line that it has in the file as it
is on the disk, because that is where its owner will look for it.
"""

import gzip
import hashlib
import io
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from tunewright.chat.reading.batch import Batch, Fault, decode, long_rows
from tunewright.chat.reading.files import COMPRESSIONS, DataFile
from tunewright.chat.reading.json_array import array_batches, is_array, unwrapped
from tunewright.contract.errors import UserError

BATCH_BYTES = 16 << 20
# Longest first: the mark of UTF-32 begins with that of UTF-16.
_WIDE = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_BOM = Fault(1, "bom", "the file begins with a byte order mark")


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
            if wide := next((name for mark, name in _WIDE if data.startswith(mark)), None):
                raise UserError(
                    f"{file.path}: {wide}, not UTF-8",
                    f"Write it again: iconv -f {wide} -t UTF-8 {file.path.name} > new.jsonl",
                )
            bom = data.startswith(b"\xef\xbb\xbf")
            data = data.removeprefix(b"\xef\xbb\xbf")
            if not at_end and len(data) < batch_bytes:
                more, broken = _read(stream, batch_bytes)
                data, at_end = data + more, not more or broken is not None
            if is_array(data, complete=at_end):
                faults = [_BOM] if bom else []
                rest_of_file = iter(()) if at_end else iter(lambda: _read(stream, batch_bytes)[0], b"")
                yield from array_batches(file, chain([unwrapped(data)], rest_of_file), faults, batch_bytes)
                return
            if bom:
                yield Batch([], 1, [], [_BOM])
        cut = len(data) if at_end else data.rfind(b"\n") + 1
        rest = data[cut:]
        if cut:
            torn = not data.endswith(b"\n", 0, cut)
            # A view, not a copy: copying a batch costs as much as decoding it.
            text, faults = decode(memoryview(data)[: cut if torn else cut - 1], line)
            rows = text.split("\n")
            carriage_returns = data.count(b"\r\n", 0, cut) if data.find(b"\r", 0, cut) >= 0 else 0
            if carriage_returns and not crlf_count:
                crlf_line = line + data.count(b"\n", 0, data.find(b"\r\n"))
            crlf_count += carriage_returns
            faults += long_rows(rows, line)
            yield Batch(rows, line, None, faults, torn_line=line + len(rows) - 1 if torn else 0)
            line += len(rows)
        if at_end:
            if broken is not None:
                yield Batch([], line, [], [Fault(line, "cut", f"the compressed data end early ({broken})")])
            if crlf_count:
                lines = "1 line ends" if crlf_count == 1 else f"{crlf_count} lines end"
                detail = f"{lines} in CR LF, the first is line {crlf_line}"
                yield Batch([], line, [], [Fault(crlf_line, "crlf", detail)])
            file.lines = file.rows = line - 1
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


def _parquet_batches(file: DataFile) -> Iterator[Batch]:
    import duckdb

    from tunewright.contract.atomic import sha256_file

    connection = duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"})
    try:
        connection.execute("SET enable_progress_bar = false")
        rows = connection.execute("SELECT to_json(t)::VARCHAR FROM read_parquet($1) t", [str(file.path)])
        line = 1
        while taken := rows.fetchmany(5000):
            yield Batch([row[0] for row in taken], line)
            line += len(taken)
    except duckdb.Error as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{file.path}: cannot be read as Parquet ({reason})", "Write the file again."
        ) from error
    finally:
        connection.close()
    file.lines = file.rows = line - 1
    file.sha256, file.size = sha256_file(file.path), file.path.stat().st_size
