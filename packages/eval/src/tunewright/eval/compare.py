"""Two models compared case by case: may the new one replace the old one?

The question is decided by one test over all cases that both answered (McNemar's, exact; where cases come in clusters,
by turning the sign of whole clusters), so that looking at ten categories cannot find a difference by luck; each category
is shown with its p-value after Holm's correction over all of them. The verdicts:

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
from tunewright.eval.clusters import paired as paired_in_clusters
from tunewright.eval.gates import said_difference
from tunewright.eval.judged import Judged, judged_run, judged_scores
from tunewright.eval.outcome import Outcome
from tunewright.eval.run_scores import RunScores
from tunewright.eval.score import SCHEMA, SuiteScore
from tunewright.eval.statistics import Paired, holm
from tunewright.eval.terminal import aligned

CompareVerdict = Literal["BETTER", "NOT WORSE", "WORSE", "INCONCLUSIVE"]
ALPHA = 0.05
POWER = 0.8
SHOWN = 40  # lost cases that the text names; the JSON and the page have all
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
            needed = cases_needed(self.total, MARGIN)
            return f"a drop of {MARGIN:.0%} is not excluded; about {needed} cases would show one, there are {self.total.n}"
        if self.verdict == "NOT WORSE":
            return f"a drop of more than {MARGIN:.0%} is excluded"
        return f"{self.total.only_b} cases gained, {self.total.only_a} lost"

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
        lost = [f"{f.suite}/{f.case.id}" for f in self.flips if f.a.passed]
        lines = [
            f"a: {self.a.run} ({self.a.model})",
            f"b: {self.b.run} ({self.b.model})",
            "",
            *aligned(rows),
            "",
        ]
        if lost:
            more = f" and {len(lost) - SHOWN} more" if len(lost) > SHOWN else ""
            lines += [f"lost: {', '.join(lost[:SHOWN])}{more}", ""]
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
    everything: list[tuple[Outcome, Outcome, str]] = []
    for name in common:
        pairs = _pairs(name, a, b)
        if missing := len(a.tuned[name].firsts) + len(b.tuned[name].firsts) - 2 * len(pairs):
            unpaired[name] = missing
        cases = {case.id: case for case in b.suites[name].cases}
        suites[name] = _pair(pairs)
        groups += [
            (name, category, _pair([each for each in pairs if each[1].category == category]))
            for category in dict.fromkeys(y.category for _, y, _ in pairs)
        ]
        flips += [Flip(name, cases[y.case], x, y) for x, y, _ in pairs if x.passed != y.passed]
        everything += [(x, y, f"{name}/{cluster}" if cluster else "") for x, y, cluster in pairs]
    corrected = holm([each.p for _, _, each in groups])
    return Comparison(
        a,
        b,
        _pair(everything),
        suites,
        tuple(CategoryComparison(*group, q) for group, q in zip(groups, corrected)),
        tuple(flips),
        tuple(sorted(set(a.tuned) ^ set(b.tuned))),
        unpaired,
    )


def _pairs(name: str, a: Judged, b: Judged) -> list[tuple[Outcome, Outcome, str]]:
    """Both outcomes of each case of a suite, and the case's cluster. Raises UserError when the cases are not the same."""
    before, after = a.tuned[name], b.tuned[name]
    if before.suite_sha256 != after.suite_sha256:
        if not (a.elsewhere or b.elsewhere):
            raise UserError(
                f"suite {name} holds other cases in {a.run} than in {b.run}",
                "Figures of different cases cannot be compared: answer the same suite with both (invoke validate).",
            )
        asked = ({case.id: _asked(case) for case in side.suites[name].cases} for side in (a, b))
        in_a, in_b = asked
        other = next((case for case in in_a if case in in_b and in_a[case] != in_b[case]), None)
        if other is not None:
            raise UserError(
                f"suite {name}: case {other} asks something else in {a.run} than in {b.run}",
                "Figures of different cases cannot be compared: evaluate the same ones with both.",
            )
    firsts = {outcome.case: outcome for outcome in before.firsts}
    pairs = [
        (firsts[outcome.case], outcome, _cluster(outcome.case, after, before))
        for outcome in after.firsts
        if outcome.case in firsts
    ]
    if not pairs:
        raise UserError(
            f"suite {name}: {a.run} and {b.run} have no case in common", "Evaluate the same cases with both."
        )
    return pairs


def _asked(case: Case) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in case.messages]


def _cluster(case: str, *scores: SuiteScore) -> str:
    return next((found for score in scores if (found := score.clusters.get(case))), "")


def _pair(pairs: Sequence[tuple[Outcome, Outcome, str]]) -> Paired:
    return paired_in_clusters(
        [x.passed for x, _, _ in pairs], [y.passed for _, y, _ in pairs], [cluster for _, _, cluster in pairs]
    )


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


def cases_needed(paired: Paired, difference: float, power: float = POWER) -> int:
    """How many paired cases would show `difference` at `ALPHA` with `power`, if as many disagree as did here.

    Connor (1987), "Sample size for testing differences in proportions for the paired-sample design",
    Biometrics 43. Without a disagreement so far, one in twenty is supposed.
    """
    discordant = max((paired.only_a + paired.only_b) / paired.n if paired.n else 0.0, difference)
    z = NormalDist().inv_cdf
    spread = z(1 - ALPHA / 2) * math.sqrt(discordant)
    spread += z(power) * math.sqrt(max(0.0, discordant - difference**2))
    return math.ceil((spread / difference) ** 2)
