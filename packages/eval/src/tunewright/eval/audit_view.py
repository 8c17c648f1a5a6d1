"""A run's `inputs/audit.json` as the reports show it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_ORDER = ("fail", "warn", "info")
_HEADLINES = {
    "majority": "always the commonest tool",
    "structure_only": "structure alone, without the request",
    "query_only": "the request alone",
}


@dataclass(frozen=True)
class Finding:
    check: str
    severity: str
    split: str
    message: str
    hint: str
    rows: tuple[str, ...]  # file:line


@dataclass(frozen=True)
class AuditView:
    """`headline`: how well the right tool can be guessed, as (words, share)."""

    verdict: str
    headline: tuple[tuple[str, float], ...]
    findings: tuple[Finding, ...]
    examples: int
    accepted: tuple[tuple[str, str], ...] = ()  # checks whose findings were accepted, and why

    def count(self, severity: str) -> int:
        return sum(finding.severity == severity for finding in self.findings)


def view_audit(audit: Mapping[str, Any] | None) -> AuditView | None:
    """What a report says of an audit; None without one. Unknown keys are passed over, missing ones left out."""
    if audit is None:
        return None
    found = [_finding(item) for item in _list(audit.get("findings")) if isinstance(item, dict)]
    found.sort(key=lambda f: _ORDER.index(f.severity) if f.severity in _ORDER else len(_ORDER))
    headline = audit.get("headline")
    shares = headline if isinstance(headline, dict) else {}
    dataset = audit.get("dataset")
    files = _list(dataset.get("files")) if isinstance(dataset, dict) else []
    return AuditView(
        str(audit.get("verdict", "unknown")),
        tuple(
            (words, float(shares[key]))
            for key, words in _HEADLINES.items()
            if isinstance(shares.get(key), int | float)
        ),
        tuple(found),
        sum(
            file["examples"]
            for file in files
            if isinstance(file, dict) and isinstance(file.get("examples"), int)
        ),
        tuple(
            (str(item.get("check", "")), str(item.get("why") or item.get("reason") or ""))
            for item in _list(audit.get("accepted"))
            if isinstance(item, dict)
        ),
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _finding(item: dict[str, Any]) -> Finding:
    rows = [row for row in _list(item.get("rows")) if isinstance(row, dict)]
    return Finding(
        str(item.get("check", "")),
        str(item.get("severity", "info")),
        str(item.get("split") or ""),
        str(item.get("message", "")),
        str(item.get("hint") or ""),
        tuple(f"{row.get('file', '')}:{row.get('line', '')}" for row in rows[:5]),
    )
