"""Numbers and reasons that no result accounts for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.eval.answer_sources import foreign_names, foreign_numbers, foreign_reasons, miscounted

RESULT = ["How many of them fail, in per cent?", "print(t.passed, t.failed)", "45 5"]


@pytest.mark.parametrize(
    ("prose", "foreign"),
    [
        ("5 of 50 fail, so 10 per cent.", []),
        ("5 fail and 45 pass, 40 more.", []),
        ("One in ten fails.", ["ten"]),
        ("About 10% (one in ten).", []),
        ("7 of 52 fail.", ["7", "52"]),
        ("Ten fail.", ["ten"]),
        ("It took 3.5 seconds.", ["3.5"]),
    ],
)
def test_numbers(prose: str, foreign: list[str]) -> None:
    assert foreign_numbers(prose, RESULT) == foreign


def test_a_version_is_the_whole_of_it() -> None:
    assert foreign_numbers("No, it is 3.11.9.", ["", "Python 3.11.9"]) == []
    assert foreign_numbers("No, it is 3.9.11.", ["", "Python 3.11.9"]) == ["3.9.11"]


def test_the_output_s_lines_may_be_counted() -> None:
    assert foreign_numbers("Two files.", ["", "a.py\nb.py"]) == []
    assert foreign_numbers("Three files.", ["", "a.py\nb.py"]) == ["three"]


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=8))
def test_what_the_output_says_is_never_foreign(numbers: list[int]) -> None:
    text = " ".join(map(str, numbers))

    assert foreign_numbers(text, ["request", text]) == []
    assert foreign_numbers(f"{sum(numbers) * 3 + 20_001}", ["request", text])


@pytest.mark.parametrize(
    ("prose", "given"),
    [
        ("It failed because the host could not be resolved.", True),
        ("It failed, as there's no such host.", True),
        ("It failed because it's probably offline.", True),
        ("It failed because your branch is too old.", False),
        ("It failed since yesterday.", True),
        ("It failed, since you have no rights.", False),
    ],
)
def test_reasons(prose: str, given: bool) -> None:
    assert (foreign_reasons(prose, "fatal: Could not resolve host: example.org") == []) is given


@pytest.mark.parametrize(
    ("prose", "output", "said"),
    [
        ("a.py has 811 type errors.", "a.py 811\nb.py 44", ["811 type errors"]),
        ("a.py has 811 errors, 2 in all.", "a.py:811\nb.py:44:3", ["811 errors"]),
        ("Two errors, on lines 811 and 44.", "a.py 811\nb.py 44", []),
        ("12 tests passed.", "0.53 12", []),
        ("811 errors.", "a.py 811\n811", []),
        ("It was written in 11 seconds.", "True 11", ["11 seconds"]),
        ("It took 11 seconds.", "slept 11 s", []),
    ],
)
def test_a_line_counts_nothing_and_time_is_spoken_of(prose: str, output: str, said: list[str]) -> None:
    assert miscounted(prose, ["Which file?", output]) == said


def test_files_and_hosts_are_ones_that_were_named() -> None:
    before = "push it\nCould not resolve host: git.example.org (see conf/app.ini)"
    assert foreign_names("git.example.org is not there, look into app.ini.", before) == []
    assert foreign_names("I can't reach git.org, see App.toml.", before) == ["git.org", "App.toml"]
