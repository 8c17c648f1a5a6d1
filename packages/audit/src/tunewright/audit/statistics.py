"""The statistics that shortcuts are found with. Pure: arrays of counts in, numbers out.

Every function works on a contingency table of counts, feature values down and classes across, or on one cell of
it. Nothing here needs scipy: importing it takes longer than auditing a thousand rows.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    """How often a value's majority class in the other folds is right, and how often the overall majority class is.

    `table` has shape (values, classes, folds). Each fold is predicted from the others, so that a feature with many
    rare values gains nothing by chance.
    """
    total = int(table.sum())
    if total == 0:
        return 0.0, 0.0
    right = base = 0
    for fold in range(table.shape[2]):
        held = table[:, :, fold]
        trained = table.sum(axis=2) - held
        overall = trained.sum(axis=0)
        majority = int(overall.argmax())
        # Ties and unseen values go to the overall majority.
        best = trained.max(axis=1)
        predicted = np.where(trained[:, majority] == best, majority, trained.argmax(axis=1))
        right += int(held[np.arange(len(held)), predicted].sum())
        base += int(held[:, majority].sum())
    return right / total, base / total


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


def cluster_permutation_p(x: Floats, y: Floats, rounds: int = 999, seed: int = 1) -> float:
    """Two-sided permutation test of the covariance of `x` and `y`, one entry a cluster.

    Rows of one cluster are not independent, so the cluster's share of rows with the value (`x`) and with the class
    (`y`) are what is permuted. Above 5,000 clusters the permutation distribution is normal for all purposes, with
    the variance that it has exactly.
    """
    n = len(x)
    a, b = x - x.mean(), y - y.mean()
    observed = float(abs(a @ b))
    spread = float((a @ a) * (b @ b))
    if n < 3 or spread <= 1e-18:
        return 1.0
    if n > 5000:
        return math.erfc(observed / math.sqrt(2 * spread / (n - 1)))
    generator = np.random.default_rng(seed)
    hits = 0
    for _ in range(rounds // 100 + 1):
        shuffled = generator.permuted(np.broadcast_to(b, (100, n)), axis=1)
        hits += int((np.abs(shuffled @ a) >= observed * (1 - 1e-12)).sum())
    return (1 + hits) / (1 + 100 * (rounds // 100 + 1))


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
