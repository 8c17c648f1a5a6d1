"""The `shortcut.feature` check: counts out of the tables, judged by shortcuts.py, put into plain words."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np

from tunewright.audit.checks import Check
from tunewright.audit.context import Context, Offence, PythonCheck
from tunewright.audit.context_words import Described, WordRows, described_words, read_words, word_tables
from tunewright.audit.features import BY_NAME, FEATURES
from tunewright.audit.label_features import LABELS, among
from tunewright.audit.listed_choice import ListedChoice, fit_choice, offered_kinds
from tunewright.audit.shortcut_statistics import difference, fisher_p, log_factorials, phi
from tunewright.audit.shortcut_words import evidence, in_words, plain_value, sides
from tunewright.audit.shortcuts import FOLDS, RARE, Limits, Rows, Shortcut, Table, find_shortcuts

FEATURE = Check(
    id="shortcut.feature",
    severity="fail",
    reason="What predicts the tool without being the request will be learned instead of the request.",
    thresholds={
        "min_support": 10,
        "q": 0.01,
        "p": 0.01,
        "fail_difference": 0.3,
        "fail_phi": 0.2,
        "warn_difference": 0.15,
        "warn_phi": 0.1,
    },
    origin=__file__,
)
SHADOW = 0.15  # by which a finer feature's effect is larger
# Of a feature of two values, the one to speak of.
_PREFER: dict[str, str] = dict.fromkeys(
    (
        *("has_system", "has_preamble", "has_reasoning", "multi_turn", "earlier_turns", "request_lines"),
        *("request_emoji", "system_words", "earlier_words", "offered_tool", "description_words"),
    ),
    "yes",
)
_HAS_OR_NOT = ("has_system", "has_preamble", "has_reasoning", "multi_turn", "earlier_turns")
# One structural difference shows in several features; the reader needs the plainest of them.
_ECHOES = {
    "system_text": ("has_system",),
    "system_words": ("has_system", "system_text"),
    "system_length": ("has_system", "system_text", "system_words"),
    "system_whitespace": ("has_system", "system_text"),
    "roles_before": ("has_system", "earlier_turns"),
    "messages_before": ("has_system", "earlier_turns", "roles_before"),
    "last_role_before": ("earlier_turns", "roles_before"),
    "earlier_words": ("earlier_turns", "roles_before", "messages_before"),
    "tool_set": ("tools_offered", "offered_tool"),
    "tool_order": ("tool_set", "tools_offered"),
    "offered_tool": ("tools_offered",),
    "description_words": ("tools_offered", "offered_tool", "called_description"),
    "preamble_text": ("has_preamble",),
    "roles": ("multi_turn", "has_system", "earlier_turns"),
    "messages": ("multi_turn", "has_system", "earlier_turns"),
}


@dataclass(frozen=True)
class Judged:
    """What was found: shortcuts, and the words behind those that are about words."""

    found: list[Shortcut]
    words: Mapping[str, WordRows]


def count_tables(connection: duckdb.DuckDBPyConnection, min_support: float) -> list[Table]:
    """One table of counts for every feature and label, values with too little support put together."""
    tables: list[Table] = []
    for label in LABELS:
        judged = [(feature, where) for feature in FEATURES if (where := among(feature, label)) is not None]
        # One scan a label: few rows are left after the first grouping.
        conditions = " OR ".join(f"(feature = '{feature.name}' AND {where})" for feature, where in judged)
        rows = connection.execute(
            f"""
            WITH counted AS (
                SELECT feature, value, fold, label_{label} AS label, sum(n)::BIGINT AS n FROM feature_counts
                WHERE {conditions} GROUP BY ALL
            ), supported AS (
                SELECT feature, value FROM counted GROUP BY ALL HAVING sum(n) >= $1
            )
            SELECT feature, CASE WHEN s.value IS NULL THEN '{RARE}' ELSE c.value END AS value, label, fold,
                sum(n)::BIGINT AS n
            FROM counted c LEFT JOIN supported s USING (feature, value) GROUP BY ALL ORDER BY ALL
            """,
            [min_support],
        ).fetchall()
        by_feature: dict[str, list[tuple[str, str, int, int]]] = {}
        for name, *rest in rows:
            by_feature.setdefault(name, []).append((rest[0], rest[1], rest[2], rest[3]))
        for feature, _ in judged:
            counted = [row for row in by_feature.get(feature.name, []) if row[0] not in feature.without]
            if table := _table(feature.name, label, counted):
                tables.append(table)
    return tables


def _table(feature: str, label: str, counted: Sequence[tuple[str, str, int, int]]) -> Table | None:
    values = sorted({row[0] for row in counted})
    classes = sorted({row[1] for row in counted})
    if len(values) < 2 or len(classes) < 2:
        return None
    counts = np.zeros((len(values), len(classes), FOLDS), dtype=np.int64)
    place = {value: i for i, value in enumerate(values)}, {name: i for i, name in enumerate(classes)}
    for value, name, fold, n in counted:
        counts[place[0][value], place[1][name], fold] += n
    return Table(feature, label, tuple(values), tuple(classes), counts)


def judge(
    connection: duckdb.DuckDBPyConnection, check: Check, by_definition: frozenset[tuple[str, str]]
) -> Judged:
    """Find the shortcuts among what a model sees before it answers, and among the rest for information.

    Words, values and the descriptions of called tools are one family of tests.
    """
    limits = Limits(**{name: check.thresholds[name] for name in FEATURE.thresholds})
    choice = _choice(connection)
    words = {
        name: rows
        for name, rows in read_words(connection, limits.min_support).items()
        if (name, "tool") not in by_definition
    }
    tables = [
        table
        for table in count_tables(connection, limits.min_support)
        if (table.feature, table.label) not in by_definition
    ]
    tables += [table for name, rows in words.items() for table in word_tables(name, rows)]
    described = [] if ("called_description", "tool") in by_definition else _described(connection, limits)

    def rows_of(table: Table) -> Rows:
        if not table.word:
            return _rows_of(connection, table, choice)
        rows = words[table.feature]
        value = rows.has(table.word).astype(np.int64)
        return Rows(
            value,
            rows.labels,
            rows.clusters,
            _chance(choice, table.classes, rows.lists),
            BY_NAME[table.feature].among == "offers",
        )

    judged = [table for table in tables if BY_NAME[table.feature].worst != "info"]
    rest = [table for table in tables if BY_NAME[table.feature].worst == "info"]
    found = find_shortcuts(judged, rows_of, limits, _PREFER, [p for _, p, _ in described])
    # The family's control again, for those that were no tables.
    accepted = limits.cell_q * max(1, len(found)) / max(1, len(judged) + len(described))
    found += [shortcut for shortcut, p, matters in described if matters and p <= accepted]
    # Information is not held against anybody: it is spared the tests over clusters.
    found = [*_strongest_words(found), *find_shortcuts(rest, None, limits, _PREFER)]
    return Judged(_without_echoes(found), words)


def _choice(connection: duckdb.DuckDBPyConnection) -> ListedChoice | None:
    """How likely each tool is by the list alone; None where no row has one."""
    offered = offered_kinds(connection)
    rows = connection.execute(
        "SELECT list, label_tool, count(*) AS n FROM labelled GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    if not offered or not rows:
        return None
    names = tuple(dict.fromkeys(name for _, name, _ in rows))
    place = {name: i for i, name in enumerate(names)}
    times = np.array([n for _, _, n in rows])
    return fit_choice(
        names,
        np.repeat([place[name] for _, name, _ in rows], times),
        np.repeat([number for number, _, _ in rows], times),
        offered,
    )


def _chance(
    choice: ListedChoice | None, classes: tuple[str, ...], lists: "np.ndarray[Any, np.dtype[np.int64]]"
) -> Callable[[Sequence[int]], "np.ndarray[Any, np.dtype[np.float64]]"] | None:
    if choice is None:
        return None
    known = np.minimum(lists, len(choice.offers) - 1)
    return lambda places: sum(
        (choice.chance(classes[place])[known] for place in places), np.zeros(len(lists))
    )


def _rows_of(connection: duckdb.DuckDBPyConnection, table: Table, choice: ListedChoice | None) -> Rows:
    """The rows that a table counts: the same ones, by the same rules."""
    feature = BY_NAME[table.feature]
    columns = connection.execute(
        f"""
        SELECT coalesce(v.place, list_position($values, '{RARE}')) - 1 AS value, c.place - 1 AS class, list,
            dense_rank() OVER (ORDER BY l.cluster) - 1 AS cluster
        FROM labelled l
        LEFT JOIN (SELECT unnest($values) AS name, unnest(range(1, len($values) + 1)) AS place) v
            ON v.name = l.{table.feature}
        JOIN (SELECT unnest($classes) AS name, unnest(range(1, len($classes) + 1)) AS place) c
            ON c.name = l.label_{table.label}
        WHERE {among(feature, table.label)} AND l.{table.feature} IS NOT NULL
            AND NOT list_contains($without, l.{table.feature})
        """,
        {"values": list(table.values), "classes": list(table.classes), "without": list(feature.without)},
    ).fetchnumpy()
    value, label_class, lists, cluster = (
        np.asarray(columns[name], dtype=np.int64) for name in ("value", "class", "list", "cluster")
    )
    by_list = _chance(choice, table.classes, lists) if table.label == "tool" else None
    return Rows(value, label_class, cluster, by_list, feature.among == "offers" and by_list is not None)


def _described(connection: duckdb.DuckDBPyConnection, limits: Limits) -> list[tuple[Shortcut, float, bool]]:
    """Words of a tool's description that go with its being called, each with its p-value and whether it matters."""
    entries = described_words(connection, limits.min_support)
    factorials = log_factorials(max((entry.offered for entry in entries), default=1))
    return [_described_word(entry, limits, factorials) for entry in entries]


