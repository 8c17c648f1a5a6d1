"""One run at a time on a host: turns, order, dead owners, and what another account can do."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from tunewright.contract.errors import UserError
from tunewright.contract.manifest import now
from tunewright.contract.recipe import Recipe
from tunewright.contract.run import RunFolder, RunSpec, Status
from tunewright.train import queue as queue_module
from tunewright.train.lock import LOCK, Lock, acquire, open_private
from tunewright.train.queue import Queue, Turn, describe_queue, place_of, wait_for_turn
from tunewright.train.run_events import Cancelled, Journal, write_status

Make = Callable[[str], Lock]


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(tmp_path / "host")


@pytest.fixture
def alive(queue: Queue) -> Generator[Make]:
    """Make a run whose lock is held, as a process of it would."""
    locks: list[Lock] = []

    def make(name: str) -> Lock:
        run = RunFolder(queue.runs / name)
        run.path.mkdir(parents=True)
        recipe = Recipe.model_validate({"schema": 1, "name": "r", "model": {"base": "/nowhere"}})
        run.write_spec(RunSpec(id=name, created=now(), recipe=recipe, data={}, suites={}, environment=""))
        lock = acquire(run.path)
        assert lock is not None
        locks.append(lock)
        return lock

    yield make
    for lock in locks:
        with suppress(OSError):
            lock.release()


def got(turn: Turn | None) -> Turn:
    assert turn is not None
    return turn


def test_asking_creates_nothing(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    assert (queue.at_work(), queue.waiting(), queue.before("x")) == (None, [], [])
    assert describe_queue(queue) == {"at_work": None, "waiting": [], "paused": ""}
    assert list(tmp_path.iterdir()) == []


def test_runs_take_turns_in_the_order_in_which_they_came(queue: Queue, alive: Make) -> None:
    for name in "abc":
        alive(name)
        queue.join(name)
    assert queue.take("b") is None, "it is the turn of a"
    first = got(queue.take("a"))
    assert (queue.at_work(), queue.waiting()) == ("a", ["b", "c"])
    assert queue.take("b") is None, "a is at work"
    assert queue.before("c") == ["a", "b"]
    queue.join("b")
    assert queue.waiting() == ["b", "c"], "to join twice changes nothing"
    first.end()
    assert queue.at_work() is None
    assert queue.take("c") is None
    got(queue.take("b")).end()
    got(queue.take("c")).end()
    assert queue.waiting() == []


def test_the_order_can_be_changed(queue: Queue, alive: Make) -> None:
    for name in "abc":
        alive(name)
        queue.join(name)
    turn = got(queue.take("a"))
    queue.put_first("c")
    assert queue.waiting() == ["c", "b"]
    for name in ("a", "nobody"):
        with pytest.raises(UserError, match="does not wait here"):
            queue.put_first(name)
    turn.end()
    assert queue.take("b") is None
    got(queue.take("c")).end()


def test_the_dead_do_not_block(queue: Queue, alive: Make) -> None:
    locks = {name: alive(name) for name in "abc"}
    for name in "abc":
        queue.join(name)
    locks["a"].release()  # died while it waited
    assert queue.waiting() == ["b", "c"]
    turn = got(queue.take("b"))
    os.close(turn.descriptor)  # as the kernel does when its process dies
    locks["b"].release()
    assert queue.at_work() is None
    got(queue.take("c")).end()


TAKE = """
import sys, time
from pathlib import Path
from tunewright.train.lock import acquire
from tunewright.train.queue import Queue
root, name = Path(sys.argv[1]), sys.argv[2]
lock = acquire(root / "runs" / name)
queue = Queue(root)
queue.join(name)
while (turn := queue.take(name)) is None:
    time.sleep(0.01)
