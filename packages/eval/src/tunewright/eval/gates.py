"""Targets and verdicts. A verdict is what the data support, not where a point estimate happens to fall.

- A proportion PASSes when its interval's lower end reaches the target less the margin, FAILs when its upper end stays
  below that, and is INCONCLUSIVE between. No interval reaches a target of 1, so that it has a margin by default.
- `beats_base` PASSes when the tuned model is better and the exact paired test gives p < target. It FAILs when
  the tuned model is not better at all. Better, but by a difference that chance explains, is INCONCLUSIVE. Without
  a suite it is one test over the cases of all suites.
- What was not measured is INCONCLUSIVE.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tunewright.contract.errors import ExitCode
from tunewright.contract.recipe import Gate, default_margin
from tunewright.eval.clusters import paired as paired_in_clusters
from tunewright.eval.statistics import Paired, Proportion
from tunewright.eval.suite_score import SuiteScore

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]


@dataclass(frozen=True)
class GateResult:
    """A gate and what became of it. `measured` says the figure with n and interval, in words."""

    gate: Gate
    verdict: Verdict
    measured: str
    reason: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    p: float | None = None  # of the exact paired test, for `beats_base`

    @property
    def name(self) -> str:
        """`navigation: fields used`, or `fidelity`."""
        metric = self.gate.measures.replace("_", " ")
        if part := self.gate.category or self.gate.tool:
            metric = f"{metric} of {part}"
        if self.gate.metric == "not_worse_than":
            metric = f"{metric} {self.gate.than or 'the model in use'}"
        suite = self.gate.suite or ("all suites" if self.gate.metric == "beats_base" else "")
        return f"{suite}: {metric}" if suite else metric

    @property
    def target(self) -> str:
        """The target as it is said: `p < 0.01` or `>= 80%`."""
        if self.gate.metric == "beats_base":
            return f"better, p < {self.gate.target:g}"
        if self.gate.metric == "not_worse_than":
            return f"a drop of at most {self.gate.target:.0%}"
        margin = f", margin {self.gate.allowance:.0%}" if self.gate.allowance else ""
        return f"at least {self.gate.target:.0%}{margin}"

    def to_json(self) -> dict[str, Any]:
        return {
            "metric": self.gate.metric,
            "suite": self.gate.suite,
            **{
                key: value
                for key in ("category", "tool", "than")
                if (value := getattr(self.gate, key)) is not None
            },
            "target": self.gate.target,
            **({"margin": self.gate.allowance} if self.gate.allowance is not None else {}),
            "required": self.gate.required,
            "verdict": self.verdict,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "p": self.p,
            "measured": self.measured,
            "reason": self.reason,
        }


def judge_proportion(share: Proportion, target: float, margin: float | None = None) -> tuple[Verdict, str]:
    """A proportion against a target: the verdict, and why. `margin` None: the one that the target has by default."""
    low, high = share.interval
    if share.n == 0:
        return "INCONCLUSIVE", "there is nothing to measure it on"
    margin = default_margin(target) if margin is None else margin
    least = round(max(0.0, target - margin), 9)
    said = f"{least:.0%}" + (f" (the target less {margin:.0%})" if margin else "")
    if low >= least:
        return "PASS", f"even the interval's lower end ({low:.0%}) reaches {said}"
    if high < least:
        return "FAIL", f"even the interval's upper end ({high:.0%}) stays below {said}"
    return "INCONCLUSIVE", f"{share.n} cases cannot tell: {said} lies inside the interval"


def judge_better(paired: Paired, target: float) -> tuple[Verdict, str]:
    """Whether b is better than a, by McNemar's exact test at `target`."""
    if paired.n == 0:
        return "INCONCLUSIVE", "no case was answered by both models"
    if paired.difference < 0:
        certain = "" if paired.p < target else ", though chance may explain it"
        return "FAIL", f"the tuned model is worse than its base{certain}"
    if paired.difference == 0:
        return "FAIL", "the tuned model is no better than its base"
    if paired.p < target:
        return "PASS", f"{paired.gained} cases gained, {paired.lost} lost"
    return "INCONCLUSIVE", f"{paired.gained} cases gained, {paired.lost} lost: chance may explain it"


