"""Steps in a row: each sees what the one before it made, and none is taken after a rejection."""

from dataclasses import replace
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from tunewright.datagen.candidate import Candidate, take_steps
from tunewright.datagen.rejections import Ledger, Rejected


@given(count=st.integers(0, 6), refuses=st.integers(0, 6), begun=st.booleans())
def test_no_step_is_taken_after_a_rejection(count: int, refuses: int, begun: bool) -> None:
    taken: list[int] = []

    def step(number: int, made: Candidate) -> Candidate | Rejected:
        taken.append(number)
        if number == refuses:
            return Rejected(f"step {number}")
        return replace(made, request=made.request + str(number))

    first = Candidate(family="a") if begun else Rejected("no site")
    made = take_steps(first, *(partial(step, number) for number in range(count)))
    if not begun:
        assert made is first
        assert taken == []
    elif refuses < count:
        assert isinstance(made, Rejected)
        assert made.reason == f"step {refuses}"
        assert taken == list(range(refuses + 1))
    else:
        assert isinstance(made, Candidate)
        assert made.request == "".join(map(str, range(count)))


def test_the_ledger_names_the_commonest_reason_over_all_families_with_what_was_said_first() -> None:
    ledger = Ledger()
    assert ledger.commonest() == ""
    ledger.reject("a", "too long")
    ledger.reject("a", "get raised KeyError", "'x'")
    ledger.reject("b", "get raised KeyError", "'y'")
    assert ledger.commonest() == "get raised KeyError ('x'), 2 times"
