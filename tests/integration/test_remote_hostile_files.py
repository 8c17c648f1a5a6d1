"""What a host may send has a limit: a file that is too long, endless or no file harms nothing here."""

import os
import resource
import sys
import time
from pathlib import Path

import pytest

from tests.support.remote_runs import begin
from tunewright.contract.errors import HostError
from tunewright.contract.run import RunFolder
from tunewright.remote.host import MOST_EVENTS, MOST_LOG, MOST_READ, MOST_SAID, Host, read_file, read_tail
from tunewright.remote.job import follow_run, pull_run, run_log

HUGE = 3 << 30  # bytes; sparse, so that they are nowhere


def make_huge(path: Path, end: bytes = b"") -> None:
    with path.open("wb") as file:
        file.truncate(HUGE)
        file.seek(HUGE - len(end))
        file.write(end)


def finished(host: Host, checkout: Path) -> tuple[RunFolder, Path]:
    """A run that has ended, and its folder on the host, which is this machine."""
    run = begin(host, checkout, steps=1)
    list(follow_run(host, run))
    return run, Path(host.root / "runs" / run.path.name)


def peak() -> int:
    """Bytes that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def test_of_a_huge_log_the_end_is_pulled(host: Host, checkout: Path) -> None:
    run, there = finished(host, checkout)
    pull_run(host, run, lambda _: None)
    assert b"worker started" in run.log.read_bytes()
    make_huge(there / "worker.log", b"the end\n")
    before = peak()
    pull_run(host, run, lambda _: None)
    assert run.log.stat().st_size == MOST_LOG
    assert run.log.read_bytes().endswith(b"the end\n")
    assert run_log(host, run, 1).endswith("the end\n")
    assert peak() - before < 500 << 20


def test_results_are_pulled_although_the_log_is_a_pipe(host: Host, checkout: Path) -> None:
    run, there = finished(host, checkout)
    (there / "worker.log").unlink()
    os.mkfifo(there / "worker.log")
    said: list[str] = []
    pull_run(host, run, said.append)
    assert [line for line in said if "not a regular file" in line]
    assert run.stage("predict").is_dir()


@pytest.mark.parametrize("name", ["status.json", "events.jsonl", "predictions/manifest.json"])
def test_a_huge_file_of_ours_is_refused_by_its_name(host: Host, checkout: Path, name: str) -> None:
    run, there = finished(host, checkout)
    (there / name).chmod(0o644)
    make_huge(there / name)
    before = peak()
    with pytest.raises(HostError, match=name.replace(".", r"\.") + " holds"):
        pull_run(host, run, lambda _: None)
    assert peak() - before < 500 << 20


def test_a_file_up_to_the_limit_is_read(host: Host, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1000)
    there = host.root.joinpath(str(path))
    assert read_file(host, there, most=1000) == b"x" * 1000
    with pytest.raises(HostError, match="holds more than"):
        read_file(host, there, most=999)
    assert read_tail(host, there, 3) == b"xxx"
    assert read_tail(host, there.with_name("missing"), 3) is None
    assert MOST_READ < MOST_LOG < MOST_EVENTS


def test_a_command_that_prints_without_end_is_stopped(host: Host) -> None:
    start = time.monotonic()
    before = peak()
    with pytest.raises(HostError, match="printed more than"):
        host.run(["/bin/sh", "-c", "yes 0123456789012345678901234567890123456789"], timeout=100)
    assert time.monotonic() - start < 90
    assert peak() - before < 16 * MOST_SAID
    assert host.run(["/bin/sh", "-c", "echo fine"]).text == "fine"


def test_errors_without_end_do_not_fill_the_memory(host: Host) -> None:
    before = peak()
    lines = 2 * MOST_SAID // 1000
    done = host.run(["/bin/sh", "-c", f"yes {'e' * 999} | head -n {lines} >&2; echo fine"], timeout=100)
    assert (done.code, done.text) == (0, "fine")
    assert len(done.stderr) <= MOST_SAID
    assert peak() - before < 16 * MOST_SAID