print("at work", flush=True)
time.sleep(60)
"""


def test_a_killed_owner_gives_its_turn_back(queue: Queue, alive: Make) -> None:
    """With real processes: what the kernel drops is dropped."""
    alive("mine")
    alive("killed").release()
    other = subprocess.Popen(
        [sys.executable, "-c", TAKE, str(queue.runs.parent), "killed"], stdout=subprocess.PIPE, text=True
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "at work\n"
        queue.join("mine")
        assert queue.take("mine") is None
        assert queue.at_work() == "killed"
        other.send_signal(signal.SIGSTOP)
        assert queue.take("mine") is None, "it lives"
        other.kill()
    assert queue.at_work() is None
    got(queue.take("mine")).end()


def test_of_many_that_try_at_once_one_has_the_turn(
    queue: Queue, alive: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_module, "BUSY", 120.0)  # each change goes to the disk, which may be slow
    names = [f"run-{n}" for n in range(12)]
    for name in names:
        alive(name)

    def race(name: str) -> Turn | None:
        queue.join(name)
        return queue.take(name)

    with ThreadPoolExecutor(12) as pool:
        turns = [turn for turn in pool.map(race, names) if turn]
    assert len(turns) == 1
    assert len(queue.waiting()) == 11
    assert {queue.at_work(), *queue.waiting()} == set(names), "nobody was lost"


def test_a_stopped_process_at_the_head_is_passed_over(queue: Queue, alive: Make) -> None:
    for name in "ab":
        alive(name)
        queue.join(name)
    write_status(RunFolder(queue.runs / "a"), Status(state="queued", heartbeat="2026-01-01T00:00:00+00:00"))
    got(queue.take("b")).end()
    write_status(RunFolder(queue.runs / "a"), Status(state="queued", heartbeat=now()))
    queue.join("b")
    assert queue.take("b") is None


@pytest.mark.parametrize("damage", [b"", b"{", b'{"a": 1}', b'["../../etc", 7]', b"\xff"])
def test_a_damaged_order_is_made_again_by_those_who_wait(queue: Queue, alive: Make, damage: bytes) -> None:
    for name in "ab":
        alive(name)
        queue.join(name)
    order = queue.runs.parent / "queue" / "order.json"
    order.write_bytes(damage)
    assert queue.waiting() == []
    got(queue.take("b")).end()
    order.write_text(json.dumps(["../x", "a", "a", "b"]))
    assert queue.waiting() == ["a", "b"]


def test_places_and_times_are_said(queue: Queue, alive: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        alive(name)
        queue.join(name)
    assert place_of(queue, "a") == (0, "", "")
    assert place_of(queue, "c")[:2] == (3, "3rd; time not known"), "nobody is at work yet"
    turn = got(queue.take("a"))
    monkeypatch.setattr(queue_module, "typical_seconds", lambda *_: {"train": 2700.0})  # pyright: ignore[reportUnknownLambdaType]
    place, message, hint = place_of(queue, "c")
    assert (place, message) == (2, "2nd; at least 90 minutes")
    assert hint.startswith("At work is a. ")
    found = describe_queue(queue)
    assert found["at_work"]["run"] == "a"
    assert found["at_work"]["left"] == "at least 45 minutes"
    assert [(row["run"], row["left"]) for row in found["waiting"]] == [
        ("b", "at least 45 minutes"),
        ("c", "at least 90 minutes"),
    ]
    turn.end()


def test_waiting_says_the_place_and_ends_with_the_turn(
    queue: Queue, alive: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_module, "SETTLE", 0)
    alive("a")
    alive("b")
    queue.join("a")
    turn = got(queue.take("a"))
    run = RunFolder(queue.runs / "b")
    journal = Journal(run, 1, state="queued")
    looks: list[str] = []

    def sleep(_: float) -> None:
        status = run.read_status()
        assert status is not None
        looks.append(f"{status.state} {status.place} {status.message}")
        if len(looks) == 3:
            turn.end()

    monkeypatch.setattr(queue_module.time, "sleep", sleep)
    wait_for_turn(run, journal).end()
    assert looks == ["queued 1 1st; time not known"] * 3
    journal.its_turn()
    status = run.read_status()
    assert status is not None
    assert (status.state, status.place, status.message) == ("running", 0, "")
    assert [(event.kind, event.data.get("place")) for event in run.read_events()] == [
        ("queued", 1),
        ("turn", None),
    ]
    journal.release()


def test_who_waits_may_be_cancelled(queue: Queue, alive: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    alive("a")
    alive("b")
    queue.join("a")
    turn = got(queue.take("a"))
    journal = Journal(RunFolder(queue.runs / "b"), 1, state="queued")
    monkeypatch.setattr(queue_module.time, "sleep", lambda _: journal.cancelled.set())  # pyright: ignore[reportUnknownLambdaType]
    with pytest.raises(Cancelled):
        wait_for_turn(RunFolder(queue.runs / "b"), journal)
    assert (queue.waiting(), queue.at_work()) == ([], "a")
    turn.end()
    journal.release()


def test_nothing_waits_where_nothing_is_at_work(queue: Queue, alive: Make) -> None:
    alive("a")
    journal = Journal(RunFolder(queue.runs / "a"), 1, state="queued")
    wait_for_turn(RunFolder(queue.runs / "a"), journal).end()
    assert RunFolder(queue.runs / "a").read_events() == []
    journal.release()


HOLD = """
import fcntl, os, sys
for path in sys.argv[1:]:
    try:
        fcntl.flock(os.open(path, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
        print("held")
    except OSError as error:
        print(type(error).__name__)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another account")
def test_another_account_cannot_hold_the_locks() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        run = folder / "runs" / "a"
        run.mkdir(parents=True)
        control, worker_lock = folder / "open.lock", run / LOCK
        control.write_text("")
        worker_lock.write_text("")  # as earlier versions made it
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o777 if path.is_dir() else 0o666)
        lock = acquire(run)
        assert lock is not None
        queue = Queue(folder)
        queue.join("a")
        got(queue.take("a")).end()
        lock.release()
        files = [control, worker_lock, folder / "queue" / "turn.lock", folder / "queue" / "order.lock"]
        done = subprocess.run(
            ["/usr/bin/python3", "-I", "-c", HOLD, *map(str, files)],
            capture_output=True,
            text=True,
            check=True,
            user=65534,
            group=65534,
            extra_groups=[],
        )
    assert done.stdout.split() == ["held", "PermissionError", "PermissionError", "PermissionError"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another account")
def test_a_folder_or_file_of_another_account_is_refused(queue: Queue, alive: Make, tmp_path: Path) -> None:
    alive("a")
    folder = queue.runs.parent / "queue"
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    with pytest.raises(UserError, match="not a folder of this account"):
        queue.join("a")
    theirs = tmp_path / "theirs.lock"
    theirs.write_text("")
    os.chown(theirs, 65534, 65534)
    with pytest.raises(PermissionError):
        open_private(theirs)
    link = tmp_path / "link.lock"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        open_private(link)
    assert not (tmp_path / "elsewhere").exists()


def test_a_place_that_was_told_stays_told_while_the_process_starts(queue: Queue, alive: Make) -> None:
    alive("a")
    run = RunFolder(queue.runs / "a")
    write_status(run, Status(state="queued", place=2, message="2nd; about 9 minutes", heartbeat=now()))
    journal = Journal(run, 1, state="queued")
    journal.beat()
    status = run.read_status()
    assert status is not None
    assert (status.place, status.message) == (2, "2nd; about 9 minutes")
    journal.its_turn()
    journal.release()
    # A worker that begins again is not in a place.
    journal = Journal(run, 1, state="queued")
    journal.beat()
    assert (run.read_status() or status).place == 0
    journal.release()
