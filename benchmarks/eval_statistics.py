"""How often verdicts and intervals are wrong when cases come in clusters, have several samples, or are of few repositories.

Draws are simulated with a fixed seed. Comparisons are judged by the code that compares runs; intervals of shares are
computed for all studies at once, and compared with those of the code that scores runs on the first studies of each design.

The claims, each a bound that fails the benchmark (exit code 1):

- a gate PASSes a model that is only as good as the target less the margin at most 5 times in 100;
- a 95 % interval covers the truth at least 94 times in 100, with clusters, repositories and several samples;
- `compare` calls an equal model WORSE at most 5 times in 100.

Beside them the same without clusters: these have to break the bounds, or the draws would show nothing (exit code 1 too).
"""

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from tunewright.contract.recipe import default_margin
from tunewright.contract.suite import Case, Suite
from tunewright.eval.clusters import paired, proportion, t_quantile
from tunewright.eval.comparison import compare_scores
from tunewright.eval.gate_chances import fewest_right, upper_tail
from tunewright.eval.gates import judge_not_worse, judge_proportion
from tunewright.eval.grade_answer import Outcome
from tunewright.eval.run_scores import RunScores
from tunewright.eval.statistics import Proportion
from tunewright.eval.suite_score import SuiteScore

Right = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int_]
ROUNDS = 4000  # simulated studies of shares
COMPARED = 400  # of comparisons, which the code that compares runs judges one by one
CHECKED = 20  # studies of each design whose interval is compared with that code's own
FALSE_PASS, COVERAGE, FALSE_WORSE = 0.05, 0.94, 0.05


@dataclass(frozen=True)
class Design:
    """How the cases of a study hang together. `alike` is the share of a case's luck that its cluster has, `alike_here` that
    its repository has; with `samples` above 1, `alike_case` is that of the case."""

    name: str
    clusters: tuple[int, ...]  # cases in each
    alike: float = 0.0
    repositories: int = 0
    alike_here: float = 0.0
    samples: int = 1
    alike_case: float = 0.0

    @property
    def cases(self) -> int:
        return sum(self.clusters)

    @property
    def cluster_of(self) -> NDArray[np.int_]:
        return np.repeat(np.arange(len(self.clusters)), self.clusters)

    @property
    def repository_of(self) -> NDArray[np.int_]:
        return np.arange(self.cases) % max(1, self.repositories)

    def luck(self, rng: np.random.Generator, rounds: int) -> NDArray[np.float64]:
        """Standard normal numbers, rounds x cases x samples, correlated as the design says."""
        own = 1 - self.alike - self.alike_here - self.alike_case
        shape = (rounds, self.cases)
        luck = np.sqrt(own) * rng.standard_normal((*shape, self.samples))
        luck += np.sqrt(self.alike_case) * rng.standard_normal(shape)[..., None]
        luck += (
            np.sqrt(self.alike) * rng.standard_normal((rounds, len(self.clusters)))[:, self.cluster_of, None]
        )
        here = rng.standard_normal((rounds, max(1, self.repositories)))
        return luck + np.sqrt(self.alike_here) * here[:, self.repository_of, None]


PAIRS, FIVES = (2,) * 60, (5,) * 40
DESIGNS = (
    Design("60 alone", (1,) * 60),
    Design("120 in pairs", PAIRS, 0.5),
    Design("200 in fives", FIVES, 0.4),
    Design("200 in uneven clusters", tuple(range(1, 9)) * 5 + (1,) * 20, 0.4),
    Design("300 of 30 repositories", (1,) * 300, 0, 30, 0.2),
    Design("300 in pairs, 30 repositories", (2,) * 150, 0.3, 30, 0.15),
    Design("60 alone, 4 samples", (1,) * 60, samples=4, alike_case=0.5),
    Design("120 in pairs, 4 samples", PAIRS, 0.3, samples=4, alike_case=0.3),
)


def share_of(design: Design, right: Right) -> Proportion:
    """A study's share, by the code that scores runs."""
    repeat = np.repeat(np.arange(design.cases), design.samples)
    repositories = [f"r{design.repository_of[case]}" for case in repeat] if design.repositories else []
    clusters = [f"k{design.cluster_of[case]}" for case in repeat]
    return proportion(
        [bool(v) for v in right.ravel()], clusters, repositories, [int(case) for case in repeat]
    )


