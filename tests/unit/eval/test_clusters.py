"""Intervals and tests that know which cases belong together."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.eval.clusters import (
    FEWEST,
    ClusteredPaired,
    ClusteredProportion,
    effective_number,
    paired,
    proportion,
    sign_flip_p,
    t_quantile,
    worth_of,
)
from tunewright.eval.statistics import Proportion, mcnemar_exact, pair, wilson_interval

BOOLS = st.lists(st.booleans(), max_size=40)


@given(BOOLS)
def test_cases_that_are_each_their_own_cluster_are_as_without_clusters(right: list[bool]) -> None:
    for clusters in ([""] * len(right), [f"c{n}" for n in range(len(right))]):
        assert proportion(right, clusters) == Proportion(sum(right), len(right))
        assert paired(right, right[::-1], clusters) == pair(right, right[::-1])


@given(st.lists(st.booleans(), min_size=2, max_size=30), st.integers(2, 5))
def test_copies_of_a_case_tell_nothing_new(right: list[bool], copies: int) -> None:
    repeated = proportion(
        [r for r in right for _ in range(copies)], [n for n in range(len(right)) for _ in range(copies)]
    )
    assert isinstance(repeated, ClusteredProportion)
    assert repeated.value == sum(right) / len(right)
    assert repeated.effective <= len(right) + 1e-9
    alone = wilson_interval(sum(right), len(right))
    assert repeated.interval[0] <= alone[0] + 1e-9
    assert repeated.interval[1] >= alone[1] - 1e-9


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 8)), min_size=1, max_size=40))
def test_the_effective_number_lies_between_one_and_all(values: list[tuple[float, int]]) -> None:
    groups: dict[int, list[int]] = {}
    for place, (_, cluster) in enumerate(values):
        groups.setdefault(cluster, []).append(place)
    found = effective_number([value for value, _ in values], list(groups.values()))
    assert 1 <= found <= len(values) + 1e-9


@pytest.mark.parametrize("df", [1, 2, 3, 4, 7, 29, 30, 500])
def test_quantiles_are_students(df: int) -> None:
    from scipy.stats import t as student  # more than a second: not in every process that collects tests

    assert t_quantile(df) == pytest.approx(student.ppf(0.975, df), rel=1e-9)


@given(st.integers(0, 30), st.integers(0, 30))
def test_single_cases_give_mcnemars_test(gained: int, lost: int) -> None:
    assert sign_flip_p([1] * gained + [-1] * lost) == pytest.approx(mcnemar_exact(lost, gained))


def test_gains_that_come_in_one_cluster_are_no_evidence() -> None:
    found = paired([False] * 20, [True] * 20, ["one"] * 10 + ["two"] * 10)
    assert isinstance(found, ClusteredPaired)
    assert found.p == 0.5
    assert pair([False] * 20, [True] * 20).p < 1e-5
    assert found.interval[0] < found.difference <= found.interval[1]
    assert found.to_json()["clusters"] == 2


def test_the_interval_covers_the_truth_where_cases_of_a_cluster_come_out_alike() -> None:
    random = Random(7)
    covered = naive = 0
    rounds = 1500
    for _ in range(rounds):
        right: list[bool] = []
        clusters: list[int] = []
        for cluster in range(40):
            chance = random.betavariate(4, 1)  # on average 0.8
            size = random.choice((1, 2, 3, 10))
            right += [random.random() < chance for _ in range(size)]
            clusters += [cluster] * size
        low, high = proportion(right, clusters).interval
        covered += low <= 0.8 <= high
        low, high = wilson_interval(sum(right), len(right))
        naive += low <= 0.8 <= high
    assert covered / rounds >= 0.93
    assert naive / rounds < 0.9


def test_repositories_that_are_few_are_left_out() -> None:
    base, tuned = [False] * 60, [n % 12 < 4 for n in range(60)]
    few = [str(n % 5) for n in range(60)]
    many = [str(n % 12) for n in range(60)]

    assert paired(base, tuned, [""] * 60, few).p == pair(base, tuned).p
    assert paired(base, tuned, [""] * 60, many).p == sign_flip_p([5] * 4) > 0.1


def test_equal_models_in_many_repositories_are_rarely_called_different() -> None:
    random = Random(3)
    wrong = 0
    for _ in range(1000):
        shifts = [random.gauss(0, 0.15) for _ in range(12)]  # what each repository does to the difference
        a = [random.random() < 0.5 - shifts[n % 12] for n in range(60)]
        b = [random.random() < 0.5 + shifts[n % 12] for n in range(60)]
        wrong += paired(a, b, [""] * 60, [str(n % 12) for n in range(60)]).p < 0.05
    assert wrong <= 60


def test_where_one_repository_has_nearly_all_cases_it_is_left_out() -> None:
    right = [n % 3 > 0 for n in range(100)]
    lopsided = ["a"] * 90 + ["b"] * 10
    assert worth_of([90, 10]) < FEWEST <= worth_of([10] * 10)
    assert proportion(right, [""] * 100, lopsided) == Proportion(sum(right), 100)
    even = proportion(right, [""] * 100, [str(n % 10) for n in range(100)])
    assert isinstance(even, ClusteredProportion)
    assert even.effective < 100
