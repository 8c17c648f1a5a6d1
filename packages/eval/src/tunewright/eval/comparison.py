"""Two models compared case by case: may the new one replace the old one?

The question is decided by one test over all cases that both answered (McNemar's, exact; where cases come in clusters,
by turning the sign of whole clusters), so that looking at ten categories cannot find a difference by luck; each category
is shown with its p-value after Holm's correction over all of them. Several samples of a case are averaged within it. The
verdicts:

- `WORSE`: worse over all cases, or worse in a category even after the correction (exit code 1);
- `BETTER`: better over all cases, and not worse in any category (0);
- `NOT WORSE`: the difference's interval ends above minus the margin: a drop of more is excluded (0);
- `INCONCLUSIVE`: none of these; there are too few cases to tell (3).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, Literal

from tunewright.contract.errors import ExitCode, UserError
from tunewright.contract.run import RunFolder
from tunewright.contract.suite import Case
from tunewright.eval.clusters import ClusteredPaired
from tunewright.eval.gates import paired_cases, paired_together, said_difference
from tunewright.eval.grade_answer import Outcome
from tunewright.eval.judged import Judged, judged_run, judged_scores
from tunewright.eval.run_scores import RunScores
from tunewright.eval.score_text import aligned, question_lines
from tunewright.eval.statistics import Paired, holm
from tunewright.eval.suite_score import SCHEMA, SuiteScore

CompareVerdict = Literal["BETTER", "NOT WORSE", "WORSE", "INCONCLUSIVE"]
ALPHA = 0.05
POWER = 0.8
SHOWN = 40  # changed cases that a line names; the JSON and the page have all
MARGIN = 0.05  # the largest drop that still counts as none


@dataclass(frozen=True)
class CategoryComparison:
    """One category of one suite; `q` is p after Holm's correction over all categories compared."""

    suite: str
    category: str
    paired: Paired
    q: float

    @property
    def verdict(self) -> Literal["better", "worse", ""]:
        if self.q >= ALPHA:
            return ""
        return "better" if self.paired.difference > 0 else "worse"

    def to_json(self) -> dict[str, Any]:
        return {"suite": self.suite, "category": self.category, **self.paired.to_json(), "p_holm": self.q}


@dataclass(frozen=True)
class Flip:
    """A case that one run has right and the other has not."""

    suite: str
    case: Case
    a: Outcome
    b: Outcome


