"""The statistics that shortcuts are found with. Pure: arrays of counts in, numbers out.

Every function works on a contingency table of counts, feature values down and classes across, or on one cell of
it. Nothing here needs scipy: importing it takes longer than auditing a thousand rows.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

DOUBT = (1e-4, 0.1)  # p-values that are worth a closer look
SCAN_DOUBT = (1e-5, 0.1)  # the same for a scan, whose tail is only fitted
MOST_PERMUTED = 5_000  # clusters
Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


def log_factorials(largest: int) -> Floats:
    """log(k!) for k = 0 … `largest`."""
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, largest + 1, dtype=np.float64)))])


def fisher_p(both: int, value: int, label: int, total: int, factorials: Floats) -> float:
    """Fisher's exact test of a 2x2 table, two-sided as twice the smaller tail (at most 1).

    `both` rows have the value and the class, `value` and `label` are the margins, `total` all rows.
    Fisher, "On the interpretation of chi-squared from contingency tables", 1922.
    """
    low, high = max(0, value + label - total), min(value, label)
    if low == high:
        return 1.0

    def log_mass(k: NDArray[np.int64]) -> Floats:
        f = factorials
        return (
            f[value] - f[k] - f[value - k] + f[total - value] - f[label - k] - f[total - value - label + k]
            - f[total] + f[label] + f[total - label]
        )  # fmt: skip

    # The tail is summed from the observed count outwards; far out, the mass is nothing.
    upper = log_mass(np.arange(both, min(high, both + 5000) + 1))
    lower = log_mass(np.arange(max(low, both - 5000), both + 1))
    tail = min(_sum_exp(upper), _sum_exp(lower))
    return min(1.0, 2 * tail)


def _sum_exp(logs: Floats) -> float:
    top = float(logs.max())
    return math.exp(min(0.0, top + math.log(float(np.exp(logs - top).sum()))))


def false_discovery_q(p: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's adjusted p-values ("Controlling the false discovery rate", 1995), in the order given."""
    count = len(p)
    order = sorted(range(count), key=lambda i: p[i], reverse=True)
    q = [1.0] * count
    least = 1.0
    for rank, index in zip(range(count, 0, -1), order):
        least = min(least, p[index] * count / rank)
        q[index] = least
    return q


def cross_fitted_accuracy(table: Counts) -> tuple[float, float]:
    """How often the class is guessed by the value, fitted on the other folds, and how often by the commonest class.

    `table` has shape (values, classes, folds). Each fold is predicted from the others, so that a feature with many
    rare values gains nothing by chance: by shares of classes times their frequency in all rows, for a held-out fold makes
    the classes that it holds rarer among the others. The first is never below the second, which anybody can guess.
    """
    total = int(table.sum())
    if total == 0:
        return 0.0, 0.0
    sizes = table.sum(axis=(0, 2))
    commonest = int(sizes.argmax())
    right = 0
    for fold in range(table.shape[2]):
        held = table[:, :, fold]
        trained = table.sum(axis=2) - held
        rates = trained / np.maximum(1, trained.sum(axis=0)) * sizes
        # Ties and unseen values go to the commonest.
        best = np.where(rates[:, commonest] >= rates.max(axis=1) - 1e-12, commonest, rates.argmax(axis=1))
        right += int(held[np.arange(len(held)), best].sum())
    base = float(sizes[commonest]) / total
    return max(base, right / total), base


def entropy_share(table: Counts) -> float:
    """Share of the classes' entropy that the value tells, 0 to 1, corrected for the bias of small counts.

    Mutual information estimated from counts is too large by (values - 1)(classes - 1) / 2n nats
    (Miller, "Note on the bias of information estimates", 1955).
    """
    n = float(table.sum())
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    entropy = _entropy(columns, n)
    if n == 0 or entropy == 0:
        return 0.0
    information = _entropy(rows, n) + entropy - _entropy(table.ravel(), n)
    bias = (np.count_nonzero(rows) - 1) * (np.count_nonzero(columns) - 1) / (2 * n)
    return float(min(1.0, max(0.0, information - bias) / entropy))


def _entropy(counts: NDArray[Any], n: float) -> float:
    present = counts[counts > 0] / n if n else counts[:0]
    return float(-(present * np.log(present)).sum())


def phi(both: int, value: int, label: int, total: int) -> float:
    """The correlation of having the value with being of the class, -1 to 1."""
    spread = value * (total - value) * label * (total - label)
    return (both * total - value * label) / math.sqrt(spread) if spread else 0.0


def difference(both: int, value: int, label: int, total: int) -> float:
    """How much more often the class has the value than the other classes have it, -1 to 1."""
    if not 0 < label < total:
        return 0.0
    return both / label - (value - both) / (total - label)


