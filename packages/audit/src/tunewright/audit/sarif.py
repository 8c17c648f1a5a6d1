"""SARIF 2.1.0, so that code review tools show findings at the rows they are about."""

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tunewright.audit.audited import AuditReport

if TYPE_CHECKING:
    from tunewright.audit.findings import Finding

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"fail": "error", "warn": "warning", "info": "note"}


def sarif(report: AuditReport) -> dict[str, Any]:
    """The report as a SARIF log: one rule a check, one result a finding, one location a row."""
    ids = sorted({finding.check for finding in report.findings})
    reasons = {finding.check: finding.reason for finding in report.findings}
    rules = [
        {
            "id": check,
            "shortDescription": {"text": reasons[check] or check},
        }
        for check in ids
    ]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "tunewright-audit", "rules": rules}},
                "artifacts": [
                    {"location": {"uri": _uri(file.path)}, "hashes": {"sha-256": file.sha256}}
                    for file in report.files
                ],
                "results": [_result(finding, ids) for finding in report.findings],
            }
        ],
    }


def _result(finding: "Finding", ids: list[str]) -> dict[str, Any]:
    properties = {
        name: value
        for name in ("split", "feature", "label", "effect", "support", "q", "count")
        if (value := getattr(finding, name)) is not None
    }
    return {
        "ruleId": finding.check,
        "ruleIndex": ids.index(finding.check),
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{finding.message}. {finding.hint}".strip()},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(row.file)},
                    "region": {"startLine": max(1, row.line)},
                },
                **({"message": {"text": row.detail}} if row.detail else {}),
            }
            for row in finding.rows
        ],
        "properties": properties,
    }


def _uri(path: str) -> str:
    """A relative path as a relative URI reference, an absolute one as file:."""
    quoted = quote(path.replace("\\", "/"))
    return f"file://{quoted}" if quoted.startswith("/") else quoted
