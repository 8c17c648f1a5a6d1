"""A base model fetched from the hub: resumed where it was cut, every file's size and hash checked, only data taken.

The files are put where the hub's own client keeps them, so that every tool on the host finds them. Its client, though,
begins a file again when its process has died: ours goes on, from `NAME.part`.

`python -m tunewright.train.fetch` reads `{"lock": …, "endpoint": …}` on standard input, says how far it is on standard
error as lines of `{"done": bytes, "total": bytes}`, and answers with one line of JSON on standard output:
`{"folder": …, "fetched": bytes}`, or `{"error": …, "hint": …}` with exit code 2.
"""

import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from tunewright.contract.atomic import write_json
from tunewright.contract.base_lock import BaseLock, LockedFile
from tunewright.contract.errors import ExitCode, UserError
from tunewright.contract.hub import hub_errors, hub_stream, is_transport_error, resolve_base
from tunewright.contract.sizes import size_pair

Tick = Callable[[int, int], None]  # bytes that are here, of how many
TRIES = 5  # attempts at a file in a row that bring nothing
EVERY = 1.0  # seconds between two reports, and before a second attempt
PARTIAL, RANGE_BEYOND = 206, 416  # HTTP status codes
SPARE = 1 << 30  # bytes of disk that stay free


def fetch_base(
    repository: str, revision: str, files: tuple[LockedFile, ...] = (), tick: Tick | None = None
) -> Path:
    """The folder of a base model, complete; what is missing is fetched. Without `files` the hub says what there is.

    A model that is whole needs no network. Raises UserError when the hub does not give it, or gives something else.
    """
    place = Place(repository, revision)
    if place.is_whole(files):
        return place.snapshot
    lock = BaseLock(schema=1, repository=repository, revision=revision, files=files)
    if not lock.files:
        lock = resolve_base(repository, revision)
    report = tick or _silent
    with place.alone(lambda: report(place.here(lock), lock.size)):
        missing = [file for file in lock.files if not place.has(file)]
        _check_disk(place, sum(file.size - place.part_size(file) for file in missing))
        done = lock.size - sum(file.size for file in missing)
        report(done + sum(map(place.part_size, missing[:1])), lock.size)
        for file in missing:
            _fetch_file(place, file, lambda here, done=done: report(done + here, lock.size))
            done += file.size
        place.mark_whole(lock)
    report(lock.size, lock.size)
    return place.snapshot


