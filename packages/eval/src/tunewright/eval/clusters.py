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
Biometrics 64, do for ranks; with one case a cluster it is McNemar's exact test.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tunewright.eval.statistics import (
    CONFIDENCE,
    Paired,
    Proportion,
    newcombe_interval,
    pair,
    wilson_interval,
)


@dataclass(frozen=True)
class ClusteredProportion(Proportion):
    """A proportion whose cases lie in `clusters` clusters and are worth `effective` independent ones."""

    clusters: int = 0
    effective: float = 0.0

    @property
    def interval(self) -> tuple[float, float]:
        return wilson_interval(self.value * self.effective, self.effective)

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "clusters": self.clusters, "effective_n": round(self.effective, 2)}


@dataclass(frozen=True)
class ClusteredPaired(Paired):
    """A paired comparison whose cases lie in clusters; `gains` holds b - a, in cases, of each cluster."""

    gains: tuple[int, ...] = ()
    effective: float = 0.0

    @property
    def p(self) -> float:
        return sign_flip_p(self.gains)

    @property
    def interval(self) -> tuple[float, float]:
        return newcombe_interval(self, effective=self.effective)

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "clusters": len(self.gains), "effective_n": round(self.effective, 2)}


def proportion(right: Sequence[bool], clusters: Sequence[Hashable]) -> Proportion:
    """The share of right cases; clustered where some cluster holds several cases. An empty cluster name is a cluster of
    its own."""
    groups = _groups(clusters)
    if len(groups) == len(right):
        return Proportion(sum(right), len(right))
    effective = effective_number([float(value) for value in right], groups)
    return ClusteredProportion(sum(right), len(right), len(groups), effective)


def paired(a: Sequence[bool], b: Sequence[bool], clusters: Sequence[Hashable]) -> Paired:
    """Two judgements of the same cases, in the same order; clustered where some cluster holds several cases."""
    plain = pair(a, b)
    groups = _groups(clusters)
    if len(groups) == plain.n:
        return plain
    gains = [int(y) - int(x) for x, y in zip(a, b)]
    by_cluster = tuple(sum(gains[place] for place in group) for group in groups)
    effective = effective_number([float(gain) for gain in gains], groups)
    return ClusteredPaired(plain.both, plain.only_a, plain.only_b, plain.neither, by_cluster, effective)


def effective_number(values: Sequence[float], groups: Sequence[Sequence[int]]) -> float:
    """How many independent values the values of these groups are worth for their mean; between 1 and their number.

    Where all values are the same nothing shows how alike a cluster's are: each cluster then counts as one.
    """
    n, m = len(values), len(groups)
    if n == 0:
        return 0.0
    mean = sum(values) / n
    independent = sum((value - mean) ** 2 for value in values) / (n * n)
    if m < 2 or independent == 0:
        return float(m)
    # Clusters of unequal sizes are worth fewer: Kish's effective number of them.
    worth = max(2, round(n * n / sum(len(group) ** 2 for group in groups)))
    clustered = (
        worth / (worth - 1) * sum(sum(values[i] - mean for i in group) ** 2 for group in groups) / (n * n)
    )
    design = max(1.0, clustered / independent)
    few = (t_quantile(n - 1) / t_quantile(worth - 1)) ** 2
    return max(1.0, n / design * few)


def _groups(clusters: Sequence[Hashable]) -> list[list[int]]:
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for place, cluster in enumerate(clusters):
        groups[cluster if cluster not in ("", None) else (place,)].append(place)
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
