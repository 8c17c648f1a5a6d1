"""Suites: read whole or in part, and what is wrong with one is named by file and line."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.contract.errors import UserError
from tunewright.contract.suite import read_suite, suite_text


def line(number: int, quick: bool, **more: Any) -> str:
    marked = {"quick": True} if quick else {}
    row = {"id": f"c{number}", "category": "k", "messages": [{"role": "user", "content": "Hi.\u2028Yes?"}]}
    return json.dumps(row | marked | more, ensure_ascii=False)


def write(path: Path, lines: list[str]) -> Path:
    path.write_bytes("".join(lines).encode())
    return path


@given(st.lists(st.booleans(), min_size=1, max_size=12), st.sampled_from(["\n", "\r\n", "\n\n \n"]))
def test_a_subset_is_the_marked_lines_as_they_are(
    tmp_path_factory: pytest.TempPathFactory, marks: list[bool], end: str
) -> None:
    marks = [*marks, True]
    lines = [line(number, quick) + end for number, quick in enumerate(marks)]
    path = write(tmp_path_factory.mktemp("suite") / "s.jsonl", lines)
    assert suite_text(path) == path.read_bytes()
    assert [case.id for case in read_suite(path).cases] == [f"c{n}" for n in range(len(marks))]
    kept = [f"c{number}" for number, quick in enumerate(marks) if quick]
    assert [case.id for case in read_suite(path, "quick").cases] == kept
    again = path.with_name("again.jsonl")
    again.write_bytes(suite_text(path, "quick"))
    assert read_suite(again).cases == read_suite(path, "quick").cases
    assert suite_text(again, "quick") == again.read_bytes()


def test_a_subset_without_cases_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "s.jsonl", [line(1, False) + "\n"])
    for read in (read_suite, suite_text):
        with pytest.raises(UserError, match=r"s\.jsonl: no case of it is in the subset quick"):
            read(path, "quick")


def test_what_is_wrong_outside_of_the_subset_is_told_too(tmp_path: Path) -> None:
    path = write(tmp_path / "s.jsonl", [line(1, True) + "\n", line(2, False, colour="red") + "\n"])
    with pytest.raises(UserError, match=r"s\.jsonl:2: colour"):
        suite_text(path, "quick")