def _described_word(
    entry: Described, limits: Limits, factorials: "np.ndarray[Any, np.dtype[np.float64]]"
) -> tuple[Shortcut, float, bool]:
    margins = entry.both, entry.with_word, entry.calls, entry.offered
    gap, strength = difference(*margins), phi(*margins)
    matters = abs(gap) >= limits.warn_difference and abs(strength) >= limits.warn_phi
    p = fisher_p(*margins, factorials) if matters else 1.0
    share = entry.both / entry.calls
    strong = abs(gap) >= limits.fail_difference and abs(strength) >= limits.fail_phi
    shortcut = Shortcut(
        "called_description", "tool", entry.word, (entry.tool,), share, share - gap, entry.offered, entry.calls,
        p, 0.0, "fail" if strong else "warn", 0.0, 0.0, 0.0,
    )  # fmt: skip
    return shortcut, p, matters


def _strongest_words(found: list[Shortcut]) -> list[Shortcut]:
    """Of the words of one kind of text the one that says most for each set of classes: a sentence has many."""
    kept: dict[tuple[Any, ...], Shortcut] = {}
    others: list[Shortcut] = []
    for shortcut in found:
        if shortcut.feature not in _WORD_FEATURES:
            others.append(shortcut)
            continue
        key = (shortcut.feature, *(() if shortcut.feature == "called_description" else shortcut.classes))
        if key not in kept or _plainness(shortcut) > _plainness(kept[key]):
            kept[key] = shortcut
    named: list[Shortcut] = []
    for shortcut in sorted(kept.values(), key=lambda s: -s.effect):
        # One word of a sentence is named, however the classes that go with its others differ.
        if not any(
            other.feature == shortcut.feature and set(other.classes) & set(shortcut.classes)
            for other in named
        ):
            named.append(shortcut)
    return sorted(others + named, key=lambda s: (s.strength != "fail", -s.effect, s.feature, s.label))


