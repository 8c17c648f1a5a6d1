"""Content-defined chunks of a file: which parts of it a host already has in another one.

FastCDC cuts where the content says so, so that a changed row moves no cut but its own. What a laptop has sent is kept as an
index of hashes and lengths, a few hundred kB for 500 MB; without it a file is sent whole.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyfastcdc import Chunk, FastCDC

from tunewright.contract.atomic import CHUNK, write_bytes

AVERAGE = 1 << 16  # bytes of a chunk
KEPT = 50  # indexes of files that were sent last
MOST_PIECES = 2000  # of a file: each costs its host two processes
PLACE = 1 << 20  # bytes of a file that are looked at, at 16 places, before it is cut
LOOKED_AT = 64 << 20  # bytes from which a file is looked at first
LEAST_SAVED = 0.5  # share of a file that another one must save for it to be worth it
Chunks = list[tuple[str, int]]  # hash and length, in the file's order
_INDEXER = ThreadPoolExecutor(1)  # one file after another; Python waits for it before it ends


@dataclass(frozen=True)
class Piece:
    """Bytes of a file: out of the one that the host has (`known`), or of those that are sent."""

    known: bool
    offset: int  # in the file that the host has, or in the new file
    length: int


def cut(path: Path) -> Chunks:
    """A file's chunks. Raises OSError."""
    if not path.stat().st_size:
        return []
    # Not `cut_file`: it maps the file into memory, and one that is cut short meanwhile would end the process.
    with path.open("rb") as file:
        stream: Any = file  # pyfastcdc's stubs ask for other names of its parameters
        return [_digest(chunk) for chunk in FastCDC(AVERAGE).cut_stream(stream)]


def _places(path: Path) -> Iterator[Chunks]:
    """The chunks of 16 places of a file, without those that begin or end where the place does."""
    size = path.stat().st_size
    with path.open("rb") as file:
        for number in range(16):
            file.seek(number * (size - PLACE) // 15)
            chunks = [_digest(chunk) for chunk in FastCDC(AVERAGE).cut_buf(file.read(PLACE))]
            yield chunks[1:-1]


def _digest(chunk: Chunk) -> tuple[str, int]:
    return hashlib.blake2b(chunk.data, digest_size=16).hexdigest(), chunk.length


def pieces_of(new: Chunks, old: Chunks) -> list[Piece]:
    """The new file as pieces of the old one and of itself, in order and as few as they can be."""
    places: dict[str, int] = {}
    at = 0
    for digest, length in old:
        places.setdefault(digest, at)
        at += length
    pieces: list[Piece] = []
    at = 0
    for digest, length in new:
        piece = Piece(digest in places, places.get(digest, at), length)
        last = pieces[-1] if pieces else None
        if last and last.known == piece.known and last.offset + last.length == piece.offset:
            pieces[-1] = Piece(last.known, last.offset, last.length + length)
        else:
            pieces.append(piece)
        at += length
    return pieces


def sent_bytes(pieces: Iterable[Piece]) -> int:
    """Bytes that a host has to be sent."""
    return sum(piece.length for piece in pieces if not piece.known)


def read_sent(path: Path, pieces: Iterable[Piece], skip: int = 0) -> Iterator[bytes]:
    """The bytes of the file that are sent, after the first `skip` of them."""
    with path.open("rb") as file:
        for piece in pieces:
            if piece.known:
                continue
            here, skip = min(skip, piece.length), max(0, skip - piece.length)
            file.seek(piece.offset + here)
            left = piece.length - here
            while left and (data := file.read(min(CHUNK, left))):
                left -= len(data)
                yield data


def compose_script(pieces: Sequence[Piece]) -> str:
    """POSIX sh that puts a file together: `$1` is the file that the host has, `$2` what was sent, `$4` the result.

    It is made as `$3`: the file `$4` is there whole or not at all, whoever is cut off meanwhile.
    """
    lines = ['piece() { tail -c "+$(($2 + 1))" "$1" | head -c "$3"; }', "{"]
    sent = 0
    for piece in pieces:
        if piece.known:
            lines.append(f'piece "$1" {piece.offset} {piece.length}')
        else:
            lines.append(f'piece "$2" {sent} {piece.length}')
            sent += piece.length
    return "\n".join([*lines, '} >"$3" && mv -f "$3" "$4" && rm -f "$2"', ""])


class SentFiles:
    """The indexes of files that this laptop sent, by their SHA-256, the newest `KEPT`."""

    def __init__(self, folder: Path | None = None) -> None:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self.folder = folder or cache / "tunewright" / "chunks"

    def add(self, sha256: str, chunks: Chunks) -> None:
        """Keep a file's chunks. An index that cannot be kept stops nothing: the next file is sent whole then."""
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_bytes(self.folder / sha256, json.dumps(chunks).encode())
            for path in self._newest()[KEPT:]:
                path.unlink(missing_ok=True)

    def add_later(self, sha256: str, path: Path) -> None:
        """Keep a file's chunks if they are not kept yet. It is cut while this process goes on.

        Nothing is kept of a file that is changed or removed before that.
        """
        with suppress(OSError):
            was = path.stat()

            def index() -> None:
                with suppress(OSError):
                    if not (self.folder / sha256).exists():
                        chunks, now = cut(path), path.stat()
                        if (now.st_ino, now.st_size, now.st_mtime_ns) == (
                            was.st_ino,
                            was.st_size,
                            was.st_mtime_ns,
                        ):
                            self.add(sha256, chunks)

            _INDEXER.submit(index)

    def wait(self) -> None:
        """Until all that was to be kept later is kept."""
        _INDEXER.submit(int).result()

    def may_be_alike(self, sha256: str, path: Path) -> bool:
        """Whether a file shares a chunk with another one, in a few places of it: a look, before all of it is cut.

        Of a file that shares half of its bytes, each place does so with a chance of a half.
        """
        self.wait()
        others = [other for other in self._newest() if other.name != sha256]
        if not others or path.stat().st_size < LOOKED_AT:
            return bool(others)
        look = {digest for place in _places(path) for digest, _ in place}
        return any(digest in look for other in others for digest, _ in _read(other))

    def alike(self, sha256: str, chunks: Chunks) -> list[tuple[str, list[Piece]]]:
        """Other files, by their hash, out of which the new one can be put together, and how; the best one first."""
        most = (1 - LEAST_SAVED) * sum(length for _, length in chunks)
        found = [
            (path.name, pieces_of(chunks, _read(path))) for path in self._newest() if path.name != sha256
        ]
        worth = [one for one in found if len(one[1]) <= MOST_PIECES and sent_bytes(one[1]) < most]
        return sorted(worth, key=lambda one: sent_bytes(one[1]))

    def _newest(self) -> list[Path]:
        with suppress(OSError):
            found = [path for path in self.folder.iterdir() if len(path.name) == 64]
            return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
        return []


def _read(path: Path) -> Chunks:
    """An index; empty when it is gone or damaged. What it says wrongly is found by the file's own hash on the host."""
    try:
        return [(str(digest), int(length)) for digest, length in json.loads(path.read_bytes())]
    except (OSError, ValueError, TypeError):
        return []
