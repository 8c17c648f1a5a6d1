"""One run at a time on a host: which run is at work, and which wait, in which order.

The run at work holds `flock` on `queue/turn.lock` in the host's folder, which the kernel drops when its last holder dies,
however it dies. `queue/order.json` has the waiting runs, the next one first; a run counts while a process holds the lock
of its own folder. Both are in a folder that no other account can enter.
"""

import contextlib
import fcntl
import json
import os
import stat
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tunewright.contract.atomic import write_json
from tunewright.contract.errors import UserError
from tunewright.contract.run import FINAL_STATES, RunFolder
from tunewright.contract.run_times import TimeLeft, ordinal, time_left, typical_seconds
from tunewright.train.courtesy import paused_now, why_paused
from tunewright.train.lock import is_held, is_locked, open_private, take
from tunewright.train.run_events import Journal

POLL = 0.5  # seconds between two looks whether it is a run's turn
SETTLE = 2.0  # seconds before a place is told: the run before may be ending at this moment
REFRESH = 15.0  # seconds between two estimates
FROZEN = 60.0  # seconds without a heartbeat, which comes every two: others go first
BUSY = 5.0  # seconds that somebody may take to change the order
SEE = "See the whole queue: ./inv queue --host NAME"
_ORDER = TypeAdapter(list[str])
_AT_WORK = TypeAdapter(dict[str, str])


class QueueBusy(UserError):
    """Somebody has been changing the order for too long."""


@dataclass(frozen=True)
class Turn:
    """Held by the one run at work. Closing it, or the death of every process that has it open, ends the turn."""

    descriptor: int

    def end(self) -> None:
        os.close(self.descriptor)


class Queue:
    """The queue of the host's folder `root`. Asking creates nothing."""

    def __init__(self, root: Path) -> None:
        self.runs = root / "runs"
        self._folder = root / "queue"
        self._order = self._folder / "order.json"
        self._turn = self._folder / "turn.lock"

    def join(self, run: str) -> None:
        """Put a run at the end, unless it waits already. Its own lock must be held. Raises OSError, UserError."""
        with self._changing() as order:
            if run not in order:
                self._write([*order, run])

    def leave(self, run: str) -> None:
        """Take a run out. Raises OSError, UserError."""
        with self._changing() as order:
            self._write([other for other in order if other != run])

    def put_first(self, run: str) -> None:
        """Make a waiting run the next one. Raises UserError when it does not wait, OSError."""
        with self._changing() as order:
            if run not in order:
                raise UserError(f"run {run} does not wait here", "See which do: ./inv queue --host NAME")
            self._write([run, *(other for other in order if other != run)])

    def take(self, run: str) -> Turn | None:
        """The turn, if nobody has it and no other run that is alive comes before this one. Raises OSError, QueueBusy."""
        with self._changing() as order:
            if run not in order:  # the file was lost
                order.append(run)
                self._write(order)
            if any(not self._is_frozen(other) for other in order[: order.index(run)]):
                return None
            descriptor = take(self._turn, tries=1)
            if descriptor is None:
                return None
            # In place: a rename would leave the lock on a file that has no name any more.
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps({"run": run}).encode(), 0)
            # What stays in the file when the disk is full does not count: it is at work.
            with contextlib.suppress(OSError):
                self._write([other for other in order if other != run])
            return Turn(descriptor)

    def at_work(self) -> str | None:
        """The run whose turn it is; empty when it has not said so yet."""
        if not is_locked(self._turn):
            return None
        with contextlib.suppress(OSError, ValidationError):
            return _AT_WORK.validate_json(self._turn.read_bytes()).get("run", "")
        return ""

    def waiting(self) -> list[str]:
        """The runs that wait, the next one first."""
        at_work = self.at_work()
        return [run for run in self._read() if run != at_work]

    def recorded(self) -> list[str]:
        """The runs as they last stood, alive or not: the one at work, then those that waited."""
        found: list[str] = []
        with contextlib.suppress(OSError, ValidationError):
            found.append(_AT_WORK.validate_json(self._turn.read_bytes()).get("run", ""))
        with contextlib.suppress(OSError, ValidationError):
            found += _ORDER.validate_json(self._order.read_bytes())
        return list(dict.fromkeys(found))

    def before(self, run: str) -> list[str]:
        """The runs before one that waits: the one at work, then those that wait before it."""
        at_work, waiting = self.at_work(), self.waiting()
        first = waiting[: waiting.index(run)] if run in waiting else waiting
        return ([] if at_work is None or at_work == run else [at_work]) + first

    def _read(self) -> list[str]:
        try:
            found = _ORDER.validate_json(self._order.read_bytes())
        except (OSError, ValidationError):
            return []
        return [run for run in dict.fromkeys(found) if "/" not in run and is_held(self.runs / run)]

    def _write(self, order: Sequence[str]) -> None:
        write_json(self._order, list(order))

    def _is_frozen(self, run: str) -> bool:
        """Whether a waiting process was stopped: its turn would never end."""
        status = RunFolder(self.runs / run).read_status()
        if status is None:
            return False
        with contextlib.suppress(ValueError, TypeError):
            beat = datetime.fromisoformat(status.heartbeat)
            return (datetime.now(UTC) - beat).total_seconds() > FROZEN
        return False

    @contextlib.contextmanager
    def _changing(self) -> Generator[list[str]]:
        """The waiting runs, while nobody else changes their order."""
        _make_private(self._folder)
        descriptor = open_private(self._folder / "order.lock")
        try:
            until = time.monotonic() + BUSY
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until:
                        raise QueueBusy(
                            f"somebody has been changing the order in {self._folder} for {BUSY:g} s",
                            "Was a process of ours stopped there (SIGSTOP)? End it, then try again.",
                        ) from None
                    time.sleep(0.02)
            yield self.waiting()
        finally:
            os.close(descriptor)


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise UserError(f"{folder} is not a folder of this account", "See who made it, and remove it.")
    if stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)


