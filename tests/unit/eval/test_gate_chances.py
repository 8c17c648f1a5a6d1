"""What a gate can tell before anything is answered: checked against counting every outcome."""

import re
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.gold import SUITES, suite
from tunewright.contract.recipe import Gate
from tunewright.contract.suite import Suite
from tunewright.eval.gate_chances import (
    BASE,
    POWER,
    TRUTHS,
    chances_text,
    fewest_cases,
    fewest_right,
    gate_chances,
    upper_tail,
)
from tunewright.eval.gates import judge_better, judge_proportion
from tunewright.eval.statistics import Paired, Proportion

BOTH = {name: suite(name) for name in SUITES}


def overall(target: float, margin: float | None = None) -> Gate:
    return Gate(metric="overall", suite="navigation", target=target, margin=margin)


@given(st.integers(1, 120), st.floats(0.3, 1.0), st.floats(0.0, 0.2), st.floats(0.01, 0.99))
def test_the_chance_is_that_of_all_counts_that_the_gate_lets_pass(
    n: int, target: float, margin: float, truth: float
) -> None:
    least = round(max(0.0, target - margin), 9)
    counted = sum(
        comb(n, k) * truth**k * (1 - truth) ** (n - k)
        for k in range(n + 1)
        if judge_proportion(Proportion(k, n), target, margin)[0] == "PASS"
    )
    assert upper_tail(fewest_right(n, least), n, truth) == pytest.approx(counted, abs=1e-9)


@settings(max_examples=10)
@given(st.integers(1, 12), st.sampled_from(TRUTHS))
def test_the_chance_to_beat_the_base_is_that_of_all_four_counts(n: int, truth: float) -> None:
    cells = (truth * BASE, (1 - truth) * BASE, truth * (1 - BASE), (1 - truth) * (1 - BASE))
    counted = 0.0
    for both in range(n + 1):
        for a in range(n + 1 - both):
            for b in range(n + 1 - both - a):
                counts = (both, a, b, n - both - a - b)
                if judge_better(Paired(*counts), 0.05)[0] == "PASS":
                    ways = comb(n, both) * comb(n - both, a) * comb(n - both - a, b)
                    chance = float(ways)
                    for share, count in zip(cells, counts, strict=True):
                        chance *= share**count
                    counted += chance
    short = Suite(name="navigation", cases=BOTH["navigation"].cases[:n])
    (found,) = gate_chances(
        [Gate(metric="beats_base", suite="navigation", target=0.05)], {"navigation": short}
    )
    assert found.passes[truth] == pytest.approx(counted, abs=1e-9)


def test_a_gate_on_all_suites_counts_the_cases_of_all() -> None:
    one, both = gate_chances(
        [Gate(metric="beats_base", suite="navigation", target=0.01), Gate(metric="beats_base", target=0.01)],
        BOTH,
    )
    assert both.cases == sum(len(suite.cases) for suite in BOTH.values()) > one.cases
    assert both.name.startswith("all suites: beats base")
    for suites in ({}, {**BOTH, "valid": None}):
        (none,) = gate_chances([Gate(metric="beats_base", target=0.01)], suites)
        assert none.unknown


def test_a_target_of_one_lets_a_model_that_is_right_in_99_of_100_pass_far_more_often_than_half() -> None:
    """Without a margin all 60 of 60 had to be right: a chance of 55 %."""
    (found,) = gate_chances([overall(1.0)], BOTH)
    assert found.passes[0.99] == pytest.approx(0.88, abs=0.01)
    assert found.passes[0.9] < 0.025
    assert upper_tail(60, 60, 0.99) == pytest.approx(0.547, abs=0.001)


@pytest.mark.parametrize("target", [0.8, 0.9, 1.0])
def test_as_many_cases_as_are_needed_give_the_chance_and_fewer_do_not(target: float) -> None:
    (found,) = gate_chances([overall(target)], BOTH)
    least = round(target - (overall(target).allowance or 0), 9)
    for truth, needed in found.needed.items():
        if truth <= least:
            assert needed is None
        else:
            assert needed is not None
            assert upper_tail(fewest_right(needed, least), needed, truth) >= POWER
            assert upper_tail(fewest_right(needed - 1, least), needed - 1, truth) < POWER


def test_a_difference_that_ten_thousand_cases_cannot_show_is_said_so() -> None:
    assert fewest_cases(lambda n, p: upper_tail(fewest_right(n, 0.8), n, p), 0.8) is None


def test_only_the_cases_that_the_metric_is_about_are_counted() -> None:
    gates = [
        overall(0.8),
        Gate(metric="overall", suite="navigation", target=0.8, category="workflow"),
        Gate(metric="fields_used", suite="navigation", target=0.8),
    ]
    assert [found.cases for found in gate_chances(gates, BOTH)] == [60, 12, 36]


def test_clusters_are_the_other_end_of_what_to_expect() -> None:
    cases = [
        case.model_copy(update={"cluster": f"k{n % 20}"}) for n, case in enumerate(BOTH["navigation"].cases)
    ]
    (found,) = gate_chances([overall(0.8)], {"navigation": Suite(name="navigation", cases=tuple(cases))})
    assert (found.cases, found.clusters) == (60, 20)
    assert found.in_clusters[0.95] < found.passes[0.95]
    assert "20 clusters" in "\n".join(chances_text([found]))


def test_the_table_says_every_gate_or_why_nothing_is_known() -> None:
    gates = [
        overall(0.8),
        Gate(metric="fidelity", target=0.9),
        Gate(metric="overall", suite="valid", target=0.8),
    ]
    text = "\n".join(chances_text(gate_chances(gates, BOTH)))
    assert "80%" in text.splitlines()[0]
    assert "99%" in text.splitlines()[0]
    assert "navigation: overall, at least 80%" in text
    assert re.search(r"cases for a chance of 80% +never  1\d\d  +\d\d  +\d\d$", text, re.MULTILINE)
    assert "fidelity, at least 90%: counts tokens" in text
    assert "valid: overall, at least 80%: its cases are not known" in text
