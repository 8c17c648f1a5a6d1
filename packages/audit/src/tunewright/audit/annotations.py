"""Findings as workflow commands: GitHub's log shows them at the rows that they are about."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tunewright.audit.terminal_report import verdict_line
from tunewright.contract.visible import one_line

if TYPE_CHECKING:
    from tunewright.audit.audited import AuditReport

_LEVELS = {"fail": "error", "warn": "warning", "info": "notice"}


def annotation_lines(report: "AuditReport") -> Iterator[str]:
    """One line a finding, at its first row, and the verdict.

    The forge shows ten errors and ten warnings of a step; all rows are in the SARIF file. The form is that of
    https://docs.github.com/actions/reference/workflow-commands-for-github-actions.
    """
    for finding in report.findings:
        row = finding.rows[0] if finding.rows else None
        rows = f" ({finding.count:,} rows)" if finding.count > 1 else ""
        text = f"{one_line(finding.message, 500)}{rows}. {one_line(finding.hint, 500)}".rstrip()
        place = {"file": one_line(row.file, 1000), "line": str(max(1, row.line))} if row else {}
        properties = ",".join(
            f"{name}={_escaped(value, ':,')}" for name, value in {**place, "title": finding.check}.items()
        )
        yield f"::{_LEVELS[finding.severity]} {properties}::{_escaped(text)}"
    yield verdict_line(report)


def _escaped(text: str, more: str = "") -> str:
    """Text in which nothing ends the command or begins another."""
    for mark in "%\r\n" + more:
        text = text.replace(mark, f"%{ord(mark):02X}")
    return text
