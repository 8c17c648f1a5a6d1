"""What the owner of a host may do at the machine itself: see, pause, let go on, stop; hours and memory in host.toml."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Generator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support.commands import Inv, commands_on, end_worker, ended, real_recipe, real_run, there, wait
from tests.support.random_qwen3 import write_model
from tunewright.contract.run import RunFolder, Status
from tunewright.train.courtesy import processes
from tunewright.train.lock import is_held, read_owner

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
Begin = Callable[[], RunFolder]


@pytest.fixture
def inv(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Inv:
    return commands_on(checkout, monkeypatch)


@pytest.fixture
def root(checkout: Path) -> Path:
    folder = checkout / ".tunewright" / "host"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def begin(checkout: Path) -> Generator[Begin]:
    runs: list[RunFolder] = []

    def start() -> RunFolder:
        recipe = real_recipe(Path("/nowhere"), steps=20_000, checkpoint_every=50)
        runs.append(real_run(checkout, recipe, light=True))
        return runs[-1]

    yield start
    for run in reversed(runs):
        end_worker(there(run).path)


def owner_says(root: Path, command: str, code: int = 0) -> str:
    """What `tunewright-host` prints."""
    argv = [sys.executable, "-P", "-m", "tunewright.train.host_command", command, "--root", str(root)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def status(run: RunFolder) -> Status:
    return there(run).read_status() or Status(state="queued")


def kinds(run: RunFolder) -> list[str]:
    return [event.kind for event in there(run).read_events()]


def test_an_idle_machine_says_so(root: Path) -> None:
    said = owner_says(root, "status")
    assert said == f"at work   nothing\nquiet     no hours ({root}/host.toml)\n"
    assert list(root.iterdir()) == []


def test_a_pause_rests_within_a_step_keeps_the_process_and_is_told(
    inv: Inv, root: Path, begin: Begin
) -> None:
    first = begin()
    wait(lambda: status(first).step > 0)
    second = begin()
    worker = read_owner(there(first).path)
    assert worker is not None
    said = owner_says(root, "pause")
    assert f"at work   {first.path.name} in train, step " in said
    assert "GB held by it" in said
    assert f"waiting   {second.path.name}; " in said
    assert "paused    paused at the machine since " in said
    wait(lambda: status(first).paused)
    step, beat = status(first).step, status(first).heartbeat
    wait(lambda: status(first).heartbeat > beat)
    assert (status(first).step, status(first).stalled) == (step, False), "it lives, and does nothing"
    assert is_held(there(first).path)
    shown = inv("status", "--run", first.path.name).out
    assert ": running (paused) in train, step " in shown
    assert "paused at the machine since " in shown
    assert "; it keeps 0." in shown
    # Nothing begins while the machine is paused, not even when the run at work ends.
    inv("cancel", "--run", first.path.name)
    assert status(first).state == "cancelled"
    wait(lambda: "paused at the machine" in status(second).message)
    assert "; paused at the machine since" in inv("status", "--run", second.path.name).out
    assert "stage_start" not in kinds(second)
    assert "paused    " not in owner_says(root, "resume")
    wait(lambda: status(second).step > 0)
    owner_says(root, "pause")
    wait(lambda: status(second).paused)
    held = read_owner(there(second).path)
    owner_says(root, "resume")
    wait(lambda: "unpaused" in kinds(second) and not status(second).paused)
    assert read_owner(there(second).path) == held, "the same process went on"
    found = kinds(second)
    assert found[found.index("paused") + 1] == "unpaused", "no step between"
    step = status(second).step
    wait(lambda: status(second).step > step)


def seconds_of(group: int) -> float:
    """Processor seconds that the processes of a group have used, of those that are there."""
    used = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            words = stat.read_text().rpartition(")")[2].split()
            used += (int(words[11]) + int(words[12])) if int(words[2]) == group else 0
    return used / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="not Linux")
def test_a_paused_training_of_two_processes_computes_nothing(
    checkout: Path, root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The real worker: the second process would keep a core busy if it waited inside mlx."""
    monkeypatch.setenv("TUNEWRIGHT_RANKS", "2")
    run = real_run(checkout, real_recipe(write_model(tmp_path), steps=200_000, checkpoint_every=50))
    try:
        wait(lambda: status(run).step > 3)
        owner = read_owner(there(run).path)
        assert owner is not None
        group = os.getpgid(owner.pid)
        ranks = [p for p in processes() if p.group == group and " -m tunewright.train.ranks " in p.command]
        assert len(ranks) == 1
        before, step = seconds_of(group), status(run).step
        wait(lambda: status(run).step > step)
        assert seconds_of(group) - before > 0.1, "two processes train"
        owner_says(root, "pause")
        wait(lambda: status(run).paused)
        seconds, beats = seconds_of(group), {status(run).heartbeat}
        wait(lambda: len(beats) > 3 or beats.add(status(run).heartbeat) is not None)
        assert seconds_of(group) - seconds < 1, "in at least four seconds"
        step = status(run).step
        owner_says(root, "resume")
        wait(lambda: status(run).step > step)
        assert seconds_of(group) > seconds
    finally:
        end_worker(there(run).path)


