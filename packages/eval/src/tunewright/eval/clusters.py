"""Proportions of cases that come in clusters: turns of one conversation, requests of one template.

Cases of one cluster tend to come out alike, so that `n` of them tell less than `n` independent ones. How much less is
the design effect: the variance of the proportion by clusters over that of independent cases. Intervals are those of
statistics.py at the effective number of cases, n over the design effect.

Sources: Rao & Scott (1992), "A simple method for the analysis of clustered binary data", Biometrics 48 (the effective
number); Korn & Graubard (1998), "Confidence intervals for proportions with small expected number of positive counts
estimated from survey data", Survey Methodology 24 (its correction by t for few clusters); Dean & Pagano (2015),
"Evaluating confidence interval methods for binomial proportions in clustered surveys", J. Survey Statistics and
Methodology 3 (a design effect below 1 is not believed; Wilson's interval at the effective number covers best).
Carter, Schnepel & Steigerwald (2017), "Asymptotic behavior of a t-test robust to cluster heterogeneity", Review of
Economics and Statistics 99 (clusters of unequal sizes).
The paired test turns the sign of whole clusters, as Datta & Satten (2008), "A signed-rank test for clustered data",
Biometrics 64, do for ranks; with one case a cluster it is McNemar's exact test. From a handful of repositories
it cannot be estimated how much repositories differ (five have too few signs for a p below 0.06): figures are then about
these repositories, and cases are grouped by cluster alone.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from tunewright.eval.statistics import (
    CONFIDENCE,
    Paired,
    Proportion,
    newcombe_interval,
    pair,
    possible_drop,
    wilson_interval,
)

FEWEST = (
    8  # repositories, or what unequal ones are worth, from which it can be estimated how much they differ
)


@dataclass(frozen=True)
class ClusteredProportion(Proportion):
    """A proportion whose cases lie in `clusters` clusters and are worth `effective` independent ones."""

    clusters: int = 0
    effective: float = 0.0
    samples: int = 0  # answers, where cases were sampled several times

    @property
    def interval(self) -> tuple[float, float]:
        return wilson_interval(self.value * self.effective, self.effective)

    def __str__(self) -> str:
        return f"{super().__str__()}, {self.samples} answers" if self.samples else super().__str__()

    def to_json(self) -> dict[str, Any]:
        found = {**super().to_json(), "clusters": self.clusters, "effective_n": round(self.effective, 2)}
        return {**found, "samples": self.samples} if self.samples else found


@dataclass(frozen=True)
class ClusteredPaired(Paired):
    """A paired comparison whose cases lie in clusters; `gains` holds b - a of each cluster, in units of one case or of the
    smallest part of one, `other_gains` the same for the repositories."""

    gains: tuple[int, ...] = ()
    effective: float = 0.0
    other_gains: tuple[int, ...] = ()

    @property
    def p(self) -> float:
        return max(sign_flip_p(self.gains), sign_flip_p(self.other_gains) if self.other_gains else 0.0)

    @property
    def interval(self) -> tuple[float, float]:
        if drop := possible_drop(self, effective=self.effective):
            return -drop, drop
        return newcombe_interval(self, effective=self.effective)

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "clusters": len(self.gains), "effective_n": round(self.effective, 2)}


def proportion(
    right: Sequence[bool],
    clusters: Sequence[Hashable],
    repositories: Sequence[Hashable] = (),
    cases: Sequence[Hashable] = (),
) -> Proportion:
    """The share of right cases; clustered where some cluster or repository holds several cases, or where `cases` says that
    several answers are of one case: they are averaged within it. An empty cluster name is a cluster of its own."""
    named = list(cases) or list(range(len(right)))
    means = _means(named, right)
    ways = _ways(named, clusters, repositories)
    if len(means) == len(right) and len(ways) == 1 and len(ways[0]) == len(right):
        return Proportion(sum(right), len(right))
    effective = effective_number([float(value) for value in right], *ways)
    share = sum(means.values()) if len(means) < len(right) else sum(right)
    samples = len(right) if len(means) < len(right) else 0
    return ClusteredProportion(share, len(means), min(map(len, ways)), effective, samples)


def paired(
    a: Sequence[float],
    b: Sequence[float],
    clusters: Sequence[Hashable],
    repositories: Sequence[Hashable] = (),
) -> Paired:
    """Two judgements of the same cases, in the same order; clustered where some cluster or repository holds several cases.

    A judgement is a boolean, or the share of right answers where a case was sampled several times.
    """
    sampled = any(value not in (0, 1) for value in (*a, *b))
    plain = _expected(a, b) if sampled else pair([bool(x) for x in a], [bool(y) for y in b])
    ways = _ways(range(len(a)), clusters, repositories)
    if not sampled and len(ways) == 1 and len(ways[0]) == plain.n:
        return plain
    parts = math.lcm(*(Fraction(value).limit_denominator(1000).denominator for value in (*a, *b)))
    gains = [round((y - x) * parts) for x, y in zip(a, b, strict=True)]
    by_way = [tuple(sum(gains[place] for place in group) for group in groups) for groups in ways]
    effective = effective_number([float(gain) for gain in gains], *ways)
    counts = (plain.both, plain.only_a, plain.only_b, plain.neither)
    return ClusteredPaired(*counts, by_way[0], effective, by_way[1] if len(by_way) > 1 else ())


def _expected(a: Sequence[float], b: Sequence[float]) -> Paired:
    """The counts that are expected when one sample of each is drawn for every case."""
    pairs = list(zip(a, b, strict=True))
    return Paired(
        sum(x * y for x, y in pairs),
        sum(x * (1 - y) for x, y in pairs),
        sum((1 - x) * y for x, y in pairs),
        sum((1 - x) * (1 - y) for x, y in pairs),
    )


def _means(cases: Sequence[Hashable], right: Sequence[bool]) -> dict[Hashable, float]:
    found: dict[Hashable, list[bool]] = defaultdict(list)
    for case, value in zip(cases, right, strict=True):
        found[case].append(value)
    return {case: sum(values) / len(values) for case, values in found.items()}


def effective_number(values: Sequence[float], *ways: Sequence[Sequence[int]]) -> float:
    """How many independent values these values are worth for their mean; between 1 and their number.

    `ways` are one or two ways of grouping them, each a list of groups of places. With two, the variances by either way are
    added and that by both taken off (Cameron, Gelbach & Miller 2011, "Robust inference with multiway clustering", J.
    Business & Economic Statistics 29), and no less than either alone is believed.
    Where all values are the same nothing shows how alike a cluster's are: each cluster then counts as one. That all cases of
    a repository must come out alike is not supposed.
    """
    n = len(values)
    if n == 0:
        return 0.0
    mean = sum(values) / n
    independent = sum((value - mean) ** 2 for value in values) / (n * n)
    fewest = min(map(len, ways))
    if fewest < 2:
        return float(fewest)
    if independent == 0:
        return float(len(ways[0]))
    designs = [_variance(values, mean, groups) / independent for groups in ways]
    if len(ways) == 2:
        designs.append(sum(designs) - _variance(values, mean, _crossed(n, *ways)) / independent)
    few = (t_quantile(n - 1) / t_quantile(min(map(_worth, ways)) - 1)) ** 2
    return max(1.0, n / max(1.0, *designs) * few)


def _worth(groups: Sequence[Sequence[int]]) -> int:
    return max(2, worth_of(map(len, groups)))


def worth_of(sizes: Iterable[int]) -> int:
    """How many clusters of one size those of unequal sizes are worth: Kish's effective number."""
    sizes = list(sizes)
    return round(sum(sizes) ** 2 / sum(size**2 for size in sizes)) if sizes else 0