_WORD_FEATURES = ("system_words", "earlier_words", "offered_tool", "description_words", "called_description")


def _plainness(shortcut: Shortcut) -> tuple[float, bool, int]:
    return round(shortcut.effect, 2), shortcut.in_classes > shortcut.elsewhere, len(shortcut.value)


def _without_echoes(found: list[Shortcut]) -> list[Shortcut]:
    """Drop what only repeats a plainer finding: the same label, by a feature that follows from it."""
    strongest: dict[tuple[str, str], Shortcut] = {}
    for shortcut in found:
        strongest.setdefault((shortcut.feature, shortcut.label), shortcut)
    kept: list[Shortcut] = []
    for shortcut in found:
        plainer = (strongest.get((name, shortcut.label)) for name in _ECHOES.get(shortcut.feature, ()))
        lacks = shortcut.in_classes < shortcut.elsewhere
        # What has a value says more than what lacks one, but for features that one has or has not.
        repeats = any(
            other.effect >= 0.8 * shortcut.effect
            and (lacks or other.feature in _HAS_OR_NOT or other.in_classes > other.elsewhere)
            for other in plainer
            if other is not None
        )
        # What a finer feature tells much better is only its shadow.
        finer = (
            strongest.get((name, shortcut.label))
            for name, plain in _ECHOES.items()
            if shortcut.feature in plain
        )
        repeats |= any(
            other.effect >= shortcut.effect + SHADOW
            or (
                lacks
                and shortcut.feature not in _HAS_OR_NOT
                and other.in_classes > other.elsewhere
                and other.effect >= shortcut.effect - 0.05
            )
            for other in finer
            if other is not None and BY_NAME[other.feature].worst != "info"
        )
        # Whether and how often something is called follows from which tool is.
        by_tool = strongest.get((shortcut.feature, "tool")) if shortcut.label != "tool" else None
        if repeats or (by_tool is not None and by_tool.effect >= 0.8 * shortcut.effect):
            continue
        if shortcut.label == "calls" and (shortcut.feature, "call") in strongest:
            continue
        kept.append(shortcut)
    return kept


