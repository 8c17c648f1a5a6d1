"""The story's two datasets, as their author trained on them."""

import os
from pathlib import Path

import pytest

from tunewright.audit.audited import AuditReport, audit_dataset
from tunewright.audit.terminal_report import terminal_text

REAL = os.environ.get("TUNEWRIGHT_REAL_DATA", "")
pytestmark = pytest.mark.skipif(not REAL, reason="TUNEWRIGHT_REAL_DATA names no folder")


@pytest.fixture(scope="module")
def before() -> AuditReport:
    return audit_dataset([Path(REAL) / "navigation_before"])


@pytest.fixture(scope="module")
def after() -> AuditReport:
    return audit_dataset([Path(REAL) / "navigation_after"])


def test_before_fails_and_names_the_missing_system_message_first(before: AuditReport) -> None:
    assert before.verdict == "fail"
    first = before.findings[0]
    assert (first.check, first.feature, first.label) == ("shortcut.feature", "has_system", "tool")
    verdict = next(line for line in terminal_text(before, 300).splitlines() if line.startswith("FAIL"))
    assert "No find_references/goto_definition example has a system message" in verdict
    assert first.effect is not None
    assert first.effect > 0.7


def test_before_lists_every_navigation_row_of_train(before: AuditReport) -> None:
    assert before.findings[0].count == 306
    assert len(before.findings[0].rows) == 20


def test_before_lacks_the_system_message_by_tool(before: AuditReport) -> None:
    coverage = [f for f in before.findings if f.check == "coverage.system_message" and f.split == "train"]
    assert [f.severity for f in coverage] == ["fail"]
    assert "find_references (0 of 156), goto_definition (0 of 150)" in coverage[0].message


def test_after_has_no_structural_shortcut_left(after: AuditReport) -> None:
    assert not [f for f in after.findings if f.check.startswith("shortcut.") and f.severity != "info"]


def test_after_fails_for_rows_of_valid_that_stand_in_train(after: AuditReport) -> None:
    assert after.verdict == "fail"
    leaks = {f.check: f for f in after.findings if f.check.startswith("split.leak")}
    assert leaks["split.leak_exact"].count == 16
    assert leaks["split.leak_exact"].split == "valid"
    assert leaks["split.leak_query"].severity == "fail"
    assert any(f.check == "duplicates.exact" and f.split == "train" for f in after.findings)


def test_structure_says_more_before_than_after(before: AuditReport, after: AuditReport) -> None:
    def gain(report: AuditReport) -> float:
        return report.headline["structure_only"] - report.headline["majority"]

    assert gain(before) > gain(after) + 0.05