def _variance(values: Sequence[float], mean: float, groups: Sequence[Sequence[int]]) -> float:
    """The variance of the mean by clusters."""
    n, worth = len(values), _worth(groups)
    return worth / (worth - 1) * sum(sum(values[i] - mean for i in group) ** 2 for group in groups) / (n * n)


def _crossed(n: int, a: Sequence[Sequence[int]], b: Sequence[Sequence[int]]) -> list[list[int]]:
    """The groups of values that are together in both ways."""
    names = [[0, 0] for _ in range(n)]
    for way, groups in enumerate((a, b)):
        for number, group in enumerate(groups):
            for place in group:
                names[place][way] = number
    return _groups([tuple(name) for name in names])


def _ways(
    cases: Sequence[Hashable], clusters: Sequence[Hashable], repositories: Sequence[Hashable]
) -> list[list[list[int]]]:
    """The ways of grouping: by cluster, or by case where it has none, and by repository where enough are named."""
    ways = [_groups([_named(cluster, ("case", case)) for cluster, case in zip(clusters, cases, strict=True)])]
    placed = Counter(name for name in repositories if name not in ("", None))
    if worth_of(placed.values()) >= FEWEST:
        names = zip(repositories, cases, strict=True)
        ways.append(_groups([_named(name, ("case", case)) for name, case in names]))
    return ways


def _named(cluster: Hashable, otherwise: Hashable) -> Hashable:
    return cluster if cluster not in ("", None) else otherwise


def _groups(names: Sequence[Hashable]) -> list[list[int]]:
    """The places of equal names."""
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for place, name in enumerate(names):
        groups[name].append(place)
    return list(groups.values())


def sign_flip_p(gains: Sequence[int]) -> float:
    """Two-sided exact p of the sum of the gains, if each gain's sign were a fair coin."""
    chances = {0: 1.0}
    for step in (abs(gain) for gain in gains if gain):
        after: dict[int, float] = defaultdict(float)
        for total, chance in chances.items():
            after[total + step] += chance / 2
            after[total - step] += chance / 2
        chances = after
    observed = abs(sum(gains))
    return min(1.0, sum(chance for total, chance in chances.items() if abs(total) >= observed))


@lru_cache(1000)
def t_quantile(df: int, confidence: float = CONFIDENCE) -> float:
    """The two-sided quantile of Student's t: P(|t| < quantile) = confidence, by halving.

    The probability is the finite series for whole degrees of freedom: Abramowitz & Stegun (1964), 26.7.3 and 26.7.4.
    """
    low, high = 0.0, 1e6
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_inside(middle, df) < confidence else (low, middle)
    return high


def _t_inside(t: float, df: int) -> float:
    """P(|t| < `t`) with `df` degrees of freedom."""
    theta = math.atan2(t, math.sqrt(df))
    sine, cosine = math.sin(theta), math.cos(theta)
    term, total = (1.0, 1.0) if df % 2 == 0 else (cosine, cosine)
    if df == 1:
        return 2 * theta / math.pi
    for k in range(2 + df % 2, df - 1, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    return sine * total if df % 2 == 0 else 2 / math.pi * (theta + sine * total)
