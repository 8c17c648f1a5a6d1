"""shortcut.joint: all structural features together predict the tool."""

from collections.abc import Iterator

import numpy as np

from tunewright.audit.checks import Check
from tunewright.audit.context import Context, Offence, PythonCheck
from tunewright.audit.shortcut_statistics import sign_flip_p

CHECK = Check(
    id="shortcut.joint",
    severity="fail",
    reason="Features that are harmless one by one can give the tool away together.",
    hint="Draw every structural part independently of the tool (./inv data.normalize).",
    thresholds={"min_support": 50, "warn_gain": 0.05, "fail_gain": 0.15, "p": 0.005},
    origin=__file__,
)


def find(context: Context, check: Check) -> Iterator[Offence]:
    """Compare structure with the majority on rows that neither was fitted on, a cluster counting once."""
    limits, predictions = check.thresholds, context.predictions
    if predictions is None or len(predictions.truth) < limits["min_support"]:
        return
    better = (predictions.structure == predictions.truth).astype(float) - (
        predictions.majority == predictions.truth
    )
    gain = float(better.mean())
    _, clusters = np.unique(predictions.clusters, return_inverse=True)
    by_cluster = np.bincount(clusters, weights=better).astype(np.float64)
    if gain < limits["warn_gain"]:
        return
    p = sign_flip_p(by_cluster)
    if p > limits["p"]:
        return
    accuracies = predictions.accuracies()
    yield {
        "severity": "fail" if gain >= limits["fail_gain"] else "warn",
        "split": "train",
        "feature": "all structure",
        "label": "tool",
        "effect": gain,
        "support": len(predictions.truth),
        "q": p,
        "message": (
            f"Structure alone predicts the tool {accuracies['structure_only']:.0%} of the time, the commonest tool is "
            f"right {accuracies['majority']:.0%}, the request's words {accuracies['query_only']:.0%}"
        ),
    }


JOINT = PythonCheck(CHECK, find)
