"""Answers of a model folder: half of them by another process, and the same as without it."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.random_qwen3 import write_model
from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Predict
from tunewright.train.other_process import OtherProcess
from tunewright.train.predict_folder import Question, predict_folder

REQUESTS = ("Where is a?", "What is b?", "c?", "Find every use of the name d.", "e")


@pytest.fixture
def question(tmp_path: Path) -> Question:
    suite = tmp_path / "few.jsonl"
    cases = [
        {"id": f"case-{n}", "category": "c", "messages": [{"role": "user", "content": text}]}
        for n, text in enumerate(REQUESTS)
    ]
    suite.write_text("".join(json.dumps(case) + "\n" for case in cases))
    settings = Predict(max_tokens=8, batch_size=2, temperature=0.7, samples=2)
    return Question(
        model=write_model(tmp_path / "model"), suites=(suite,), out=tmp_path / "out", settings=settings
    )


def answers(question: Question) -> list[dict[str, Any]]:
    told: list[tuple[int, int]] = []
    (path,) = predict_folder(
        question, lambda _suite, done, total, _worth=None: told.append((done, total))
    ).values()
    assert told[-1] == (10, 10)
    assert all(done <= total for done, total in told)
    rows = [json.loads(line) for line in Path(path).read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def test_another_process_answers_half_and_the_answers_are_the_same(
    question: Question, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs: list[int] = []
    file = OtherProcess.file

    def seen(self: OtherProcess, name: str) -> Any:
        path = file(self, name)
        theirs.append(len(path.read_text().splitlines()) if path else 0)
        return path

    monkeypatch.setattr(OtherProcess, "file", seen)
    monkeypatch.setenv("TUNEWRIGHT_RANKS", "1")
    alone = answers(question)
    assert theirs == []
    monkeypatch.setenv("TUNEWRIGHT_RANKS", "2")
    assert answers(question) == alone
    assert theirs == [4]  # two of five cases, two samples each
    assert [row["case"] for row in alone] == [f"case-{n // 2}" for n in range(10)]


def test_what_the_other_process_does_not_answer_is_answered_here(
    question: Question, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNEWRIGHT_RANKS", "1")
    alone = answers(question)
    monkeypatch.setenv("TUNEWRIGHT_RANKS", "2")
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    assert answers(question) == alone


def test_a_folder_that_is_not_a_model_is_reported_once(
    question: Question, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNEWRIGHT_RANKS", "2")
    with pytest.raises(UserError, match="no model in"):
        predict_folder(
            question.model_copy(update={"model": tmp_path}), lambda _suite, _done, _total, _worth=None: None
        )
    assert capfd.readouterr().err == ""