class Place:
    """Where a repository's files at one commit are on this machine."""

    def __init__(self, repository: str, revision: str) -> None:
        from huggingface_hub.constants import HF_HUB_CACHE

        self.repository, self.revision = repository, revision
        cache = Path(HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"
        self.snapshot = cache / "snapshots" / revision
        self.work = cache / "tunewright" / revision  # parts, the lock, and the mark that all was checked
        self.mark = self.work / "whole.json"

    def part(self, file: LockedFile) -> Path:
        return self.work / f"{file.name}.part"

    def part_size(self, file: LockedFile) -> int:
        """Bytes of a file that are here already; none where there are more than it has."""
        part = self.part(file)
        size = part.stat().st_size if part.is_file() else 0
        return size if size <= file.size else 0

    def here(self, lock: BaseLock) -> int:
        """Bytes of all files that are here, checked or not."""
        return sum(
            file.size if (self.snapshot / file.name).is_file() else self.part_size(file)
            for file in lock.files
        )

    def has(self, file: LockedFile) -> bool:
        """Whether a file is here and is the one that is meant; one that is not is fetched again."""
        path = self.snapshot / file.name
        return path.is_file() and file.is_content_of(path)

    def is_whole(self, files: tuple[LockedFile, ...]) -> bool:
        """Whether every file was checked before and was not touched since; of `files` where they are known."""
        try:
            marked: dict[str, list[object]] = json.loads(self.mark.read_bytes())
            known = all(marked.get(file.name, [])[2:] == [file.sha256 or file.git] for file in files)
            return (
                bool(marked)
                and known
                and marked == self._stamps({name: str(m[2]) for name, m in marked.items()})
            )
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return False

    def mark_whole(self, lock: BaseLock) -> None:
        """Remember that every file was checked, so that twenty gigabytes are not read at each start."""
        write_json(self.mark, self._stamps({file.name: file.sha256 or file.git for file in lock.files}))

    def _stamps(self, hashes: dict[str, str]) -> dict[str, list[object]]:
        found = {name: (self.snapshot / name).stat() for name in hashes}
        return {name: [stat.st_size, stat.st_mtime_ns, hashes[name]] for name, stat in found.items()}

    @contextmanager
    def alone(self, waiting: Callable[[], None]) -> Generator[None]:
        """Hold the place: one process fetches, another one that comes waits and looks on."""
        self.work.mkdir(parents=True, exist_ok=True)
        self.snapshot.mkdir(parents=True, exist_ok=True)
        with (self.work / "lock").open("w") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    waiting()
                    time.sleep(EVERY)
            yield


def _fetch_file(place: Place, file: LockedFile, tick: Callable[[int], None]) -> None:
    name, part = f"{place.repository} at {place.revision[:12]}, {file.name}", place.part(file)
    attempts = 0
    with hub_errors(name):
        while (before := place.part_size(file)) < file.size or not part.is_file():
            try:
                _go_on(place, file, before, tick)
            except _NotTheFile:
                part.unlink()
                raise _other(name) from None
            except Exception as error:
                if before and _status(error) == RANGE_BEYOND:
                    part.unlink()  # the hub's file ends before ours does
                    raise _other(name) from error
                attempts = 0 if place.part_size(file) > before else attempts + 1
                if attempts >= TRIES or not is_transport_error(error):
                    raise
                time.sleep(EVERY * attempts)
    if not file.is_content_of(part):
        part.unlink()
        raise _other(name)
    part.replace(place.snapshot / file.name)


class _NotTheFile(Exception):
    """What comes is longer or shorter than the file that is meant."""


def _status(error: BaseException) -> int:
    return getattr(getattr(error, "response", None), "status_code", 0)


def _go_on(place: Place, file: LockedFile, before: int, tick: Callable[[int], None]) -> None:
    """Take what is left of a file, as far as it comes. Raises what the client raises, and _NotTheFile."""
    with (
        place.part(file).open("r+b" if before else "wb") as part,
        hub_stream(place.repository, place.revision, file.name, before) as answer,
    ):
        here = part.seek(before if answer.status_code == PARTIAL else 0)
        part.truncate()
        try:
            for piece in answer.iter_bytes():
                here += part.write(piece)
                if here > file.size:
                    raise _NotTheFile
                tick(here)
        finally:
            part.flush()
            os.fsync(part.fileno())
    if here < file.size:
        raise _NotTheFile


def _other(name: str) -> UserError:
    return UserError(
        f"{name}: what came is not the file that was locked; it was removed",
        "Try again. If it stays so, somebody on the way changes it, or HF_ENDPOINT is another hub than before.",
    )


def _check_disk(place: Place, needed: int) -> None:
    free = shutil.disk_usage(place.work).free
    if free < needed + SPARE:
        needs, has = size_pair(needed + SPARE, free)
        raise UserError(
            f"{needs} are needed to fetch it, and {has} of disk are free at {place.work.parent}",
            "Make room there, or set HF_HOME to another volume; what has been fetched is kept.",
        )


def _silent(_: int, __: int) -> None:
    """Nobody watches."""


def main() -> int:
    """Fetch what standard input asks for; the exit code is 0, or 2 when it could not be fetched."""
    try:
        answer, code = _answer(sys.stdin.buffer.read()), ExitCode.DONE
    except UserError as error:
        answer, code = {"error": error.message, "hint": error.hint}, ExitCode.USAGE
    except OSError as error:
        told = {"error": f"{error.filename or 'the disk'}: {error.strerror or error}"}
        answer, code = (
            told | {"hint": "Is the disk full, or the folder not yours? HF_HOME names another."},
            ExitCode.USAGE,
        )
    sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
    return code


def _answer(question: bytes) -> dict[str, object]:
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    try:
        asked = json.loads(question)
        lock = BaseLock.model_validate(asked["lock"])
    except (ValueError, ValidationError, KeyError, TypeError) as error:
        raise UserError(
            f"not a question for a base model ({error})", "The two sides differ in version."
        ) from error
    if asked.get("endpoint"):
        os.environ["HF_ENDPOINT"] = str(asked["endpoint"])
    first: list[int] = []
    last = [0.0]

    def tick(done: int, total: int) -> None:
        first[:] = first or [done]
        now = time.monotonic()
        if now - last[0] >= EVERY or done == total:
            last[0] = now
            # Who watched may have gone: that does not stop what is being fetched.
            with suppress(OSError):
                sys.stderr.write(json.dumps({"done": done, "total": total}) + "\n")
                sys.stderr.flush()

    folder = fetch_base(lock.repository, lock.revision, lock.files, tick)
    return {"folder": str(folder), "fetched": lock.size - first[0] if first and lock.files else 0}


if __name__ == "__main__":
    sys.exit(main())
