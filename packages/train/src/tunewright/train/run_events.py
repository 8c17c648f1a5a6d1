"""Append a run's events to `events.jsonl`; replace its `status.json`.

A thread keeps the heartbeat, so that a long kernel does not look like death. The training thread gives signs of its
own; when they stop, the heartbeat says so.
"""

import contextlib
import errno
import json
import os
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from typing import Any, Protocol

from tunewright.contract.atomic import write_json
from tunewright.contract.errors import UserError
from tunewright.contract.manifest import now
from tunewright.contract.run import Event, RunFolder, State, Status, parse_events
from tunewright.train.courtesy import LOOK, Courtesy
from tunewright.train.machine import boot_id

HEARTBEAT = 2.0  # seconds between two writes of status.json
FIRST = 10  # steps, or a twentieth of all, before what is left is estimated from the pace so far
PROGRESS = 1.0  # least seconds between two progress events of a stage
STALLED = 10.0  # times the median of a step
LEAST_STALL = 60.0  # seconds: a step of milliseconds may have to wait for a checkpoint
UNKNOWN_STALL = 900.0  # seconds, while there are too few steps for a median: models load, kernels compile
FEW = 5  # steps
WEIGH = 5.0  # seconds between two looks at the memory that a run holds


class Cancelled(BaseException):
    """Somebody asked the worker to stop. Not an Exception: nothing on the way may swallow it."""


class Reporter(Protocol):
    """What a stage reports to."""

    def event(self, kind: str, stage: str | None = None, /, **data: Any) -> Any: ...
    def progress(self, step: int, total: int | None = None, left: float | None = None) -> None: ...
    def check(self) -> None: ...