@dataclass(frozen=True)
class Comparison:
    """`b` against `a`. Differences are b - a."""

    a: Judged
    b: Judged
    total: Paired
    suites: dict[str, Paired]
    categories: tuple[CategoryComparison, ...]
    flips: tuple[Flip, ...]
    left_out: tuple[str, ...]  # suites that only one of them has
    unpaired: Mapping[str, int] = field(default_factory=dict[str, int])  # suite -> cases that only one has

    @property
    def verdict(self) -> CompareVerdict:
        worse = any(category.verdict == "worse" for category in self.categories)
        certain = self.total.p < ALPHA
        if worse or (certain and self.total.difference < 0):
            return "WORSE"
        if certain:
            return "BETTER"
        return "NOT WORSE" if self.total.interval[0] > -MARGIN else "INCONCLUSIVE"

    @property
    def reason(self) -> str:
        """The verdict in one sentence."""
        worse = [f"{c.suite}: {c.category}" for c in self.categories if c.verdict == "worse"]
        if worse:
            return f"worse in {', '.join(worse)}, after correction for {len(self.categories)} categories"
        if self.verdict == "INCONCLUSIVE":
            return f"a drop of {MARGIN:.0%} is not excluded; {_more_cases(self.total)}"
        if self.verdict == "NOT WORSE":
            return f"a drop of more than {MARGIN:.0%} is excluded; {_still_possible(self.total)}"
        return f"{self.total.gained} cases gained, {self.total.lost} lost"

    @property
    def answer(self) -> str:
        """Whether b may replace a, in words."""
        return {"WORSE": "no", "INCONCLUSIVE": "not known"}.get(self.verdict, "yes")

    def rows(self) -> list[tuple[str, tuple[str, ...]]]:
        """What is asked, and the lines that answer it: the same on the page and in the terminal."""
        lost = [f"{f.suite}/{f.case.id}" for f in self.flips if f.a.passed]
        gained = [f"{f.suite}/{f.case.id}" for f in self.flips if f.b.passed]
        cases = [f"{how}: {_named(names)}" for how, names in (("lost", lost), ("gained", gained)) if names]
        return [
            ("may b replace a", (self.answer,)),
            ("what decides", (self.reason,)),
            ("how sure", (said_difference(self.total),)),
            ("which cases", tuple(cases) or ("none changed",)),
        ]

    @property
    def detectable(self) -> float | None:
        """The smallest difference that so many cases would show."""
        return detectable_difference(self.total)

    @property
    def said_detectable(self) -> str:
        """The same in a sentence."""
        total = self.total
        worth = (
            f", worth {total.effective:.0f} independent ones," if isinstance(total, ClusteredPaired) else ""
        )
        if self.detectable is None:
            return f"{self.total.n} cases{worth} can show no difference at all"
        return (
            f"{self.total.n} cases{worth} show a difference of {100 * self.detectable:.0f} points or more "
            f"(power {POWER:.0%}, p < {ALPHA:g})"
        )

    @property
    def exit_code(self) -> ExitCode:
        if self.verdict == "WORSE":
            return ExitCode.FAILED
        return ExitCode.INCONCLUSIVE if self.verdict == "INCONCLUSIVE" else ExitCode.DONE

    def to_json(self) -> dict[str, Any]:
        """What `compare --json` writes: docs/formats.md, section compare."""
        return {
            "schema": SCHEMA,
            "a": {"run": self.a.run, "model": self.a.model},
            "b": {"run": self.b.run, "model": self.b.model},
            "verdict": self.verdict,
            "reason": self.reason,
            "exit_code": int(self.exit_code),
            "margin": MARGIN,
            "alpha": ALPHA,
            "detectable": self.detectable,
            "power": POWER,
            "total": self.total.to_json(),
            "suites": {name: paired.to_json() for name, paired in self.suites.items()},
            "categories": [category.to_json() for category in self.categories],
            "gained": [{"suite": f.suite, "case": f.case.id} for f in self.flips if f.b.passed],
            "lost": [
                {"suite": f.suite, "case": f.case.id, "reasons": list(f.b.reasons)}
                for f in self.flips
                if f.a.passed
            ],
            "left_out": list(self.left_out),
            "unpaired": dict(self.unpaired),
        }

    def to_text(self) -> str:
        """The same for a terminal."""
        rows = [["", "a", "b", "difference", "p (Holm)"]]
        for name, paired in self.suites.items():
            rows.append([name, str(paired.a), str(paired.b), said_difference(paired), ""])
            rows += [
                [
                    f"- {c.category}",
                    str(c.paired.a),
                    str(c.paired.b),
                    f"{100 * c.paired.difference:+.0f} points",
                    f"{c.q:.2g}",
                ]
                for c in self.categories
                if c.suite == name
            ]
        rows.append(["all", str(self.total.a), str(self.total.b), said_difference(self.total), ""])
        lines = [
            f"a: {self.a.run} ({self.a.model})",
            f"b: {self.b.run} ({self.b.model})",
            "",
            *aligned(rows),
            "",
        ]
        lines += [*question_lines(self.rows()), ""]
        if self.left_out:
            lines += [f"not compared, only one run has it: {', '.join(self.left_out)}", ""]
        if self.unpaired:
            counts = ", ".join(f"{count} of {name}" for name, count in self.unpaired.items())
            lines += [f"cases that only one has: {counts}", ""]
        lines.append(self.said_detectable)
        lines.append(f"b is {self.verdict}: {self.reason}")
        return "\n".join(lines) + "\n"

    def to_html(self) -> str:
        """The same as a self-contained page, with both answers of every case that changed."""
        from tunewright.eval.compare_page import render_comparison

        return render_comparison(self)


def compare_runs(a: RunFolder, b: RunFolder) -> Comparison:
    """Compare the judged models of two runs on the cases that both answered.

    Raises UserError when they have no suite in common, or a suite of one name with different cases.
    """
    return compare_judged(judged_run(a), judged_run(b))


def compare_scores(a: RunScores, b: RunScores) -> Comparison:
    """The same for runs that were judged already."""
    return compare_judged(judged_scores(a), judged_scores(b))


def compare_judged(a: Judged, b: Judged) -> Comparison:
    """The pure part of `compare_runs`, for anything that was judged."""
    common = [name for name in a.tuned if name in b.tuned]
    if not common:
        raise UserError(
            f"{a.run} and {b.run} have no suite in common",
            f"The first has {', '.join(a.tuned) or 'none'}, the second {', '.join(b.tuned) or 'none'}.",
        )
    suites: dict[str, Paired] = {}
    groups: list[tuple[str, str, Paired]] = []
    flips: list[Flip] = []
    unpaired: dict[str, int] = {}
    for name in common:
        before, after = a.tuned[name], b.tuned[name]
        shared = _shared_cases(name, a, b)
        if missing := len(before.firsts) + len(after.firsts) - 2 * len(shared):
            unpaired[name] = missing
        cases = {case.id: case for case in b.suites[name].cases}
        suites[name] = paired_cases(before, after, list(shared))
        groups += [
            (name, category, paired_cases(before, after, [c for c in shared if shared[c] == category]))
            for category in dict.fromkeys(shared.values())
        ]
        flips += _flips(name, cases, before, after)
    corrected = holm([group[2].p for group in groups])
    return Comparison(
        a,
        b,
        paired_together([(a.tuned[name], b.tuned[name]) for name in common]),
        suites,
        tuple(CategoryComparison(*group, q) for group, q in zip(groups, corrected)),
        tuple(flips),
        tuple(sorted(set(a.tuned) ^ set(b.tuned))),
        unpaired,
    )


