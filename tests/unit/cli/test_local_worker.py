"""Asking a worker on this machine: what is said of one that gives no answer."""

from pathlib import Path
from typing import Any

import pytest

from tunewright.cli.local_worker import Told, ask_local_worker
from tunewright.contract.errors import HostError
from tunewright.remote import environment
from tunewright.remote.environment import Environment

PROGRESS = """echo '{"suite": "navigation", "done": 3, "total": 60}' >&2"""


@pytest.mark.parametrize(
    ("ends", "why"),
    [
        ("kill -9 $$", "killed by signal 9"),
        ("echo 'no such layer' >&2; exit 3", "no such layer"),
        ("exit 3", "exit code 3"),
        ("exit 0", "exit code 0"),
        ("echo half", "exit code 0"),
    ],
)
def test_a_worker_without_an_answer_is_named_with_the_reason_and_not_with_its_progress(
    ends: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\ncat >/dev/null\n{PROGRESS}\n{ends}\n")
    program.chmod(0o700)

    def installed(*_: Any) -> Environment:
        return Environment("", str(program))

    monkeypatch.setattr(environment, "install_environment", installed)
    with pytest.raises(HostError) as caught:
        ask_local_worker("predict_folder", {}, Told("predict", "{}: answer"), 30)
    assert caught.value.message == f"predict ended without an answer: {why}"
