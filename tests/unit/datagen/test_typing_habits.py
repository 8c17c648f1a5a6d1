"""Requests as people type them: drawn alike for all, and nothing lost but form."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.datagen.typing_habits import PLAIN, SMALL, SMALL_QUESTION, UNSTOPPED, typed


@given(st.text(max_size=80), st.integers(0, 10**6))
def test_nothing_is_lost_but_backticks_a_full_stop_and_a_capital(request: str, seed: int) -> None:
    made = typed(request, Random(seed), request or "x")

    assert made.replace("`", "").rstrip(".").lower() == request.replace("`", "").rstrip(".").lower()


@given(st.integers(0, 10**6))
def test_code_that_is_shown_and_a_name_that_comes_first_stay(seed: int) -> None:
    shown = "What is wrong?\n\n```python\nprint(`x`).\n```"

    assert typed(shown, Random(seed)) == shown
    assert typed("Limits: where is it?", Random(seed), "{symbol}: where is it?").startswith("Limits")


@pytest.mark.parametrize(
    ("wording", "small"), [("Run `{command}` and show it.", SMALL), ("", SMALL_QUESTION)]
)
def test_the_shares_are_those_named(wording: str, small: float) -> None:
    random = Random(7)
    made = [typed("Run `ls -la` and show it.", random, wording) for _ in range(2_000)]

    def share(of: list[bool]) -> float:
        return sum(of) / len(of)

    assert abs(share([text[0] == "r" for text in made]) - small) < 0.04
    assert abs(share([not text.endswith(".") for text in made]) - UNSTOPPED) < 0.04
    assert abs(share(["`" not in text for text in made]) - PLAIN) < 0.04
