"""Following a run: the laptop's copy of its events grows until the run has ended.

The copy is the first bytes of the host's file, so a process that was killed is replaced by another one that
goes on where the copy ends. Several may follow at once.
"""

import fcntl
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

from tunewright.contract.atomic import write_bytes
from tunewright.contract.errors import HostError, UserError
from tunewright.contract.manifest import now
from tunewright.contract.run import FINAL_STATES, Event, RunFolder, Status, parse_events
from tunewright.remote.host import MOST_EVENTS, Host, read_file
from tunewright.remote.retry import Unreachable, wait_before
from tunewright.remote.worker_client import HostRun, ask_worker, find_on_host, parse_status

POLL = 0.5  # seconds between two looks
SILENCE = 20.0  # seconds without a heartbeat until we ask whether the worker lives
PATIENCE = 6 * 3600.0  # seconds that a host may be away (a laptop's night, a reboot)


def follow_run(
    host: Host,
    run: RunFolder,
    *,
    replay: bool = False,
    patience: float = PATIENCE,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Event]:
    """Yield a run's events as they happen, keeping the laptop's `events.jsonl` and `status.json` up to date;
    end when the run has. With `replay`, events that the laptop already has come first.

    While the host is away or the worker is stalled, events of kind `warning` with `seq` 0 say so, and one of kind `queued`
    that the run waits: they are ours and are in no file. A worker that died is found: the status then says `lost`, and why.
    Raises HostError when the host refuses us, or stays away for `patience` seconds.
    """
    place = find_on_host(host, run)
    mirror = Mirror(host, place)
    position = 0 if replay else mirror.complete_size()
    away_since: float | None = None
    failures = 0
    stalled, first = False, True
    while True:
        try:
            status = mirror.update()
        except Unreachable as error:
            away_since = away_since or time.monotonic()
            if time.monotonic() - away_since > patience:
                raise HostError(
                    f"{host.name} did not answer for {patience / 3600:.1f} h; the run goes on without us",
                    f"Come back later: ./inv attach --run {place.spec.id}",
                ) from error
            failures += 1
            mirror.ask_next()
            wait = wait_before(failures)
            yield _notice(f"{error.message}; the run goes on, trying again in {wait:g} s", error.hint)
            sleep(wait)
            continue
        if failures:
            yield _notice(f"connected to {host.name} again", "")
            failures, away_since = 0, None
        position = min(position, mirror.common)
        events, taken = _parse(run, position)
        position += taken
        mirror.common = position
        if first and status.place and not any(event.kind == "queued" for event in events):
            yield _queued(status)
        first = False
        yield from events
        if status.stalled != stalled:
            stalled = status.stalled
            yield _notice(status.message if stalled else "the worker goes on", status.hint if stalled else "")
        if status.state in FINAL_STATES:
            return
        sleep(POLL)


def _parse(run: RunFolder, position: int) -> tuple[list[Event], int]:
    try:
        return parse_events(_read_from(run, position))
    except ValueError as error:  # a ValidationError is one too
        raise HostError(
            f"{run.events}: a line after byte {position} is not an event",
            "The file was damaged on the host. Its stages are whole: ./inv pull",
        ) from error


