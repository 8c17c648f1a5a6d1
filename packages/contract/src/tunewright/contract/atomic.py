"""The one way to write a file or a folder: it appears whole under its name, or not at all.

A temporary sibling is written, flushed to the disk, renamed over the name, and the parent folder is flushed
so that the rename itself survives a power cut (the order that restic and borg use). A name that is a character
device, a pipe or one of our open descriptors (/dev/stdout) is written into instead, for a rename would replace the
node; a symbolic link is followed.
"""

import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from tunewright.contract.errors import UserError

CHUNK = 1 << 20


def fsync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, so that a rename inside it is durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_tree(root: Path) -> None:
    """Flush every file and folder below `root`, and `root` itself, to the disk."""
    for folder, _, names in os.walk(root):
        for name in names:
            descriptor = os.open(os.path.join(folder, name), os.O_RDONLY)  # noqa: PTH118
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        fsync_folder(Path(folder))


def check_place(path: Path) -> None:
    """See that a file or folder of this name can be made, before hours of work. Raises UserError when it cannot.

    The name and the folders above it are made, and removed again.
    """
    if is_stream(path):
        if open_descriptor(path) is None and not os.access(path, os.W_OK):
            raise UserError(f"{path} cannot be written to", "Name a place that you may write to.")
        return
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise UserError(f"{path} is a block device or a socket", "Name a file, or - for standard output.")
    nearest = next(parent for parent in path.absolute().parents if os.path.lexists(parent))
    if not nearest.is_dir():
        raise UserError(f"{path} cannot be made: {nearest} is not a folder", "Name a place in a folder.")
    made: list[Path] = []
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
        for folder in (*reversed(path.parents), path):
            if not os.path.lexists(folder):
                folder.mkdir()
                made.append(folder)
    except OSError as error:
        raise UserError(
            f"{path} cannot be made ({error.strerror})", "Name a place that you may write to."
        ) from error
    finally:
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()


def open_descriptor(path: Path) -> int | None:
    """The number of the open descriptor that a path names: 1 for /dev/stdout, 3 for /dev/fd/3; None for other paths."""
    for _ in range(40):  # as many links as Linux follows
        folder = os.path.realpath(path.parent)
        if folder in ("/dev/fd", f"/proc/{os.getpid()}/fd") and path.name.isdecimal():
            return int(path.name)
        path = Path(folder, path.name)
        if not path.is_symlink():
            break
        path = path.parent / path.readlink()
    return None


def is_stream(path: Path) -> bool:
    """Whether a path names something to write into that is not a file: an open descriptor, a pipe, a character device."""
    if open_descriptor(path) is not None:
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


@contextmanager
def atomic_writer(path: Path, *, private: bool = False) -> Generator[BinaryIO]:
    """Yield a binary file that becomes `path` when the block ends without an exception; `private`: for its owner alone.

    The parent folder is made when missing. On an exception the temporary file is removed and an older file
    of that name stays as it was. What is written to a stream (`is_stream`) goes straight into it.
    """
    try:
        with _stream(path) if is_stream(path) else _replaced(Path(os.path.realpath(path)), private) as file:
            yield file
    except OSError as error:
        if error.filename is None:  # a write knows its descriptor only
            error.filename = str(path)
        raise


@contextmanager
def _stream(path: Path) -> Generator[BinaryIO]:
    number = open_descriptor(path)
    # Opening /dev/stdout anew would begin at the start of the file that standard output goes to.
    descriptor = os.open(path, os.O_WRONLY) if number is None else os.dup(number)
    with os.fdopen(descriptor, "wb") as file:
        yield file


@contextmanager
def _replaced(path: Path, private: bool) -> Generator[BinaryIO]:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if not private:
            # mkstemp makes private files; what we write is meant to be read like any other file.
            temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise
    fsync_folder(path.parent)


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically."""
    with atomic_writer(path) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, atomically."""
    write_bytes(path, text.encode())


def dump_json(value: Any) -> str:
    """Deterministic JSON: sorted keys, no NaN, no escaping of what UTF-8 can say."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False, separators=(",", ":"))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as readable JSON, atomically. Keys keep their order."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def write_jsonl(path: Path, rows: Iterable[Any], *, private: bool = False) -> int:
    """Write one JSON document a line, atomically; return how many. `private`: the file is for its owner alone."""
    count = 0
    with atomic_writer(path, private=private) as file:
        for row in rows:
            text = json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            file.write(text.encode() + b"\n")
            count += 1
    return count


@contextmanager
def atomic_folder(path: Path) -> Generator[Path]:
    """Yield a fresh folder that becomes `path` when the block ends without an exception.

    Raises FileExistsError when `path` already exists: what is finished is never replaced in place.
    """
    if path.exists():
        raise FileExistsError(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name[:100]}.", suffix=".tmp", dir=path.parent))
    try:
        yield temporary
        fsync_tree(temporary)
        temporary.chmod(0o777 & ~_umask())
        temporary.rename(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    fsync_folder(path.parent)


def sha256_bytes(data: bytes) -> str:
    """Hex SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file, read in pieces of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_json(value: Any) -> str:
    """Hex SHA-256 of a value's deterministic JSON."""
    return sha256_bytes(dump_json(value).encode())