@dataclass(frozen=True)
class ClusterTest:
    """The covariance of two properties of rows, with clusters of rows and not rows as what is exchangeable.

    Under the null hypothesis one cluster's labels could as well belong to another cluster of about its size: `y` is
    permuted over clusters within strata of doubling sizes. `x` and `y` are, for each cluster, the sum over its rows of
    (has it - share of all rows that have it), divided by the square root of the cluster's size, so that the statistic
    adds up to the covariance over rows when a cluster's rows agree.
    """

    x: Floats
    y: Floats
    strata: tuple[NDArray[np.int64], ...]  # positions of the clusters of each stratum

    @property
    def statistic(self) -> float:
        return sum(float(a @ b) for a, b in self._centred())

    def _centred(self) -> list[tuple[Floats, Floats]]:
        parts = [(self.x[place], self.y[place]) for place in self.strata if len(place) > 1]
        return [(a - a.mean(), b - b.mean()) for a, b in parts]

    def tail_p(self) -> float:
        """Two-sided p-value from a gamma distribution with the exact variance and skewness of the permutations.

        A sum of products of permuted values has variance S_aa S_bb / (n - 1) and third moment
        n S_aaa S_bbb / ((n - 1)(n - 2)) in each stratum (Hoeffding, "A combinatorial central limit theorem", 1951).
        Rare values against rare classes are skewed; a normal tail would cry wolf.
        """
        variance = third = 0.0
        for a, b in self._centred():
            n = len(a)
            variance += float(a @ a) * float(b @ b) / (n - 1)
            if n > 2:
                third += n * float((a**3).sum()) * float((b**3).sum()) / ((n - 1) * (n - 2))
        if variance <= 1e-12:
            return 1.0
        z, skew = self.statistic / math.sqrt(variance), third / variance**1.5
        if z < 0:
            z, skew = -z, -skew
        return min(1.0, 2 * skewed_tail(z, skew))

    def p(self) -> float:
        """`tail_p`, and where that leaves a doubt the permutations themselves: a binary value has no gamma's tail."""
        tail = self.tail_p()
        if not DOUBT[0] < tail < DOUBT[1] or len(self.x) > MOST_PERMUTED:
            return tail
        return self.sequential_p()

    def sequential_p(self, most: int = 49_999, enough: int = 20, seed: int = 1) -> float:
        """Two-sided p-value from permutations; see `sequential_p`."""
        return sequential_p(self._extremes(most, seed), enough)

    def _extremes(self, rounds: int, seed: int) -> Iterator[NDArray[np.bool_]]:
        """Whether each of so many permutations is as extreme as what was observed, a thousand at a time."""
        observed, generator = abs(self.statistic), np.random.default_rng(seed)
        for start in range(0, rounds, 1000):
            drawn = np.zeros(min(1000, rounds - start))
            for a, b in self._centred():
                drawn += generator.permuted(np.broadcast_to(b, (len(drawn), len(b))), axis=1) @ a
            yield np.abs(drawn) >= observed * (1 - 1e-12) - 1e-12

    def permutation_p(self, rounds: int = 999, seed: int = 1) -> float:
        """Two-sided p-value from `rounds` permutations; above 5,000 clusters, `tail_p`, which is as good there."""
        if len(self.x) > MOST_PERMUTED:
            return self.tail_p()
        return (1 + sum(int(extreme.sum()) for extreme in self._extremes(rounds, seed))) / (1 + rounds)


