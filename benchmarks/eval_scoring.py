"""How fast scoring and reporting are, over the shipped suites, and how the time grows with the answers.

The claim: a run of two models on both suites (240 answers) is scored and reported in under two seconds, so that
scoring again is never a reason to wait. Prints answers a second and the report's size and time.
"""

import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.gold import SUITES, gold_predictions, suite  # noqa: E402
from tests.support.made_run import audit_report, make_run  # noqa: E402
from tunewright.contract.catalog import load_catalog  # noqa: E402
from tunewright.eval.report import write_report  # noqa: E402
from tunewright.eval.run_scores import score_run  # noqa: E402
from tunewright.eval.suite_score import score_predictions  # noqa: E402

CLAIMED = 2.0  # seconds for a whole run
SAMPLES = 20


def main() -> None:
    catalog = load_catalog("coding")
    for name in SUITES:
        predictions = [
            prediction.model_copy(update={"sample": sample})
            for sample in range(SAMPLES)
            for prediction in gold_predictions(name)
        ]
        started = time.perf_counter()
        score = score_predictions(suite(name), predictions, catalog)
        taken = time.perf_counter() - started
        assert score.overall.k == score.overall.n
        print(
            f"{name:<14} {len(predictions):>5} answers  {taken:6.2f} s  {len(predictions) / taken:8,.0f} a second"
        )
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(Path(folder), audit=audit_report())
        started = time.perf_counter()
        scores = score_run(run)
        scored = time.perf_counter() - started
        html, _ = write_report(run, scores)
        taken = time.perf_counter() - started
        print(f"{'run':<14} {240:>5} answers  {scored:6.2f} s scoring, {taken - scored:.2f} s reporting, "
              f"{html.stat().st_size / 1024:,.0f} KiB")  # fmt: skip
        print(f"claim: under {CLAIMED:g} s for a run: {'holds' if taken < CLAIMED else 'DOES NOT HOLD'}")


if __name__ == "__main__":
    main()