class Journal:
    """Writes one run's events and status. `stage` and `step` are those of the stage now at work."""

    def __init__(
        self,
        folder: RunFolder,
        pid: int,
        clock: Callable[[], float] = time.monotonic,
        state: State = "running",
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._seq = _repair(folder)
        self._file = folder.events.open("ab", buffering=0)
        self._status = Status(state=state, pid=pid, boot=boot_id(), heartbeat=now())
        if state == "queued" and (told := folder.read_status()) is not None and told.state == "queued":
            # Its place is on file already: no look between may find it without one.
            update = {"place": told.place, "message": told.message, "hint": told.hint}
            self._status = self._status.model_copy(update=update)
        self._guard = threading.RLock()
        self._begun = self._started = clock()
        self._last_progress = clock()
        self._first_step = 0
        self._sign = clock()  # the training thread's last one
        self._steps: deque[float] = deque(maxlen=101)  # seconds between its last calls of `progress`
        self._stepped = clock()
        self._left = False
        self._courtesy: Courtesy | None = None
        self._looked = self._weighed = clock()
        self._too_much = 0  # bytes that the run held when it was over its cap
        self.cancelled = threading.Event()

    def event(self, kind: str, stage: str | None = None, /, **data: Any) -> Event:
        """Append an event of the stage at work (or of another one).

        Raises OSError when the line does not fit on the disk; no part of it is left then.
        """
        with self._guard:
            self._seq += 1
            stage = self._status.stage if stage is None else stage
            event = Event(seq=self._seq, time=now(), stage=stage, kind=kind, data=data)
            line = json.dumps(event.model_dump(), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            data_line = line.encode() + b"\n"
            start = os.fstat(self._file.fileno()).st_size
            if self._file.write(data_line) != len(data_line):
                os.ftruncate(self._file.fileno(), start)
                self._seq -= 1
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._folder.events))
        return event

    def obey(self, courtesy: Courtesy) -> None:
        """From now on do what the host's owner asks: pause between two steps, hold no more memory than allowed."""
        self._courtesy = courtesy

    @property
    def memory_cap(self) -> int | None:
        """Bytes that the run may hold, where the host's owner set a limit."""
        return self._courtesy.memory_cap if self._courtesy else None

    def warning(self, message: str, hint: str = "") -> None:
        self.event("warning", message=message, hint=hint)

    def queued(self, place: int, message: str, hint: str) -> None:
        """The run waits behind others, in that place."""
        with self._guard:
            update = {"state": "queued", "place": place, "message": message, "hint": hint}
            self._status = self._status.model_copy(update=update)
            self.beat()

    def its_turn(self) -> None:
        """The run waits no more."""
        with self._guard:
            update = {"state": "running", "place": 0, "message": "", "hint": ""}
            self._status = self._status.model_copy(update=update)
            self._begun = self._started = self._last_progress = self._sign = self._stepped = self._clock()
            self.beat()

    def begin(self, stage: str, total: int) -> None:
        """A stage starts; `total` is its number of steps, 0 when that is not known yet."""
        with self._guard:
            self._status = self._status.model_copy(update={"stage": stage, "step": 0, "steps": total})
            self._begun = self._started = self._last_progress = self._sign = self._stepped = self._clock()
            self._first_step = 0
            self._steps.clear()
            self.event("stage_start", total=total)
            self.beat()

    def resume_at(self, step: int) -> None:
        """The stage goes on at `step`: what is left is estimated from here on."""
        with self._guard:
            self._status = self._status.model_copy(update={"step": step})
            self._started, self._first_step = self._clock(), step
            self.event("progress", step=step, total=self._status.steps, seconds_left=None)

    def progress(
        self, step: int, total: int | None = None, left: float | None = None, worth: float | None = None
    ) -> None:
        """Say how far the stage is, at most once a second. Raises Cancelled when somebody asked for it.

        `left` is the seconds that the stage still takes, where it knows better than by its steps so far; `worth` is the
        work done in steps, including those that have not ended.
        """
        self.check()
        with self._guard:
            steps = self._status.steps if total is None else total
            self._status = self._status.model_copy(update={"step": step, "steps": steps})
            at = self._clock()
            self._steps.append(at - self._stepped)
            self._stepped = at
            if at - self._last_progress < PROGRESS and step < steps:
                return
            self._last_progress = at
            reached = step if worth is None else max(step, worth)
            done = reached - self._first_step
            # The first steps say nothing about the rest: kernels are compiled and a long prompt is read in them.
            if left is None and done >= min(FIRST, max(2, steps // 20)):
                left = (at - self._started) / done * max(steps - reached, 0)
            seconds = None if left is None else round(left, 1)
            self.event("progress", step=step, total=steps, seconds_left=seconds)

    def check(self) -> None:
        """A sign of life of the thread that works; it pauses here while the host's owner wants that.

        Raises Cancelled when somebody asked the worker to stop, UserError when the run holds more memory than it may.
        """
        self._sign = self._clock()
        if self.cancelled.is_set():
            raise Cancelled
        if self._courtesy is None:
            return
        if self._too_much:
            allowed = (self.memory_cap or 0) / 1e9
            raise UserError(
                f"the run held {self._too_much / 1e9:.2f} GB of memory; the host's owner allows {allowed:g} GB",
                "Lower train.batch_size or train.max_seq_length, or ask for more: memory_gb in the host's host.toml.",
            )
        if self._clock() - self._looked >= LOOK:
            self._pause(self._courtesy)

    def _pause(self, courtesy: Courtesy) -> None:
        """Wait until nobody wants the run to pause; the time does not count as the stage's."""
        begun = self._looked = self._clock()
        why = courtesy.why_paused()
        if not why:
            return
        held = f"; it keeps {courtesy.held() / 1e9:.1f} GB of memory"
        self.event("paused", message=why + held)
        while why and not self.cancelled.is_set():
            with self._guard:
                hint = (
                    "The host's owner lets it go on: tunewright-host resume, or the end of the quiet hours."
                )
                update = {"paused": True, "stalled": False, "message": why + held, "hint": hint}
                told = self._status.message == why + held
                self._status = self._status.model_copy(update=update)
                if not told:
                    with contextlib.suppress(OSError):  # the heartbeat tries again
                        self.beat()
            courtesy.wait()
            why = courtesy.why_paused()
        rested = self._clock() - begun
        with self._guard:
            self._status = self._status.model_copy(update={"paused": False, "message": "", "hint": ""})
            self._begun += rested
            self._started += rested
            self._sign = self._stepped = self._looked = self._clock()
        self.event("unpaused", seconds=round(rested, 1))
        if self.cancelled.is_set():
            raise Cancelled

    def _weigh(self) -> None:
        """See whether the run holds more memory than it may; `check` tells."""
        courtesy = self._courtesy
        if courtesy is None or courtesy.memory_cap is None or self._clock() - self._weighed < WEIGH:
            return
        self._weighed = self._clock()
        held = courtesy.held()
        self._too_much = held if held > courtesy.memory_cap else 0

    def end(self, facts: dict[str, Any]) -> None:
        """The stage at work is finished."""
        seconds = round(self._clock() - self._begun, 3)
        self.event("stage_end", seconds=seconds, facts=facts)

    def close(self, state: State, message: str = "", hint: str = "") -> Status:
        """Write the last event and the final status, as far as the disk lets us.

        A status that could not be written says `running` still; without a worker that is read as `lost`.
        """
        with self._guard:
            self._status = self._status.model_copy(
                update={
                    "state": state,
                    "message": message,
                    "hint": hint,
                    "stalled": False,
                    "paused": False,
                    "pid": 0,
                    "place": 0,
                }
            )
            with contextlib.suppress(OSError):
                if state == "failed":
                    self.event("error", message=message, hint=hint)
                elif state in ("done", "cancelled"):
                    self.event(state)
            with contextlib.suppress(OSError):
                self._write()
            self.release()
            return self._status

    def leave(self, message: str, hint: str) -> Status:
        """Write what the worker ends by; whether that is the end of the run is for its guard to say."""
        with self._guard:
            self._left = True
            update = {"message": message, "hint": hint, "stalled": False, "paused": False}
            self._status = self._status.model_copy(update=update)
            with contextlib.suppress(OSError):
                self._write()
            self.release()
            return self._status

    def release(self) -> None:
        """Close the file of events."""
        self._file.close()

    def beat(self) -> None:
        """Replace `status.json` by the present state."""
        with self._guard:
            if self._left:
                return
            if self._status.state == "running" and not self._status.paused:
                message, hint = self._stall()
                update = {"stalled": bool(message), "message": message, "hint": hint}
                self._status = self._status.model_copy(update=update)
            if self._status.state in ("queued", "running"):
                self._write()

    def _stall(self) -> tuple[str, str]:
        """What to say when the working thread has given no sign for far longer than its steps take; else nothing."""
        quiet = self._clock() - self._sign
        median = statistics.median(self._steps) if len(self._steps) >= FEW else None
        limit = UNKNOWN_STALL if median is None else max(LEAST_STALL, STALLED * median)
        if quiet <= limit:
            return "", ""
        usual = "" if median is None else f"; until then one took {median:.2g} s"
        return (
            f"stalled: no step has ended for {quiet:.0f} s{usual}",
            "See what else keeps the host busy. `cancel` and `resume` go on from the last checkpoint.",
        )

    def _write(self) -> None:
        self._status = self._status.model_copy(update={"heartbeat": now()})
        write_status(self._folder, self._status)

    @contextlib.contextmanager
    def alive(self) -> Generator[None]:
        """Keep the heartbeat while the block runs."""
        stop = threading.Event()

        def beat() -> None:
            while not stop.wait(HEARTBEAT):
                # A full disk is told by the stage that meets it; the heartbeat only misses a beat.
                with contextlib.suppress(OSError):
                    self._weigh()
                    self.beat()

        thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
        self.beat()
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


class Reason(Protocol):
    """Why a worker is gone; `told` by itself, or found out."""

    @property
    def message(self) -> str: ...
    @property
    def hint(self) -> str: ...
    @property
    def told(self) -> bool: ...


def record_death(folder: RunFolder, last: Status) -> None:
    """Write down why a worker is gone, in events and status, as far as disk and files let us. Its lock must be held."""
    kind = "error" if last.state == "failed" else "lost"
    with contextlib.suppress(OSError, ValueError):
        journal = Journal(folder, 0)
        try:
            journal.event(kind, last.stage, message=last.message, hint=last.hint)
        finally:
            journal.release()
    with contextlib.suppress(OSError):
        write_status(folder, last)


def record_resumption(
    folder: RunFolder, found: Status, reason: Reason, times: int, limit: int, pid: int
) -> None:
    """Write down that a worker is gone, and that the run goes on by itself. Its lock must be held."""
    message = reason.message
    with contextlib.suppress(OSError, ValueError):
        journal = Journal(folder, pid)
        try:
            journal.event("error" if reason.told else "lost", found.stage, message=message, hint=reason.hint)
            journal.event("resumed", found.stage, times=times, limit=limit, message=message)
        finally:
            journal.release()
    said = f"goes on by itself from its last checkpoint, {times} of {limit} times: {message}"
    update = {"state": "running", "message": said, "hint": "", "stalled": False, "paused": False, "pid": pid}
    with contextlib.suppress(OSError):
        write_status(folder, found.model_copy(update={**update, "heartbeat": now(), "boot": boot_id()}))


def write_status(folder: RunFolder, status: Status) -> None:
    """Replace `status.json`."""
    write_json(folder.status, status.model_dump())


def _repair(folder: RunFolder) -> int:
    """Cut a torn last line off `events.jsonl`; return the last seq in it."""
    try:
        data = folder.events.read_bytes()
    except FileNotFoundError:
        return 0
    events, complete = parse_events(data)
    if complete < len(data):
        with folder.events.open("r+b") as file:
            file.truncate(complete)
    return events[-1].seq if events else 0
