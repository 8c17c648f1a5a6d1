"""The statistics against what is known about them, and against brute force."""

import math
from collections.abc import Sequence
from itertools import combinations
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tunewright.audit.drift import drift_p
from tunewright.audit.order_checks import longest_run, neighbour_excess, place_excess
from tunewright.audit.shortcut_statistics import (
    ClusterTest,
    cross_fitted_accuracy,
    difference,
    entropy_share,
    false_discovery_q,
    fisher_p,
    gamma_upper,
    log_factorials,
    phi,
    sign_flip_p,
    skewed_tail,
)
from tunewright.audit.shortcuts import Limits, Rows, Table, find_shortcuts


def test_fisher_s_tea_tasting() -> None:
    # Fisher's own example: eight cups, all four right, one way in 70; twice the smaller tail.
    assert fisher_p(4, 4, 4, 8, log_factorials(8)) == pytest.approx(2 / 70)
    assert fisher_p(3, 4, 4, 8, log_factorials(8)) == pytest.approx(2 * 17 / 70)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 12), st.integers(0, 12))
def test_fisher_agrees_with_counting_every_table(a: int, b: int, c: int, d: int) -> None:
    total, value, label = a + b + c + d, a + b, a + c
    ways = {
        k: math.comb(value, k) * math.comb(total - value, label - k)
        for k in range(min(value, label) + 1)
        if label - k <= total - value
    }
    whole = sum(ways.values())
    tail = min(sum(w for k, w in ways.items() if k >= a), sum(w for k, w in ways.items() if k <= a)) / whole
    assert fisher_p(a, value, label, total, log_factorials(total)) == pytest.approx(
        min(1.0, 2 * tail), abs=1e-9
    )


def test_benjamini_and_hochberg_s_own_example() -> None:
    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.7590,
        1.0,
    ]
    # With q = 0.05 the paper rejects the first four hypotheses.
    assert [q <= 0.05 for q in false_discovery_q(p)] == [True] * 4 + [False] * 11


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_adjusted_p_values_are_never_smaller_and_keep_the_order(p: list[float]) -> None:
    q = false_discovery_q(p)
    assert all(b >= a - 1e-12 for a, b in zip(p, q))
    assert [x for _, x in sorted(zip(p, q))] == sorted(q)


def test_mutual_information_of_independent_variables_is_corrected_to_nearly_nothing() -> None:
    generator = np.random.default_rng(1)
    shares: list[float] = []
    for _ in range(50):
        table = np.zeros((5, 30), dtype=np.int64)
        np.add.at(table, (generator.integers(0, 5, 400), generator.integers(0, 30, 400)), 1)
        shares.append(entropy_share(table))
    # Uncorrected, it would be about a tenth of the entropy.
    assert float(np.mean(shares)) < 0.02


def test_a_value_that_says_all_tells_all_of_the_entropy() -> None:
    assert entropy_share(np.diag([100, 100, 100])) == pytest.approx(1.0, abs=0.02)


def test_rare_values_gain_nothing_by_chance_when_cross_fitted() -> None:
    generator = np.random.default_rng(2)
    table = np.zeros((300, 4, 5), dtype=np.int64)
    np.add.at(
        table,
        (generator.integers(0, 300, 600), generator.integers(0, 4, 600), generator.integers(0, 5, 600)),
        1,
    )
    accuracy, majority = cross_fitted_accuracy(table)
    assert accuracy < majority + 0.05


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_phi_squared_is_the_product_of_both_differences(a: int, b: int, c: int, d: int) -> None:
    total, value, label = a + b + c + d, a + b, a + c
    if 0 < value < total and 0 < label < total:
        product = difference(a, value, label, total) * difference(a, label, value, total)
        assert phi(a, value, label, total) ** 2 == pytest.approx(product, abs=1e-9)


