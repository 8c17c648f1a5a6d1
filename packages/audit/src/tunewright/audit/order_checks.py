"""shortcut.tool_position and shortcut.row_order: what the order of things gives away."""

import math
from collections.abc import Iterable, Iterator, Mapping

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
    thresholds={"min_support": 50, "min_effect": 0.2, "min_run": 0.05, "p": 0.001},
    origin=__file__,
)

# For each tool, size of list and place: how often it is there at all, and how often when it is called. With one fixed
# order both are the same, so that a popular tool is not a fault; with the right tool put first they differ.
_PLACES = """
WITH sizes AS (
    SELECT toolset, count(*) AS size FROM offered GROUP BY toolset HAVING count(*) > 1
), called AS (
    SELECT DISTINCT example, tool FROM named_calls
)
SELECT o.kind AS tool, size, o.position, count(*) AS n, count(c.tool) AS called
FROM labelled l JOIN offered o USING (toolset) JOIN sizes USING (toolset)
LEFT JOIN called c ON c.example = l.example AND c.tool = o.kind
GROUP BY ALL ORDER BY ALL
"""
MOST_PLACES = 10
_ORDINALS = ("first", "second", "third", *(f"{number}th" for number in range(4, MOST_PLACES + 1)))

Placed = tuple[
    str, int, int, int, int
]  # tool, size of the list, position from 1, times offered there, times called


def place_excess(counts: Iterable[Placed], place: int) -> tuple[float, float, int, float]:
    """How much more often than by chance called tools are at `place` (from 1; 0 is the last).

    Returns the excess share, its p-value, the calls that it rests on, and the share that is there. A tool in lists of one
    size is a stratum. Chance is where the same tool is when it is offered, by a hypergeometric draw (Mantel and Haenszel
    1959). What is called whenever it is offered has nothing to be compared with: chance is any place alike there, and each
    such tool counts as one draw, for its place may be the same in all rows. The p-value is normal and two-sided.
    """
    strata: dict[tuple[str, int], list[int]] = {}
    for tool, size, position, offered, called in counts:
        if size < max(2, place):
            continue
        totals = strata.setdefault((tool, size), [0, 0, 0, 0])
        here = position == (place or size)
        for slot, number in enumerate((offered, called, offered * here, called * here)):
            totals[slot] += number
    observed = expected = variance = 0.0
    total = 0
    for (_, size), (offered, called, here, hit) in strata.items():
        if called == 0:
            continue
        if called == offered:
            share = 1 / size
            variance += called * called * share * (1 - share)
        elif 0 < here < offered:
            share = here / offered
            variance += called * share * (1 - share) * (offered - called) / (offered - 1)
        else:
            continue  # always there, or never: says nothing
        observed, expected, total = observed + hit, expected + called * share, total + called
    if variance <= 0:
        return 0.0, 1.0, total, 0.0
    p = math.erfc(abs(observed - expected) / math.sqrt(2 * variance))
    return (observed - expected) / total, p, total, observed / total


def find_position(context: Context, check: Check) -> Iterator[Offence]:
    """Compare the places of called tools with their places when they are merely offered, one by one."""
    limits = check.thresholds
    counts = context.connection.execute(_PLACES).fetchall()
    longest = max((size for _, size, *_ in counts), default=0)
    places = [*range(1, min(longest - 1, MOST_PLACES) + 1), 0] if longest > 1 else []
    judged = {place: place_excess(counts, place) for place in places}
    found = {
        place: (excess, p * len(places), calls, share)
        for place, (excess, p, calls, share) in judged.items()
        if calls >= limits["min_support"]
        and excess >= limits["min_effect"]
        and p * len(places) <= limits["p"]
    }
    if not found:
        return
    place, (excess, p, calls, share) = max(found.items(), key=lambda item: item[1][0])
    name = _ORDINALS[place - 1] if place else "last"
    common: dict[str, object] = {
        "severity": "fail" if excess >= limits["fail_effect"] else "warn",
        "feature": "tool_position",
        "label": "tool",
        "effect": excess,
        "support": calls,
        "q": min(1.0, p),
        "message": (
            f"The right tool is {name} in the list {share:.0%} of the time, "
            f"{excess:.0%} more than chance has it there: a model can learn the place instead of the tool"
        ),
    }
    for (example,) in context.connection.execute(
        """
        SELECT DISTINCT l.example FROM labelled l JOIN named_calls c USING (example)
        JOIN offered o ON o.toolset = l.toolset AND o.kind = c.tool
        JOIN (SELECT toolset, count(*) AS size FROM offered GROUP BY 1 HAVING count(*) > 1) n ON n.toolset = l.toolset
        WHERE o.position = if($place = 0, n.size, $place) ORDER BY 1
        """,
        {"place": place},
    ).fetchall():
        yield {**common, "example": example}


