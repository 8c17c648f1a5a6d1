"""The numbers that the page draws: how tools and sources differ in structure, and which feature goes with which tool."""

from typing import Any

import duckdb

from tunewright.audit.features import BY_NAME

MOST_CLASSES = 16
MOST_SLICES = 40
MOST_VALUES = 5  # of one feature
# What the heat map shows, in its order: what comes before the answer, then what the answer is made of.
HEAT = (
    "has_system",
    "system_text",
    "roles_before",
    "tool_set",
    "tool_order",
    "request_whitespace",
    "request_length",
    "has_preamble",
    "multi_turn",
    "dialect",
    "syntax",
    "source",
)

_SLICES = """
SELECT {name} AS name,
    count(*) FILTER (split = 'train') AS train, count(*) FILTER (split = 'valid') AS valid,
    count(*) FILTER (split = 'test') AS test, count(*) AS n,
    count(*) FILTER (has_system) / count(*) AS system,
    count(*) FILTER (multi_turn) / count(*) AS multi_turn,
    count(*) FILTER (preamble <> '') / count(*) AS preamble,
    count(DISTINCT cluster) AS clusters
FROM examples JOIN clusters USING (example)
GROUP BY 1 ORDER BY n DESC, 1 LIMIT {limit}
"""


def draw_charts(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """`tools` and `sources`: one entry a slice; `heat`: `classes` and `rows` of shares, one row a feature's value."""
    return {
        "tools": _rows(connection, _SLICES.format(name="coalesce(tool, 'direct answer')", limit=MOST_SLICES)),
        "sources": _rows(
            connection, _SLICES.format(name="if(source = '', '(none named)', source)", limit=MOST_SLICES)
        ),
        "heat": _heat(connection),
    }


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    cursor = connection.execute(query)
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row)) for row in cursor.fetchall()]


def _heat(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    classes = connection.execute(
        "SELECT label_tool, count(*) AS n FROM labelled GROUP BY 1 ORDER BY n DESC, 1 LIMIT $1",
        [MOST_CLASSES],
    ).fetchall()
    names = [name for name, _ in classes]
    sizes = dict(classes)
    counted = connection.execute(
        "SELECT feature, value, label_tool, sum(n)::BIGINT AS n FROM feature_counts "
        f"WHERE feature IN {HEAT} GROUP BY ALL"
    ).fetchall()
    total = sum(sizes.values()) or 1
    table: dict[str, dict[str, dict[str, int]]] = {}
    for feature, value, name, n in counted:
        table.setdefault(feature, {}).setdefault(value, {})[name] = n
    rows: list[dict[str, Any]] = []
    for feature in HEAT:
        values = table.get(feature, {})
        if len(values) < 2:
            continue
        largest = sorted(values, key=lambda value: (-sum(values[value].values()), value))
        if set(largest) == {"yes", "no"}:
            largest = ["yes"]
        rows += [
            {
                "feature": feature,
                "timing": BY_NAME[feature].timing,
                "value": value,
                "n": sum(values[value].values()),
                "overall": sum(values[value].values()) / total,
                "shares": [values[value].get(name, 0) / sizes[name] for name in names],
            }
            for value in largest[:MOST_VALUES]
        ]
    return {"classes": [{"name": name, "n": sizes[name]} for name in names], "rows": rows}
