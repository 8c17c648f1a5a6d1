"""Events without gaps or torn lines, a status that keeps its heartbeat, and a way to stop."""

import errno
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.clock import Clock
from tunewright.contract.run import RunFolder
from tunewright.train import run_events as journal_module
from tunewright.train.run_events import Cancelled, Journal


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def test_seq_counts_on_after_a_restart_and_a_torn_line_is_cut_off(run: RunFolder) -> None:
    first = Journal(run, 1)
    first.begin("train", 10)
    first.warning("careful", "slowly")
    first.close("cancelled")
    with run.events.open("ab") as file:
        file.write(b'{"seq": 4, "time": "2026')
    second = Journal(run, 2)
    second.event("checkpoint", step=3)
    second.close("done")
    events = run.read_events()
    assert [event.seq for event in events] == [1, 2, 3, 4, 5]
    assert [event.kind for event in events] == ["stage_start", "warning", "cancelled", "checkpoint", "done"]
    assert events[1].data == {"message": "careful", "hint": "slowly"}


def test_progress_is_told_once_a_second_and_at_the_end_with_what_is_left(run: RunFolder) -> None:
    clock = Clock()
    journal = Journal(run, 1, clock)
    journal.begin("train", 100)
    for step in range(1, 101):
        clock.now += 0.25
        journal.progress(step)
    told = [event.data for event in run.read_events() if event.kind == "progress"]
    assert [data["step"] for data in told] == list(range(4, 101, 4))
    # A twentieth of the steps says something about the rest; fewer are the first ones, which are slow.
    assert told[0] == {"step": 4, "total": 100, "seconds_left": None}
    assert told[1] == {"step": 8, "total": 100, "seconds_left": 23.0}
    assert told[-1]["seconds_left"] == 0
    journal.close("done")


def test_what_is_left_is_estimated_from_where_a_stage_goes_on(run: RunFolder) -> None:
    clock = Clock()
    journal = Journal(run, 1, clock)
    journal.begin("train", 100)
    journal.resume_at(90)
    clock.now += 5
    journal.progress(95)
    assert run.read_events()[-1].data["seconds_left"] == 5.0
    journal.close("done")


def test_a_wish_to_stop_is_met_at_the_next_progress(run: RunFolder) -> None:
    journal = Journal(run, 1)
    journal.begin("train", 10)
    journal.progress(1)
    journal.cancelled.set()
    with pytest.raises(Cancelled):
        journal.progress(2)
    with pytest.raises(Cancelled):
        journal.check()
    journal.close("cancelled")


def test_the_heartbeat_goes_on_while_a_stage_is_busy(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "HEARTBEAT", 0.02)
    journal = Journal(run, 7)
    with journal.alive():
        journal.begin("train", 10)
        first = second = run.read_status()
        assert first is not None
        until = time.monotonic() + 60  # each beat goes to the disk, which may be slow
        while second is not None and second.heartbeat <= first.heartbeat and time.monotonic() < until:
            time.sleep(0.01)
            second = run.read_status()
    assert second is not None
    assert second.heartbeat > first.heartbeat
    assert (second.state, second.stage, second.pid) == ("running", "train", 7)
    status = journal.close("failed", "it broke", "fix it")
    assert run.read_status() == status
    assert (status.state, status.message, status.hint, status.pid) == ("failed", "it broke", "fix it", 0)
    assert run.read_events()[-1].data == {"message": "it broke", "hint": "fix it"}


def test_an_event_that_does_not_fit_on_the_disk_leaves_no_half_line(tmp_path: Path) -> None:
    code = f"""
import resource
from pathlib import Path
from tunewright.contract.run import RunFolder
from tunewright.train.run_events import Journal
import sys
journal = Journal(RunFolder(Path({str(tmp_path)!r})), 1)
sys.dont_write_bytecode = True  # Python 3.11 keeps bytecode that it could not write whole
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
try:
    while True:
        journal.event("loss", loss=1.5)
except OSError as error:
    print(error.errno)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) in (errno.ENOSPC, errno.EFBIG)
    lines = (tmp_path / "events.jsonl").read_bytes()
    assert lines.endswith(b"\n")
    assert [json.loads(line)["seq"] for line in lines.splitlines()] == list(
        range(1, len(lines.splitlines()) + 1)
    )
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    assert os.path.getsize(tmp_path / "events.jsonl") <= 1000  # noqa: PTH202


def test_a_thread_that_gets_nowhere_is_told_by_the_heartbeat_and_taken_back(run: RunFolder) -> None:
    clock = Clock()
    journal = Journal(run, 1, clock)
    journal.begin("train", 100)

    def told() -> bool:
        journal.beat()
        status = run.read_status()
        assert status is not None
        assert status.state == "running"
        assert status.stalled == status.message.startswith("stalled: no step has ended for ")
        return status.stalled

    # Loading and compiling may take their time.
    clock.now += journal_module.UNKNOWN_STALL - 1
    assert not told()
    clock.now += 2
    assert told()
    for step in range(1, 20):
        clock.now += 20
        journal.progress(step)
        assert not told()
    clock.now += 199
    assert not told()
    clock.now += 2
    assert told()
    journal.check()  # a sign of life between two steps
    assert not told()
    clock.now += 250
    assert told()
    assert not journal.close("cancelled").stalled


def test_short_steps_may_wait_a_minute(run: RunFolder) -> None:
    clock = Clock()
    journal = Journal(run, 1, clock)
    journal.begin("train", 100)
    for step in range(1, 20):
        clock.now += 0.01
        journal.progress(step)
    clock.now += journal_module.LEAST_STALL - 1
    journal.beat()
    assert not (run.read_status() or pytest.fail("no status")).stalled
    clock.now += 2
    journal.beat()
    assert (run.read_status() or pytest.fail("no status")).stalled
    journal.close("done")