def queue_of(run: RunFolder) -> Queue:
    """The queue of the host that the run is on."""
    return Queue(run.path.parent.parent)


def place_of(queue: Queue, run: str) -> tuple[int, str, str]:
    """A waiting run's place, that as text with the time about that it waits, and a hint; place 0: nothing is before it."""
    before = queue.before(run)
    if not before:
        return 0, "", ""
    left = TimeLeft(0, True)
    for other in before:
        left += _left(queue, other)
    place = max(1, len(before) - (queue.at_work() is not None) + 1)
    at_work = queue.at_work()
    return place, f"{ordinal(place)}; {left}", f"At work is {at_work}. {SEE}" if at_work else SEE


def wait_for_turn(run: RunFolder, journal: Journal) -> Turn:
    """Wait until the run is the one that may work, saying its place meanwhile.

    Raises Cancelled when somebody asked it to stop, OSError and UserError when the queue cannot be kept.
    """
    queue, name = queue_of(run), run.path.name
    queue.join(name)
    began, looked = time.monotonic(), -REFRESH
    shown = told = (0, "")
    try:
        while True:
            why = paused_now(run)
            turn = None if why else _try(queue, name)
            if turn is not None:
                break
            journal.check()
            before = queue.before(name)
            now = (len(before), why or (before[0] if before else ""))
            waited = time.monotonic() - began
            if now[1] and (
                now != shown or time.monotonic() - looked >= REFRESH or (waited > SETTLE and now != told)
            ):
                place, message, hint = place_of(queue, name)
                if why:
                    place, message = max(1, place), f"{ordinal(max(1, place))}; {why}"
                # A full disk is not a reason to stop waiting.
                with contextlib.suppress(OSError):
                    journal.queued(place, message, hint)
                    if waited > SETTLE and now != told:
                        journal.event("queued", place=place, message=message, hint=hint)
                        told = now
                looked, shown = time.monotonic(), now
            time.sleep(POLL)
    except BaseException:
        with contextlib.suppress(OSError, UserError):
            queue.leave(name)
        raise
    if told[0]:
        with contextlib.suppress(OSError):
            journal.event("turn", waited=round(time.monotonic() - began, 1))
    return turn


def _try(queue: Queue, run: str) -> Turn | None:
    try:
        return queue.take(run)
    except QueueBusy:
        return None


def _left(queue: Queue, run: str) -> TimeLeft:
    """How long a run at work still takes, or one that waits will take."""
    folder = RunFolder(queue.runs / run)
    try:
        typical = typical_seconds(queue.runs, folder.read_spec().recipe)
        events = folder.read_events() if queue.at_work() == run else []
        return time_left(events, typical, datetime.now(UTC))
    except (UserError, OSError, ValueError):
        return TimeLeft(0, False)


def describe_queue(queue: Queue) -> dict[str, Any]:
    """The run at work and those that wait, as `worker queue` answers: `{"at_work": …, "waiting": […], "paused": why}`.

    Each has `run`, `recipe`, `stage`, `step`, `steps`, `stalled`, `paused` and `left`: of the run at work how long it takes,
    of the others how long they wait.
    """
    at_work = queue.at_work()
    left = _left(queue, at_work) if at_work is not None else TimeLeft(0, True)
    found: dict[str, Any] = {
        "at_work": None if at_work is None else _row(queue, at_work, left),
        "waiting": [],
        "paused": why_paused(queue.runs.parent, datetime.now()),
    }
    for run in queue.waiting():
        found["waiting"].append(_row(queue, run, left))
        left += _left(queue, run)
    return found


def _row(queue: Queue, run: str, left: TimeLeft) -> dict[str, Any]:
    folder = RunFolder(queue.runs / run)
    status = folder.read_status()
    try:
        recipe = folder.read_spec().recipe.name
    except UserError:
        recipe = ""
    where = status is not None and status.state not in FINAL_STATES
    return {
        "run": run,
        "recipe": recipe,
        "stage": status.stage if status and where else "",
        "step": status.step if status and where else 0,
        "steps": status.steps if status and where else 0,
        "stalled": bool(status and status.stalled),
        "paused": bool(status and status.paused),
        "left": str(left),
    }
