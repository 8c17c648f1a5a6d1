"""shortcut.tool_position and shortcut.row_order: what the order of things gives away."""

import math
from collections.abc import Iterator

import numpy as np

from tunewright.audit.checks import Check
from tunewright.audit.context import Context, Offence, PythonCheck

POSITION = Check(
    id="shortcut.tool_position",
    severity="fail",
    reason="Where the right tool tends to stand in the list of offered tools, a model learns the place, not the tool.",
    hint="Shuffle the offered tools in each row.",
    thresholds={"min_support": 50, "min_effect": 0.1, "fail_effect": 0.25, "p": 0.001},
    origin=__file__,
)
ROW_ORDER = Check(
    id="shortcut.row_order",
    severity="warn",
    reason="Rows sorted by tool give batches of one tool: trainers that do not shuffle rows learn one after the other.",
    hint="Shuffle the rows of the file.",
    thresholds={"min_support": 50, "min_effect": 0.2, "p": 0.001},
    origin=__file__,
)

# For each tool and place: how often it stands there at all, and how often when it is the one called. With one fixed
# order both are the same, so that a popular tool is no fault; with the right tool put first they differ.
_PLACES = """
WITH ranked AS (
    SELECT l.example, o.kind AS tool, o.position,
        CASE WHEN o.position = 1 THEN 'first' WHEN o.position = max(o.position) OVER row THEN 'last'
             ELSE 'between' END AS place,
        l.label_tool = o.kind AS called, count(*) OVER row AS size
    FROM labelled l JOIN offered o USING (toolset) WINDOW row AS (PARTITION BY l.example)
)
SELECT tool, place, count(*) AS n, count(*) FILTER (called) AS called FROM ranked
WHERE size > 1 GROUP BY ALL ORDER BY ALL
"""


def place_excess(counts: dict[tuple[str, str], tuple[int, int]], place: str) -> tuple[float, float, int]:
    """How much oftener called tools stand at `place` than the same tools do when offered: (excess share, p, calls).

    `counts[tool, place]` is (offered, called). Tools are strata; expected and variance are those of a
    hypergeometric draw (Mantel and Haenszel 1959); the p-value is normal and two-sided.
    """
    observed = expected = variance = 0.0
    total_called = 0
    for tool in {tool for tool, _ in counts}:
        offered = sum(n for (name, _), (n, _) in counts.items() if name == tool)
        called = sum(k for (name, _), (_, k) in counts.items() if name == tool)
        here, hit = counts.get((tool, place), (0, 0))
        if offered < 2:
            continue
        observed += hit
        expected += called * here / offered
        variance += called * (here / offered) * (1 - here / offered) * (offered - called) / (offered - 1)
        total_called += called
    if variance <= 0 or total_called == 0:
        return 0.0, 1.0, total_called
    return (
        (observed - expected) / total_called,
        math.erfc(abs(observed - expected) / math.sqrt(2 * variance)),
        total_called,
    )


def find_position(context: Context, check: Check) -> Iterator[Offence]:
    """Compare where called tools stand with where they stand when they are merely offered."""
    limits = check.thresholds
    rows = context.connection.execute(_PLACES).fetchall()
    counts = {(tool, place): (n, called) for tool, place, n, called in rows}
    judged = {place: place_excess(counts, place) for place in ("first", "between", "last")}
    for place, (excess, p, calls) in judged.items():
        if calls < limits["min_support"] or excess < limits["min_effect"] or p * len(judged) > limits["p"]:
            continue
        standing = sum(counts[key][1] for key in counts if key[1] == place) / calls
        common: dict[str, object] = {
            "severity": "fail" if excess >= limits["fail_effect"] else "warn",
            "feature": "tool_position",
            "label": "tool",
            "effect": excess,
            "support": calls,
            "q": p * len(judged),
            "message": (
                f"The right tool stands {place} in the list {standing:.0%} of the time, "
                f"{excess:.0%} more than those tools usually stand there"
            ),
        }
        test = {
            "first": "o.position = 1",
            "last": "o.position = n.last",
            "between": "o.position NOT IN (1, n.last)",
        }
        for (example,) in context.connection.execute(f"""
            SELECT l.example FROM labelled l JOIN offered o ON o.toolset = l.toolset AND o.kind = l.label_tool
            JOIN (SELECT toolset, max(position) AS last FROM offered GROUP BY 1 HAVING count(*) > 1) n
                ON n.toolset = l.toolset
            WHERE {test[place]} ORDER BY 1
        """).fetchall():
            yield {**common, "example": example}


def neighbour_excess(labels: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> tuple[float, float]:
    """How much oftener neighbouring rows have the same label than in a shuffled file: (effect, one-sided p).

    The effect is 0 when shuffled and 1 when every row has its neighbour's label. Under shuffling, the number of equal
    neighbours has mean (n-1)·s, s the chance that two rows drawn without replacement agree; its variance is bounded
    by treating pairs as independent, and overlapping pairs are uncorrelated up to order 1/n.
    """
    n = len(labels)
    counts = np.bincount(labels)
    agree = float((counts * (counts - 1)).sum()) / (n * (n - 1))
    if n < 3 or agree >= 1:
        return 0.0, 1.0
    share = float((labels[1:] == labels[:-1]).mean())
    z = (share - agree) * math.sqrt((n - 1) / (agree * (1 - agree))) if agree > 0 else 0.0
    return (share - agree) / (1 - agree), 0.5 * math.erfc(z / math.sqrt(2))


def find_row_order(context: Context, check: Check) -> Iterator[Offence]:
    """For every split: are rows of one tool next to each other?"""
    limits = check.thresholds
    for (split,) in context.connection.execute("SELECT DISTINCT split FROM examples ORDER BY 1").fetchall():
        if split != "train":
            continue
        columns = context.connection.execute(
            "SELECT dense_rank() OVER (ORDER BY coalesce(tool, answer_tool)) - 1 AS label FROM examples "
            "WHERE split = $1 ORDER BY example",
            [split],
        ).fetchnumpy()
        labels = np.asarray(columns["label"], dtype=np.int64)
        if len(labels) < limits["min_support"]:
            continue
        effect, p = neighbour_excess(labels)
        if effect >= limits["min_effect"] and p <= limits["p"]:
            yield {
                "split": split,
                "feature": "row_order",
                "label": "tool",
                "effect": effect,
                "support": len(labels),
                "q": p,
                "message": f"Rows of {split} stand next to rows of the same tool {effect:.0%} more than by chance",
            }


TOOL_POSITION = PythonCheck(POSITION, find_position)
ORDER = PythonCheck(ROW_ORDER, find_row_order)
