"""Join labels to features, and count one against the other."""

import duckdb

from tunewright.audit.features import FEATURES
from tunewright.audit.shortcut_words import NO_CALL
from tunewright.audit.shortcuts import FOLDS

LABELS = ("tool", "call", "calls")
_SQL = {
    # What the row calls first, also after small talk; where it calls nothing that can be read, what its answer is.
    "tool": "coalesce(tool, answer_tool)",
    "call": f"CASE WHEN answer_tool = '{NO_CALL}' THEN 'no call' ELSE 'call' END",
    "calls": "CASE WHEN answer_calls >= 3 THEN '3+' ELSE answer_calls::VARCHAR END",
}


def label_rows(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `labelled` and `feature_counts`.

    `labelled` holds the rows that are judged (those of train where there is such a split): example, cluster, fold,
    toolset, a column `label_…` for each label and one for each feature. A fold is a hash of the cluster, so that
    near-duplicates are never on both sides of a cross-fit. `feature_counts` counts its rows by feature, value, fold,
    labels, and whether the row offers tools.
    """
    labels = ", ".join(f"{sql} AS label_{name}" for name, sql in _SQL.items())
    connection.execute(f"""
        CREATE TABLE labelled AS
        SELECT c.cluster, (hash(c.cluster) % {FOLDS})::INTEGER AS fold, e.toolset, {labels}, f.*
        FROM examples e JOIN clusters c USING (example) JOIN feature_columns f USING (example)
        WHERE e.answer IS NOT NULL
            AND (e.split = 'train' OR NOT EXISTS (FROM examples WHERE split = 'train'))
    """)
    # One pass a feature: to turn the columns into rows first, and count those, takes twice as long.
    keys = ", ".join(f"label_{name}" for name in LABELS)
    connection.execute(
        "CREATE TABLE feature_counts AS "
        + " UNION ALL ".join(
            f"SELECT '{feature.name}' AS feature, {feature.name} AS value, fold, {keys}, toolset IS NOT NULL AS offers, "
            "count(*) AS n FROM labelled GROUP BY ALL"
            for feature in FEATURES
        )
    )