def intervals(design: Design, right: Right, clustered: bool = True) -> Floats:
    """The intervals of many studies at once, studies x 2; those of the first `CHECKED` are compared with `share_of`'s.

    Without clusters, as if all answers were independent. Raises AssertionError when the two differ.
    """
    answers = right.reshape(len(right), -1).astype(float)
    ways = [np.repeat(design.cluster_of, design.samples)]
    if design.repositories:
        ways.append(np.repeat(design.repository_of, design.samples))
    n, mean = answers.shape[1], answers.mean(axis=1)
    off = answers - mean[:, None]
    single = (off**2).sum(axis=1) / n**2
    effective = np.full(len(right), float(n))
    if clustered and any(len(set(way)) < n for way in ways):
        together = [variance_of(off, way) for way in ways]
        if len(ways) == 2:
            crossed = variance_of(off, ways[0] * (ways[1].max() + 1) + ways[1])
            together.append(together[0] + together[1] - crossed)
        worth = min(worth_of(way) for way in ways)
        few = (t_quantile(n - 1) / t_quantile(worth - 1)) ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            design_effect = np.maximum(1.0, np.max(together, axis=0) / single)
            alike = float(len(set(ways[0])))
            effective = np.where(single > 0, np.maximum(1.0, n / design_effect * few), alike)
    found = wilson(mean, effective)
    for one, told in zip(right[:CHECKED] if clustered else [], found):
        assert np.allclose(told, share_of(design, one).interval, atol=1e-9), (told, share_of(design, one))
    return found


def worth_of(way: Ints) -> int:
    sizes = np.bincount(way)
    return max(2, round(len(way) ** 2 / int((sizes**2).sum())))


def variance_of(off: Floats, way: Ints) -> Floats:
    """The variance of the mean by groups, of each study."""
    _, numbers = np.unique(way, return_inverse=True)
    groups = np.eye(numbers.max() + 1)[numbers]
    worth = worth_of(numbers)
    return worth / (worth - 1) * ((off @ groups) ** 2).sum(axis=1) / len(way) ** 2


def wilson(share: Floats, n: Floats) -> Floats:
    z = NormalDist().inv_cdf(0.975)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = np.maximum(0, centre - half), np.minimum(1, centre + half)
    return np.stack([np.where(share == 0, 0, low), np.where(share == 1, 1, high)], axis=1)


def coverage(rng: np.random.Generator, design: Design, truth: float, clustered: bool = True) -> float:
    found = intervals(design, design.luck(rng, ROUNDS) < NormalDist().inv_cdf(truth), clustered)
    return float(((found[:, 0] <= truth) & (truth <= found[:, 1])).mean())


def false_pass(rng: np.random.Generator, design: Design, target: float, clustered: bool = True) -> float:
    """How often a gate PASSes a model of the target less the margin; the first studies are judged by the gate's own code."""
    truth = round(target - default_margin(target), 9)
    right = design.luck(rng, ROUNDS) < NormalDist().inv_cdf(truth)
    passed = intervals(design, right, clustered)[:, 0] >= truth
    for one, told in zip(right[:CHECKED] if clustered else [], passed):
        assert told == (judge_proportion(share_of(design, one), target)[0] == "PASS")
    return float(passed.mean())


def exact_false_pass() -> tuple[float, str]:
    """The worst over sizes and targets, for independent cases."""
    found = [
        (upper_tail(fewest_right(n, least), n, least), f"{n} cases, at least {least:.0%}")
        for n in (*range(5, 120), *range(120, 1001, 20))
        for least in (0.5, 0.7, 0.8, 0.9, 0.95, 0.98)
    ]
    return max(found)


def two_models(
    rng: np.random.Generator, design: Design, truths: tuple[float, float], rounds: int
) -> tuple[Right, Right]:
    """Two models with a common part (the case is hard for both) and a part of their own, clustered as the design says."""
    common = rng.standard_normal((rounds, design.cases, 1))
    a, b = (
        (np.sqrt(0.5) * common + np.sqrt(0.5) * design.luck(rng, rounds)) < NormalDist().inv_cdf(truth)
        for truth in truths
    )
    return a, b


CATEGORIES = 5


@cache
def frame(design: Design) -> tuple[dict[str, str], dict[str, str], Suite]:
    names = [f"c{n}" for n in range(design.cases)]
    clusters = {name: f"k{k}" for name, k in zip(names, design.cluster_of)}
    repositories = {
        name: f"r{k}" if design.repositories else "" for name, k in zip(names, design.repository_of)
    }
    cases = tuple(
        Case.model_validate(
            {"id": name, "category": f"g{n % CATEGORIES}", "messages": [{"role": "user", "content": "?"}]}
        )
        for n, name in enumerate(names)
    )
    return clusters, repositories, Suite(name="s", cases=cases)


def scores_of(design: Design, right: Right, clustered: bool) -> RunScores:
    clusters, repositories, suite = frame(design)
    outcomes = tuple(
        Outcome(case.id, case.category, sample, checks={"all": bool(value)})
        for case, row in zip(suite.cases, right)
        for sample, value in enumerate(row)
    )
    score = SuiteScore("s", "h", outcomes, frozenset(), clusters=clusters, repositories=repositories)
    if not clustered:
        score = replace(score, clusters={}, repositories={})
    return RunScores("r", "m", None, {"m": {"s": score}}, (), {"s": suite}, None)


