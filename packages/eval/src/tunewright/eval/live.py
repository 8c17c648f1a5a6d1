"""May the model go live? The answer with what decides it, how sure that is, and which cases to look at. The report, the
summary and the terminal say the same, from here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tunewright.eval.gates import COMPARES, GateResult
from tunewright.eval.run_scores import RunScores

Answer = Literal["yes", "no", "not known"]
LINES = 4  # of each answer
SHOWN = 6  # cases of a suite that are named


@dataclass(frozen=True)
class Live:
    """`decides`, `sure` and `cases` are lines of text."""

    answer: Answer
    decides: tuple[str, ...]
    sure: tuple[str, ...]
    cases: tuple[str, ...]

    def rows(self) -> list[tuple[str, tuple[str, ...]]]:
        """What is asked, and the lines that answer it."""
        return [
            ("may it go live", (self.answer,)),
            ("what decides", _first(self.decides)),
            ("how sure", _first(self.sure)),
            ("which cases", self.cases),
        ]


def may_go_live(scores: RunScores) -> Live:
    """What the gates of a run say about using its model."""
    required = [result for result in scores.gates if result.gate.required]
    targets = [result for result in scores.gates if result.gate.metric not in COMPARES]
    without = [name for name in scores.suites if name not in {result.gate.suite for result in targets}]
    looked_at = [*required, *(result for result in targets if result not in required)]
    failed = [result for result in looked_at if result.verdict == "FAIL"]
    unsure = [result for result in looked_at if result.verdict == "INCONCLUSIVE"]
    decides = tuple(f"{result.name} is {result.verdict}" for result in failed or unsure)
    if scores.forced:
        decides = (
            "the run was forced past a failed audit: its figures may rest on what the audit found",
            *decides,
        )
    if scores.badge == "PASS":
        least = min(targets, key=_slack)
        decides = (f"all {len(looked_at)} gates pass; the closest is {least.name}",)
        return Live("yes", decides, (_said(least),), _cases(scores))
    if failed or scores.forced:
        return Live("no", decides, tuple(map(_said, failed)), _cases(scores))
    if not targets:
        decides += ("no target is set: passing shows nothing about being good enough",)
    elif without:
        decides += tuple(f"suite {name} has no target" for name in without)
    return Live("not known", decides, tuple(map(_said, unsure)), _cases(scores))


def _said(result: GateResult) -> str:
    return f"{result.name}: {result.measured}; {result.reason}"


def _slack(result: GateResult) -> float:
    """How far the interval of a share is above what it has to reach."""
    return (result.low or 0.0) - (result.gate.target - (result.gate.allowance or 0.0))


def _first(lines: tuple[str, ...]) -> tuple[str, ...]:
    """The first lines, and how many more there are: this is to be read in ten seconds."""
    return lines if len(lines) <= LINES else (*lines[: LINES - 1], f"and {len(lines) - LINES + 1} more")


def _cases(scores: RunScores) -> tuple[str, ...]:
    """Of each suite how many cases are not right, and the first of them."""
    lines: list[str] = []
    for name, score in scores.tuned.items():
        wrong = [case for case, share in score.shares.items() if share < 1]
        named = _named(wrong)
        count = f"{len(wrong)} of {len(score.shares)} are not right"
        lines.append(f"{name}: {count}{named}" if wrong else f"{name}: all {len(score.shares)} are right")
    return tuple(lines)


def _named(cases: Sequence[str]) -> str:
    if not cases:
        return ""
    more = f" and {len(cases) - SHOWN} more" if len(cases) > SHOWN else ""
    return f": {', '.join(cases[:SHOWN])}{more}"
