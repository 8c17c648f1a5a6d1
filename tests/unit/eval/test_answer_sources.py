"""Numbers and reasons that no result accounts for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.eval.answer_sources import foreign_numbers, foreign_reasons

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
