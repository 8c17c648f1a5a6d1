"""Bytes to a host and back: resumable, verified, and never half there under their final name.

Up: a file is a blob, named by its SHA-256; what a host already has is not sent again.
Down: a folder's manifest says what must come; it is written last.
"""

import fcntl
import hashlib
import os
import shlex
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from tunewright.contract.atomic import fsync_folder, sha256_bytes, sha256_file
from tunewright.contract.errors import HostError, UserError
from tunewright.contract.manifest import FileEntry
from tunewright.remote.checksum import SUM, arriving
from tunewright.remote.chunks import SentFiles, compose_script, cut, read_sent, sent_bytes
from tunewright.remote.host import CHUNK, Host, must, run_script
from tunewright.remote.meter import Meter, Report
from tunewright.remote.retry import Unreachable, persist

Wanted = tuple[
    PurePosixPath, Path, FileEntry
]  # a file on the host, where it is to be here, what it has to be
SMALL = 1 << 18  # bytes up to which a file comes together with others
TOGETHER = 8 << 20  # bytes of files that come together: a command has two minutes
TOGETHER_NAMES = 1 << 17  # bytes of their names: macOS gives a command a MiB of arguments
FLUSHED_AT_ONCE = 16  # files
LARGE = 4 << 20  # bytes from which a file is looked for in pieces of earlier ones
DAMAGED = 9  # the exit code by which our scripts say that a file is not what it should be

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
    in_pieces = hashed_on_arrival = size >= LARGE

    def attempt() -> bool:
        nonlocal sent, in_pieces, hashed_on_arrival
        if host.size(final) is not None and all(whole_files(host, [(sha256, final)])):
            return True
        at = host.size(part) or 0
        if in_pieces and not at:
            sent += _put_in_pieces(host, path, sha256, part, meter)
            at, in_pieces = host.size(part) or 0, False
        at = at if at <= size else 0
        if hashed_on_arrival and at < size:
            hashed_on_arrival = False  # once: whatever stopped it may stop it again
            with arriving(host, part, final, sha256, size) as file:
                sent += _send(host, path, part, at, meter, file.moved_to)
            if file.published:
                return True
        elif at < size or size == 0:
            sent += _send(host, path, part, at, meter)
        done = run_script(host, _PUBLISH, [part, final, sha256], timeout=60 + size / 5e6)
        if done.code == DAMAGED:
            return False
        must(done, f"{host.name}: cannot finish {final}", "Is the disk full?")
        return True

    with _only_sender(host, sha256):
        for _ in range(3):
            if persist(attempt, report, lambda: meter.done):
                if sent and size >= LARGE:
                    SentFiles().add_later(sha256, path)
                return sent
            report(f"{path.name} arrived damaged; sending it again")
    raise HostError(
        f"{path.name} arrived damaged three times on {host.name}",
        "Did the file change while it was sent? If not, look at the network or the disk.",
    )


def _send(
    host: Host,
    path: Path,
    part: PurePosixPath,
    at: int,
    meter: Meter,
    arrived: Callable[[int], object] = lambda _: None,
) -> int:
    """Send a file from `at` on; return the bytes sent. `arrived` gets how much of it the host has."""
    meter.start(at)

    def moved_to(done: int) -> None:
        meter.moved_to(done)
        arrived(done)

    host.append(part, at, _pieces(path, at), moved_to)
    return path.stat().st_size - at


def _put_in_pieces(host: Host, path: Path, sha256: str, part: PurePosixPath, meter: Meter) -> int:
    """Put a file together on the host, in `part`, out of one that it has and the bytes that are new; return those sent.

    Leaves `part` alone where nothing alike was sent before. A file that the host has damaged gives a wrong `part`, which the
    hash of the whole tells.
    """
    files = SentFiles()
    if not files.may_be_alike(sha256, path):
        return 0
    chunks = cut(path)
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
    meter.start(at)
    host.append(new, at, read_sent(path, pieces, at), meter.moved_to)
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
    missing = [file for file in files if not _is_here(file)]
    small = [file for file in missing if file[2].size <= SMALL]
    got: set[Path] = set()
    for some in _batches(small) if len(small) > 1 else ():
        got.update(_get_together(host, some, report))
    received = sum(entry.size for _, target, entry in small if target in got)
    return received + sum(get_file(host, *file, report) for file in missing if file[1] not in got)


def _batches(files: Iterable[Wanted]) -> Iterator[list[Wanted]]:
    """As many files at a time as one command may print and be given."""
    batch: list[Wanted] = []
    size = names = 0
    for file in files:
        size, names = size + file[2].size, names + len(os.fsencode(file[0])) + 1
        if batch and (size > TOGETHER or names > TOGETHER_NAMES):
            yield batch
            batch, size, names = [], file[2].size, len(os.fsencode(file[0])) + 1
        batch.append(file)
    if batch:
        yield batch


def _get_together(host: Host, files: Sequence[Wanted], report: Report) -> list[Path]:
    """Fetch small files out of one stream; return those that are here now.

    Ends at the first one that is not what its manifest says, or cannot be had: to fetch it alone tells what is wrong.
    """
    # The names are in the script: a login shell takes 128 KiB of arguments at most, and quotes make them longer.
    script = f"set -- {shlex.join(str(source) for source, _, _ in files)}\n{_TOGETHER}"
    try:
        done = persist(lambda: run_script(host, script), report)
    except Unreachable:
        raise
    except HostError:
        return []
    if len(done.stdout) != sum(entry.size for _, _, entry in files):
        return []
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
        return []
    return [target for target, _ in whole]


def _write_together(files: Sequence[tuple[Path, bytes]]) -> None:
    """Write files whole. They are flushed several at a time: a disk does many at once nearly as fast as one."""
    parts = [target.with_name(f"{target.name}.part") for target, _ in files]
    folders = {target.parent for target, _ in files}
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)

    def write(part: Path, data: bytes) -> None:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    with ThreadPoolExecutor(FLUSHED_AT_ONCE) as pool:
        list(pool.map(write, parts, (data for _, data in files)))
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
    received, digest = 0, hashlib.sha256()

    def attempt() -> None:
        nonlocal received, digest
        at = part.stat().st_size if part.exists() else 0
        if at > entry.size:
            at = 0
        digest = hashlib.sha256()
        with part.open("r+b" if part.exists() else "w+b") as file:
            while file.tell() < at and (piece := file.read(min(CHUNK, at - file.tell()))):
                digest.update(piece)
            file.truncate()
            meter.start(at)
            for piece in host.stream(source, at):
                at += len(piece)
                if at > entry.size:
                    break
                file.write(piece)
                digest.update(piece)
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
        if part.stat().st_size == entry.size and digest.hexdigest() == entry.sha256:
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