def longest_run(labels: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> tuple[int, int, float]:
    """The longest run of one label: its begin, its length, and how likely a shuffled file has one as long (at most).

    A run of length k of a label with share s begins at a given row with probability s^k at most, so the chance of one
    anywhere is bounded by the sum over rows and labels.
    """
    n = len(labels)
    if n == 0:
        return 0, 0, 1.0
    starts = np.flatnonzero(np.concatenate(([True], labels[1:] != labels[:-1])))
    lengths = np.diff(np.append(starts, n))
    most = int(lengths.argmax())
    shares = np.bincount(labels) / n
    return int(starts[most]), int(lengths[most]), min(1.0, float(n * (shares ** int(lengths[most])).sum()))


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


def _alternation(context: Context, split: str, limits: Mapping[str, float]) -> dict[str, object] | None:
    """Labels of single answers that change from row to row more than a shuffled file's do."""
    columns = context.connection.execute(
        "SELECT label::INTEGER AS label FROM preferences JOIN examples USING (example) "
        "WHERE label IS NOT NULL AND rejected IS NULL AND split = $1 ORDER BY example",
        [split],
    ).fetchnumpy()
    labels = np.asarray(columns["label"], dtype=np.int64)
    n = len(labels)
    if n < limits["min_support"]:
        return None
    changes, share = float((labels[1:] != labels[:-1]).mean()), float(labels.mean())
    expected = 2 * share * (1 - share) * n / (n - 1)
    if changes - expected < limits["min_effect"]:
        return None
    return {
        "feature": "row_order",
        "label": "preference",
        "effect": changes - expected,
        "support": n,
        "message": f"Labels change from one row to the next {changes:.0%} of the time, {expected:.0%} in a shuffled file",
    }


def find_row_order(context: Context, check: Check) -> Iterator[Offence]:
    """For every split: are rows of one tool next to each other?"""
    limits = check.thresholds
    for (split,) in context.connection.execute("SELECT DISTINCT split FROM examples ORDER BY 1").fetchall():
        if split != "train":
            continue
        columns = context.connection.execute(
            "SELECT dense_rank() OVER (ORDER BY coalesce(tool, answer_tool)) - 1 AS label, line, "
            "coalesce(tool, answer_tool) AS name FROM examples WHERE split = $1 ORDER BY example",
            [split],
        ).fetchnumpy()
        labels = np.asarray(columns["label"], dtype=np.int64)
        if len(labels) < limits["min_support"]:
            continue
        common = {"split": split, "feature": "row_order", "label": "tool", "support": len(labels)}
        effect, p = neighbour_excess(labels)
        start, length, run_p = longest_run(labels)
        alternating = _alternation(context, split, limits)
        if alternating:
            yield {**alternating, "split": split}
        if effect >= limits["min_effect"] and p <= limits["p"]:
            message = (
                f"Rows of {split} are next to rows of the same tool {effect:.0%} more often than by chance"
            )
            yield {**common, "effect": effect, "q": p, "message": message}
        elif length >= limits["min_run"] * len(labels) and run_p <= limits["p"]:
            name = columns["name"][start]
            what = "answer directly" if name == "(none)" else f"call {name}"
            where = f"The first {length} rows" if start == 0 else f"{length} rows in a row"
            message = f"{where} of {split} all {what}"
            yield {**common, "effect": length / len(labels), "q": run_p, "message": message}


TOOL_POSITION = PythonCheck(POSITION, find_position)
ORDER = PythonCheck(ROW_ORDER, find_row_order)