@pytest.mark.parametrize(
    ("shape", "x", "expected"), [(1, 2.0, math.exp(-2)), (2, 3.0, 4 * math.exp(-3)), (0.5, 1.0, math.erfc(1))]
)
def test_the_incomplete_gamma_function_has_its_known_values(shape: float, x: float, expected: float) -> None:
    assert gamma_upper(shape, x) == pytest.approx(expected, rel=1e-10)


def test_without_skewness_the_tail_is_normal() -> None:
    assert skewed_tail(2.5, 0.002) == pytest.approx(1 - NormalDist().cdf(2.5), rel=0.02)


def test_the_permutation_s_variance_and_skewness_are_exact() -> None:
    x, y = np.array([3.0, 0, 1, 0, 2, 0]), np.array([1.0, 0, 0, 0, 0, 1])
    test = ClusterTest(x, y, (np.arange(6),))
    a, b = x - x.mean(), y - y.mean()
    every = np.array([sum(a[i] for i in chosen) for chosen in combinations(range(6), 2)])
    n = 6
    assert float((every**2).mean()) == pytest.approx(float((a @ a) * (b @ b)) / (n - 1))
    assert float((every**3).mean()) == pytest.approx(
        n * float((a**3).sum() * (b**3).sum()) / ((n - 1) * (n - 2))
    )
    assert 0 < test.tail_p() <= 1


@pytest.mark.parametrize("first", [(0, 1, 2), (0, 1, 3), (0, 4, 5)])
def test_a_sequential_p_is_the_share_of_permutations_as_extreme(first: tuple[int, ...]) -> None:
    x, y = np.zeros(9), np.zeros(9)
    x[:3], y[list(first)] = 1, 1
    test = ClusterTest(x, y, (np.arange(9),))
    a = x - x.mean()
    every = np.array([abs(sum(a[i] for i in chosen)) for chosen in combinations(range(9), 3)])
    exact = float((every >= abs(test.statistic) - 1e-9).mean())
    assert test.sequential_p(enough=2000) == pytest.approx(exact, rel=0.1)
    assert test.sequential_p() == pytest.approx(exact, rel=0.7)


def test_a_sequential_p_resolves_what_hundreds_of_tests_ask_for() -> None:
    x = np.repeat([1.0, 0.0], [20, 40])
    assert ClusterTest(x, x, (np.arange(60),)).sequential_p() == pytest.approx(1 / 50_000)


def test_lists_that_do_not_offer_a_tool_do_not_make_the_others_stand_out() -> None:
    # Half of the lists lack the tool, a quarter offer it among two, a quarter among four; nothing else goes with it.
    generator, p = np.random.default_rng(11), list[float]()
    for _ in range(200):
        lists = generator.choice(3, 400, p=[0.5, 0.25, 0.25])
        chance = np.array([0.0, 0.5, 0.25])[lists]
        called = (generator.random(400) < chance).astype(np.int64)

        def by_list(_places: Sequence[int], chance: NDArray[np.float64] = chance) -> NDArray[np.float64]:
            return chance

        rows = Rows((lists > 0).astype(np.int64), called, np.arange(400), by_list, of_lists=True)
        short = Rows((lists == 1).astype(np.int64), called, np.arange(400), by_list, of_lists=True)
        assert rows.test(rows.value == 1, [1]).tail_p() == 1.0  # that it is offered, it is by definition
        p.append(short.test(short.value == 1, [1]).tail_p())
    assert float(np.mean(np.array(p) <= 0.05)) <= 0.09


def test_rows_of_one_template_count_once() -> None:
    # Ten templates of fifty rows: the feature is a property of the template, and so is the tool.
    cluster = np.repeat(np.arange(10), 50)
    value, label = (cluster == 0).astype(np.int64), (cluster == 0).astype(np.int64)
    alone = Rows(value, label, np.arange(500)).test(value == 1, [1])
    together = Rows(value, label, cluster).test(value == 1, [1])
    assert alone.permutation_p() <= 0.001
    assert together.permutation_p() > 0.05


