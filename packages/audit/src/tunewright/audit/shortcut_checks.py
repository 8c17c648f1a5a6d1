"""The `shortcut.*` checks: counts out of the tables, judged by shortcuts.py, put into plain words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import numpy as np

from tunewright.audit.checks import Check
from tunewright.audit.context import Context, Offence, PythonCheck
from tunewright.audit.features import BEFORE, BY_NAME, FEATURES
from tunewright.audit.labels import LABELS
from tunewright.audit.shortcut_words import evidence, in_words
from tunewright.audit.shortcuts import FOLDS, Limits, Rows, Shortcut, Table, find_shortcuts

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
RARE = "(rare)"
ANOTHER = "(another)"
# Which tools a row offers limits by definition what it can call: without tools there is no call, and a tool that is
# not offered is not called. What they say beyond that is judged among the rows that offer the tool.
OFFERS = ("tools_offered", "tool_set", "tool_order")


@dataclass(frozen=True)
class Judged:
    """What was found, faults and information."""

    faults: list[Shortcut]
    information: list[Shortcut]


def count_tables(connection: duckdb.DuckDBPyConnection, min_support: float) -> list[Table]:
    """One table of counts for every feature and label, values with too little support put together."""
    labels = ", ".join(f"label_{name}" for name in LABELS)
    rows = connection.execute(
        f"""
        WITH supported AS (SELECT feature, value FROM feature_counts GROUP BY ALL HAVING sum(n) >= $1)
        SELECT feature, CASE WHEN s.value IS NULL THEN '{RARE}' ELSE c.value END AS value, fold, {labels}, offers,
            sum(n)::BIGINT AS n
        FROM feature_counts c LEFT JOIN supported s USING (feature, value)
        GROUP BY ALL ORDER BY ALL
        """,
        [min_support],
    ).fetchall()
    by_feature: dict[str, list[tuple[Any, ...]]] = {}
    for feature, *rest in rows:
        by_feature.setdefault(feature, []).append(tuple(rest))
    tables: list[Table] = []
    for feature in FEATURES:
        counted = by_feature.get(feature.name, [])
        if len({row[0] for row in counted}) < 2:
            continue
        for position, label in enumerate(LABELS):
            if feature.name in OFFERS:
                if label == "tool":
                    continue  # judged tool by tool, below
                counted = [row for row in counted if row[5]]
            table = _table(
                feature.name, label, [(row[0], row[2 + position], row[1], row[6]) for row in counted]
            )
            if table is not None:
                tables.append(table)
    return tables + _offer_tables(connection, min_support)


def _table(feature: str, label: str, counted: list[tuple[str, str, int, int]]) -> Table | None:
    values = sorted({row[0] for row in counted})
    # Of two classes the first is tested, and named: that has to be the tool.
    classes = sorted({row[1] for row in counted}, key=lambda name: (name == ANOTHER, name))
    if len(values) < 2 or len(classes) < 2:
        return None
    counts = np.zeros((len(values), len(classes), FOLDS), dtype=np.int64)
    place = {value: i for i, value in enumerate(values)}, {name: i for i, name in enumerate(classes)}
    for value, name, fold, n in counted:
        counts[place[0][value], place[1][name], fold] += n
    return Table(feature, label, tuple(values), tuple(classes), counts)


def _offer_tables(connection: duckdb.DuckDBPyConnection, min_support: float) -> list[Table]:
    """For each tool, among rows that offer it and another one: is it called more under one offer than another?"""
    if not connection.execute("SELECT 1 FROM offered LIMIT 1").fetchall():
        return []
    tables: list[Table] = []
    for feature in ("tool_set", "tool_order"):
        # The more tools there are, the less often each is called: sets are compared with sets of their size.
        rows = connection.execute(
            f"""
            SELECT o.kind, l.tools_offered, l.{feature} AS value, l.fold,
                CASE WHEN l.label_tool = o.kind THEN o.kind ELSE '{ANOTHER}' END AS class, count(*) AS n
            FROM labelled l JOIN offered o USING (toolset)
            WHERE l.tools_offered <> '1' GROUP BY ALL ORDER BY ALL
            """,
        ).fetchall()
        by_tool: dict[tuple[str, str], list[tuple[str, str, int, int]]] = {}
        for tool, size, value, fold, name, n in rows:
            by_tool.setdefault((tool, size), []).append((value, name, fold, n))
        for (_, size), counted in by_tool.items():
            support: dict[str, int] = {}
            for value, _, _, n in counted:
                support[value] = support.get(value, 0) + n
            kept = [(v if support[v] >= min_support else RARE, name, fold, n) for v, name, fold, n in counted]
            table = _table(feature, "tool", kept)
            if table is not None:
                tables.append(replace(table, stratum=size))
    return tables


def judge(
    connection: duckdb.DuckDBPyConnection, check: Check, by_definition: frozenset[tuple[str, str]]
) -> Judged:
    """Find the shortcuts among what a model sees before it answers, and among the rest for information."""
    limits = Limits(**{name: check.thresholds[name] for name in FEATURE.thresholds})
    tables = [
        table
        for table in count_tables(connection, limits.min_support)
        if (table.feature, table.label) not in by_definition
    ]

    def rows_of(table: Table) -> Rows:
        return _rows_of(connection, table)

    prefer = {"has_system": "yes", "has_preamble": "yes", "multi_turn": "yes"}
    before = [table for table in tables if table.feature in BEFORE]
    rest = [table for table in tables if table.feature not in BEFORE]
    return Judged(
        _without_echoes(find_shortcuts(before, rows_of, limits, prefer)),
        # Information is not held against anybody: it is spared the tests over clusters.
        _without_echoes(find_shortcuts(rest, None, limits, prefer)),
    )


def _rows_of(connection: duckdb.DuckDBPyConnection, table: Table) -> Rows:
    """The rows that a table counts: the same ones, by the same rules."""
    label = f"l.label_{table.label}"
    among = ""
    parameters: dict[str, Any] = {"values": list(table.values), "classes": list(table.classes)}
    if table.feature in OFFERS:
        among = "AND l.toolset IS NOT NULL"
        if table.label == "tool":
            parameters["tool"] = next(name for name in table.classes if name != ANOTHER)
            parameters["size"] = table.stratum
            among = "AND l.toolset IN (SELECT toolset FROM offered WHERE kind = $tool) AND l.tools_offered = $size"
            label = f"if(l.label_tool = $tool, $tool, '{ANOTHER}')"
    columns = connection.execute(
        f"""
        SELECT coalesce(v.place, list_position($values, '{RARE}')) - 1 AS value, c.place - 1 AS class,
            dense_rank() OVER (ORDER BY l.cluster) - 1 AS cluster
        FROM labelled l
        LEFT JOIN (SELECT unnest($values) AS name, unnest(range(1, len($values) + 1)) AS place) v
            ON v.name = l.{table.feature}
        JOIN (SELECT unnest($classes) AS name, unnest(range(1, len($classes) + 1)) AS place) c ON c.name = {label}
        WHERE true {among}
        """,
        parameters,
    ).fetchnumpy()
    value, label_class, cluster = (
        np.asarray(columns[name], dtype=np.int64) for name in ("value", "class", "cluster")
    )
    return Rows(value, label_class, cluster)


# One structural difference shows in several features; the reader needs the plainest of them.
_ECHOES = {
    "system_text": ("has_system",),
    "system_length": ("has_system", "system_text"),
    "roles_before": ("has_system",),
    "messages_before": ("has_system",),
    "system_whitespace": ("system_text",),
    "tool_order": ("tool_set",),
    "preamble_text": ("has_preamble",),
    "roles": ("multi_turn",),
    "messages": ("multi_turn",),
}


def _without_echoes(found: list[Shortcut]) -> list[Shortcut]:
    """Drop what only repeats a plainer finding: the same label, by a feature that follows from it."""
    strongest = {(s.feature, s.label): s for s in found}
    kept: list[Shortcut] = []
    for shortcut in found:
        plainer = (strongest.get((name, shortcut.label)) for name in _ECHOES.get(shortcut.feature, ()))
        repeats = any(other is not None and other.effect >= 0.8 * shortcut.effect for other in plainer)
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
    for shortcut in [*judged.faults, *judged.information]:
        feature = BY_NAME[shortcut.feature]
        severity = shortcut.strength if feature.timing == "before" else "info"
        common: dict[str, Any] = {
            "severity": severity,
            "message": in_words(shortcut, feature),
            "evidence": evidence(shortcut),
            "feature": shortcut.feature,
            "label": shortcut.label,
            "effect": shortcut.effect,
            "support": shortcut.support,
            "q": shortcut.q,
            "hint": feature.hint,
        }
        lacking = shortcut.in_classes < shortcut.elsewhere
        same = "<>" if lacking else "="
        value = shortcut.value
        examples = connection.execute(
            f"""
            SELECT example FROM labelled
            WHERE list_contains($classes, label_{shortcut.label})
                AND ($value = '{RARE}' OR {shortcut.feature} {same} $value)
            ORDER BY 1
            """,
            {"classes": list(shortcut.classes), "value": value},
        ).fetchall()
        if not examples:
            yield common
        for (example,) in examples:
            yield {**common, "example": example}


def find(context: Context, check: Check) -> Iterator[Offence]:
    """The whole check."""
    yield from offences(context.connection, judge(context.connection, check, context.by_definition))


FEATURE_CHECK = PythonCheck(FEATURE, find)
