"""Shortcuts: structural features that predict what an example calls, without being the request. Pure.

A shortcut needs three things at once: support (enough rows with the value and of the class), effect (the class has
the value clearly more or less often than the others), and significance (exact test under false-discovery control,
and again with clusters of near-duplicates instead of rows).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunewright.audit.shortcut_statistics import (
    ClusterTest,
    Counts,
    SetScan,
    cross_fitted_accuracy,
    difference,
    entropy_share,
    false_discovery_q,
    fisher_p,
    log_factorials,
    phi,
)

FOLDS = 5
RARE = "(rare)"  # values with too little support, put together: never tested, because it is not a value
MAY_ADD = 0.05  # p of a class from which it is named among those that go with a value together
SET_SHARE = 0.25  # of q, for values tested against sets of classes; the rest is for single cells
MOST_SCANNED = 5_000  # clusters


@dataclass(frozen=True)
class Limits:
    """What a finding needs."""

    min_support: float = 10  # rows with the value, and rows of the class
    q: float = 0.01  # after false-discovery control; of data without a shortcut, the chance of any finding
    p: float = 0.01  # for the permutation of clusters
    fail_difference: float = 0.3  # in the value's share between class and others
    fail_phi: float = 0.2
    warn_difference: float = 0.15
    warn_phi: float = 0.1

    @property
    def cell_q(self) -> float:
        return self.q * (1 - SET_SHARE)

    @property
    def set_q(self) -> float:
        return self.q * SET_SHARE


@dataclass(frozen=True)
class Table:
    """Counts of one feature against one label: shape (values, classes, folds). `word` is what rows have or have not."""

    feature: str
    label: str
    values: tuple[str, ...]
    classes: tuple[str, ...]
    counts: Counts
    word: str = ""
    never: str = ""  # a class that differs by definition


@dataclass(frozen=True)
class Rows:
    """The rows behind a table: for each its value and class (as positions in the table) and its cluster, from 0.

    `chance(places)` is how likely each row is to be of those classes by the tools that it offers; without it all rows are
    alike.
    """

    value: NDArray[np.int64]
    label_class: NDArray[np.int64]
    cluster: NDArray[np.int64]
    chance: Callable[[Sequence[int]], NDArray[np.float64]] | None = None
    of_lists: bool = (
        False  # the value is of the list: only plain sums over rows are free of what the list makes likely
    )

    def test(self, has: NDArray[np.bool_], classes: Sequence[int]) -> ClusterTest:
        """Whether rows that `has` and rows of the classes go together more than their lists and clusters would by chance."""
        of, expected = self._of(classes)
        cluster = self.cluster
        if self.of_lists and expected.any():
            # A list that offers none of the classes says nothing about them. As such rows cannot deviate, those that can
            # would seem to deviate together, whatever they have in common.
            open_to = expected > 0
            has, of, expected, cluster = has[open_to], of[open_to], expected[open_to], cluster[open_to]
            _, cluster = np.unique(cluster, return_inverse=True)
        sizes = np.bincount(cluster)
        root = np.ones(len(sizes)) if self.of_lists else np.sqrt(sizes)
        return ClusterTest(
            np.bincount(cluster, has - has.mean()) / root,
            np.bincount(cluster, of - expected) / root,
            _strata(sizes),
        )

    def scan(self, has: NDArray[np.bool_], classes: Sequence[int]) -> SetScan:
        """Whether rows that `has` and rows of some set of the classes go together more than by chance."""
        sizes = np.bincount(self.cluster)

        def shares(of_rows: NDArray[Any]) -> NDArray[np.float64]:
            return np.bincount(self.cluster, of_rows) / sizes

        pairs = [self._of([place]) for place in classes]
        of = np.stack([shares(of) for of, _ in pairs], axis=1)
        excess = of if self.chance is None else np.stack([shares(of - e) for of, e in pairs], axis=1)
        return SetScan(shares(has), of, excess, _strata(sizes))

    def _of(self, classes: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """For each row whether it is of the classes, and how likely that is by its list."""
        of = np.isin(self.label_class, classes).astype(np.float64)
        if self.chance is None:
            return of, np.full(len(of), of.mean())
        expected = self.chance(classes)
        return of, expected * (of.sum() / max(float(expected.sum()), 1e-300))


def _strata(sizes: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
    """The positions of clusters of about one size: from a power of two to the next."""
    stratum = np.floor(np.log2(sizes)).astype(np.int64)
    return tuple(np.flatnonzero(stratum == level) for level in np.unique(stratum))


@dataclass(frozen=True)
class Cell:
    """One value against one class."""

    value: str
    label_class: str
    both: int
    with_value: int
    of_class: int
    total: int
    p: float
    q: float = 1.0
    difference: float = 0.0
    phi: float = 0.0


@dataclass(frozen=True)
class Shortcut:
    """A feature that predicts a label. `classes` are those that have `value` too rarely (or too often)."""

    feature: str
    label: str
    value: str
    classes: tuple[str, ...]
    in_classes: float  # share of the classes' rows that have the value
    elsewhere: float  # share of the other rows that have it
    support: int  # rows of the classes and others together
    class_rows: int
    q: float
    p: float
    strength: str  # "fail" or "warn"
    accuracy: float
    majority: float
    entropy: float
    cells: tuple[Cell, ...] = field(default=(), repr=False)

    @property
    def effect(self) -> float:
        return abs(self.in_classes - self.elsewhere)


def find_shortcuts(
    tables: list[Table],
    rows_of: Callable[[Table], Rows] | None,
    limits: Limits = Limits(),
    prefer: Mapping[str, str] | None = None,
    others: Sequence[float] = (),
) -> list[Shortcut]:
    """Test every cell of every table as one family; return the shortcuts, strongest first.

    `others` are p-values of further tests that belong to the family.

    A cell's p-value is the larger of two: Fisher's, which takes rows for independent, and that of the covariance over
    clusters, which does not. `rows_of(table)` gives the rows; it is asked only where Fisher's test leaves a doubt, and
    without it clusters are not looked at. `prefer` names, for a feature of two values, the one to speak of.
    """
    cells: list[tuple[Table, Cell]] = []
    behind: dict[int, Rows] = {}
    for table in tables:
        for cell in _cells(table, limits):
            if rows_of and cell.p <= limits.q and _matters(cell, limits):
                if id(table) not in behind:
                    behind[id(table)] = rows_of(table)
                cell = replace(cell, p=max(cell.p, _clustered_p(table, behind[id(table)], cell)))
            cells.append((table, cell))
    adjusted = false_discovery_q(
        _weighted([cell.p for _, cell in cells], [bool(table.word) for table, _ in cells], others)
    )
    by_table: dict[int, list[Cell]] = {}
    for (table, cell), q in zip(cells, adjusted):
        if q <= limits.cell_q and _matters(cell, limits):
            by_table.setdefault(id(table), []).append(replace(cell, q=q))
    for table, moved in _by_sets(cells, behind, limits):
        by_table.setdefault(id(table), moved)
    found: list[Shortcut] = []
    for table in tables:
        if survivors := by_table.get(id(table)):
            prefers = (prefer or {}).get(table.feature)
            shortcut = _judge(table, survivors, behind.get(id(table)), limits, prefers)
            if shortcut is not None:
                found.append(shortcut)
    return sorted(found, key=lambda s: (s.strength != "fail", -s.effect, s.feature, s.label))


def _weighted(p: list[float], of_words: list[bool], others: Sequence[float]) -> list[float]:
    """The p-values of one family, weighted so that words, however many there are, have no more than half of it.

    Weighted p-values are p / w with weights of mean 1 (Genovese, Roeder and Wasserman, "False discovery control with p-value
    weighting", 2006).
    """
    words, total = sum(of_words) + len(others), len(p) + len(others)
    if 2 * words <= total:
        return [*p, *others]
    for_word, for_value = total / (2 * words), total / (2 * (total - words))
    weighted = [value / (for_word if word else for_value) for value, word in zip(p, of_words)]
    return [min(1.0, value) for value in (*weighted, *(value / for_word for value in others))]


def _by_sets(
    cells: list[tuple[Table, Cell]], behind: dict[int, Rows], limits: Limits
) -> list[tuple[Table, list[Cell]]]:
    """Values that go with a set of classes, though with none of them surely enough: one test a value, as one family.

    Only values that some class has markedly more or less often are asked about; the others count as tested and not found.
    """
    values: dict[tuple[int, str], list[tuple[Table, Cell]]] = {}
    for table, cell in cells:
        values.setdefault((id(table), cell.value), []).append((table, cell))
    moved = [[c for _, c in entries if c.p <= MAY_ADD and _matters(c, limits)] for entries in values.values()]
    p: list[float] = []
    for entries, worth in zip(values.values(), moved):
        table = entries[0][0]
        rows = behind.get(id(table))
        p.append(_set_p(table, rows, [c for _, c in entries]) if rows is not None and worth else 1.0)
    return [
        (entries[0][0], [replace(cell, q=q) for cell in worth])
        for entries, worth, q in zip(values.values(), moved, false_discovery_q(p))
        if q <= limits.set_q
    ]


def _set_p(table: Table, rows: Rows, cells: Sequence[Cell]) -> float:
    # With lists each class has rows of its own; and with so many clusters, single classes are sure enough.
    if rows.of_lists or rows.cluster.max() >= MOST_SCANNED:
        return 1.0
    has = rows.value == table.values.index(cells[0].value)
    return rows.scan(has, [table.classes.index(cell.label_class) for cell in cells]).p()


def _matters(cell: Cell, limits: Limits) -> bool:
    return abs(cell.phi) >= limits.warn_phi and abs(cell.difference) >= limits.warn_difference


def _clustered_p(table: Table, rows: Rows, cell: Cell) -> float:
    has = rows.value == table.values.index(cell.value)
    return rows.test(has, [table.classes.index(cell.label_class)]).p()


def _cells(table: Table, limits: Limits) -> list[Cell]:
    counts = table.counts.sum(axis=2)
    values, classes, total = counts.sum(axis=1), counts.sum(axis=0), int(counts.sum())
    # Only margins decide which cells are tested: that keeps the tests valid.
    rows = [
        i
        for i in range(len(values))
        if limits.min_support <= values[i] <= total - limits.min_support and table.values[i] != RARE
    ]
    columns = [
        j
        for j in range(len(classes))
        if limits.min_support <= classes[j] <= total - limits.min_support and table.classes[j] != table.never
    ]
    # Two values, or two classes, say everything twice.
    if len(values) == 2:
        rows = rows[:1]
    if len(classes) == 2:
        columns = columns[:1]
    if not rows or not columns:
        return []
    factorials = log_factorials(total)
    cells: list[Cell] = []
    for i in rows:
        for j in columns:
            both, value, label = int(counts[i, j]), int(values[i]), int(classes[j])
            cell = Cell(
                table.values[i],
                table.classes[j],
                both,
                value,
                label,
                total,
                1.0,
                1.0,
                difference(both, value, label, total),
                phi(both, value, label, total),
            )
            # What is too weak to matter counts as tested and not found.
            matters = _matters(cell, limits)
            cells.append(
                replace(cell, p=fisher_p(both, value, label, total, factorials)) if matters else cell
            )
    return cells


def _judge(
    table: Table,
    survivors: list[Cell],
    rows: Rows | None,
    limits: Limits,
    prefer: str | None,
) -> Shortcut | None:
    """The strongest set of classes that deviate the same way in one value, if clusters bear it out."""
    strongest = max(survivors, key=lambda cell: (round(abs(cell.phi), 2), cell.phi > 0))
    same = [
        cell
        for cell in survivors
        if cell.value == strongest.value and cell.difference * strongest.difference > 0
    ]
    classes = tuple(sorted(cell.label_class for cell in same))
    value = strongest.value
    p = 0.0
    if rows is not None:
        places = [table.classes.index(name) for name in classes]
        p = rows.test(rows.value == table.values.index(value), places).permutation_p()
    if p > limits.p:
        return None
    counts = table.counts.sum(axis=2)
    inside = np.isin(np.array(table.classes), classes)
    if len(table.values) == 2 and RARE not in table.values:
        # Of two values the one to speak of, or the one that the classes have.
        more = counts[:, inside].sum(axis=1) / counts.sum(axis=1)
        value = prefer if prefer in table.values else table.values[int(more.argmax())]
    row = counts[table.values.index(value)]
    of_class = int(counts[:, inside].sum())
    total = int(counts.sum())
    in_classes, elsewhere = (
        int(row[inside].sum()) / of_class,
        int(row[~inside].sum()) / max(1, total - of_class),
    )
    grouped_phi = abs(phi(int(row[inside].sum()), int(row.sum()), of_class, total))
    strong = abs(in_classes - elsewhere) >= limits.fail_difference and grouped_phi >= limits.fail_phi
    accuracy, majority = cross_fitted_accuracy(table.counts)
    return Shortcut(
        table.feature,
        table.label,
        table.word or value,
        classes,
        in_classes,
        elsewhere,
        total,
        of_class,
        min(cell.q for cell in same),
        p,
        "fail" if strong else "warn",
        accuracy,
        majority,
        entropy_share(counts),
        tuple(same),
    )