def test_a_scan_over_sets_is_fair_when_nothing_goes_together() -> None:
    generator = np.random.default_rng(5)
    cluster = np.repeat(np.arange(90), np.arange(90) % 3 + 1)
    p: list[float] = []
    for _ in range(300):
        value = (generator.random(len(cluster)) < 0.3).astype(np.int64)
        label = generator.integers(0, 6, 90)[cluster]
        p.append(Rows(value, label, cluster).scan(value == 1, range(6)).p(rounds=199, most=999))
    assert 0.02 <= float(np.mean(np.array(p) <= 0.05)) <= 0.08
    assert float(np.mean(np.array(p) <= 0.5)) == pytest.approx(0.5, abs=0.1)


def test_a_scan_is_fair_when_lists_make_classes_likely() -> None:
    # Half of the clusters offer three tools of six; whether a tool is offered is known, and says nothing about the value.
    generator, p = np.random.default_rng(7), list[float]()
    cluster = np.repeat(np.arange(80), 2)
    short = np.arange(80) % 2 == 0
    for _ in range(200):
        label = np.where(short, generator.integers(0, 3, 80), generator.integers(0, 6, 80))[cluster]
        value = (generator.random(160) < 0.4).astype(np.int64)

        def by_list(places: Sequence[int]) -> NDArray[np.float64]:
            return np.where(short, sum(1 / 3 for c in places if c < 3), len(places) / 6)[cluster]

        p.append(Rows(value, label, cluster, by_list).scan(value == 1, range(6)).p(rounds=199, most=999))
    assert float(np.mean(np.array(p) <= 0.05)) <= 0.09


@given(st.integers(0, 2**32 - 1))
def test_the_scan_reaches_the_largest_ratio_of_all_sets(seed: int) -> None:
    generator = np.random.default_rng(seed)
    label, value = generator.integers(0, 4, 40), generator.integers(0, 2, 40)
    scan = Rows(value, label, np.arange(40)).scan(value == 1, range(4))
    counts = np.array([[np.sum((value == v) & (label == c)) for c in range(4)] for v in (0, 1)], dtype=float)

    def ratio(inside: Sequence[int]) -> float:
        cells = np.stack(
            [counts[:, list(inside)].sum(axis=1), np.delete(counts, list(inside), 1).sum(axis=1)]
        )
        expected = np.outer(cells.sum(axis=1), cells.sum(axis=0)) / cells.sum()
        seen = cells > 0
        return float((cells[seen] * np.log(cells[seen] / expected[seen])).sum())

    best = max(ratio(inside) for k in (1, 2, 3) for inside in combinations(range(4), k))
    assert scan.largest(scan.has[None])[0] == pytest.approx(best, abs=1e-6)


def test_several_classes_that_lack_a_value_are_found_together_in_200_rows() -> None:
    generator = np.random.default_rng(6)
    found = 0
    for _ in range(20):
        cluster = np.repeat(np.arange(60), 4)[:200]
        label = generator.integers(0, 9, 60)[cluster]
        planted = np.where(label <= 1, 0, (generator.random(200) < 0.7).astype(np.int64))
        # What says nothing makes the family large, and single classes have to be the surer.
        values = [planted, *(generator.integers(0, 5, 200) for _ in range(8))]
        tables = [table(value, label) for value in values]
        behind = {id(t): Rows(value, label, cluster) for t, value in zip(tables, values)}
        found += any(s.value in "01" for s in find_shortcuts(tables, lambda t, b=behind: b[id(t)]))
    assert found >= 16


def table(
    value: "np.ndarray[tuple[int], np.dtype[np.int64]]", label: "np.ndarray[tuple[int], np.dtype[np.int64]]"
) -> Table:
    counts = np.zeros((int(value.max()) + 1, int(label.max()) + 1, 5), dtype=np.int64)
    np.add.at(counts, (value, label, np.arange(len(value)) % 5), 1)
    return Table(
        "f", "tool", tuple(map(str, range(len(counts)))), tuple(map(str, range(counts.shape[1]))), counts
    )