def test_stop_ends_everything_and_each_may_be_resumed(inv: Inv, root: Path, begin: Begin) -> None:
    first = begin()
    wait(lambda: status(first).step > 0)
    second = begin()
    said = owner_says(root, "stop")
    assert said.splitlines()[:3] == [
        f"{second.path.name}: cancelled",
        f"{first.path.name}: cancelled",
        "at work   nothing",
    ]
    assert "stage_start" not in kinds(second)
    inv("resume", "--run", first.path.name, "--detach")
    wait(lambda: status(first).state == "running")


def test_whatever_else_of_ours_runs_there_is_shown(root: Path) -> None:
    """A process that serves a model is in no queue."""
    code = "import sys; sys.stdin.read()"
    served = subprocess.Popen(
        [sys.executable, "-c", code, "-m", "tunewright.train.serve", "--model", str(root / "runs" / "x")],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        wait(
            lambda: (
                f"also      tunewright.train.serve, process {served.pid}, 0." in owner_says(root, "status")
            )
        )
    finally:
        served.kill()
        served.communicate()
    assert "also" not in owner_says(root, "status")


def test_runs_pause_in_quiet_hours(inv: Inv, root: Path, begin: Begin) -> None:
    now = datetime.now()
    hours = f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=2):%H:%M}"
    (root / "host.toml").write_text(f'quiet = ["{hours}"]\n')
    run = begin()
    wait(lambda: "quiet hours until" in status(run).message)
    assert ": queued, 1st; quiet hours until " in inv("status", "--run", run.path.name).out
    assert "  paused   quiet hours until " in inv("queue").out
    assert f"quiet     {hours} (" in owner_says(root, "status")
    (root / "host.toml").unlink()
    wait(lambda: status(run).step > 0)


def test_a_run_that_holds_more_memory_than_it_may_is_ended_and_not_tried_again(
    root: Path, begin: Begin
) -> None:
    (root / "host.toml").write_text("memory_gb = 0.01\n")
    run = begin()
    wait(lambda: ended(run))
    assert status(run).state == "failed"
    assert "GB of memory; the host's owner allows 0.01 GB" in status(run).message
    assert "resumed" not in kinds(run)
    assert "cap       0.01 GB" in owner_says(root, "status")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('quiet = ["22-7"]', "not like 22:00-07:00"),
        ('quiet = ["07:00-07:00"]', "at the same time"),
        ("memory_gb = 0", "greater than 0"),
        ("memory = 3", "no such key"),
        ("= 3", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(root: Path, text: str, reason: str) -> None:
    (root / "host.toml").write_text(text)
    said = owner_says(root, "status", code=2)
    assert f"error: {root}/host.toml: " in said
    assert reason in said


def test_a_damaged_pause_is_a_pause(root: Path) -> None:
    (root / "paused.json").write_text('{"since": ')
    assert "paused    paused at the machine; no run" in owner_says(root, "status")
    assert json.dumps("paused") not in owner_says(root, "resume")
    assert not (root / "paused.json").exists()
