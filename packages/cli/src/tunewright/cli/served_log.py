"""The file that `serve --log` writes: one row a request, for its owner alone, and never larger than it may be."""

import fcntl
import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from tunewright.chat.review_mark import SERVED
from tunewright.contract.console import say
from tunewright.contract.errors import UserError

LARGEST = 256 << 20  # bytes of a log
_BEGINS = b'{"mark":'  # every row
_TAIL = 2 << 20  # bytes; rows are shorter


class ServedLog:
    """Appends rows to `path`, which is made where it is missing. Close it, or use it as a context.

    A last row that was cut off is removed. Raises UserError when the file cannot be written to, is not a log, is full, or
    when another `serve` writes to it.
    """

    def __init__(self, path: Path, largest: int = LARGEST) -> None:
        self.path = path
        self.rows = 0  # written by this one
        self._largest = largest
        self._file = _open(path)
        try:
            self._size = _ended(self._file, path)
            if self._size >= largest:
                raise UserError(f"{path} is full: {self._size >> 20} MiB", "Name another file for the log.")
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> "ServedLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def add(self, row: Any) -> None:
        """Append a row as a host sent it, whatever mark and source it claims. A file that is full, or cannot be written to
        any more, is told once; the rows after that are not kept."""
        if not isinstance(row, dict) or not isinstance(row.get("messages"), list):
            return
        meta = row["meta"] if isinstance(row.get("meta"), dict) else {}
        ours = {"mark": "", **{key: row[key] for key in ("messages", "tools") if key in row}}
        ours["meta"] = {**meta, "source": SERVED}
        try:
            text = json.dumps(ours, ensure_ascii=False, allow_nan=False)
        except ValueError:  # NaN, which is not JSON
            return
        data = text.encode(errors="replace") + b"\n"  # a lone surrogate cannot be written: a question mark is
        if self._size + len(data) > self._largest:
            self._stop(f"it is full: {self._largest >> 20} MiB")
            return
        try:
            _write(self._file, data)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, self._size)
            self._stop(error.strerror or str(error))
            return
        self._size += len(data)
        self.rows += 1

    def _stop(self, reason: str) -> None:
        if self._largest:
            say(f"log       nothing more is written to {self.path}: {reason}")
        self._largest = 0


def _open(path: Path) -> int:
    hint = "Name a file of your own, in a folder that you may write to."
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # O_NONBLOCK: a pipe that nobody reads must not make us wait.
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
        file = os.open(path, flags, 0o600)
    except OSError as error:
        raise UserError(f"{path} cannot be written to ({error.strerror})", hint) from error
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise UserError(f"{path} is not a file", hint)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.fchmod(file, 0o600)
    except BlockingIOError as error:
        os.close(file)
        raise UserError(f"another `serve` writes to {path}", "Name another file for the log.") from error
    except OSError as error:
        os.close(file)
        raise UserError(f"{path} cannot be made private ({error.strerror})", hint) from error
    except UserError:
        os.close(file)
        raise
    return file


def _ended(file: int, path: Path) -> int:
    """The file's size in bytes, once its last line is whole. Raises UserError for a file that is not a log."""
    size = os.fstat(file).st_size
    start = max(0, size - _TAIL)
    before, newline, last = os.pread(file, size - start, start).rpartition(b"\n")
    if not _BEGINS.startswith(os.pread(file, len(_BEGINS), 0)) or (start and not newline):
        raise UserError(f"{path} is not a log of `serve`", "Nothing is added to other files. Name a new one.")
    if not last:
        return size
    try:
        json.loads(last)
    except (ValueError, RecursionError):
        say(f"log       the last row of {path} was cut off, and is removed")
        os.ftruncate(file, start + len(before) + len(newline))
    else:  # an editor left the line end out
        _write(file, b"\n")
    return os.fstat(file).st_size


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