def test_a_shortcut_names_every_class_that_deviates_the_same_way() -> None:
    generator = np.random.default_rng(3)
    label = generator.integers(0, 6, 900)
    value = np.where(np.isin(label, (1, 4)), 0, generator.integers(0, 2, 900))
    (found,) = find_shortcuts(
        [table(value, label)], lambda _: Rows(value, label, np.arange(900)), Limits(), {"f": "1"}
    )
    assert (found.classes, found.value, found.in_classes, found.strength) == (("1", "4"), "1", 0.0, "fail")


def test_a_strong_effect_without_support_is_no_finding() -> None:
    label = np.array([1] * 6 + [0] * 300)
    value = np.array([1] * 6 + [0] * 300)
    assert find_shortcuts([table(value, label)], None, Limits()) == []


def test_a_significant_trifle_is_no_finding() -> None:
    generator = np.random.default_rng(4)
    label = generator.integers(0, 2, 40_000)
    value = (generator.random(40_000) < 0.5 + 0.03 * label).astype(np.int64)
    assert find_shortcuts([table(value, label)], None, Limits()) == []


def test_signs_that_all_agree_are_no_accident() -> None:
    assert sign_flip_p(np.ones(20)) <= 0.001
    assert sign_flip_p(np.array([1.0, -1.0] * 10)) > 0.3
    assert sign_flip_p(np.zeros(5)) == 1.0


def test_splits_drawn_at_random_do_not_drift_and_others_do() -> None:
    assert drift_p(np.array([400, 400]), np.array([52, 48]))[1] > 0.01
    distance, p = drift_p(np.array([400, 400]), np.array([95, 5]))
    assert distance == pytest.approx(0.45)
    assert p <= 0.001


def test_a_popular_tool_in_a_fixed_order_is_no_fault_of_the_order() -> None:
    fixed = [("a", 2, 1, 100, 90), ("b", 2, 2, 100, 10)]
    assert place_excess(fixed, 1)[0] == 0
    put_first = [("a", 2, 1, 50, 50), ("a", 2, 2, 50, 0), ("b", 2, 1, 50, 50), ("b", 2, 2, 50, 0)]
    excess, p, calls, share = place_excess(put_first, 1)
    assert (excess, calls, share) == (0.5, 100, 1.0)
    assert p < 1e-9
    assert place_excess(put_first, 0)[0] == -0.5


def test_tools_that_are_always_called_are_compared_with_any_place_alike_and_count_once_each() -> None:
    # One tool with a fixed place says nothing, however many rows it has; two hundred in the first place say much.
    assert place_excess([("a", 4, 1, 500, 500)], 1)[1] > 0.05
    assert place_excess([(f"t{n}", 4, 1, 3, 3) for n in range(200)], 1)[1] < 1e-9
    assert place_excess([(f"t{n}", 4, n % 4 + 1, 3, 3) for n in range(200)], 1)[0] == 0


def test_a_long_run_of_one_label_is_rare_in_a_shuffled_file() -> None:
    generator = np.random.default_rng(7)
    shuffled = generator.integers(0, 5, 600)
    assert longest_run(shuffled)[2] > 0.001
    start, length, p = longest_run(np.concatenate([shuffled[:100], np.full(40, 5), shuffled[100:]]))
    assert (start, length) == (100, 40)
    assert p < 1e-9


def test_a_sorted_file_is_all_neighbours_and_a_shuffled_one_is_not() -> None:
    ordered = np.repeat(np.arange(4), 50)
    assert neighbour_excess(ordered)[0] > 0.95
    effect, p = neighbour_excess(np.random.default_rng(5).permutation(ordered))
    assert abs(effect) < 0.1
    assert p > 0.01
