"""Intervals and tests against scipy, and against values in print.

scipy takes more than a second to import: a process that only collects these tests does without.
"""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunewright.eval.statistics import (
    Paired,
    Proportion,
    bootstrap_interval,
    holm,
    mcnemar_exact,
    newcombe_interval,
    pair,
    wilson_interval,
)

COUNTS = st.integers(0, 400)


@given(COUNTS, COUNTS, st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_agrees_with_scipy(a: int, b: int, confidence: float) -> None:
    from scipy import stats

    k, n = min(a, b), max(a, b, 1)
    interval = stats.binomtest(k, n).proportion_ci(confidence, method="wilson")
    assert wilson_interval(k, n, confidence) == pytest.approx((interval.low, interval.high), abs=1e-9)


@given(COUNTS, COUNTS)
def test_exact_mcnemar_agrees_with_scipys_binomial_test(only_a: int, only_b: int) -> None:
    from scipy import stats

    n = only_a + only_b
    wanted = stats.binomtest(only_a, n).pvalue if n else 1.0
    assert mcnemar_exact(only_a, only_b) == pytest.approx(wanted, rel=1e-9)


def test_92_percent_of_25_is_75_to_98() -> None:
    assert [round(x, 2) for x in wilson_interval(23, 25)] == [0.75, 0.98]
    assert str(Proportion(23, 25)) == "92% of 25 [75%, 98%]"


def test_nothing_is_known_of_no_cases() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert str(Proportion(0, 0)) == "no cases"
    assert newcombe_interval(Paired(0, 0, 0, 0)) == (-1.0, 1.0)
    assert mcnemar_exact(0, 0) == 1.0
    assert bootstrap_interval([], []) == (-1.0, 1.0)


def test_more_successes_than_trials_are_refused() -> None:
    with pytest.raises(ValueError, match="5 of 4"):
        wilson_interval(5, 4)


@pytest.mark.parametrize(
    ("counts", "wanted"),
    [
        ((36, 12, 2, 0), (0.0569, 0.3404)),
        ((54, 0, 0, 0), (-0.0664, 0.0664)),
    ],
)
def test_newcombes_method_10_on_examples_of_his_paper(
    counts: tuple[int, int, int, int], wanted: tuple[float, float]
) -> None:
    both, only_a, only_b, neither = counts
    # The paper's difference is first minus second: ours with the two swapped.
    interval = newcombe_interval(Paired(both, only_b, only_a, neither))
    assert interval == pytest.approx(wanted, abs=6e-4)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=80))
def test_the_interval_holds_the_difference_and_turns_with_it(pairs: list[tuple[bool, bool]]) -> None:
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    paired = pair(a, b)
    low, high = paired.interval
    assert -1 <= low <= paired.difference + 1e-12
    assert paired.difference - 1e-12 <= high <= 1
    other_low, other_high = pair(b, a).interval
    assert (-other_high, -other_low) == pytest.approx((low, high))
    assert paired.a.k == sum(a)
    assert paired.b.k == sum(b)


@settings(max_examples=15, deadline=None)
@given(st.integers(15, 60), st.integers(5, 20), st.integers(5, 20), st.integers(15, 60))
def test_newcombe_and_bootstrap_say_nearly_the_same(
    both: int, only_a: int, only_b: int, neither: int
) -> None:
    a = [True] * (both + only_a) + [False] * (only_b + neither)
    b = [True] * both + [False] * only_a + [True] * only_b + [False] * neither
    low, high = bootstrap_interval(a, b)
    assert newcombe_interval(pair(a, b)) == pytest.approx((low, high), abs=0.06)


def test_holm_on_a_known_case() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_keeps_the_order_and_lies_between_p_and_bonferroni(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for p, q in zip(p_values, adjusted, strict=True):
        assert p <= q <= min(1.0, p * len(p_values)) + 1e-12 or math.isclose(p, q)
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    assert [adjusted[i] for i in order] == sorted(adjusted)


def test_coverage_of_wilson_is_near_what_it_says() -> None:
    """Exactly, by summing over every outcome: where a t-interval covers 40 % (p = 0.98, n = 25)."""
    from scipy import stats

    covered = sum(
        stats.binom.pmf(k, 25, 0.98)
        for k in range(26)
        if wilson_interval(k, 25)[0] <= 0.98 <= wilson_interval(k, 25)[1]
    )
    assert covered > 0.9


def test_pairs_must_be_pairs() -> None:
    with pytest.raises(ValueError, match="not pairs"):
        pair([True], [])
