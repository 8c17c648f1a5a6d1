"""A run goes on by itself after what may pass, so many times, each on record; and not after anything else."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import Inv, commands_on, end_worker, ended, real_recipe, real_run, there, wait
from tests.support.light_worker import after
from tunewright.contract.run import RunFolder, Status
from tunewright.remote import follow
from tunewright.train.lock import LOCK, is_held, read_owner

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
METAL = "[METAL] Command buffer execution failed: "
WATCHDOG = METAL + "(0000000e:kIOGPUCommandBufferCallbackErrorImpactingInteractivity)"
MEMORY = METAL + "Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)"
STEPS = 40


@pytest.fixture
def inv(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Inv:
    monkeypatch.setattr(follow, "POLL", 0.05)
    return commands_on(checkout, monkeypatch)


@pytest.fixture
def begin(checkout: Path) -> Generator[Callable[..., RunFolder]]:
    """Start a light run on this machine; whatever is left of it is killed at the end."""
    runs: list[RunFolder] = []

    def start(
        *faults: str, steps: int = STEPS, resumes: int | None = None, hold: int | None = None
    ) -> RunFolder:
        host = checkout / ".tunewright" / "host"
        host.mkdir(parents=True, exist_ok=True)
        if faults:
            (host / "faults.json").write_text(json.dumps(faults))
        if resumes is not None:
            (host / "host.toml").write_text(f"resumes = {resumes}\n")
        if hold is not None:
            (host / "hold").write_text(str(hold))
        run = real_run(checkout, real_recipe(Path("/nowhere"), steps=steps, checkpoint_every=3), light=True)
        runs.append(run)
        return run

    yield start
    for run in reversed(runs):
        end_worker(there(run).path)


def kill_all(run: RunFolder) -> None:
    """Kill worker and guard, which are there, as a power cut does."""
    owner = read_owner(there(run).path)
    assert owner is not None
    os.killpg(os.getpgid(owner.pid), signal.SIGKILL)
    wait(lambda: not is_held(there(run).path))


def guard_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def let_go(run: RunFolder) -> None:
    (there(run).path.parent.parent / "hold").unlink()


def status(run: RunFolder) -> Status:
    return there(run).read_status() or Status(state="queued")


def trains(run: RunFolder, step: int = 1) -> bool:
    return status(run).stage == "train" and status(run).step >= step


def told(run: RunFolder, kind: str) -> list[dict[str, Any]]:
    return [event.data for event in there(run).read_events() if event.kind == kind]


def assert_whole(run: RunFolder, steps: int = STEPS) -> None:
    """It ended as if nothing had happened: no step left out, none done twice."""
    assert status(run).state == "done"
    made = (there(run).path / "train" / "adapters.safetensors").read_text()
    assert made == after(steps) * 300
    events = there(run).read_events()
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_whoever_is_attached_sees_it_through_a_kill(inv: Inv, begin: Callable[..., RunFolder]) -> None:
    run = begin("signal 9", WATCHDOG)
    said = inv("attach", "--run", run.path.name)
    assert "ended as" not in said.err
    assert "train     lost: the worker was killed" in said.err
    assert "train     error: macOS stopped the GPU work" in said.err
    assert "train     goes on by itself from its last checkpoint, 1 of 3 times" in said.err
    assert "train     goes on by itself from its last checkpoint, 2 of 3 times" in said.err
    assert_whole(run)
    assert [data["times"] for data in told(run, "resumed")] == [1, 2]
    assert (
        told(run, "resumed")[1]["message"] == "macOS stopped the GPU work because it made the display stutter"
    )


@pytest.mark.parametrize(
    ("faults", "resumes", "state", "times", "message"),
    [
        (["signal 9"] * 3, None, "done", 3, ""),
        (["signal 9"] * 4, None, "lost", 3, "it had gone on by itself 3 times"),
        (["signal 9"], 0, "lost", 0, "the worker was killed"),
        (["signal 11"], None, "done", 1, ""),
        ([MEMORY], None, "done", 1, ""),
        ([MEMORY] * 2, None, "failed", 1, "the GPU ran out of memory"),
        ([MEMORY, "signal 9", MEMORY], None, "failed", 2, "the GPU ran out of memory"),
        (["the loss of step 5 is not a finite number"], None, "failed", 0, "is not a finite number"),
        (["OSError: [Errno 28] No space left on device"], None, "failed", 0, "the disk is full"),
    ],
)
def test_what_may_pass_is_tried_again_so_many_times_and_nothing_else(
    faults: list[str],
    resumes: int | None,
    state: str,
    times: int,
    message: str,
    begin: Callable[..., RunFolder],
) -> None:
    run = begin(*faults, resumes=resumes)
    wait(lambda: ended(run) and not is_held(there(run).path))
    assert (status(run).state, len(told(run, "resumed"))) == (state, times)
    assert message in status(run).message
    assert len(told(run, "lost") + told(run, "error")) == times + (state != "done")
    if state == "done":
        assert_whole(run)


def test_a_worker_whose_guard_is_killed_goes_on_and_the_run_may_still_be_cancelled(
    inv: Inv, begin: Callable[..., RunFolder]
) -> None:
    run = begin(hold=10)
    wait(lambda: trains(run, 9))
    owner = read_owner(there(run).path)
    assert owner is not None
    os.kill(guard_of(owner.pid), signal.SIGKILL)
    let_go(run)
    wait(lambda: ended(run))
    assert_whole(run)
    assert told(run, "resumed") == []
    other = begin(steps=20_000)
    wait(lambda: trains(other))
    owner = read_owner(there(other).path)
    assert owner is not None
    os.kill(guard_of(owner.pid), signal.SIGKILL)
    assert inv("cancel", "--run", other.path.name).out == f"{other.path.name}: cancelled\n"
    assert not is_held(there(other).path)


def test_after_a_power_cut_the_next_command_starts_everything_again_in_its_order(
    inv: Inv, begin: Callable[..., RunFolder]
) -> None:
    first = begin(hold=10)
    wait(lambda: trains(first, 9))
    second, third = begin(steps=3), begin(steps=3)
    wait(lambda: status(third).place == 2)
    inv("queue", "--first", third.path.name)
    for run in (second, third, first):
        kill_all(run)
        lock = there(run).path / LOCK
        lock.write_text(json.dumps(json.loads(lock.read_text()) | {"boot": "before"}))
    let_go(first)
    assert inv("queue").code == 0
    for run in (first, third, second):
        wait(lambda run=run: ended(run))
    assert_whole(first)
    for run in (first, second, third):
        assert [data["message"] for data in told(run, "resumed")] == [
            "the host was restarted while the worker ran"
        ]
    ends = [
        next(event.time for event in reversed(there(run).read_events()) if event.kind == "done")
        for run in (first, third, second)
    ]
    assert ends == sorted(ends), "in the order that they had"


def test_status_after_a_power_cut_says_that_it_goes_on(inv: Inv, begin: Callable[..., RunFolder]) -> None:
    run = begin(steps=20_000)
    wait(lambda: trains(run, 5))
    kill_all(run)
    said = inv("status", "--run", run.path.name).out
    assert said.startswith(f"{run.path.name}: queued")
    wait(lambda: trains(run, 6))
    assert [data["times"] for data in told(run, "resumed")] == [1]
    # Somebody who starts it himself has all its chances again.
    inv("cancel", "--run", run.path.name)
    inv("resume", "--run", run.path.name, "--detach")
    owner = read_owner(there(run).path)
    assert owner is not None
    assert owner.resumed == 0


def test_a_cancelled_run_is_not_started_again_by_a_restart(inv: Inv, begin: Callable[..., RunFolder]) -> None:
    run = begin(steps=20_000)
    wait(lambda: trains(run))
    inv("cancel", "--run", run.path.name)
    assert inv("queue").out == "local: no run is at work, and none waits\n"
    assert status(run).state == "cancelled"


def test_a_host_file_that_cannot_be_read_lets_nothing_go_on(
    begin: Callable[..., RunFolder], checkout: Path
) -> None:
    run = begin(steps=20_000)
    (checkout / ".tunewright" / "host" / "host.toml").write_text("resumes = many\n")
    wait(lambda: trains(run))
    owner = read_owner(there(run).path)
    assert owner is not None
    os.kill(owner.pid, signal.SIGKILL)
    wait(lambda: ended(run))
    assert (status(run).state, told(run, "resumed")) == ("lost", [])


def test_the_verb_for_a_boot_starts_what_the_restart_ended(
    begin: Callable[..., RunFolder], checkout: Path
) -> None:
    run = begin(hold=10)
    wait(lambda: trains(run, 9))
    kill_all(run)
    let_go(run)
    python = json.loads((run.path / "host.json").read_text())["python"]
    command = [python, "-P", "-m", "tunewright.train.worker", "recover", "--root"]
    root = str(checkout / ".tunewright" / "host")
    done = subprocess.run([*command, root], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"resumed": [run.path.name], "lost": []}
    wait(lambda: ended(run))
    assert_whole(run)
    done = subprocess.run([*command, root], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"resumed": [], "lost": []}