def _shared_cases(name: str, a: Judged, b: Judged) -> dict[str, str]:
    """The cases of a suite that both answered, each with its category. Raises UserError when the cases are not the same."""
    before, after = a.tuned[name], b.tuned[name]
    if before.suite_sha256 != after.suite_sha256:
        if not (a.elsewhere or b.elsewhere):
            raise UserError(
                f"suite {name} holds other cases in {a.run} than in {b.run}",
                "Figures of different cases cannot be compared: answer the same suite with both (./inv validate).",
            )
        asked = ({case.id: _asked(case) for case in side.suites[name].cases} for side in (a, b))
        in_a, in_b = asked
        other = next((case for case in in_a if case in in_b and in_a[case] != in_b[case]), None)
        if other is not None:
            raise UserError(
                f"suite {name}: case {other} asks something else in {a.run} than in {b.run}",
                "Figures of different cases cannot be compared: evaluate the same ones with both.",
            )
    shared = {outcome.case: outcome.category for outcome in after.firsts if outcome.case in before.shares}
    if not shared:
        raise UserError(
            f"suite {name}: {a.run} and {b.run} have no case in common", "Evaluate the same cases with both."
        )
    return shared


def _asked(case: Case) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in case.messages]


def _flips(suite: str, cases: Mapping[str, Case], a: SuiteScore, b: SuiteScore) -> list[Flip]:
    """The cases that came out differently, each with an answer of either run that shows it."""
    answers: list[dict[tuple[str, bool], Outcome]] = [{}, {}]
    for first, score in zip(answers, (a, b)):
        for outcome in score.answers:
            first.setdefault((outcome.case, outcome.passed), outcome)
    found: list[Flip] = []
    for case, after in b.shares.items():
        before = a.shares.get(case, after)
        if before != after:
            gained = after > before
            shown = answers[0][case, not gained], answers[1][case, gained]
            found.append(Flip(suite, cases[case], *shown))
    return found


def _named(cases: Sequence[str]) -> str:
    more = f" and {len(cases) - SHOWN} more" if len(cases) > SHOWN else ""
    return f"{', '.join(cases[:SHOWN])}{more}"


def _still_possible(paired: Paired) -> str:
    """How large a drop the data do not exclude, in words."""
    if not (paired.only_a or paired.only_b):
        return f"equal on all {paired.n} cases, which still allows a drop of up to {-100 * paired.interval[0]:.1f} points"
    return f"one of up to {max(0.0, -100 * paired.interval[0]):.1f} points is still possible"


def _more_cases(paired: Paired) -> str:
    """How many cases would settle it, if the difference and the disagreement were what they are here."""
    have = f"there are {paired.n}"
    if not (paired.only_a or paired.only_b):
        return f"{_still_possible(paired)}; about {cases_for_equal()} equal cases would exclude it, {have}"
    seen = f"if the difference is the one seen ({100 * paired.difference:+.1f} points)"
    if paired.difference <= -MARGIN:
        return f"{seen}, about {cases_needed(paired, -paired.difference):,} cases would show it, {have}"
    needed = cases_needed(paired, paired.difference + MARGIN, observed=paired.difference)
    text = f"{seen}, about {needed:,} cases would exclude it"
    if paired.difference < 0:
        text += f", and about {cases_needed(paired, -paired.difference):,} would show that b is worse"
    return f"{text}; {have}"


def cases_for_equal(margin: float = MARGIN) -> int:
    """How many cases on which two runs are equal exclude a larger drop than `margin`."""
    return math.ceil(math.log(ALPHA / 2) / math.log(1 - margin))


def detectable_difference(paired: Paired, power: float = POWER) -> float | None:
    """The smallest difference that as many cases would show, if as many disagree as did here: `cases_needed` turned round.

    Cases in clusters count as the independent ones that they are worth. None: no difference could be shown.
    """
    n = paired.effective if isinstance(paired, ClusteredPaired) else paired.n
    if cases_needed(paired, 1.0, power) > n:
        return None
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if cases_needed(paired, middle, power) <= n else (middle, high)
    return high


def cases_needed(paired: Paired, distance: float, power: float = POWER, observed: float | None = None) -> int:
    """How many paired cases would tell the true difference from another one that is `distance` away, at `ALPHA` with
    `power`, if as many disagree as did here. `observed` is the true difference; without it, it is `distance` from none.

    Connor (1987), "Sample size for testing differences in proportions for the paired-sample design",
    Biometrics 43. Without a disagreement so far, one in twenty is supposed.
    """
    truth = distance if observed is None else observed
    discordant = max((paired.only_a + paired.only_b) / paired.n if paired.n else 0.0, abs(truth))
    discordant = discordant or 0.05
    z = NormalDist().inv_cdf
    at_null = discordant if observed is None else max(0.0, discordant - truth**2)
    spread = z(1 - ALPHA / 2) * math.sqrt(at_null)
    spread += z(power) * math.sqrt(max(0.0, discordant - truth**2))
    return math.ceil((spread / distance) ** 2)