@dataclass(frozen=True)
class SetScan:
    """Whether some set of classes has a value more often, or more rarely, than the other classes; over clusters.

    The statistic is the largest log likelihood ratio over all sets, each against the other classes, counted in clusters
    (Kulldorff, "A spatial scan statistic", 1997). Ordered by how much more often they have the value, only the first k
    classes, for every k, need be looked at: exact with one stratum (Neill, "Fast subset scan for spatial pattern detection",
    2012).
    `has` is, for each cluster, the share of its rows with the value, shape (clusters,); `of` the share of its rows in each
    class and `excess` the same less what the lists of tools make likely, both of shape (clusters, classes). Under the null
    hypothesis `has` is permuted over clusters within strata.
    """

    has: Floats
    of: Floats
    excess: Floats
    strata: tuple[NDArray[np.int64], ...]

    def p(self, rounds: int = 999, most: int = 49_999) -> float:
        """P-value by a gamma distribution with the mean and variance of `rounds` permutations.

        Where that leaves a doubt, up to `most` permutations decide.
        """
        (drawn,) = self._drawn(rounds, rounds)
        observed = float(self.largest(self.has[None])[0])
        mean, variance = float(drawn.mean()), float(drawn.var())
        if variance <= 1e-12:
            return 1.0
        tail = gamma_upper(mean * mean / variance, observed * mean / variance)
        if not SCAN_DOUBT[0] < tail < SCAN_DOUBT[1]:
            return tail
        return sequential_p(batch >= observed - 1e-9 for batch in self._drawn(most))

    def _drawn(self, rounds: int, batch: int = 1000, seed: int = 1) -> Iterator[Floats]:
        generator = np.random.default_rng(seed)
        for start in range(0, rounds, batch):
            permuted = np.repeat(self.has[None], min(batch, rounds - start), axis=0)
            for place in self.strata:
                permuted[:, place] = generator.permuted(permuted[:, place], axis=1)
            yield self.largest(permuted)

    def _sums(self, has: Floats) -> Floats:
        """How much more of each class has the value than its strata let expect; (rounds, clusters) to (rounds, classes)."""
        sums = np.zeros((len(has), self.of.shape[1]))
        for place in self.strata:
            sums += (has[:, place] - has[:, place].mean(axis=1, keepdims=True)) @ self.excess[place]
        return sums

    def largest(self, has: Floats) -> Floats:
        """The statistic for each row of `has`, of shape (rounds, clusters)."""
        sums = self._sums(has)
        clusters, with_value = len(self.has), float(self.has.sum())
        of_class = np.maximum(self.of.sum(axis=0), 1e-9)
        expected = sum(
            (self.has[p].mean() * self.of[p].sum(axis=0) for p in self.strata), np.zeros(len(of_class))
        )
        order = np.argsort(-sums / of_class, axis=1, kind="stable")
        largest = np.zeros(len(sums))
        for first in (order, order[:, ::-1]):
            more = np.take_along_axis(sums, first, axis=1).cumsum(axis=1)
            e, n = expected[first].cumsum(axis=1), of_class[first].cumsum(axis=1)
            ratio = np.zeros_like(more)
            for cell, sign in ((e, 1), (n - e, -1), (with_value - e, -1), (clusters - with_value - n + e, 1)):
                seen = np.maximum(cell + sign * more, 1e-9)
                ratio += seen * np.log(seen / np.maximum(cell, 1e-9))
            largest = np.maximum(largest, ratio.max(axis=1))
        return largest


def sequential_p(extremes: Iterable[NDArray[np.bool_]], enough: int = 20) -> float:
    """P-value from batches of permutations, until `enough` of them are as extreme as what was observed.

    Besag and Clifford, "Sequential Monte Carlo p-values", 1991: a large p-value is known after a few, and a small one has
    the resolution that false-discovery control over hundreds of cells asks for.
    """
    hits = done = 0
    for extreme in extremes:
        if hits + int(extreme.sum()) >= enough:
            return enough / (done + int(np.flatnonzero(extreme)[enough - hits - 1]) + 1)
        hits, done = hits + int(extreme.sum()), done + len(extreme)
    return (1 + hits) / (1 + done)


def skewed_tail(z: float, skew: float) -> float:
    """P(Z >= z) for a gamma distribution shifted and scaled to mean 0, variance 1 and that skewness (z >= 0)."""
    if abs(skew) < 1e-3:
        return 0.5 * math.erfc(z / math.sqrt(2))
    shape = 4 / skew**2
    at = shape + z * math.sqrt(shape) if skew > 0 else shape - z * math.sqrt(shape)
    if at <= 0:
        return 0.0  # beyond the bounded end
    upper = gamma_upper(shape, at)
    return upper if skew > 0 else 1 - upper


def gamma_upper(shape: float, x: float) -> float:
    """The regularized upper incomplete gamma function Q(shape, x), by series or continued fraction.

    Abramowitz and Stegun 6.5.29 and 6.5.31, the fraction by Lentz's method.
    """
    front = math.exp(-x + shape * math.log(x) - math.lgamma(shape))
    if x < shape + 1:
        term = total = 1 / shape
        n = shape
        for _ in range(10_000):
            n += 1
            term *= x / n
            total += term
            if term < total * 1e-14:
                break
        return max(0.0, 1 - front * total)
    b = x + 1 - shape
    c, d = 1e300, 1 / b
    value = d
    for i in range(1, 10_000):
        step = -i * (i - shape)
        b += 2
        d = 1 / (step * d + b)
        c = b + step / c
        value *= d * c
        if abs(d * c - 1) < 1e-14:
            break
    return min(1.0, front * value)


def sign_flip_p(differences: Floats, rounds: int = 1999, seed: int = 1) -> float:
    """One-sided test that the mean of `differences` (one entry a cluster) is above 0, by flipping their signs."""
    kept = differences[differences != 0]
    if len(kept) == 0:
        return 1.0
    observed = float(kept.sum())
    generator = np.random.default_rng(seed)
    if len(kept) > 5000:
        return 0.5 * math.erfc(observed / math.sqrt(2 * float(kept @ kept)))
    hits = 0
    for _ in range(rounds // 100 + 1):
        signs = generator.integers(0, 2, (100, len(kept))) * 2.0 - 1.0
        hits += int((signs @ kept >= observed - 1e-12).sum())
    return (1 + hits) / (1 + 100 * (rounds // 100 + 1))