def judge_not_worse(paired: Paired, margin: float) -> tuple[Verdict, str]:
    """Whether b is at most `margin` below a: by the interval of the difference."""
    low, high = paired.interval
    if paired.n == 0:
        return "INCONCLUSIVE", "no case was answered by both models"
    if low >= -margin:
        return "PASS", f"a drop of more than {margin:.0%} is excluded"
    if high < -margin:
        return (
            "FAIL",
            f"even the interval's upper end ({100 * high:+.0f} points) is a drop of more than {margin:.0%}",
        )
    return "INCONCLUSIVE", f"{paired.n} cases cannot exclude a drop of more than {margin:.0%}"


def paired_scores(a: SuiteScore, b: SuiteScore) -> Paired:
    """Two models on the cases that both have, matched by id; several samples of a case are averaged within it."""
    return paired_cases(a, b, [case for case in b.shares if case in a.shares])


def paired_cases(a: SuiteScore, b: SuiteScore, cases: Sequence[str]) -> Paired:
    """Two models on some cases of a suite that both answered."""
    return paired_in_clusters(
        [a.shares[case] for case in cases],
        [b.shares[case] for case in cases],
        [either_name(case, b.clusters, a.clusters) for case in cases],
        [either_name(case, b.repositories, a.repositories) for case in cases],
    )


def paired_together(suites: Sequence[tuple[SuiteScore, SuiteScore]]) -> Paired:
    """All cases of several suites, each answered by `a` and by `b`, as one comparison. A repository is the same one in every
    suite, a cluster is not."""
    both = [
        (number, a, b, case) for number, (a, b) in enumerate(suites) for case in b.shares if case in a.shares
    ]
    return paired_in_clusters(
        [a.shares[case] for _, a, _, case in both],
        [b.shares[case] for _, _, b, case in both],
        [
            (number, name) if (name := either_name(case, b.clusters, a.clusters)) else ""
            for number, a, b, case in both
        ],
        [either_name(case, b.repositories, a.repositories) for _, a, b, case in both],
    )


def either_name(case: str, *names: Mapping[str, str]) -> str:
    """The first name that a case has in one of these: another tool's log may name no clusters where our scores do."""
    return next((found for by_case in names if (found := by_case.get(case))), "")


def said_difference(paired: Paired) -> str:
    """`+35 points [+22, +47] of 60, p = 1.2e-05`: a paired difference with n, interval and exact p."""
    low, high = paired.interval
    points = f"{100 * paired.difference:+.0f} points [{100 * low:+.0f}, {100 * high:+.0f}]"
    return f"{points} of {paired.n}, p = {said_p(paired.p)}"


def said_p(p: float) -> str:
    """A p-value with two digits: 0.012, 3.1e-07."""
    return f"{p:.2g}"


def judge_gates(
    gates: Iterable[Gate],
    tuned: Mapping[str, SuiteScore],
    base: Mapping[str, SuiteScore] | None,
    fidelity: Mapping[str, Any] | None,
    earlier: Callable[[Gate], SuiteScore | str] = lambda _: "no other run was looked at",
) -> list[GateResult]:
    """Every gate of a recipe, in its order.

    `tuned` and `base` map suite names to scores (`base` None: not predicted); `fidelity` holds the stage's
    facts `{"agreement": share, "tokens": n}`, None when the stage did not run. `earlier` gives the score that a
    `not_worse_than` gate compares with, or why there is none.
    """
    return [_judge(gate, tuned, base, fidelity, earlier) for gate in gates]


def _judge(
    gate: Gate,
    tuned: Mapping[str, SuiteScore],
    base: Mapping[str, SuiteScore] | None,
    fidelity: Mapping[str, Any] | None,
    earlier: Callable[[Gate], SuiteScore | str],
) -> GateResult:
    if gate.metric == "fidelity":
        return _judge_fidelity(gate, fidelity)
    if gate.metric == "beats_base":
        return _judge_better(gate, tuned, base or {})
    score = tuned.get(gate.suite or "")
    if score is None:
        return GateResult(gate, "INCONCLUSIVE", "not measured", f"suite {gate.suite} was not scored")
    if gate.metric == "not_worse_than":
        control = earlier(gate)
        if isinstance(control, str):
            return GateResult(gate, "INCONCLUSIVE", "not measured", control)
        if control.suite_sha256 != score.suite_sha256:
            return GateResult(gate, "INCONCLUSIVE", "not measured", "that run's suite holds other cases")
        return _paired_result(gate, [(control, score)], judge_not_worse)
    return _proportion_result(gate, _share(gate, score))