class Mirror:
    """Keeps the laptop's copy of a run's events and status the same as the host's.

    `common` is how many bytes of the copy are known to be also the host's; it falls when the host's file
    turned out to be another one.
    """

    def __init__(self, host: Host, run: HostRun) -> None:
        self.host = host
        self.run = run
        self.common = self.complete_size()
        self._beat: Status | None = None  # as last read; None: the worker is asked at the next look
        self._beat_at = 0.0
        self._word: Status | None = None  # of the worker, since that beat

    def update(self) -> Status:
        """Bring the copy up to date; the run's status.

        Raises Unreachable when the connection breaks, HostError for what is worse, a run that was never
        started among it.
        """
        status = self._status()  # before the events: what a final status follows is then among them
        try:
            with _lock(self.run.here):
                self._extend()
                write_status(self.run.here, status)
        except OSError as error:
            raise UserError(
                f"cannot write {error.filename or self.run.here.path}: {error.strerror or error}",
                f"The run goes on; make room, then: ./inv attach --run {self.run.spec.id}",
            ) from error
        return status

    def ask_next(self) -> None:
        """The host was away: the next look asks the worker, which knows about restarts."""
        self._beat = None

    def complete_size(self) -> int:
        """Bytes of whole lines in the laptop's copy."""
        return _read_from(self.run.here, 0).rfind(b"\n") + 1

    def _status(self) -> Status:
        """What the file says while the heartbeat goes on; else, and at the first look, what the worker says."""
        data = read_file(self.host, self.run.there("status.json"))
        if data is None:
            # A started run has a status: this one never was, or its host has lost it.
            if self.host.size(self.run.there("spec.json")) is not None:
                status = ask_worker(self.host, self.run, "status")
                if status.state != "queued":
                    return status
            raise HostError(
                f"run {self.run.spec.id} was never started on {self.host.name}",
                f"Start it: ./inv resume --run {self.run.spec.id}",
            )
        status = parse_status(data)
        if status is None:  # damaged: the worker knows
            return ask_worker(self.host, self.run, "status")
        if status.state in FINAL_STATES:
            return status
        now, first = time.monotonic(), self._beat is None
        if status != self._beat:
            self._beat, self._beat_at, self._word = status, now, None
        if first or now - self._beat_at >= SILENCE:
            self._beat_at = now
            self._word = ask_worker(self.host, self.run, "status")
        return self._word or status

    def _extend(self) -> None:
        here, there = self.run.here.events, self.run.there("events.jsonl")
        size = self.host.size(there)
        if size is None:
            return
        copy = _read_from(self.run.here, 0)
        end = copy.rfind(b"\n") + 1
        if size == end == len(copy):
            return
        if size > MOST_EVENTS:
            raise HostError(
                f"{self.host.name}: {there} holds {size / 1e6:,.0f} MB of events, at most {MOST_EVENTS / 1e6:.0f} are read",
                "A run writes a few: look at that file on the host.",
            )
        # The last line is fetched again: if it is not the same, the host's file is not the one we copied.
        start = copy.rfind(b"\n", 0, end - 1) + 1 if end else 0
        fetched = read_file(self.host, there, start, MOST_EVENTS) if size >= end else None
        if fetched is None or not fetched.startswith(copy[start:end]):
            whole = read_file(self.host, there, most=MOST_EVENTS) or b""
            self.common = min(self.common, _same_lines(copy, whole))
            write_bytes(here, whole[: whole.rfind(b"\n") + 1])
            return
        fresh = fetched[end - start :]
        fresh = fresh[: fresh.rfind(b"\n") + 1]
        with here.open("r+b" if here.exists() else "w+b") as file:
            file.seek(end)
            file.truncate()
            file.write(fresh)


def write_status(run: RunFolder, status: Status) -> None:
    """Keep the host's status in the laptop's copy; an unchanged one is not written again."""
    data = status.model_dump_json(indent=2).encode() + b"\n"
    try:
        if run.status.read_bytes() == data:
            return
    except OSError:
        pass
    write_bytes(run.status, data)


def _same_lines(one: bytes, other: bytes) -> int:
    """Bytes of the whole lines with which both begin."""
    least = min(len(one), len(other))
    same = next((i for i in range(least) if one[i] != other[i]), least)
    return one.rfind(b"\n", 0, same) + 1


def _read_from(run: RunFolder, offset: int) -> bytes:
    try:
        with run.events.open("rb") as file:
            file.seek(offset)
            return file.read()
    except FileNotFoundError:
        return b""


@contextmanager
def _lock(run: RunFolder) -> Generator[None]:
    """One process at a time extends the copy."""
    with (run.path / ".follow.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _queued(status: Status) -> Event:
    data = {"place": status.place, "message": status.message, "hint": status.hint}
    return Event(seq=0, time=now(), stage="", kind="queued", data=data)


def _notice(message: str, hint: str) -> Event:
    return Event(
        seq=0, time=now(), stage="connection", kind="warning", data={"message": message, "hint": hint}
    )
