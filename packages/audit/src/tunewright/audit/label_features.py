"""Join labels to features, and count one against the other."""

import duckdb

from tunewright.audit.features import FEATURES, Feature
from tunewright.audit.shortcut_words import NO_CALL
from tunewright.audit.shortcuts import FOLDS

LABELS = ("tool", "call", "calls")
_SQL = {
    # What the row calls first, also after small talk; where it calls nothing that can be read, what its answer is.
    "tool": "coalesce(tool, answer_tool)",
    "call": "CASE WHEN calls = 0 THEN 'no call' ELSE 'call' END",
    "calls": "CASE WHEN choice_calls >= 3 THEN '3+' ELSE choice_calls::VARCHAR END",
}


def label_rows(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `labelled` and `feature_counts`.

    `labelled` holds the rows that are judged (those of train where there is such a split): example, cluster, fold,
    toolset, `list` (the toolset's number; 0 without one), whether the first answer is where the tool is chosen, a column
    `label_…` for each label and one for each feature. A fold is a hash of the cluster, so that near-duplicates are never on
    both sides of a cross-fit. Rows without tools cannot call where none of them does and others are offered some: they are
    no evidence. `feature_counts` counts its rows by feature, value, fold, labels, and what `among` needs.
    """
    labels = ", ".join(f"{sql} AS label_{name}" for name, sql in _SQL.items())
    connection.execute(f"""
        CREATE VIEW without_tools AS
        SELECT coalesce(bool_or(toolset IS NOT NULL) AND NOT bool_or(toolset IS NULL AND calls > 0), false) AS closed
        FROM examples;
        CREATE TABLE lists AS
        SELECT toolset, row_number() OVER (ORDER BY toolset) AS list
        FROM (SELECT DISTINCT toolset FROM rows WHERE toolset IN (SELECT toolset FROM offered));
        CREATE TABLE labelled AS
        SELECT c.cluster, (hash(c.cluster) % {FOLDS})::INTEGER AS fold, e.toolset, e.toolset IS NOT NULL AS offers,
            coalesce(list, 0) AS list,
            coalesce(e.choice = e.answer, false) AS same_choice, {labels}, f.*
        FROM examples e JOIN clusters c USING (example) JOIN feature_columns f USING (example)
        LEFT JOIN lists USING (toolset)
        WHERE e.answer IS NOT NULL AND (e.toolset IS NOT NULL OR NOT (SELECT closed FROM without_tools))
            AND (e.split = 'train' OR NOT EXISTS (FROM examples WHERE split = 'train'))
    """)
    # One pass a feature: to turn the columns into rows first, and count those, takes twice as long.
    keys = ", ".join(f"label_{name}" for name in LABELS)
    connection.execute(
        "CREATE TABLE feature_counts AS "
        + " UNION ALL ".join(
            f"SELECT '{feature.name}' AS feature, {feature.name} AS value, fold, {keys}, offers, same_choice, "
            f"count(*) AS n FROM labelled WHERE {feature.name} IS NOT NULL GROUP BY ALL"
            for feature in FEATURES
        )
    )


def among(feature: Feature, label: str) -> str | None:
    """Which rows of `labelled` or `feature_counts` a feature is judged among, in SQL; None when it is not judged at all.

    Without tools there is no call. What only rows with a call can have says nothing about whether they call. How deep in a
    conversation the call comes is compared among calls; whether a row calls, among those that decide at their first answer.
    """
    if feature.among == "offers":
        return "offers"
    if feature.among == "calls":
        return f"label_tool <> '{NO_CALL}'" if label == "tool" else None
    if feature.among == "same_choice":
        return f"label_tool <> '{NO_CALL}'" if label == "tool" else "same_choice"
    return "true"
