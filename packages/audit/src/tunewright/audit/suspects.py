"""label.suspect: rows whose request says one tool with confidence, and whose label is another."""

import math
from collections.abc import Iterator

import numpy as np

from tunewright.audit.checks import Check
from tunewright.audit.context import Context, Offence, PythonCheck
from tunewright.audit.shortcut_words import NO_CALL

CHECK = Check(
    id="label.suspect",
    severity="info",
    reason="A few wrong labels teach the wrong tool for requests that are otherwise clear.",
    hint="Read these rows, the first ones first, and correct the tool or the request.",
    thresholds={"min_odds": 1000, "min_accuracy": 0.6, "most": 50},
    origin=__file__,
)


def find(context: Context, check: Check) -> Iterator[Offence]:
    """The rows of the baselines' sample that the request's words speak against most, by odds."""
    limits, predictions = check.thresholds, context.predictions
    if predictions is None or float((predictions.query == predictions.truth).mean()) < limits["min_accuracy"]:
        return
    sure = np.flatnonzero(
        (predictions.query != predictions.truth) & (predictions.certainty >= math.log(limits["min_odds"]))
    )
    ranked = sure[np.argsort(-predictions.certainty[sure], kind="stable")][: int(limits["most"])]
    for place in ranked:
        likelier, label = (predictions.names[part[place]] for part in (predictions.query, predictions.truth))
        odds = math.exp(min(20.0, float(predictions.certainty[place])))
        says = "no call" if likelier == NO_CALL else likelier
        is_labelled = "calls nothing" if label == NO_CALL else f"calls {label}"
        yield {
            "example": int(predictions.examples[place]),
            "effect": 1 - 1 / (1 + odds),
            "support": len(predictions.truth),
            "message": "Requests whose words say another tool than the one that is called, most suspicious first",
            "detail": f"says {says} ({odds:,.0f} to 1), {is_labelled}",
        }


SUSPECTS = PythonCheck(CHECK, find)
