"""Several samples of a case: averaged within it, in clusters, and never thrown away."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.eval.clusters import (
    ClusteredPaired,
    ClusteredProportion,
    effective_number,
    paired,
    proportion,
)
from tunewright.eval.gates import paired_scores
from tunewright.eval.grade_answer import Outcome
from tunewright.eval.statistics import Paired, Proportion
from tunewright.eval.suite_score import SuiteScore

TABLE = st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=30)


def sampled(table: list[list[bool]], **more: object) -> SuiteScore:
    outcomes = tuple(
        Outcome(f"c{i}", "k", sample, checks={"parses": True, "tools": True, "all": right})
        for i, row in enumerate(table)
        for sample, right in enumerate(row)
    )
    return SuiteScore("s", "h", outcomes, frozenset(), **more)  # pyright: ignore[reportArgumentType]


@given(TABLE)
def test_pass_at_1_is_the_mean_over_cases_and_its_interval_no_wider_than_that_of_one_sample(
    table: list[list[bool]],
) -> None:
    share = sampled(table).overall
    assert share.n == len(table)
    assert share.value == pytest.approx(sum(map(sum, table)) / (4 * len(table)))
    assert isinstance(share, ClusteredProportion)
    assert share.samples == 4 * len(table)
    assert share.interval[0] - 1e-9 <= share.value <= share.interval[1] + 1e-9


@given(TABLE, st.integers(1, 4))
def test_pass_k_is_the_share_of_all_draws_in_which_every_sample_is_right(
    table: list[list[bool]], k: int
) -> None:
    drawn = [all(draw) for row in table for draw in combinations(row, k)]
    assert sampled(table).pass_k(k) == pytest.approx(sum(drawn) / len(drawn))


def test_all_samples_counts_the_cases_in_which_every_one_is_right() -> None:
    score = sampled([[True] * 4, [True, True, True, False], [False] * 4])
    assert score.all_samples == Proportion(1, 3)
    assert score.stable == Proportion(2, 3)
    found = score.to_json()
    assert found["samples"] == 4
    assert found["pass_k"]["1"] == pytest.approx(7 / 12)
    assert found["pass_k"]["4"] == pytest.approx(1 / 3)
    assert found["metrics"]["overall"]["k"] == pytest.approx(1.75)


def test_samples_that_agree_within_every_case_are_worth_no_more_than_the_cases() -> None:
    alike = sampled([[n % 3 > 0] * 4 for n in range(30)]).overall
    mixed = sampled([[(n + sample) % 3 > 0 for sample in range(4)] for n in range(30)]).overall
    assert isinstance(alike, ClusteredProportion)
    assert isinstance(mixed, ClusteredProportion)
    assert alike.effective < 31
    assert mixed.effective > 60


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_one_sample_a_case_is_counted_as_it_was(pairs: list[tuple[bool, bool]]) -> None:
    a, b = sampled([[x] for x, _ in pairs]), sampled([[y] for _, y in pairs])
    assert type(a.overall) is Proportion
    assert "pass_k" not in a.to_json()
    found = paired_scores(a, b)
    assert type(found) is Paired
    assert (found.only_a, found.only_b) == (
        sum(x and not y for x, y in pairs),
        sum(y and not x for x, y in pairs),
    )


@given(TABLE)
def test_a_comparison_of_samples_has_the_difference_of_the_means(table: list[list[bool]]) -> None:
    other = [[*row[::-1][:2], not row[0], row[1]] for row in table]
    a, b = sampled(table), sampled(other)
    found = paired_scores(a, b)
    assert found.n == len(table)
    assert found.difference == pytest.approx(b.overall.value - a.overall.value, abs=1e-9)
    low, high = found.interval
    assert low <= found.difference + 1e-9
    assert found.difference <= high + 1e-9
    assert 0 <= found.p <= 1


def test_samples_show_a_difference_that_first_samples_hide() -> None:
    a = sampled([[True, False, False, False]] * 30)
    b = sampled([[True, True, True, False]] * 30)
    found = paired_scores(a, b)
    assert isinstance(found, ClusteredPaired)
    assert found.difference == pytest.approx(0.5)
    assert found.p < 1e-6


def test_two_ways_of_clustering_are_both_felt() -> None:
    right = [repo % 2 == 0 for repo in range(8) for _ in range(8)]
    templates = [f"t{n % 8}" for n in range(64)]
    repositories = [f"r{n // 8}" for n in range(64)]
    alone = proportion(right, templates)
    both = proportion(right, templates, repositories)
    assert isinstance(alone, ClusteredProportion)
    assert isinstance(both, ClusteredProportion)
    assert alone.effective > 40
    assert both.effective < 10
    worse = [False] * 64
    assert paired(right, worse, templates).p < 0.01
    assert paired(right, worse, templates, repositories).p > 0.1


@given(st.lists(st.floats(0, 1), min_size=2, max_size=40), st.data())
def test_an_effective_number_lies_between_one_and_the_number_of_values(
    values: list[float], data: st.DataObject
) -> None:
    names = st.lists(st.integers(0, 6), min_size=len(values), max_size=len(values))
    ways = [
        [[i for i, name in enumerate(chosen) if name == group] for group in sorted(set(chosen))]
        for chosen in (data.draw(names), data.draw(names))
    ]
    assert 1 <= effective_number(values, *ways) <= len(values) + 1e-9
