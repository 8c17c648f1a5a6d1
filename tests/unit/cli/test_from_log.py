"""data.from_log as a user meets it: a log in, candidates to mark, and then rows and cases, never the same ones."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from invoke.exceptions import Exit

from tests.support.served import asking, calling, saying, served
from tunewright.audit.audited import audit_dataset
from tunewright.chat.training_set import read_training_set
from tunewright.cli import suites
from tunewright.cli.from_log import from_log, make_candidates, take_marked
from tunewright.cli.served_log import ServedLog
from tunewright.contract.errors import UserError
from tunewright.contract.suite import read_suite

QUESTIONS = (
    "What will the weather be like in Porto tomorrow?",
    "Please look up how hot Faro gets during the coming week.",
    "Is it going to rain on my way through Coimbra?",
    "Tell me whether Braga will be windy on Sunday, please.",
)


def run(task: Any, **flags: Any) -> None:
    """A task's function with its error handling, as the command line calls it."""
    task.body(None, **flags)


def candidates(tmp_path: Path, *more: dict[str, Any]) -> tuple[Path, list[dict[str, Any]]]:
    log, out = tmp_path / "log.jsonl", tmp_path / "review.jsonl"
    with ServedLog(log) as served_log:
        for number, question in enumerate(QUESTIONS):
            served_log.add(served(asking(question), calling(f"City {number}")))
        for row in more:
            served_log.add(row)
    make_candidates(log, out)
    return out, [json.loads(line) for line in out.read_text().splitlines()]


def mark(path: Path, rows: list[dict[str, Any]], *marks: Any) -> Path:
    for row, each in zip(rows, marks):
        row["mark"] = each
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_marked_rows_become_training_rows_and_cases_and_nothing_else_does(tmp_path: Path) -> None:
    path, rows = candidates(tmp_path)
    assert {row["mark"] for row in rows} == {""}
    mark(path, rows, "keep", "case", "", "keep")
    out, suite = tmp_path / "rows.jsonl", tmp_path / "seen.jsonl"
    told = take_marked(path, out, suite)
    assert "1  without a mark" in told
    made = read_training_set(out)
    assert [row.request for row in made.rows["train"]] == [QUESTIONS[0], QUESTIONS[3]]
    assert {row.meta.source for row in made.rows["train"]} == {"reviewed"}
    (case,) = read_suite(suite).cases
    assert case.request == QUESTIONS[1]
    assert case.gold_calls[0].tool_calls[0].function.arguments == {"city": "City 1", "days": 1}
    assert not [
        f for f in audit_dataset([out], suites=[suite]).findings if f.check == "split.suite_contamination"
    ]
    assert {stat.S_IMODE(file.stat().st_mode) for file in (path, out, suite)} == {0o600}


def test_the_suite_can_tell_right_from_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, rows = candidates(tmp_path)
    suite = tmp_path / "seen.jsonl"
    take_marked(mark(path, rows, "case", "case", "case", "case"), None, suite)
    run(suites.check, suite=[str(suite)])
    assert "4 cases" in capsys.readouterr().out


def test_what_a_case_asks_is_not_trained_on_in_any_turn(tmp_path: Path) -> None:
    again = served(
        asking("Hello there, can you help me with a trip?"),
        saying("Sure."),
        asking(QUESTIONS[1].replace("Please look", "Look")),
        calling("Faro"),
    )
    short = served(asking("Yes, do."), saying("Done."))
    path, rows = candidates(tmp_path, again, short)
    mark(path, rows, "keep", "case", "", "", "keep", "keep")
    out, suite = tmp_path / "rows.jsonl", tmp_path / "seen.jsonl"
    assert f"{path}:5" in take_marked(path, out, suite)
    assert [row.request for row in read_training_set(out).rows["train"]] == [QUESTIONS[0], "Yes, do."]


