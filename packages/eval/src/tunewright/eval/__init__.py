"""Suites, scoring by parsing programs, statistics, gates, comparison, reports. Never imports mlx."""

from typing import TYPE_CHECKING

from tunewright.contract.lazy import lazily

if TYPE_CHECKING:
    from pathlib import Path

    from tunewright.eval.comparison import Comparison
    from tunewright.eval.statistics import Proportion
    from tunewright.eval.suite_score import SuiteScore

__all__ = ["Comparison", "Proportion", "SuiteScore", "compare", "score"]
__getattr__ = lazily(
    __name__,
    {
        "Comparison": "tunewright.eval.comparison:Comparison",
        "Proportion": "tunewright.eval.statistics:Proportion",
        "SuiteScore": "tunewright.eval.suite_score:SuiteScore",
    },
)


def score(
    predictions: "str | Path", suite: "str | Path", *, catalog: str = "coding", dialect: str = ""
) -> "SuiteScore":
    """Score saved answers (JSONL, `{"case", "text"}` a line) of a suite (JSONL, one case a line).

    Each metric, such as `overall`, is a Proportion: a share of cases with its `n` and 95 % `interval`. `catalog` names the
    tools of suites that are answered by programs: a shipped name, or a JSON file. `dialect` is the one that calls must be
    written in; any, where it is empty.

    Raises UserError for files that cannot be read and for answers to other cases.
    """
    from pathlib import Path

    from tunewright.contract.catalog import load_catalog
    from tunewright.contract.suite import read_suite
    from tunewright.eval.predictions import read_predictions
    from tunewright.eval.suite_score import score_predictions

    path = Path(predictions)
    model = path.absolute().parent.name
    return score_predictions(
        read_suite(Path(suite)), read_predictions(path), load_catalog(catalog), model, dialect
    )


def compare(a: "str | Path", b: "str | Path", *, suites: "str | Path" = "suites") -> "Comparison":
    """Compare two models case by case: may `b` replace `a`?

    Each is a run's folder, a validation's, saved predictions, or a log of inspect_ai, lm-evaluation-harness or BFCL. The
    result's `verdict` is BETTER, NOT WORSE, WORSE or INCONCLUSIVE; `total` has the paired difference (b - a) and its 95 %
    interval. `suites` is the folder with the suites of saved predictions.

    Raises UserError for what cannot be read, and for models that answered no case in common.
    """
    from pathlib import Path

    from tunewright.eval.comparison import compare_judged
    from tunewright.eval.judged import read_judged

    return compare_judged(*(read_judged(Path(place), Path(suites)) for place in (a, b)))
