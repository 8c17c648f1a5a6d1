"""The audit as one self-contained HTML page.

Data are hostile: everything is escaped, control and direction characters are shown and not obeyed, and the policy in
the page lets it load nothing and run only the one script that belongs to it, by its hash.
"""

from pathlib import Path
from typing import Any

from tunewright.audit.audited import AuditReport
from tunewright.audit.findings import Finding
from tunewright.audit.probe.next_to_findings import probe_lines
from tunewright.audit.terminal_report import (
    next_step,
    rows_command,
    same_in_other_splits,
    shared_folder,
    silencing,
    verdict_line,
)
from tunewright.audit.understood import count_text, summary_text, unread_text
from tunewright.contract.page import render_page

_TEMPLATES = Path(__file__).parent / "templates"


def _shade(share: float) -> int:
    """One of eleven steps of the heat map's colour."""
    return round(10 * min(1.0, max(0.0, share)))


def html_report(report: AuditReport) -> str:
    """The page, complete: no other file is asked for. `report.charts` may be empty; then there are no charts."""
    style = (_TEMPLATES / "audit.css").read_text(encoding="utf-8")
    script = (_TEMPLATES / "audit.js").read_text(encoding="utf-8")
    heat = report.charts.get("heat", {"classes": [], "rows": []})
    for row in heat["rows"]:
        row["shades"] = [_shade(share) for share in row["shares"]]
    slices: list[tuple[str, list[dict[str, Any]]]] = [
        (title, report.charts[key])
        for title, key in (("tool", "tools"), ("source", "sources"))
        if report.charts.get(key)
    ]
    if slices and len(report.charts.get("sources", [])) < 2:
        slices = slices[:1]
    shared = shared_folder([file.path for file in report.files])

    def shorter(path: str) -> str:
        return path.removeprefix(shared)

    def probed(finding: Finding) -> list[str]:
        return probe_lines(finding, report.data, report.probes)

    reason = verdict_line(report).partition(": ")[2]
    return render_page(
        _TEMPLATES / "audit.html.jinja",
        style,
        script,
        report=report,
        findings=same_in_other_splits(report.findings),
        verdict=report.verdict,
        shorter=shorter,
        probed=probed,
        reason=reason[:1].upper() + reason[1:],
        counts={s: sum(f.severity == s for f in report.findings) for s in ("fail", "warn", "info")},
        slices=slices,
        heat=heat,
        understood=report.understood,
        summary=summary_text(report.understood.kinds) if report.understood.files else "",
        next_step=next_step(report),
        silencing=silencing,
        rows_command=rows_command,
        noun=count_text,
        unread=unread_text(report.understood.kinds) if report.understood.files else ((), 0),
        headline=[
            ("always the commonest tool", report.headline.get("majority")),
            ("structure alone, without the request", report.headline.get("structure_only")),
            ("the request alone", report.headline.get("query_only")),
        ]
        if report.headline
        else [],
    )
