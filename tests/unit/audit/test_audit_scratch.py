"""What an audit spills is gone when it ends, however it ends."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunewright.chat.calls.code_mode import render_program
from tunewright.contract.scratch import scratch_folder

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("work", ["audit", "data"])
def test_the_folder_of_work_that_was_killed_goes_with_the_next_of_its_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = tmp_path / f"tunewright-{work}-{ended.pid}-abc"
    (left / "spill").mkdir(parents=True)
    (left / "spill" / "block").write_bytes(b"x" * 100)
    running = tmp_path / f"tunewright-{work}-{os.getppid()}-abc"
    other = tmp_path / f"tunewright-{work}-notes"
    unknown = tmp_path / f"tunewright-{work}-me-1"
    kind = tmp_path / f"tunewright-others-{ended.pid}-abc"
    for folder in (running, other, unknown, kind):
        folder.mkdir()
    with scratch_folder(work) as mine:
        assert mine.is_dir()
        (mine / "block").touch()
    assert not mine.exists()
    assert not left.exists()
    assert running.is_dir()
    assert other.is_dir()
    assert unknown.is_dir()
    assert kind.is_dir()


def test_a_folder_goes_when_ctrl_c_comes_the_moment_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen: list[str] = []

    def interrupted(*given: Any, mkdir: Callable[..., None] = os.mkdir, **options: Any) -> None:
        mkdir(*given, **options)
        seen.extend(path.name for path in tmp_path.iterdir())
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "mkdir", interrupted)
    with pytest.raises(KeyboardInterrupt), scratch_folder("audit"):
        pass
    assert len(seen) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_audit_that_is_stopped_leaves_nothing_and_says_one_line(tmp_path: Path) -> None:
    code = render_program("found = look({})\nprint(found)")
    rows = (
        {
            "messages": [
                {"role": "user", "content": f"where is {n}"},
                {"role": "assistant", "content": code.format(n)},
            ]
        }
        for n in range(60_000)
    )
    data, spill = tmp_path / "train.jsonl", tmp_path / "spill"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    spill.mkdir()
    with subprocess.Popen(
        [ROOT / "inv", "audit", "--data", data],
        env={**os.environ, "TMPDIR": str(spill)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        until = time.monotonic() + 60
        while not list(spill.glob("tunewright-audit-*")) and time.monotonic() < until:
            time.sleep(0.02)
        # As a terminal does: to the launcher, the audit and its helpers alike.
        os.killpg(process.pid, signal.SIGINT)
        said, complaints = process.communicate(timeout=60)
    assert process.returncode == 130, complaints
    assert said == ""
    lines = [line for line in complaints.splitlines() if not line.startswith("audit ")]
    assert lines == ["stopped; what was finished is kept"]
    assert list(spill.glob("tunewright-audit-*")) == []
