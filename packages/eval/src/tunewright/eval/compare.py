"""Two runs compared case by case: may the new model replace the old one?

The question is decided by one test over all cases that both runs answered (McNemar's, exact), so that looking
at ten categories cannot find a difference by luck; each category is shown with its p-value after Holm's
correction over all of them. The verdicts:

- `WORSE`: worse over all cases, or worse in a category even after the correction (exit code 1);
- `BETTER`: better over all cases, and not worse in any category (0);
- `NOT WORSE`: the difference's interval ends above minus the margin: a drop of more is excluded (0);
- `INCONCLUSIVE`: none of these; there are too few cases to tell (3).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

from tunewright.contract.errors import ExitCode, UserError
from tunewright.contract.run import RunFolder
from tunewright.contract.suite import Case
from tunewright.eval.gates import said_difference
from tunewright.eval.outcome import Outcome
from tunewright.eval.run_scores import RunScores, judge_run
from tunewright.eval.score import SCHEMA
from tunewright.eval.statistics import Paired, holm, pair
from tunewright.eval.terminal import aligned

CompareVerdict = Literal["BETTER", "NOT WORSE", "WORSE", "INCONCLUSIVE"]
ALPHA = 0.05
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

    a: RunScores
    b: RunScores
    total: Paired
    suites: dict[str, Paired]
    categories: tuple[CategoryComparison, ...]
    flips: tuple[Flip, ...]
    left_out: tuple[str, ...]  # suites that only one of the runs has

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
            lines += [f"lost: {', '.join(lost)}", ""]
        if self.left_out:
            lines += [f"not compared, only one run has it: {', '.join(self.left_out)}", ""]
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
    return compare_scores(judge_run(a), judge_run(b))


def compare_scores(a: RunScores, b: RunScores) -> Comparison:
    """The pure part of `compare_runs`."""
    common = [name for name in a.tuned if name in b.tuned]
    if not common:
        raise UserError(
            f"{a.run} and {b.run} have no suite in common",
            f"The first has {', '.join(a.tuned) or 'none'}, the second {', '.join(b.tuned) or 'none'}.",
        )
    for name in common:
        if a.tuned[name].suite_sha256 != b.tuned[name].suite_sha256:
            raise UserError(
                f"suite {name} holds other cases in {a.run} than in {b.run}",
                "Figures of different cases cannot be compared: answer the same suite with both (invoke validate).",
            )
    suites: dict[str, Paired] = {}
    groups: list[tuple[str, str, Paired]] = []
    flips: list[Flip] = []
    for name in common:
        before, after = a.tuned[name].firsts, b.tuned[name].firsts
        cases = {case.id: case for case in b.suites[name].cases}
        suites[name] = _pair(before, after)
        for category in b.tuned[name].categories:
            kept = [(x, y) for x, y in zip(before, after, strict=True) if y.category == category]
            groups.append((name, category, _pair([x for x, _ in kept], [y for _, y in kept])))
        flips += [Flip(name, cases[y.case], x, y) for x, y in zip(before, after) if x.passed != y.passed]
    corrected = holm([paired.p for _, _, paired in groups])
    total = Paired(
        *(sum(getattr(p, part) for p in suites.values()) for part in ("both", "only_a", "only_b", "neither"))
    )
    return Comparison(
        a,
        b,
        total,
        suites,
        tuple(CategoryComparison(*group, q) for group, q in zip(groups, corrected)),
        tuple(flips),
        tuple(sorted(set(a.tuned) ^ set(b.tuned))),
    )


def _pair(a: Sequence[Outcome], b: Sequence[Outcome]) -> Paired:
    return pair([outcome.passed for outcome in a], [outcome.passed for outcome in b])


def cases_needed(paired: Paired, difference: float, power: float = 0.8) -> int:
    """How many paired cases would show `difference` at `ALPHA` with `power`, if as many disagree as did here.

    Connor (1987), "Sample size for testing differences in proportions for the paired-sample design",
    Biometrics 43. Without a disagreement so far, one in twenty is supposed.
    """
    discordant = max((paired.only_a + paired.only_b) / paired.n if paired.n else 0.0, difference)
    z = NormalDist().inv_cdf
    spread = z(1 - ALPHA / 2) * math.sqrt(discordant)
    spread += z(power) * math.sqrt(max(0.0, discordant - difference**2))
    return math.ceil((spread / difference) ** 2)
