"""A verdict is what the data support."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tunewright.contract.errors import ExitCode
from tunewright.contract.recipe import Gate
from tunewright.eval.gates import (
    GateResult,
    badge,
    exit_code,
    judge_better,
    judge_gates,
    judge_proportion,
    overall_verdict,
)
from tunewright.eval.grade_answer import Outcome
from tunewright.eval.statistics import Paired, Proportion
from tunewright.eval.suite_score import SuiteScore


def score(right: int, n: int, shift: int = 0) -> SuiteScore:
    outcomes = tuple(
        Outcome(f"c{i}", "k", checks={"parses": True, "tools": True, "all": shift <= i < right + shift})
        for i in range(n)
    )
    return SuiteScore("s", "h", outcomes, frozenset())


def gate(metric: str, target: float, required: bool = True) -> Gate:
    suite = None if metric == "fidelity" else "s"
    return Gate.model_validate({"metric": metric, "target": target, "required": required, "suite": suite})


def verdict(
    gate: Gate, tuned: SuiteScore | None, base: SuiteScore | None = None, fidelity: Any = None
) -> GateResult:
    (result,) = judge_gates([gate], {"s": tuned} if tuned else {}, {"s": base} if base else None, fidelity)
    return result


@pytest.mark.parametrize(
    ("k", "n", "target", "wanted"),
    [
        (60, 60, 0.9, "PASS"),
        (55, 60, 0.8, "PASS"),
        (54, 60, 0.8, "INCONCLUSIVE"),  # 90 % of 60, and its interval begins at 79.9 %
        (15, 20, 0.8, "INCONCLUSIVE"),
        (30, 60, 0.8, "FAIL"),
        (0, 60, 0.1, "FAIL"),
        (60, 60, 1.0, "PASS"),
        (59, 60, 1.0, "PASS"),  # its interval begins at 91 %, and a target of 1 has a margin of 0.1
        (57, 60, 1.0, "INCONCLUSIVE"),
        (20, 20, 1.0, "INCONCLUSIVE"),  # and 84 %
        (40, 60, 1.0, "FAIL"),
        (0, 0, 0.5, "INCONCLUSIVE"),
        (0, 0, 1.0, "INCONCLUSIVE"),
        (0, 10, 0.0, "PASS"),
    ],
)
def test_a_proportion_passes_with_its_whole_interval_only(k: int, n: int, target: float, wanted: str) -> None:
    assert judge_proportion(Proportion(k, n), target)[0] == wanted


@given(st.integers(1, 300), st.integers(0, 300), st.floats(0.01, 0.99))
def test_no_verdict_contradicts_the_point_estimate(n: int, k: int, target: float) -> None:
    share = Proportion(min(k, n), n)
    found, reason = judge_proportion(share, target)
    assert reason
    assert found != "PASS" or share.value >= target
    assert found != "FAIL" or share.value < target


@given(st.integers(1, 300), st.integers(0, 300), st.floats(0.2, 1.0), st.floats(0, 0.2), st.floats(0, 0.2))
def test_a_larger_margin_never_turns_a_pass_into_something_else(
    n: int, k: int, target: float, a: float, b: float
) -> None:
    share, order = Proportion(min(k, n), n), ("FAIL", "INCONCLUSIVE", "PASS")
    less, more = (judge_proportion(share, target, margin)[0] for margin in sorted((a, b)))
    assert order.index(less) <= order.index(more)


def test_a_margin_is_of_the_gate_and_is_said() -> None:
    wide = Gate(metric="overall", suite="s", target=0.9, margin=0.1)
    assert verdict(wide, score(54, 60)).verdict == "INCONCLUSIVE"
    assert verdict(wide, score(55, 60)).verdict == "PASS"
    assert verdict(gate("overall", 0.9), score(55, 60)).verdict == "INCONCLUSIVE"
    result = verdict(wide, score(55, 60))
    assert result.target == "at least 90%, margin 10%"
    assert "reaches 80% (the target less 10%)" in result.reason
    assert result.to_json()["margin"] == 0.1
    assert "margin" not in verdict(gate("beats_base", 0.01), score(9, 9)).to_json()


@pytest.mark.parametrize(
    "fields",
    [
        {"metric": "beats_base", "target": 0.01, "suite": "s", "margin": 0.1},
        {"metric": "not_worse_than", "target": 0.05, "suite": "s", "margin": 0.1},
        {"metric": "overall", "target": 0.5, "suite": "s", "margin": 0.6},
        {"metric": "overall", "target": 0.5, "suite": "s", "margin": -0.1},
    ],
)
def test_a_margin_that_means_nothing_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Gate.model_validate(fields)


def test_equal_answers_exclude_no_drop_that_so_few_cases_cannot_show() -> None:
    few, many = score(50, 60), score(100, 120)
    kept = gate("not_worse_than", 0.05)
    for same, wanted in ((few, "INCONCLUSIVE"), (many, "PASS")):
        (result,) = judge_gates([kept], {"s": same}, None, None, lambda _, same=same: same)
        assert result.verdict == wanted
    assert Paired(50, 0, 0, 10).interval[0] == pytest.approx(-(1 - 0.025 ** (1 / 60)))


def test_a_run_that_was_forced_is_never_said_to_pass() -> None:
    results = judge_gates([gate("overall", 0.8)], {"s": score(60, 60)}, None, None)
    assert badge(results, ["s"]) == "PASS"
    assert badge(results, ["s"], forced=True) == "its gates pass; forced past a failed audit"


@pytest.mark.parametrize(
    ("paired", "wanted"),
    [
        (Paired(10, 0, 20, 30), "PASS"),
        (Paired(10, 2, 20, 28), "PASS"),
        (Paired(10, 3, 8, 39), "INCONCLUSIVE"),
        (Paired(10, 0, 1, 49), "INCONCLUSIVE"),
        (Paired(30, 5, 5, 20), "FAIL"),
        (Paired(30, 0, 0, 30), "FAIL"),
        (Paired(10, 20, 0, 30), "FAIL"),
        (Paired(10, 2, 1, 30), "FAIL"),
        (Paired(0, 0, 0, 0), "INCONCLUSIVE"),
    ],
)
def test_better_means_better_beyond_chance(paired: Paired, wanted: str) -> None:
    assert judge_better(paired, 0.01)[0] == wanted


def test_beats_base_without_a_suite_is_one_test_over_all_of_them() -> None:
    """Two suites that are too small each, and large enough together."""
    tuned, base = ({name: score(k, 20) for name in ("s", "t")} for k in (6, 0))
    gates = [gate("beats_base", 0.01), Gate(metric="beats_base", target=0.01)]
    one, both = judge_gates(gates, tuned, base, None)
    assert (one.verdict, both.verdict) == ("INCONCLUSIVE", "PASS")
    assert (one.n, both.n) == (20, 40)
    assert both.p == pytest.approx(2 * 0.5**12)
    assert both.name == "all suites: beats base"
    assert both.measured.startswith("0% -> 30%, +30 points")
    assert both.to_json()["suite"] is None


def test_beats_base_over_all_suites_needs_the_base_on_each() -> None:
    tuned = {"s": score(9, 9), "t": score(9, 9)}
    for base in (None, {}, {"s": score(0, 9)}):
        (result,) = judge_gates([Gate(metric="beats_base", target=0.01)], tuned, base, None)
        assert result.verdict == "INCONCLUSIVE"
        assert "the base model did not answer suite" in result.reason
    (result,) = judge_gates([Gate(metric="beats_base", target=0.01)], {}, {}, None)
    assert result.verdict == "INCONCLUSIVE"


def test_beats_base_pairs_by_case_and_not_by_number_of_right_ones() -> None:
    """40 right against 40 others right: the same share, no gain."""
    assert verdict(gate("beats_base", 0.01), score(40, 80), score(40, 80, shift=40)).verdict == "FAIL"
    result = verdict(gate("beats_base", 0.01), score(40, 80), score(10, 80))
    assert result.verdict == "PASS"
    assert result.n == 80
    assert result.p == pytest.approx(2 / 2**30)
    assert "12% -> 50%, +38 points" in result.measured


def test_fidelity_is_judged_by_its_number_of_tokens() -> None:
    facts = {"agreement": 0.95, "tokens": 2000}
    assert verdict(gate("fidelity", 0.9), None, fidelity=facts).verdict == "PASS"
    assert (
        verdict(gate("fidelity", 0.9), None, fidelity={"agreement": 0.95, "tokens": 40}).verdict
        == "INCONCLUSIVE"
    )
    result = verdict(gate("fidelity", 0.9), None, fidelity={"agreement": 0.5, "tokens": 2000})
    assert result.verdict == "FAIL"
    assert "of 2,000 tokens" in result.measured


@pytest.mark.parametrize(
    "facts",
    [
        None,
        {},
        {"agreement": 0.9},
        {"agreement": "0.9", "tokens": 9},
        {"agreement": 2, "tokens": 9},
        {"agreement": 1, "tokens": 0},
    ],
)
def test_fidelity_that_was_not_measured_is_inconclusive(facts: Any) -> None:
    result = verdict(gate("fidelity", 0.9), None, fidelity=facts)
    assert result.verdict == "INCONCLUSIVE"
    assert result.measured == "not measured"


def test_what_was_not_measured_is_inconclusive() -> None:
    assert verdict(gate("overall", 0.5), None).verdict == "INCONCLUSIVE"
    result = verdict(gate("beats_base", 0.01), score(9, 9))
    assert result.verdict == "INCONCLUSIVE"
    assert "base model did not answer" in result.reason


PASSING, FAILING, UNSURE = gate("overall", 0.1), gate("overall", 0.99), gate("overall", 0.52)


@pytest.mark.parametrize(
    ("gates", "code", "word"),
    [
        ([], ExitCode.DONE, "PASS"),
        ([PASSING], ExitCode.DONE, "PASS"),
        ([PASSING, UNSURE], ExitCode.INCONCLUSIVE, "INCONCLUSIVE"),
        ([UNSURE, FAILING, PASSING], ExitCode.FAILED, "FAIL"),
        ([PASSING, gate("overall", 0.99, required=False)], ExitCode.DONE, "PASS"),
        ([gate("overall", 0.52, required=False)], ExitCode.DONE, "PASS"),
    ],
)
def test_required_gates_alone_decide_the_exit_code(gates: list[Gate], code: ExitCode, word: str) -> None:
    results = judge_gates(gates, {"s": score(30, 60)}, None, None)
    assert exit_code(results) == code
    assert overall_verdict(results) == word


def test_every_verdict_is_said_with_n_and_interval() -> None:
    result = verdict(gate("overall", 0.8), score(50, 60))
    assert result.measured == "83% of 60 [72%, 91%]"
    assert result.to_json()["n"] == 60
    assert result.name == "s: overall"
    assert result.target == "at least 80%"


def badges(*gates: Gate, tuned: int, suites: tuple[str, ...] = ("s",)) -> str:
    """The badge of a model with `tuned` of 60 right, whose base has 5."""
    return badge(
        judge_gates(
            gates, {"s": score(tuned, 60)}, {"s": score(5, 60)}, {"agreement": 0.99, "tokens": 5_000}
        ),
        suites,
    )


BETTER, FAITHFUL = gate("beats_base", 0.01), gate("fidelity", 0.9)


def test_pass_stands_at_the_top_only_when_every_suite_has_targets_that_are_met() -> None:
    target = gate("overall", 0.8, required=False)
    assert badges(BETTER, FAITHFUL, target, tuned=60) == "PASS"
    assert badges(BETTER, FAITHFUL, target, tuned=30) == (
        "better than its base, faithful to what was trained; targets not met"
    )
    assert badges(BETTER, tuned=60) == "better than its base; no targets are set"
    assert badges(BETTER, target, tuned=60, suites=("s", "other")) == (
        "better than its base; not every suite has a target"
    )
    assert badges(target, tuned=60) == "PASS"
    assert badges(target, tuned=10) == "its required gates pass; targets not met"
    assert badges(tuned=60) == "its required gates pass; no targets are set"
    assert badges(BETTER, target, tuned=5) == "FAIL"
    assert badges(gate("overall", 0.8), tuned=54) == "INCONCLUSIVE"
