"""The story's own data: the run that cost weeks stops at the audit, within seconds."""

import json
import os
from pathlib import Path

import pytest

from tests.support.new_user import Inv

REAL = os.environ.get("TUNEWRIGHT_REAL_DATA", "")
pytestmark = pytest.mark.skipif(not REAL, reason="TUNEWRIGHT_REAL_DATA does not point at the real datasets")


def test_the_missing_system_message_stops_the_run_and_is_named_as_the_reason(
    inv: Inv, checkout: Path
) -> None:
    before = set((checkout / "runs").glob("*-quick-*"))
    done = inv("train", "--data", str(Path(REAL) / "navigation_before"), "--recipe", "quick")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "system message" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert set((checkout / "runs").glob("*-quick-*")) == before


def test_leaks_and_duplicates_are_reported_in_the_mended_data(inv: Inv) -> None:
    done = inv("audit", "--data", str(Path(REAL) / "navigation_after"), "--json", "-")
    assert done.returncode == 1, done.stderr
    checks = {finding["check"] for finding in json.loads(done.stdout)["findings"]}
    assert "duplicates.exact" in checks
    assert checks & {"split.leak_exact", "split.leak_query", "split.leak_near"}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_forced_it_trains_to_the_end_and_the_report_says_that_it_was_forced_and_why(
    inv: Inv, checkout: Path, idle_host: None
) -> None:
    done = inv("train", "--data", str(Path(REAL) / "navigation_after"), "--recipe", "quick", "--force")
    assert done.returncode in (0, 1, 3), done.stderr[-3000:]
    run = max((checkout / "runs").glob("*-quick-*"))
    assert json.loads((run / "status.json").read_text())["state"] == "done"
    report = (run / "report.html").read_text().lower()
    assert "forced" in report
    assert "split.leak" in report
    assert "forced" in (run / "summary.md").read_text().lower()
