"""Audit again whenever the data change: what `--watch` does."""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tunewright.chat.reading.files import find_files
from tunewright.contract.console import say
from tunewright.contract.errors import UserError

PAUSE = 0.5  # seconds between two looks, each of which costs a `stat` for each file

# Name, size and modification time (ns) of each file. A look needs no more: what changes a file changes one of them.
State = frozenset[tuple[str, int, int]]


def state_of(data: Sequence[Path], others: Sequence[Path] = ()) -> State:
    """What the files of a dataset and `others` look like now. A file that is missing is not in it."""
    found = list(others)
    for path in data:
        try:
            found += [file.path for file in find_files([path])]
        except (UserError, OSError):
            found.append(path)  # missing, or empty so far
    state: set[tuple[str, int, int]] = set()
    for path in found:
        try:
            seen = path.stat()
        except OSError:
            continue
        state.add((str(path), seen.st_size, seen.st_mtime_ns))
    return frozenset(state)


def audit_on_change(
    audit: Callable[[], int],
    data: Sequence[Path],
    others: Sequence[Path] = (),
    pause: Callable[[], None] = lambda: time.sleep(PAUSE),
) -> int:
    """Run `audit`, and again after each change of `data` or `others`, until Ctrl-C. Returns the last exit code.

    A file that still changes is being written: it is audited when two looks in a row find it the same. What a user can
    put right (a file cut off, a mistake in the configuration) is told and waited for. Raises UserError at the start for
    data that do not exist.
    """
    if missing := [path for path in data if not path.exists()]:
        find_files(missing)
    while True:
        audited = state_of(data, others)
        code = _told(audit)
        try:
            say("watching  for changes; Ctrl-C ends it")
            _wait(audited, data, others, pause)
        except KeyboardInterrupt:
            say("watching  ended")
            return code


def _told(audit: Callable[[], int]) -> int:
    try:
        return audit()
    except UserError as error:
        say(f"error: {error}")
        return int(error.exit_code)
    except FileNotFoundError as error:  # moved away between two looks
        say(f"error: {error.filename}: {error.strerror}")
        return 2
    finally:
        sys.stdout.flush()


def _wait(audited: State, data: Sequence[Path], others: Sequence[Path], pause: Callable[[], None]) -> None:
    """Until the files differ from what was audited, and have stopped changing."""
    before = audited
    while True:
        pause()
        now = state_of(data, others)
        if now and now == before != audited:
            return
        before = now
