"""A validation's folder: what is kept when answering stops anywhere."""

from pathlib import Path

import pytest

from tunewright.contract.errors import UserError
from tunewright.contract.suite import Prediction, read_suite
from tunewright.eval.validation import Validation, ValidationFolder

CASES = "".join(
    f'{{"id": "c{n}", "category": "any", "messages": [{{"role": "user", "content": "q{n}"}}]}}\n'
    for n in range(3)
)


@pytest.fixture
def folder(tmp_path: Path) -> ValidationFolder:
    from tunewright.contract.atomic import sha256_file

    path = tmp_path / "few.jsonl"
    path.write_text(CASES)
    made = ValidationFolder(tmp_path / "validation")
    made.start(
        Validation(created="now", model="m", suites={"few": sha256_file(path)}), {path: read_suite(path)}
    )
    return made


def test_answers_are_there_the_moment_they_came(folder: ValidationFolder) -> None:
    assert not folder.has_answers()
    assert folder.read_answers("few") == []
    one, two = Prediction(case="c1", text="a\u2028b"), Prediction(case="c0", text="é", reasoning="hm")
    folder.append("few", one)
    folder.append("few", two)
    assert folder.read_answers("few") == [one, two]
    assert folder.has_answers()


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_torn_line_costs_that_answer_alone(folder: ValidationFolder, cut: int) -> None:
    one, two, three = (Prediction(case=f"c{n}", text="é" * n) for n in range(3))
    folder.append("few", one)
    folder.append("few", two)
    journal = folder.journal("few")
    journal.write_bytes(journal.read_bytes()[:-cut])
    assert folder.read_answers("few") == [one]
    folder.append("few", three)
    assert folder.read_answers("few") == [one, three]


def test_the_finished_file_takes_the_journals_place(folder: ValidationFolder) -> None:
    answers = tuple(Prediction(case=f"c{n}", text=str(n)) for n in range(3))
    folder.append("few", answers[2])
    folder.finish("few", answers)
    assert not folder.journal("few").exists()
    assert folder.read_answers("few") == list(answers)


def test_a_suite_that_was_changed_since_is_noticed(folder: ValidationFolder) -> None:
    (path,) = folder.read_suites()
    path.write_text(CASES.replace("q1", "q9"))
    with pytest.raises(UserError, match="not the one that was asked"):
        folder.read_suites()


@pytest.mark.parametrize("text", [None, "", "{}", "[]", "{"])
def test_what_is_no_validation_is_told_in_words(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "validation.json").write_text(text)
    with pytest.raises(UserError):
        ValidationFolder(tmp_path).read_spec()
