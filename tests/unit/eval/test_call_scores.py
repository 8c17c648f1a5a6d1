"""Suites judged by calls: metrics, gates, and what is printed of them."""

from random import Random
from typing import Any

import pytest

from tests.support.made_calls import Call, case_of, made_call, said
from tunewright.contract.catalog import load_catalog
from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Gate, parse_recipe
from tunewright.contract.suite import Case, Prediction, Suite
from tunewright.eval.gates import judge_gates
from tunewright.eval.perturb import REMOVED, perturb
from tunewright.eval.score_text import suite_text
from tunewright.eval.suite_score import METRIC_NAMES, SuiteScore, score_predictions

CATALOG = load_catalog("coding")
RANDOM = Random(3)
CALLS: list[list[Call]] = [[made_call(RANDOM, "get_forecast")] for _ in range(30)] + [[] for _ in range(10)]
CASES = [
    case_of(f"c{n}", calls).model_copy(update={"category": "calls" if calls else "words"})
    for n, calls in enumerate(CALLS)
]


def score(answers: list[Prediction], cases: list[Case] = CASES) -> SuiteScore:
    return score_predictions(Suite(name="s", cases=tuple(cases)), answers, CATALOG)


def right(case: Case) -> Prediction:
    calls = [(c.function.name, dict(c.function.arguments)) for c in case.gold_calls[0].tool_calls]
    return said(case.id, calls) if calls else Prediction(case=case.id, text="Nothing to do.")


def values(found: SuiteScore) -> dict[str, str]:
    return {name: f"{found.metric(name).k}/{found.metric(name).n}" for name in found.headline}


def test_right_answers_reach_every_metric() -> None:
    assert values(score([right(case) for case in CASES])) == {
        "overall": "40/40",
        "tool_choice": "40/40",
        "arguments": "30/30",
        "no_call_precision": "10/10",
        "no_call_recall": "10/10",
        "exact": "40/40",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "I am here to help.",
            {"overall": "10/40", "no_call_precision": "10/40", "no_call_recall": "10/10", "arguments": "0/0"},
        ),
        ("", {"overall": "0/40", "no_call_precision": "0/0", "no_call_recall": "0/10", "arguments": "0/0"}),
        (
            '<tool_call>\n{"name": "get_forecast", "arguments": {"city": "x", "days": 1}}\n</tool_call>',
            {"overall": "0/40", "tool_choice": "30/40", "arguments": "0/30", "no_call_recall": "0/10"},
        ),
    ],
)
def test_what_a_model_that_always_says_the_same_scores(text: str, expected: dict[str, str]) -> None:
    found = values(score([Prediction(case=case.id, text=text) for case in CASES]))
    assert {name: found[name] for name in expected} == expected


def test_changed_copies_count_in_no_metric_and_are_compared_in_pairs() -> None:
    copies = perturb(CASES[:30])
    # Right on the cases as they are and in another order; calls the old tool also where it was taken away.
    answers = [right(case) for case in CASES]
    answers += [
        right(copy)
        if copy.category != REMOVED
        else right(CASES[int(copy.perturbs[1:])]).model_copy(update={"case": copy.id})
        for copy in copies
    ]
    found = score(answers, [*CASES, *copies])
    assert found.overall.n == 40
    assert set(found.categories) == {"calls", "words"}
    differences = {kind: change.difference for kind, change in found.changes.items()}
    assert differences.pop(REMOVED) == -1
    assert set(differences.values()) == {0}
    assert found.to_json()["changes"][REMOVED]["n"] == 30
    assert REMOVED in suite_text(found)


def test_intervals_know_clusters() -> None:
    alone = score([right(case) for case in CASES[:29]])
    together = score(
        [right(case) for case in CASES[:29]],
        [case.model_copy(update={"cluster": f"k{n % 5}"}) for n, case in enumerate(CASES)],
    )
    assert together.overall.value == alone.overall.value
    assert together.to_json()["metrics"]["overall"]["clusters"] == 5
    assert together.tools["get_forecast"].n == 30


def gate(metric: Any, target: float, **more: Any) -> Gate:
    return Gate(metric=metric, target=target, suite="s", **more)


def test_gates_for_any_suite() -> None:
    good = score([right(case) for case in CASES])
    poor = score(
        [right(case) if n % 3 else Prediction(case=case.id, text="no") for n, case in enumerate(CASES)]
    )
    gates = [
        gate("tool_choice", 0.8),
        gate("no_call_recall", 1.0, margin=0.5),
        gate("overall", 0.8, tool="get_forecast"),
        gate("overall", 0.8, category="no such category"),
        gate("beats_base", 0.05),
        gate("not_worse_than", 0.05, than="older"),
        gate("not_worse_than", 0.05),
    ]
    earlier = {"older": poor}
    found = judge_gates(
        gates, {"s": good}, {"s": poor}, None, lambda g: earlier.get(g.than or "", "no model is in use")
    )
    assert [result.verdict for result in found] == ["PASS"] * 3 + [
        "INCONCLUSIVE",
        "PASS",
        "PASS",
        "INCONCLUSIVE",
    ]
    worse = judge_gates(gates, {"s": poor}, {"s": good}, None, lambda _: good)
    assert [result.verdict for result in worse[4:6]] == ["FAIL", "FAIL"]
    assert "older" in found[5].name


def test_a_null_model_passes_no_gate() -> None:
    nothing = score([])
    gates = [gate(metric, 0.5) for metric in nothing.headline]
    assert "PASS" not in {result.verdict for result in judge_gates(gates, {"s": nothing}, None, None)}


def test_another_suite_of_the_same_name_is_not_compared_with() -> None:
    other = score([right(case) for case in CASES[:20]], CASES[:20])
    (found,) = judge_gates([gate("not_worse_than", 0.05)], {"s": score([])}, None, None, lambda _: other)
    assert found.verdict == "INCONCLUSIVE"
    assert "other cases" in found.reason


@pytest.mark.parametrize(
    "line",
    [
        'metric = "arguments"\ntool = "a"',
        'metric = "overall"\nthan = "run"',
        'metric = "overall"\ntool = "a"\ncategory = "b"',
    ],
)
def test_gates_that_mean_nothing_are_refused(line: str) -> None:
    text = 'schema = 1\nname = "x"\n[model]\nbase = "embedded:tiny"\n[[suites]]\npath = "s.jsonl"\n'
    text += f'[[gates]]\nsuite = "s"\ntarget = 0.5\n{line}\n'
    with pytest.raises(UserError, match="gate"):
        parse_recipe(text, "x.toml")


def test_no_category_made_here_has_a_metrics_name() -> None:
    made = {
        f"{calls}, {turn}"
        for calls in ("no call", "one call", "several calls")
        for turn in ("first turn", "later turn", "after a result")
    }
    assert not made & METRIC_NAMES
