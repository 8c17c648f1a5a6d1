"""Bytes to a host and back: resumable, verified, and never half there under their final name.

Up: a file is a blob, named by its SHA-256; what a host already has is not sent again.
Down: a folder's manifest says what must come; it is written last.
"""

import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from tunewright.contract.atomic import CHUNK, fsync_folder, sha256_bytes, sha256_file
from tunewright.contract.errors import HostError, UserError
from tunewright.contract.manifest import FileEntry
from tunewright.remote.chunks import SentFiles, compose_script, cut, read_sent, sent_bytes
from tunewright.remote.host import Host, must, run_script
from tunewright.remote.retry import Unreachable, persist

Report = Callable[[str], None]
Wanted = tuple[
    PurePosixPath, Path, FileEntry
]  # a file on the host, where it is to be here, what it has to be
SMALL = 1 << 18  # bytes up to which a file comes together with others
TOGETHER = (
    100  # files: their bytes stay below what a command may print, their names below what it may be given
)
LARGE = 4 << 20  # bytes from which a file is looked for in pieces of earlier ones
DAMAGED = 9  # the exit code by which our scripts say that a file is not what it should be

# macOS has shasum (and sha256sum from 15 on), Linux has sha256sum.
SUM = """
sum() { if command -v sha256sum >/dev/null 2>&1; then sha256sum <"$1"; else shasum -a 256 <"$1"; fi | cut -c1-64; }
"""
_PUBLISH = (
    SUM
    + """
[ "$(sum "$1")" = "$3" ] || { rm -f "$1"; exit 9; }
chmod 400 "$1" && mv -f "$1" "$2"
"""
)
_WHOLE = (
    SUM
    + """
number=0
while [ $# -ge 2 ]; do
  [ -f "$2" ] && [ "$(sum "$2")" = "$1" ] && echo "whole $number"
  number=$((number + 1))
  shift 2
done
exit 0
"""
)
# A pipe of that name would wait for its writer.
_TOGETHER = """
for name; do [ -f "$name" ] || exit 9; done
exec cat "$@"
"""
# A blob never changes, so a hard link is as good as a copy; some volumes have none.
_LINK = """
set -e
while [ $# -ge 2 ]; do
  mkdir -p "$(dirname "$2")"
  ln -f "$1" "$2" 2>/dev/null || { cp "$1" "$2.tmp" && mv -f "$2.tmp" "$2"; }
  shift 2
done
"""


class Meter:
    """Says how far a transfer is, every two seconds."""

    def __init__(self, report: Report, label: str, total: int) -> None:
        self.report, self.label, self.total = report, label, total
        self.done = 0
        self._said = time.monotonic()

    def moved_to(self, done: int) -> None:
        self.done = done
        now = time.monotonic()
        if now - self._said >= 2:
            self._said = now
            self.report(f"{self.label}: {done / 1e6:.1f} of {self.total / 1e6:.1f} MB")


def blob_path(host: Host, sha256: str) -> PurePosixPath:
    """Where a host keeps the file of that hash."""
    return host.root / "blobs" / sha256


def make_folders(host: Host, *folders: PurePosixPath) -> None:
    """`mkdir -p`. Raises HostError."""
    must(
        host.run(["/bin/mkdir", "-p", "--", *map(str, folders)]),
        f"{host.name}: cannot make {folders[0]}",
        "Is the folder yours, and the disk not full?",
    )


def whole_files(host: Host, files: Sequence[tuple[str, PurePosixPath]]) -> list[bool]:
    """For each (SHA-256, path): whether the host has that file with that content, read and hashed there."""
    arguments = [argument for sha256, path in files for argument in (sha256, str(path))]
    done = must(run_script(host, _WHOLE, arguments, timeout=1800), f"{host.name}: cannot verify its files")
    said = set(done.text.split("\n"))
    return [f"whole {number}" in said for number in range(len(files))]


def put_blobs(host: Host, files: dict[str, Path], report: Report) -> int:
    """Bring files (by their SHA-256) to the host; return the bytes sent. What is there is not sent again.

    Survives broken connections. Raises HostError when the host cannot take a file.
    """
    persist(lambda: make_folders(host, host.root / "blobs"), report)
    return sum(put_blob(host, path, sha256, report) for sha256, path in files.items())


