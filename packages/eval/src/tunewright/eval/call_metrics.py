"""Metrics of suites whose cases are judged by their calls, and what changed copies of cases bring to light. Pure."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

from tunewright.contract.suite import Case
from tunewright.eval.clusters import paired
from tunewright.eval.grade_answer import Outcome
from tunewright.eval.statistics import Paired, Proportion

CALL_METRICS = ("overall", "tool_choice", "arguments", "no_call_precision", "no_call_recall", "exact")
CallMetric = Literal["overall", "tool_choice", "arguments", "no_call_precision", "no_call_recall", "exact"]

_Test = Callable[[Outcome], bool]
Share = Callable[[Sequence[Outcome], _Test], Proportion]


def _in_words(outcome: Outcome) -> bool:
    grade = outcome.calls
    return bool(grade and not grade.actual and grade.parses and grade.result not in ("empty", "degenerate"))


def _no_call_is_right(outcome: Outcome) -> bool:
    return bool(outcome.calls and not outcome.calls.expected)


def _only_about(outcome: Outcome) -> bool:
    return bool(outcome.calls and any(how == "present" for _, how in outcome.calls.loose))


# Of each metric, which answers it is about and which of them are right.
_METRICS: dict[str, tuple[_Test, _Test]] = {
    "overall": (lambda _: True, lambda outcome: outcome.passed),
    "tool_choice": (lambda _: True, lambda outcome: outcome.checks.get("tools", False)),
    "arguments": (
        lambda outcome: "arguments" in outcome.checks and outcome.checks.get("tools", False),
        lambda outcome: outcome.checks["arguments"],
    ),
    "no_call_precision": (_in_words, _no_call_is_right),
    "no_call_recall": (_no_call_is_right, lambda outcome: outcome.passed),
    "exact": (lambda _: True, lambda outcome: outcome.passed and not _only_about(outcome)),
}


def call_metric(name: str, outcomes: Sequence[Outcome], share: Share) -> Proportion:
    """One of `CALL_METRICS`; `share` gives the share of right ones among some outcomes. Raises KeyError.

    - `overall`: everything is right;
    - `tool_choice`: exactly the right tools are called, or none where none is right;
    - `arguments`: of the answers that call the right tools, those whose arguments are right too;
    - `no_call_precision`: of the answers in words, those where no call is right;
    - `no_call_recall`: of the cases where no call is right, those that are answered in words;
    - `exact`: right, also without long texts that are only about the same thing.
    """
    among, right = _METRICS[name]
    return share([outcome for outcome in outcomes if among(outcome)], right)


def by_tool(outcomes: Sequence[Outcome], share: Share) -> dict[str, Proportion]:
    """For each tool that is right to call somewhere, the share of those cases that are right; most cases first."""
    found: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        for name in dict.fromkeys(call.name for call in outcome.calls.expected) if outcome.calls else ():
            found.setdefault(name, []).append(outcome)
    return {
        name: share(those, lambda outcome: outcome.passed)
        for name, those in sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    }


def results(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How often each result came out, the most frequent first."""
    return dict(Counter(outcome.calls.result for outcome in outcomes if outcome.calls).most_common())


def dialects(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many answers with calls are written in each dialect, the most frequent first."""
    return dict(Counter(o.calls.dialect for o in outcomes if o.calls and o.calls.dialect).most_common())


def loose_texts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many long texts of right answers are near the right one, and how many only about the same."""
    return dict(
        Counter(how for o in outcomes if o.calls and o.passed for _, how in o.calls.loose).most_common()
    )


def perturbed(cases: Sequence[Case], outcomes: Sequence[Outcome]) -> dict[str, Paired]:
    """For each kind of change, cases as they are against the same cases changed (b - a: what the change costs)."""
    passed = {outcome.case: outcome.passed for outcome in outcomes}
    kinds: dict[str, list[Case]] = {}
    for case in cases:
        if case.perturbs in passed and case.id in passed:
            kinds.setdefault(case.category, []).append(case)
    return {
        kind: paired(
            [passed[case.perturbs] for case in those],
            [passed[case.id] for case in those],
            [case.cluster for case in those],
        )
        for kind, those in kinds.items()
    }
