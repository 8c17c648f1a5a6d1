"""Offending rows gathered to findings, worst first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import duckdb

from tunewright.audit.checks import SEVERITIES, Check, Severity

KEPT_ROWS = 20


@dataclass(frozen=True)
class RowRef:
    """Where an offending row is."""

    file: str
    line: int
    detail: str = ""
    excerpt: str = ""  # the beginning of its request, for the page


@dataclass(frozen=True)
class Finding:
    """What one check found, about one group of rows. `count` counts all of them, `rows` holds at most 20."""

    check: str
    severity: Severity
    message: str
    split: str | None = None
    feature: str | None = None
    label: str | None = None
    effect: float | None = None
    support: int | None = None
    q: float | None = None
    count: int = 0
    rows: tuple[RowRef, ...] = ()
    hint: str = ""
    reason: str = ""
    evidence: str = ""
    accepted: str = ""  # who accepted a warning, and why
    sides: str = ""  # a row with what the finding is about, and one without it, a line each
    page: str = ""  # where the documentation explains the check; empty for a user's own

    def to_json(self) -> dict[str, Any]:
        """The finding as DESIGN's JSON has it; what does not apply is null."""
        rows = [
            {"file": r.file, "line": r.line} | ({"detail": r.detail} if r.detail else {}) for r in self.rows
        ]
        return {
            "check": self.check,
            "severity": self.severity,
            "split": self.split,
            "message": self.message,
            "feature": self.feature,
            "label": self.label,
            "effect": self.effect,
            "support": self.support,
            "q": self.q,
            "count": self.count,
            "rows": rows,
            "hint": self.hint,
            "reason": self.reason,
            "evidence": self.evidence,
            "sides": self.sides,
            "accepted": self.accepted or None,
        }


# A row that offends many times is named once, with the first of its details.
_COLLECT = f"""
WITH placed AS (
    SELECT o.check_id, o.severity, coalesce(o.split, e.split, f.split) AS split, o.message, o.feature, o.label,
        coalesce(o.file, e.file) AS number, coalesce(f.path, e.path) AS path, coalesce(o.line, e.line) AS line, e.excerpt,
        any_value(o.hint) AS hint, any_value(o.evidence) AS evidence, any_value(o.sides) AS sides, min(o.detail) AS detail,
        max(o.effect) AS effect, max(o.support) AS support, min(o.q) AS q, count(coalesce(o.example, o.line)) AS times
    FROM offences o
    LEFT JOIN (SELECT example, path, file, line, split, request[:200] AS excerpt FROM examples) e USING (example)
    LEFT JOIN files f ON f.file = coalesce(o.file, e.file)
    GROUP BY ALL
)
SELECT check_id, severity, split, message, feature, label, any_value(hint) AS hint,
    any_value(evidence) AS evidence, any_value(sides) AS sides,
    max(effect) AS effect, max(support)::BIGINT AS support, min(q) AS q, sum(times)::BIGINT AS count,
    list({{'file': path, 'line': line, 'detail': detail, 'excerpt': excerpt}} ORDER BY effect DESC NULLS LAST, number, line)
        FILTER (line IS NOT NULL)[:{KEPT_ROWS}] AS rows
FROM placed
GROUP BY check_id, severity, split, message, feature, label
"""


def collect(connection: duckdb.DuckDBPyConnection, checks: Sequence[Check]) -> list[Finding]:
    """Offending rows gathered to findings, worst first."""
    known = {check.id: check for check in checks}
    cursor = connection.execute(_COLLECT)
    columns = [column[0] for column in cursor.description or []]
    findings: list[Finding] = []
    for values in cursor.fetchall():
        row = dict(zip(columns, values))
        check = known[row["check_id"]]
        severity = row["severity"] or check.severity
        message = row["message"] or check.message.format(rows=row["count"]) or check.reason
        findings.append(
            Finding(
                check=check.id,
                severity=cast("Severity", severity),
                message=message,
                split=row["split"],
                feature=row["feature"],
                label=row["label"],
                effect=row["effect"],
                support=row["support"],
                q=row["q"],
                count=row["count"],
                rows=tuple(
                    RowRef(r["file"] or "", r["line"], r["detail"] or "", r["excerpt"] or "")
                    for r in row["rows"] or ()
                ),
                hint=row["hint"] or check.hint,
                reason=check.reason,
                evidence=row["evidence"] or "",
                sides=row["sides"] or "",
                page=f"docs/checks.md#{check.id.replace('.', '')}" if check.is_own else "",
            )
        )
    return sorted(findings, key=_rank)


# Which group explains a bad model best; a reader who stops after the first line should have read the reason.
_GROUPS = (
    "shortcut",
    "coverage",
    "split",
    "call",
    "trainer",
    "conflict",
    "duplicates",
    "format",
    "balance",
    "diversity",
    "text",
    "label",
)


def _rank(finding: Finding) -> tuple[Any, ...]:
    group = finding.check.partition(".")[0]
    splits = ("train", "valid", "test")
    return (
        SEVERITIES.index(finding.severity),
        _GROUPS.index(group) if group in _GROUPS else len(_GROUPS),
        splits.index(finding.split) if finding.split in splits else len(splits),
        finding.check,
        -(finding.effect or 0.0),
        -finding.count,
        finding.message,
    )