def put_blob(host: Host, path: Path, sha256: str, report: Report) -> int:
    """Bring one file to the host; return the bytes sent."""
    final = blob_path(host, sha256)
    part = part_path(host, sha256)
    size = path.stat().st_size
    meter = Meter(report, f"sending {path.name}", size)
    sent = 0
    in_pieces = size >= LARGE

    def attempt() -> bool:
        nonlocal sent, in_pieces
        if host.size(final) is not None and all(whole_files(host, [(sha256, final)])):
            return True
        at = host.size(part) or 0
        if in_pieces and not at:
            sent += _put_in_pieces(host, path, sha256, part, meter)
            at, in_pieces = host.size(part) or 0, False
        at = at if at <= size else 0
        before = at
        if at < size or size == 0:
            host.append(part, at, _metered(_pieces(path, at), at, meter))
        sent += size - before
        done = run_script(host, _PUBLISH, [part, final, sha256], timeout=60 + size / 5e6)
        if done.code == DAMAGED:
            return False
        must(done, f"{host.name}: cannot finish {final}", "Is the disk full?")
        return True

    with _only_sender(host, sha256):
        for _ in range(3):
            if persist(attempt, report, lambda: meter.done):
                return sent
            report(f"{path.name} arrived damaged; sending it again")
    raise HostError(
        f"{path.name} arrived damaged three times on {host.name}",
        "Did the file change while it was sent? If not, look at the network or the disk.",
    )


def _put_in_pieces(host: Host, path: Path, sha256: str, part: PurePosixPath, meter: Meter) -> int:
    """Put a file together on the host, in `part`, out of one that it has and the bytes that are new; return those sent.

    Leaves `part` alone where nothing alike was sent before. A file that the host has damaged gives a wrong `part`, which the
    hash of the whole tells.
    """
    files, chunks = SentFiles(), cut(path)
    alike = files.alike(sha256, chunks)
    files.add(sha256, chunks)
    found = next((one for one in alike if host.size(blob_path(host, one[0])) is not None), None)
    if found is None:
        return 0
    base, pieces = blob_path(host, found[0]), found[1]
    content = hashlib.sha256()
    for data in read_sent(path, pieces):
        content.update(data)
    new = part_path(host, content.hexdigest())
    made = part_path(host, sha256_bytes(f"{sha256} in pieces".encode()))
    meter.total = sent_bytes(pieces)
    at = min(host.size(new) or 0, meter.total)
    host.append(new, at, _metered(read_sent(path, pieces, at), at, meter))
    sent, meter.total = meter.total - at, path.stat().st_size
    done = run_script(host, compose_script(pieces), [base, new, made, part], timeout=60 + meter.total / 5e6)
    must(done, f"{host.name}: cannot put {path.name} together", "Is the disk full?")
    return sent


def part_path(host: Host, sha256: str) -> PurePosixPath:
    """Where this laptop's half-sent file of that content is: the same for every run and checkout, so that it is found
    again; another one for every laptop, so that two do not write into one file."""
    sender = sha256_bytes(f"{os.uname().nodename}:{os.getuid()}".encode())[:8]
    return blob_path(host, sha256).with_name(f".{sha256}.{sender}.part")


@contextmanager
def _only_sender(host: Host, sha256: str) -> Generator[None]:
    """One process of this laptop at a time sends that content to that machine; the next one finds it there."""
    name = sha256_bytes(f"{host.key or host.name} {sha256}".encode())[:2]
    path = Path(tempfile.gettempdir(), f"tunewright-sending-{os.getuid()}-{name}.lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def link_blobs(host: Host, links: Iterable[tuple[str, PurePosixPath]]) -> None:
    """Let each (SHA-256, path) appear at its path on the host. Raises HostError."""
    arguments = [argument for sha256, path in links for argument in (str(blob_path(host, sha256)), str(path))]
    must(run_script(host, _LINK, arguments), f"{host.name}: cannot put files in place", "Is the disk full?")


def write_file(host: Host, path: PurePosixPath, data: bytes) -> None:
    """Write a small file on the host, whole or not at all. Raises HostError."""
    part = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns():x}.part")
    host.append(part, 0, [data])
    script = SUM + '[ "$(sum "$1")" = "$3" ] || exit 9\nmv -f "$1" "$2"\n'
    must(
        run_script(host, script, [part, path, sha256_bytes(data)]),
        f"{host.name}: cannot write {path}",
        "Is the disk full?",
    )


