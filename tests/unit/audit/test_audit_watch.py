"""`--watch`: an audit again after each change, of whole files only, until Ctrl-C."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tunewright.audit.command import Outputs, audit_files
from tunewright.audit.watch import audit_on_change
from tunewright.contract.errors import UserError

ROW = json.dumps({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]})


def watched(audit: Callable[[], int], data: Path, *steps: Callable[[], object]) -> int:
    """Watch with one step done between two looks, and Ctrl-C after the last."""
    left: Iterator[Callable[[], object]] = iter(steps)

    def pause() -> None:
        step = next(left, None)
        if step is None:
            raise KeyboardInterrupt
        step()

    return audit_on_change(audit, [data], pause=pause)


def nothing() -> None:
    pass


def test_a_change_is_audited_once_and_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text("a")
    seen: list[str] = []

    def audit() -> int:
        seen.append(path.read_text())
        return 0

    def write(text: str) -> Callable[[], object]:
        return lambda: path.write_text(text)

    watched(audit, path, nothing, write("ab"), write("abc"), write("abcd"), nothing, nothing, nothing)
    assert seen == ["a", "abcd"]


def test_a_file_that_is_moved_away_is_waited_for(tmp_path: Path) -> None:
    path, away = tmp_path / "train.jsonl", tmp_path / "away"
    path.write_text("a")
    seen: list[str] = []

    def audit() -> int:
        seen.append(path.read_text())
        return 0

    def replaced() -> None:
        path.write_text("whole")

    watched(audit, path, lambda: path.rename(away), nothing, nothing, replaced, nothing, nothing)
    assert seen == ["a", "whole"]


def test_a_change_during_an_audit_is_not_missed(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text("a")
    seen: list[str] = []

    def audit() -> int:
        seen.append(path.read_text())
        if len(seen) == 1:
            path.write_text("longer")
        return 0

    watched(audit, path, nothing, nothing, nothing)
    assert seen == ["a", "longer"]


def test_a_mistake_is_told_and_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text("a")
    answers = iter([UserError("torn", "wait"), FileNotFoundError(2, "No such file", "x.jsonl"), 1])

    def audit() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    steps = [lambda: path.write_text("ab"), nothing, lambda: path.write_text("abc"), nothing]
    assert watched(audit, path, *steps) == 1, "the code of the last audit"
    told = capsys.readouterr().err
    assert "error: torn" in told
    assert "error: x.jsonl: No such file" in told


def test_a_bug_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text("a")
    with pytest.raises(ZeroDivisionError):
        watched(lambda: 1 // 0, path, nothing)


def test_what_was_never_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no data at"):
        watched(lambda: 0, tmp_path / "trian.jsonl", nothing)


def test_flags_that_cannot_be_obeyed_end_it_at_once(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(ROW + "\n")
    with pytest.raises(UserError, match="is a folder"):
        audit_files([path], Outputs(str(tmp_path)), watch=True)
    with pytest.raises(UserError, match="--export and --watch"):
        audit_files([path], Outputs(), export=tmp_path / "rows", watch=True)


def test_the_command_audits_again_and_ends_by_an_interrupt(tmp_path: Path) -> None:
    path, result = tmp_path / "train.jsonl", tmp_path / "audit.json"
    path.write_text(ROW + '\n{"messages": [{"role":')
    command = "from tunewright.audit.command import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", command, "--watch", str(path), "--json", str(result)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None

    def next_result() -> dict[str, Any]:
        assert process.stderr is not None
        while not (line := process.stderr.readline()).startswith("watching  for"):
            assert line, "the command ended"
        return json.loads(result.read_text())

    try:
        torn = next_result()
        assert (torn["verdict"], torn["understood"]["rows"]["unread"]) == ("fail", 1)
        whole = tmp_path / "new"
        whole.write_text(ROW + "\n" + ROW.replace("hello", "good day") + "\n")
        whole.replace(path)
        read = next_result()
        assert (read["understood"]["rows"]["read"], read["understood"]["rows"]["unread"]) == (2, 0)
        assert read["verdict"] != "fail"
        process.send_signal(signal.SIGINT)
        printed, told = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert "watching  ended" in told
    assert "Traceback" not in told
    assert printed.count("Read: ") == 2