def offences(connection: duckdb.DuckDBPyConnection, judged: Judged) -> Iterator[Mapping[str, Any]]:
    """The judged shortcuts as rows of `offences`: the rows of the classes that have, or lack, the value."""
    for shortcut in judged.found:
        feature = BY_NAME[shortcut.feature]
        rows = _rows_with(connection, shortcut, judged.words)
        lacking = shortcut.in_classes < shortcut.elsewhere
        offending = [example for example, has, inside in rows if inside and has != lacking]
        having = next((example for example, has, inside in rows if has and inside != lacking), None)
        without = next((example for example, has, inside in rows if not has and inside == lacking), None)
        graded = shortcut.strength if feature.worst == "fail" else feature.worst
        common: dict[str, Any] = {
            "severity": graded,
            "message": in_words(shortcut, feature, plain_value(connection, shortcut, having)),
            "evidence": evidence(shortcut),
            "sides": sides(connection, feature, having, without),
            "feature": shortcut.feature,
            "label": shortcut.label,
            "effect": shortcut.effect,
            "support": shortcut.support,
            "q": shortcut.q,
            "hint": feature.hint,
        }
        for example in offending or [None]:
            yield {**common, "example": example}


def _rows_with(
    connection: duckdb.DuckDBPyConnection, shortcut: Shortcut, words: Mapping[str, WordRows]
) -> list[tuple[int, bool, bool]]:
    """Each row that was judged: its number, whether it has the value, and whether it is of the shortcut's classes."""
    if shortcut.feature in words:
        rows = words[shortcut.feature]
        inside = np.isin(rows.labels, [rows.classes.index(name) for name in shortcut.classes])
        return list(zip(rows.examples.tolist(), rows.has(shortcut.value).tolist(), inside.tolist()))
    if shortcut.feature == "called_description":
        return connection.execute(
            r"""
            SELECT s.example, regexp_matches(regexp_replace(lower(o.description), '\d+', '0', 'g'),
                '(?:^|[^\pL\pN_])' || regexp_escape($word) || '(?:[^\pL\pN_]|$)'), s.label_tool = $tool
            FROM sampled s JOIN offered o ON o.toolset = s.toolset AND o.kind = $tool ORDER BY 1
            """,
            {"word": shortcut.value, "tool": shortcut.classes[0]},
        ).fetchall()
    feature = BY_NAME[shortcut.feature]
    return connection.execute(
        f"""
        SELECT example, {shortcut.feature} = $value, list_contains($classes, label_{shortcut.label}) FROM labelled
        WHERE {among(feature, shortcut.label)} AND {shortcut.feature} IS NOT NULL
            AND NOT list_contains($without, {shortcut.feature}) ORDER BY 1
        """,
        {"classes": list(shortcut.classes), "value": shortcut.value, "without": list(feature.without)},
    ).fetchall()


def find(context: Context, check: Check) -> Iterator[Offence]:
    """The whole check."""
    yield from offences(context.connection, judge(context.connection, check, context.by_definition))


FEATURE_CHECK = PythonCheck(FEATURE, find)