def _judge_better(gate: Gate, tuned: Mapping[str, SuiteScore], base: Mapping[str, SuiteScore]) -> GateResult:
    names = [gate.suite] if gate.suite else list(tuned)
    for scores, reason in (
        (tuned, "suite {} was not scored"),
        (base, "the base model did not answer suite {}"),
    ):
        if missing := [name for name in names if name not in scores]:
            return GateResult(gate, "INCONCLUSIVE", "not measured", reason.format(", ".join(missing)))
    return _paired_result(gate, [(base[name], tuned[name]) for name in names], judge_better)


def _share(gate: Gate, score: SuiteScore) -> Proportion:
    if gate.category or gate.tool:
        found = score.categories if gate.category else score.tools
        return found.get(gate.category or gate.tool or "", Proportion(0, 0))
    return score.metric(gate.metric)


def _paired_result(
    gate: Gate,
    suites: Sequence[tuple[SuiteScore, SuiteScore]],
    judge: Callable[[Paired, float], tuple[Verdict, str]],
) -> GateResult:
    """Of one suite or several, each as the control's score and the model's."""
    paired = paired_together(suites)
    verdict, reason = judge(paired, gate.target)
    low, high = paired.interval
    measured = f"{paired.a.value:.0%} -> {paired.b.value:.0%}, {said_difference(paired)}"
    return GateResult(gate, verdict, measured, reason, paired.difference, low, high, paired.n, paired.p)


def _judge_fidelity(gate: Gate, facts: Mapping[str, Any] | None) -> GateResult:
    """Share of tokens on which the quantized model agrees with the adapter.

    Wilson's interval takes the tokens for independent; those of one answer are not quite, so the true
    interval is somewhat wider.
    """
    agreement, tokens = (facts or {}).get("agreement"), (facts or {}).get("tokens")
    if (
        not isinstance(agreement, int | float)
        or not isinstance(tokens, int)
        or not 0 <= agreement <= 1
        or tokens < 1
    ):
        return GateResult(
            gate, "INCONCLUSIVE", "not measured", "the fidelity stage left no agreement and token count"
        )
    return _proportion_result(gate, Proportion(round(agreement * tokens), tokens), "tokens")


def _proportion_result(gate: Gate, share: Proportion, unit: str = "") -> GateResult:
    verdict, reason = judge_proportion(share, gate.target, gate.allowance)
    low, high = share.interval
    if unit == "tokens":
        reason = reason.replace("cases", "tokens")
        measured = f"{share.value:.1%} of {share.n:,} tokens [{low:.1%}, {high:.1%}]"
    else:
        measured = str(share)
    return GateResult(gate, verdict, measured, reason, share.value, low, high, share.n)


def exit_code(results: Iterable[GateResult]) -> ExitCode:
    """What the required gates decide: any FAIL 1, else any INCONCLUSIVE 3, else 0."""
    verdicts = {result.verdict for result in results if result.gate.required}
    if "FAIL" in verdicts:
        return ExitCode.FAILED
    return ExitCode.INCONCLUSIVE if "INCONCLUSIVE" in verdicts else ExitCode.DONE


def overall_verdict(results: Iterable[GateResult]) -> Verdict:
    """The required gates in one word; PASS when there are none."""
    code = exit_code(results)
    return "PASS" if code is ExitCode.DONE else "FAIL" if code is ExitCode.FAILED else "INCONCLUSIVE"


# Gates that compare models, or say that quantizing did no harm: they show nothing about being good enough.
COMPARES = {
    "beats_base": "better than its base",
    "not_worse_than": "not worse than before",
    "fidelity": "faithful to what was trained",
}


def badge(results: Iterable[GateResult], suites: Iterable[str], forced: bool = False) -> str:
    """What is at the top of a page. PASS means that the model may go live: the required gates pass, every suite has a
    target, all targets are met, and the run was not `forced` past its audit. Otherwise FAIL, INCONCLUSIVE, or what was
    shown, in words.
    """
    results = list(results)
    verdict = overall_verdict(results)
    if verdict != "PASS":
        return verdict
    targets = [result for result in results if result.gate.metric not in COMPARES]
    without = set(suites) - {result.gate.suite for result in targets}
    if targets and not without and all(result.verdict == "PASS" for result in targets):
        return "its gates pass; forced past a failed audit" if forced else "PASS"
    passed = [result.gate.metric for result in results if result.gate.required]
    shown = [words for metric, words in COMPARES.items() if metric in passed]
    left = (
        "targets not met"
        if any(result.verdict != "PASS" for result in targets)
        else "not every suite has a target"
    )
    return f"{', '.join(shown[:2]) or 'its required gates pass'}; {left if targets else 'no targets are set'}"
