"""Who works on a run, and why nobody does any more."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tunewright.contract.errors import UserError
from tunewright.contract.manifest import now
from tunewright.contract.recipe import Recipe
from tunewright.contract.run import RunFolder, RunSpec, Status
from tunewright.train import deaths, detach
from tunewright.train.detach import cancel, start, status
from tunewright.train.lock import LOCK, Owner, acquire, is_held, read_owner
from tunewright.train.machine import boot_id, memory_kills
from tunewright.train.run_events import write_status


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    recipe = Recipe.model_validate({"schema": 1, "name": "t", "model": {"base": "/nowhere"}})
    spec = RunSpec(id="run", created=now(), recipe=recipe, data={}, suites={}, environment="")
    folder.write_spec(spec)
    return folder


def died(run: RunFolder, log: str = "--- worker started\n", **owner: object) -> Status:
    """The status of a run whose worker is gone, having left that log."""
    write_status(run, Status(state="running", stage="train", step=5, boot=boot_id()))
    run.log.write_text("an older worker: No space left on device\n" + log)
    offset = len(run.log.read_text()) - len(log)
    values = {"pid": 1, "boot": boot_id(), "started": now(), "leader": True, "log_offset": offset}
    values["memory_kills"] = memory_kills()
    (run.path / LOCK).write_text(Owner.model_validate(values | owner).model_dump_json())
    return status(run)


def test_a_lock_has_one_holder_and_goes_with_it(run: RunFolder) -> None:
    lock = acquire(run.path)
    assert lock is not None
    assert is_held(run.path)
    assert acquire(run.path) is None
    lock.release()
    assert not is_held(run.path)


def test_asking_creates_nothing(tmp_path: Path) -> None:
    assert not is_held(tmp_path)
    assert read_owner(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_lock_handed_down_outlives_who_took_it(run: RunFolder) -> None:
    lock = acquire(run.path)
    assert lock is not None
    child = subprocess.Popen(["sleep", "30"], pass_fds=(lock.descriptor,))
    lock.write_owner(child.pid, leader=False, log_offset=0)
    lock.release()
    assert is_held(run.path)
    owner = read_owner(run.path)
    assert owner is not None
    assert (owner.pid, owner.boot) == (child.pid, boot_id())
    child.kill()
    child.wait()
    assert not is_held(run.path)


def test_a_run_whose_worker_is_alive_says_what_the_worker_says(run: RunFolder) -> None:
    lock = acquire(run.path)
    assert lock is not None
    write_status(run, Status(state="running", stage="fuse"))
    assert status(run).state == "running"
    lock.release()
    assert status(run).state == "lost"


def test_a_run_that_nobody_started_is_queued(run: RunFolder) -> None:
    found = status(run)
    assert (found.state, found.message) == ("queued", "no worker was started yet")


def test_a_finished_run_needs_no_worker(run: RunFolder) -> None:
    write_status(run, Status(state="done"))
    assert status(run).state == "done"


def test_a_silent_death_shows_the_last_line_of_this_workers_log(run: RunFolder) -> None:
    found = died(run, "--- worker started\nloading\n")
    assert found.state == "lost"
    assert found.message.startswith("the worker was killed")
    assert found.message.endswith("loading")
    assert "disk" not in found.message, "that was an older worker's"
    assert (found.stage, found.step) == ("train", 5)


@pytest.mark.parametrize(
    "last", ["libc++abi: terminating", "Fatal Python error: Segmentation fault", "terminate called after x"]
)
def test_a_crash_is_not_called_a_kill(run: RunFolder, last: str) -> None:
    found = died(run, f"--- worker started\n{last}\n\nCurrent thread 0x1:\n  <no Python frame>\n")
    assert found.message == f"the worker crashed: {last}"


def test_a_cause_that_was_found_is_written_down_once_and_stays(run: RunFolder) -> None:
    """After the next restart of the machine nobody could find it out again."""
    found = died(run, "--- worker started\nNo space left on device\n")
    assert run.read_status() == found
    assert [(event.kind, event.data["message"]) for event in run.read_events()] == [
        ("lost", "the disk is full")
    ]
    owner = read_owner(run.path)
    assert owner is not None
    (run.path / LOCK).write_text(owner.model_copy(update={"boot": "another"}).model_dump_json())
    assert status(run) == found
    assert len(run.read_events()) == 1


def test_a_cause_is_not_written_down_while_somebody_starts_the_run(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = acquire(run.path)
    assert lock is not None
    write_status(run, Status(state="running"))
    monkeypatch.setattr(detach, "is_held", lambda path: False)  # pyright: ignore[reportUnknownLambdaType]
    assert status(run).state == "lost"
    assert run.read_status() == Status(state="running")
    lock.release()


@pytest.mark.parametrize(
    ("last", "state"),
    [("done", "done"), ("cancelled", "cancelled"), ("error", "failed"), ("progress", "lost"), (None, "lost")],
)
@pytest.mark.parametrize("torn", ["", '{"state": "do', "null", None])
def test_a_torn_status_is_read_from_the_events(
    run: RunFolder, torn: str | None, last: str | None, state: str
) -> None:
    if last:
        line = {"seq": 1, "time": now(), "stage": "predict", "kind": last, "data": {"message": "why"}}
        run.events.write_text(json.dumps(line) + "\n")
    if torn is not None:
        run.status.write_text(torn)
    found = status(run)
    if torn is None and last is None:
        assert (found.state, found.message) == ("queued", "no worker was started yet")
    else:
        assert found.state == state
        assert state == "lost" or found.message == "why"


@pytest.mark.parametrize(
    ("ended", "alive", "state"), [(True, False, "done"), (False, False, "lost"), (False, True, "running")]
)
def test_a_status_torn_anywhere_is_never_queued(run: RunFolder, ended: bool, alive: bool, state: str) -> None:
    whole = Status(
        state="done" if ended else "running", stage="train", step=3, heartbeat=now()
    ).model_dump_json()
    lines = [{"seq": 1, "time": now(), "stage": "train", "kind": "stage_start", "data": {}}]
    lines += [{"seq": 2, "time": now(), "stage": "", "kind": "done", "data": {}}] if ended else []
    events = "".join(json.dumps(line) + "\n" for line in lines)
    for cut in range(len(whole)):
        run.events.write_text(events)
        run.status.write_text(whole[:cut])
        lock = acquire(run.path) if alive else None
        assert status(run).state == state, whole[:cut]
        if lock is not None:
            lock.release()


@pytest.mark.parametrize("later", ["event", "status"])
def test_an_end_that_the_status_had_no_room_for_is_read_from_the_events(run: RunFolder, later: str) -> None:
    """The disk was full: the last event was written, and the status was not."""
    early, late = "2026-11-29T10:00:00.000+00:00", "2026-11-29T10:00:01.000+00:00"
    line = {
        "seq": 1,
        "time": late if later == "event" else early,
        "stage": "train",
        "kind": "error",
        "data": {"message": "the disk is full", "hint": "Make room."},
    }
    run.events.write_text(json.dumps(line) + "\n")
    beat = early if later == "event" else late
    write_status(run, Status(state="running", stage="train", step=7, heartbeat=beat, pid=4, stalled=True))
    found = status(run)
    if later == "event":
        assert (found.state, found.message, found.hint) == ("failed", "the disk is full", "Make room.")
        assert (found.step, found.pid, found.stalled) == (7, 0, False)
    else:
        assert found.state == "lost", "it was started again after that"


def test_a_torn_status_of_a_living_worker_is_no_death(run: RunFolder) -> None:
    lock = acquire(run.path)
    assert lock is not None
    run.status.write_text("")
    assert status(run).state == "running"
    lock.release()


def test_a_worker_without_a_heartbeat_is_stalled_while_its_process_is_there(run: RunFolder) -> None:
    lock = acquire(run.path)
    assert lock is not None
    for seconds, stalled in ((detach.FROZEN + 5, True), (2, False)):
        beat = (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="milliseconds")
        write_status(run, Status(state="running", heartbeat=beat))
        found = status(run)
        assert (found.state, found.stalled) == ("running", stalled)
        assert ("no sign of life" in found.message) == stalled
    lock.release()


METAL = "[METAL] Command buffer execution failed: "


@pytest.mark.parametrize(
    ("log", "message"),
    [
        (
            METAL + "Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)",
            "ran out of memory",
        ),
        (METAL + "(0000000e:kIOGPUCommandBufferCallbackErrorImpactingInteractivity)", "display stutter"),
        (METAL + "Caused GPU Timeout Error (kIOGPUCommandBufferCallbackErrorTimeout)", "ran too long"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
    ],
)
def test_a_death_with_known_last_words_is_explained(run: RunFolder, log: str, message: str) -> None:
    found = died(run, f"--- worker started\n{log}\n")
    assert message in found.message
    assert found.hint


def test_a_restart_is_told_before_anything_else(run: RunFolder) -> None:
    assert "host was restarted" in died(run, "No space left on device\n", boot="another").message


def test_a_kernel_that_killed_for_memory_is_suspected(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deaths, "memory_kills", lambda: 3)
    assert "lack of memory" in died(run, memory_kills=2).message


def test_a_worker_that_never_came_up_is_lost(run: RunFolder) -> None:
    write_status(run, Status(state="queued"))
    found = status(run)
    assert (found.state, found.message) == ("lost", "the worker never started")


def test_starting_what_is_no_run_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run"):
        start(RunFolder(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_does_not_listen_is_killed_with_its_group(run: RunFolder) -> None:
    lock = acquire(run.path)
    assert lock is not None
    code = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "child = subprocess.Popen(['sleep', '60']); print(child.pid, flush=True); time.sleep(60)"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=(lock.descriptor,),
        start_new_session=True,
    )
    assert worker.stdout is not None
    grandchild = int(worker.stdout.readline())
    lock.write_owner(worker.pid, leader=True, log_offset=0)
    lock.release()
    write_status(run, Status(state="running", stage="train", step=9))
    with worker.stdout:
        found = cancel(run, patience=0.3)
    assert (found.state, worker.wait()) == ("cancelled", -signal.SIGKILL)
    assert run.read_events()[-1].kind == "cancelled"
    for _ in range(100):
        if not _is_running(grandchild):
            break
        time.sleep(0.05)
    assert not _is_running(grandchild)


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_worker_that_has_not_written_who_it_is_yet_is_stopped_too(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = acquire(run.path)
    assert lock is not None
    assert read_owner(run.path) is None
    asked = 0

    def begun(path: Path) -> Owner | None:
        """The worker holds its lock through several looks, and nobody knows who it is."""
        nonlocal asked
        asked += 1
        if asked == 8:
            lock.release()
        return read_owner(path)

    monkeypatch.setattr(detach, "read_owner", begun)
    write_status(run, Status(state="queued"))
    assert cancel(run, patience=30).state == "cancelled"


def test_cancelling_leaves_a_finished_run_and_a_stranger_alone(run: RunFolder) -> None:
    write_status(run, Status(state="done"))
    (run.path / LOCK).write_text(
        Owner(pid=os.getpid(), boot=boot_id(), started=now(), leader=False).model_dump_json()
    )
    assert cancel(run).state == "done"
