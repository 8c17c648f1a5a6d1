"""Who works on a run, and why nobody does any more."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tunewright.contract.errors import UserError
from tunewright.contract.manifest import now
from tunewright.contract.recipe import Recipe
from tunewright.contract.run import RunFolder, RunSpec, Status
from tunewright.train import detach
from tunewright.train.detach import cancel, start, status
from tunewright.train.journal import write_status
from tunewright.train.lock import LOCK, Owner, acquire, is_held, read_owner
from tunewright.train.machine import boot_id, memory_kills


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
    found = died(run, "--- worker started\nlibc++abi: terminating\n")
    assert found.state == "lost"
    assert "killed, or crashed" in found.message
    assert "libc++abi: terminating" in found.message
    assert "disk" not in found.message, "that was an older worker's"
    assert (found.stage, found.step) == ("train", 5)


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
    monkeypatch.setattr(detach, "memory_kills", lambda: 3)
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


def test_cancelling_leaves_a_finished_run_and_a_stranger_alone(run: RunFolder) -> None:
    write_status(run, Status(state="done"))
    (run.path / LOCK).write_text(
        Owner(pid=os.getpid(), boot=boot_id(), started=now(), leader=False).model_dump_json()
    )
    assert cancel(run).state == "done"
