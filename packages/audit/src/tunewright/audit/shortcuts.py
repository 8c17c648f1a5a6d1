"""Shortcuts: structural features that predict what an example calls, without being the request. Pure.

A shortcut needs three things at once: support (enough rows with the value and of the class), effect (the class has
the value clearly more or less often than the others), and significance (exact test under false-discovery control,
and again with clusters of near-duplicates instead of rows).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tunewright.audit.shortcut_statistics import (
    ClusterTest,
    Counts,
    cross_fitted_accuracy,
    difference,
    entropy_share,
    false_discovery_q,
    fisher_p,
    joint_tail_p,
    log_factorials,
    phi,
)

FOLDS = 5
RARE = "(rare)"  # values with too little support, put together: never tested, because it is not a value
MAY_ADD = 0.05  # p of a class from which it is named among those that go with a value together
JOINT_SHARE = 0.1  # of the false alarms that q allows, for values tested against all classes together
MOST_JOINT = 5_000  # clusters


@dataclass(frozen=True)
class Limits:
    """What a finding needs."""

    min_support: float = 10  # rows with the value, and rows of the class
    q: float = 0.02  # for the exact test after false-discovery control
    p: float = 0.01  # for the permutation of clusters
    fail_difference: float = 0.3  # in the value's share between class and others
    fail_phi: float = 0.2
    warn_difference: float = 0.15
    warn_phi: float = 0.1


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
        of = np.isin(self.label_class, classes).astype(np.float64)
        expected = np.full(len(of), of.mean())
        if self.chance is not None:
            expected = self.chance(classes)
            expected = expected * (of.sum() / max(float(expected.sum()), 1e-300))
        cluster = self.cluster
        if self.of_lists and expected.any():
            # A list that offers none of the classes says nothing about them. As such rows cannot deviate, those that can
            # would seem to deviate together, whatever they have in common.
            open_to = expected > 0
            has, of, expected, cluster = has[open_to], of[open_to], expected[open_to], cluster[open_to]
            _, cluster = np.unique(cluster, return_inverse=True)
        sizes = np.bincount(cluster)
        root = np.ones(len(sizes)) if self.of_lists else np.sqrt(sizes)
        stratum = np.floor(np.log2(sizes)).astype(np.int64)
        return ClusterTest(
            np.bincount(cluster, has - has.mean()) / root,
            np.bincount(cluster, of - expected) / root,
            tuple(np.flatnonzero(stratum == level) for level in np.unique(stratum)),
        )


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
        if q <= limits.q and _matters(cell, limits):
            by_table.setdefault(id(table), []).append(replace(cell, q=q))
    for table, moved in _together(cells, behind, limits):
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


def _together(
    cells: list[tuple[Table, Cell]], behind: dict[int, Rows], limits: Limits
) -> list[tuple[Table, list[Cell]]]:
    """Values that go with several classes together, though with none of them enough: tested once a value, as one family.

    Only values that some class has markedly more or less often are asked about; the others count as tested and not found.
    """
    values: dict[tuple[int, str], list[tuple[Table, Cell]]] = {}
    for table, cell in cells:
        values.setdefault((id(table), cell.value), []).append((table, cell))
    p: list[float] = []
    for entries in values.values():
        table = entries[0][0]
        rows = behind.get(id(table))
        worth = rows is not None and any(c.p <= MAY_ADD and _matters(c, limits) for _, c in entries)
        p.append(_joint_p(table, rows, entries[0][1].value) if rows is not None and worth else 1.0)
    found: list[tuple[Table, list[Cell]]] = []
    for entries, q in zip(values.values(), false_discovery_q(p)):
        if q > limits.q * JOINT_SHARE:
            continue
        moved = [c for _, c in entries if c.p <= MAY_ADD and _matters(c, limits)]
        found.append((entries[0][0], [replace(cell, q=q) for cell in moved]))
    return found


def _joint_p(table: Table, rows: Rows, value: str) -> float:
    if rows.of_lists or len(np.unique(rows.cluster)) > MOST_JOINT:
        return 1.0  # each class has rows of its own; and with so many, single classes stand out
    has = rows.value == table.values.index(value)
    counts = table.counts.sum(axis=(0, 2))
    kept = [j for j in range(len(table.classes)) if counts[j] > 0]
    return joint_tail_p([rows.test(has, [j]) for j in kept])


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