def get_files(host: Host, files: Sequence[Wanted], report: Report) -> int:
    """Fetch files as `get_file` does, the small ones many at a time by one command; return the bytes received.

    Raises HostError.
    """
    small = [file for file in files if file[2].size <= SMALL and not _is_here(file)]
    received = 0
    for at in range(0, len(small) if len(small) > 1 else 0, TOGETHER):
        received += _get_together(host, small[at : at + TOGETHER], report)
    return received + sum(get_file(host, *file, report) for file in files)


def _get_together(host: Host, files: Sequence[Wanted], report: Report) -> int:
    """Fetch small files out of one stream; return the bytes received.

    Ends at the first one that is not what its manifest says, or cannot be had: to fetch it alone tells what is wrong.
    """
    try:
        done = persist(lambda: run_script(host, _TOGETHER, [source for source, _, _ in files]), report)
    except Unreachable:
        raise
    except HostError:
        return 0
    if len(done.stdout) != sum(entry.size for _, _, entry in files):
        return 0
    at, whole = 0, list[tuple[Path, bytes]]()
    for _, target, entry in files:
        data = done.stdout[at : at + entry.size]
        if sha256_bytes(data) != entry.sha256:
            break
        whole.append((target, data))
        at += entry.size
    try:
        _write_together(whole)
    except OSError:
        return 0
    return at


def _write_together(files: Sequence[tuple[Path, bytes]]) -> None:
    """Write files whole, and flush them only when all are written: a disk does many at once nearly as fast as one."""
    parts = [target.with_name(f"{target.name}.part") for target, _ in files]
    folders = {target.parent for target, _ in files}
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    for part, (_, data) in zip(parts, files):
        part.write_bytes(data)
    for part in parts:
        with part.open("rb") as file:
            os.fsync(file.fileno())
    for part, (target, _) in zip(parts, files):
        part.replace(target)
    for folder in folders:
        fsync_folder(folder)


def _is_here(file: Wanted) -> bool:
    _, target, entry = file
    return target.is_file() and target.stat().st_size == entry.size and sha256_file(target) == entry.sha256


def get_file(host: Host, source: PurePosixPath, target: Path, entry: FileEntry, report: Report) -> int:
    """Fetch a file that `entry` describes to `target`; return the bytes received.

    Goes on from a `.part` next to it, verifies the hash, and renames last. Raises HostError.
    """
    if _is_here((source, target, entry)):
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    meter = Meter(report, f"fetching {source.name}", entry.size)
    received = 0

    def attempt() -> None:
        nonlocal received
        at = part.stat().st_size if part.exists() else 0
        if at > entry.size:
            at = 0
        with part.open("r+b" if part.exists() else "w+b") as file:
            file.seek(at)
            file.truncate()
            for piece in host.stream(source, at):
                at += len(piece)
                if at > entry.size:
                    break
                file.write(piece)
                received += len(piece)
                meter.moved_to(at)
            file.flush()
            os.fsync(file.fileno())

    for _ in range(2):
        try:
            persist(attempt, report, lambda: meter.done)
        except FileNotFoundError as error:
            raise HostError(
                f"{host.name}: {source} is gone, and the manifest names it",
                "Was the run cleaned there meanwhile?",
            ) from error
        except OSError as error:
            raise UserError(
                f"cannot write {part}: {error.strerror or error}",
                "Is this disk full? Make room, then: ./inv pull goes on where it was.",
            ) from error
        if part.stat().st_size == entry.size and sha256_file(part) == entry.sha256:
            part.replace(target)
            fsync_folder(target.parent)
            return received
        part.unlink()
        report(f"{source.name} is not what its manifest says; fetching it again")
    raise HostError(
        f"{host.name}: {source} is not what its manifest says",
        "It changed or was damaged on the host. `./inv resume --fresh` makes it anew.",
    )


def _pieces(path: Path, offset: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(offset)
        while piece := file.read(CHUNK):
            yield piece


def _metered(pieces: Iterator[bytes], at: int, meter: Meter) -> Iterator[bytes]:
    for piece in pieces:
        yield piece
        at += len(piece)
        meter.moved_to(at)