def false_worse(rng: np.random.Generator, design: Design, rounds: int, clustered: bool = True) -> float:
    a, b = two_models(rng, design, (0.8, 0.8), rounds)
    pairs = zip(a, b, strict=True)
    return (
        sum(
            compare_scores(scores_of(design, x, clustered), scores_of(design, y, clustered)).verdict
            == "WORSE"
            for x, y in pairs
        )
        / rounds
    )


def false_not_worse(rng: np.random.Generator, design: Design, margin: float = 0.05) -> float:
    """How often a model that is worse by the whole margin is said not to be."""
    a, b = two_models(rng, design, (0.85, 0.85 - margin), COMPARED)
    clusters = [f"k{k}" for k in design.cluster_of]
    repositories = [f"r{k}" for k in design.repository_of] if design.repositories else []
    found = 0
    for x, y in zip(a.mean(axis=2), b.mean(axis=2), strict=True):
        pairs = paired([float(v) for v in x], [float(v) for v in y], clusters, repositories)
        found += judge_not_worse(pairs, margin)[0] == "PASS"
    return found / COMPARED


def noise(bound: float, rounds: int) -> float:
    """What a simulated share may differ from the truth by chance: three standard errors."""
    return 3 * float(np.sqrt(bound * (1 - bound) / rounds))


class Table:
    """Prints lines and remembers which of them broke their bound."""

    def __init__(self) -> None:
        self.broken: list[str] = []

    def line(
        self, what: str, value: float, bound: float, *, at_least: bool = False, slack: float = 0.0
    ) -> None:
        good = value >= bound - slack if at_least else value <= bound + slack
        if not good:
            self.broken.append(what)
        sign = ">=" if at_least else "<="
        print(f"  {'ok  ' if good else 'FAIL'} {value:7.2%}  {sign} {bound:.0%}  {what}", flush=True)

    def control(self, what: str, values: Iterable[float], bound: float, *, at_least: bool = False) -> None:
        worst = min(values) if at_least else max(values)
        broke = worst < bound if at_least else worst > bound
        if not broke:
            self.broken.append(f"control: {what}")
        print(
            f"  {'ok  ' if broke else 'FAIL'} {worst:7.2%}  breaks {bound:.0%}, as it has to: {what}",
            flush=True,
        )


def main() -> int:
    began = time.monotonic()
    rng = np.random.default_rng(20261128)
    table = Table()
    print("a gate passes a model that is only as good as the target less the margin")
    worst, where = exact_false_pass()
    table.line(f"independent cases, exactly, the worst of 5 to 1,000 cases: {where}", worst, FALSE_PASS)
    for design in DESIGNS[1:]:
        for target in (0.8, 1.0):
            value = false_pass(rng, design, target)
            table.line(
                f"{design.name}, target {target:.0%}", value, FALSE_PASS, slack=noise(FALSE_PASS, ROUNDS)
            )
    table.control("200 in fives as if independent", [false_pass(rng, DESIGNS[2], 0.8, False)], FALSE_PASS)
    print("a 95 % interval covers the truth")
    for design in DESIGNS:
        for truth in (0.6, 0.9):
            value = coverage(rng, design, truth)
            slack = noise(COVERAGE, ROUNDS)
            table.line(f"{design.name}, truth {truth:.0%}", value, COVERAGE, at_least=True, slack=slack)
    ignored = [coverage(rng, DESIGNS[2], 0.6, False)]
    table.control("200 in fives as if independent", ignored, COVERAGE, at_least=True)
    print("compare calls an equal model WORSE, over one suite of five categories")
    rounds = COMPARED
    for design in (DESIGNS[0], DESIGNS[1], DESIGNS[2], DESIGNS[5], DESIGNS[7]):
        value = false_worse(rng, design, rounds)
        table.line(design.name, value, FALSE_WORSE, slack=noise(FALSE_WORSE, rounds))
    alike = replace(DESIGNS[2], alike=0.9)
    table.control("200 in fives, as if independent", [false_worse(rng, alike, rounds, False)], FALSE_WORSE)
    print("a model that is worse by the margin of 5 points is said not to be worse")
    for design in (DESIGNS[2], DESIGNS[5], DESIGNS[7]):
        value = false_not_worse(rng, design)
        table.line(design.name, value, FALSE_PASS, slack=noise(FALSE_PASS, COMPARED))
    print(
        f"{time.monotonic() - began:.0f} s; bounds may be missed by three standard errors of the simulation"
    )
    if table.broken:
        print("broken: " + "; ".join(table.broken))
    return 1 if table.broken else 0


if __name__ == "__main__":
    sys.exit(main())
