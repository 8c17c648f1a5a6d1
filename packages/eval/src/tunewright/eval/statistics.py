"""Intervals and exact tests for proportions, in the standard library alone.

Sources: McNemar (1947), Psychometrika 12, in its exact binomial form; Newcombe (1998), "Improved confidence intervals
for the difference between binomial proportions based on paired data", Statistics in Medicine 17, method 10;
Holm (1979), "A simple sequentially rejective multiple test procedure", Scand. J. Statistics 6.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from tunewright.contract.intervals import CONFIDENCE, wilson_interval


@dataclass(frozen=True)
class Proportion:
    """`k` of `n`, with its Wilson interval. With `n` = 0 nothing is known: value 0, interval [0, 1].

    `k` is whole unless cases were sampled several times: it is then the sum of their shares.
    """

    k: float
    n: int

    @property
    def value(self) -> float:
        return self.k / self.n if self.n else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        return wilson_interval(self.k, self.n)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.0%} of {self.n} [{low:.0%}, {high:.0%}]" if self.n else "no cases"

    def to_json(self) -> dict[str, Any]:
        """`{"k", "n", "value", "low", "high"}`; the interval is Wilson's at 95 %."""
        low, high = self.interval
        return {"k": self.k, "n": self.n, "value": self.value, "low": low, "high": high}


@dataclass(frozen=True)
class Paired:
    """Two judgements of the same cases, `a` and `b`, counted by how they came out. Counts are whole unless cases were
    sampled several times: each case then adds the chance of each outcome for one sample of either."""

    both: float
    only_a: float
    only_b: float
    neither: float

    @property
    def n(self) -> int:
        return round(self.both + self.only_a + self.only_b + self.neither)

    @property
    def gained(self) -> str:
        """How many only `b` has right, as a text."""
        return f"{self.only_b:.4g}"

    @property
    def lost(self) -> str:
        """How many only `a` has right, as a text."""
        return f"{self.only_a:.4g}"

    @property
    def a(self) -> Proportion:
        return Proportion(self.both + self.only_a, self.n)

    @property
    def b(self) -> Proportion:
        return Proportion(self.both + self.only_b, self.n)

    @property
    def difference(self) -> float:
        """b - a, as proportions."""
        return self.b.value - self.a.value

    @property
    def p(self) -> float:
        return mcnemar_exact(int(self.only_a), int(self.only_b))

    @property
    def interval(self) -> tuple[float, float]:
        """Of the difference b - a."""
        if drop := possible_drop(self):
            return -drop, drop
        return newcombe_interval(self)

    def to_json(self) -> dict[str, Any]:
        low, high = self.interval
        return {
            "n": self.n,
            "a": self.a.to_json(),
            "b": self.b.to_json(),
            "both": self.both,
            "only_a": self.only_a,
            "only_b": self.only_b,
            "neither": self.neither,
            "difference": self.difference,
            "low": low,
            "high": high,
            "p": self.p,
        }


def pair(a: Sequence[bool], b: Sequence[bool]) -> Paired:
    """Count paired outcomes of the same cases in the same order. Raises ValueError for unequal lengths."""
    if len(a) != len(b):
        raise ValueError(f"{len(a)} and {len(b)} outcomes are not pairs")
    counts = [0, 0, 0, 0]
    for x, y in zip(a, b):
        counts[(not x) * 2 + (not y)] += 1
    return Paired(*counts)


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Two-sided p of McNemar's test: the discordant pairs as fair coins, exactly (binomial).

    The smaller tail is doubled and capped at 1, which for a fair coin is the exact two-sided test.
    """
    discordant = only_a + only_b
    if discordant == 0:
        return 1.0
    # Integers first, one division last: exact for any number of cases. Each term follows from the one before it.
    term = tail = 1
    for i in range(min(only_a, only_b)):
        term = term * (discordant - i) // (i + 1)
        tail += term
    return min(1.0, 2 * tail / 2**discordant)


def newcombe_interval(
    paired: Paired, confidence: float = CONFIDENCE, effective: float | None = None
) -> tuple[float, float]:
    """Newcombe's interval of the paired difference b - a (method 10: Wilson intervals, correlation corrected).

    `effective` is the number of independent pairs that the pairs are worth, where they are not independent.
    """
    if paired.n == 0:
        return -1.0, 1.0
    n = paired.n if effective is None else effective
    shrink = n / paired.n
    a, b = paired.a.k * shrink, paired.b.k * shrink
    low_a, high_a = wilson_interval(a, n, confidence)
    low_b, high_b = wilson_interval(b, n, confidence)
    product = a * (n - a) * b * (n - b)
    phi = 0.0
    if product > 0:
        agreement = (paired.both * paired.neither - paired.only_a * paired.only_b) * shrink * shrink
        # Continuity correction for positive correlation, as the paper gives it.
        agreement = max(agreement - n / 2, 0.0) if agreement > 0 else float(agreement)
        phi = agreement / math.sqrt(product)
    d = paired.difference

    def side(db: float, da: float) -> float:
        return math.sqrt(max(0.0, db * db - 2 * phi * db * da + da * da))

    low = d - side(paired.b.value - low_b, high_a - paired.a.value)
    high = d + side(high_b - paired.b.value, paired.a.value - low_a)
    return max(-1.0, low), min(1.0, high)


def possible_drop(paired: Paired, confidence: float = CONFIDENCE, effective: float | None = None) -> float:
    """How much worse b may still be than a when no case tells them apart: the exact upper limit of a share of which none
    was seen in n cases, 1 - (alpha / 2)^(1 / n) (Clopper & Pearson 1934); 0 when some case does tell them apart.

    Newcombe's interval is too short there: it shrinks with the correlation, which is then perfect by chance.
    """
    if paired.only_a or paired.only_b:
        return 0.0
    n = paired.n if effective is None else effective
    return 1.0 - ((1 - confidence) / 2) ** (1 / n) if n else 1.0


def bootstrap_interval(
    a: Sequence[bool], b: Sequence[bool], seed: int = 1, rounds: int = 2000, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Percentile bootstrap of the paired difference b - a: whole pairs are drawn again (Efron 1979).

    Deterministic for a seed. It is the check of `newcombe_interval`, which the reports use.
    """
    differences = [int(y) - int(x) for x, y in zip(a, b, strict=True)]
    if not differences:
        return -1.0, 1.0
    random = Random(seed)
    n = len(differences)
    means = sorted(sum(random.choices(differences, k=n)) / n for _ in range(rounds))
    cut = int(rounds * (1 - confidence) / 2)
    return means[cut], means[rounds - 1 - cut]


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given; each at least its own p, at most 1."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