def test_an_answer_that_was_corrected_is_the_gold(tmp_path: Path) -> None:
    path, rows = candidates(tmp_path)
    rows[0]["messages"][-1] = calling("Lisbon", 3)
    suite = tmp_path / "seen.jsonl"
    take_marked(mark(path, rows, "case"), None, suite)
    assert read_suite(suite).cases[0].gold_calls[0].tool_calls[0].function.arguments == {
        "city": "Lisbon",
        "days": 3,
    }


@pytest.mark.parametrize(
    ("marks", "out", "suite", "message"),
    [
        (("", "", "", ""), True, False, "no row is marked"),
        (("Keep", "", "", ""), True, False, 'review.jsonl:1: the mark "Keep" means nothing'),
        (("keep", "yes", "", ""), True, False, "review.jsonl:2"),
        ((True, "", "", ""), True, False, "review.jsonl:1"),
        (("keep", "case", "", ""), True, False, "--suite is not given"),
        (("keep", "case", "", ""), False, True, "--out is not given"),
        (("keep", "", "", ""), True, True, "--suite is given"),
    ],
)
def test_a_mark_that_means_nothing_stops_it_and_nothing_is_written(
    tmp_path: Path, marks: tuple[Any, ...], out: bool, suite: bool, message: str
) -> None:
    path, rows = candidates(tmp_path)
    mark(path, rows, *marks)
    files = tmp_path / "rows.jsonl", tmp_path / "seen.jsonl"
    with pytest.raises(UserError) as error:
        take_marked(path, files[0] if out else None, files[1] if suite else None)
    assert message in error.value.message
    assert not any(file.exists() for file in files)


@pytest.mark.parametrize("given", ["keep", "case"])
def test_a_marked_row_that_cannot_be_used_is_named(tmp_path: Path, given: str) -> None:
    wrong = calling("Porto")
    wrong["tool_calls"][0]["function"]["arguments"] = '{"city": 3}'
    empty = saying("")
    answer = empty if given == "keep" else wrong
    path, rows = candidates(tmp_path, served(asking("Is the sea warm enough to swim?"), answer))
    mark(path, rows, "", "", "", "", given)
    with pytest.raises(UserError, match=r"review\.jsonl:5: .*cannot be"):
        take_marked(
            path,
            tmp_path / "rows.jsonl" if given == "keep" else None,
            tmp_path / "seen.jsonl" if given == "case" else None,
        )


def test_a_torn_or_foreign_line_is_counted_and_a_foreign_file_refused(tmp_path: Path) -> None:
    path, _ = candidates(tmp_path)
    log = tmp_path / "log.jsonl"
    with log.open("ab") as file:
        file.write(b'{"mark": "", "mess')
    told = make_candidates(log, tmp_path / "again.jsonl")
    assert "4 candidates out of 4 requests" in told
    assert "1  cannot be read, and left out: line 5" in told
    assert (tmp_path / "again.jsonl").read_bytes() == path.read_bytes()
    for name in ("train.jsonl", "empty.jsonl"):
        (tmp_path / name).write_text('{"messages": []}\n' if name == "train.jsonl" else "")
        with pytest.raises(UserError, match=name):
            make_candidates(tmp_path / name, tmp_path / "never.jsonl")
    with pytest.raises(UserError, match="No such file"):
        make_candidates(tmp_path / "nowhere.jsonl", tmp_path / "never.jsonl")
    assert not (tmp_path / "never.jsonl").exists()


def test_a_file_with_marks_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, rows = candidates(tmp_path)
    mark(path, rows, "keep")
    before = path.read_bytes()
    with pytest.raises(Exit) as ended:
        run(from_log, log=str(tmp_path / "log.jsonl"), out=str(path))
    assert ended.value.code == 2
    assert path.read_bytes() == before
    assert "already there" in capsys.readouterr().err
    for flags in ({}, {"log": "a", "marked": "b"}, {"log": "a", "suite": "s.jsonl"}, {"log": "a"}):
        with pytest.raises(Exit) as ended:
            run(from_log, **flags)
        assert ended.value.code == 2
