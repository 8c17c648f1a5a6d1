"""split.drift: splits that are made differently, so that one does not measure what the other trains."""

from collections.abc import Iterator

import numpy as np

from tunewright.audit.checks import Check
from tunewright.audit.context import Context, Offence, PythonCheck
from tunewright.audit.shortcut_statistics import Counts

CHECK = Check(
    id="split.drift",
    severity="warn",
    reason="A validation set with other shares of tools or structure measures something else than was trained.",
    hint="Split at random by cluster, in the same proportion for every tool (data.merge).",
    thresholds={"min_support": 20, "min_distance": 0.15, "p": 0.001},
    origin=__file__,
)
# A base's own answers, which data.rehearse holds out in test, differ from train by their nature.
_ROWS = "FROM examples WHERE split <> 'test' OR source IS DISTINCT FROM 'rehearsed'"
_COLUMNS = {
    "tool": "coalesce(tool, '(none)')",
    "source": "source",
    "has_system": "if(has_system, 'yes', 'no')",
    "multi_turn": "if(multi_turn, 'yes', 'no')",
    "has_preamble": "if(preamble <> '', 'yes', 'no')",
    "syntax": "coalesce(syntax, 'none')",
}


def drift_p(trained: Counts, other: Counts, rounds: int = 1999, seed: int = 1) -> tuple[float, float]:
    """Total variation distance of two vectors of counts, and how often chance gives as much.

    Chance: `other` drawn without replacement from both together.
    """
    distance = _distance(trained, other)
    pooled, size = trained + other, int(other.sum())
    drawn = np.random.default_rng(seed).multivariate_hypergeometric(pooled, size, rounds, method="marginals")
    left = (pooled - drawn) / max(1, int(trained.sum()))
    by_chance = 0.5 * np.abs(left - drawn / max(1, size)).sum(axis=1)
    return distance, (1 + int((by_chance >= distance - 1e-12).sum())) / (rounds + 1)


def _distance(a: Counts, b: Counts) -> float:
    return 0.5 * float(np.abs(a / max(1, a.sum()) - b / max(1, b.sum())).sum())


def find(context: Context, check: Check) -> Iterator[Offence]:
    """Compare every other split with train."""
    limits = check.thresholds
    splits = [
        row[0] for row in context.connection.execute(f"SELECT DISTINCT split {_ROWS} ORDER BY 1").fetchall()
    ]
    if "train" not in splits:
        return
    for feature, sql in _COLUMNS.items():
        rows = context.connection.execute(
            f"SELECT {sql} AS value, split, count(*) {_ROWS} GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        values = sorted({row[0] for row in rows})
        counted = {(value, split): n for value, split, n in rows}
        trained = np.array([counted.get((value, "train"), 0) for value in values])
        for split in splits:
            other = np.array([counted.get((value, split), 0) for value in values])
            if split == "train" or len(values) < 2 or other.sum() < limits["min_support"]:
                continue
            distance, p = drift_p(trained, other)
            if distance < limits["min_distance"] or p > limits["p"]:
                continue
            most = int(np.abs(trained / trained.sum() - other / other.sum()).argmax())
            yield {
                "split": split,
                "feature": feature,
                "effect": distance,
                "support": int(other.sum()),
                "q": p,
                "message": (
                    f"{feature} = {values[most]} in {other[most] / other.sum():.0%} of {split} "
                    f"and {trained[most] / trained.sum():.0%} of train"
                ),
            }


DRIFT = PythonCheck(CHECK, find)
