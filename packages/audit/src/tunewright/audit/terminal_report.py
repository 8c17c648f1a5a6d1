"""The report for a terminal: what was read, the verdict and its reason, then the findings, worst first, each with one
example."""

import os
import re
import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tunewright.audit.audited import AuditReport
from tunewright.audit.probe.next_to_findings import probe_lines
from tunewright.audit.sarif import sarif
from tunewright.audit.understood import count_text, summary_text, unread_text
from tunewright.contract.visible import one_line

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from tunewright.audit.findings import Finding

__all__ = ["headline_text", "sarif", "terminal_text", "terminal_view", "verdict_line"]

MOST_FILES = 20  # named one by one
MOST_NAMED = 3  # files that a command names; more go by their folder
_STYLES = {"fail": "bold red", "warn": "yellow", "info": "dim", "pass": "bold green"}


def verdict_line(report: AuditReport) -> str:
    """The verdict and the reason for it, in one sentence."""
    faults = [
        finding for finding in report.findings if finding.severity == report.verdict and not finding.accepted
    ]
    if report.verdict == "pass" and report.known:
        return f"PASS: nothing new in {_count(report.examples, 'example')}."
    if report.verdict == "pass":
        return f"PASS: no faults in {_count(report.examples, 'example')}."
    return f"{report.verdict.upper()}: {one_line(faults[0].message, 500)}."


def headline_text(report: AuditReport) -> str:
    """The three numbers in words; empty when there is nothing to predict."""
    if not report.headline:
        return ""
    shares = {name: f"{value:.0%}" for name, value in report.headline.items()}
    return (
        f"The tool can be guessed {shares['majority']} of the time by always saying the commonest, "
        f"{shares['structure_only']} from structure alone, {shares['query_only']} from the request alone."
    )


def next_step(report: AuditReport) -> list[str]:
    """What to do about the finding that decides the verdict: its hint, and the command that shows its rows."""
    deciding = [f for f in report.findings if f.severity == report.verdict and not f.accepted]
    if not deciding:
        return []
    finding = deciding[0]
    lines = [f"What to do: {one_line(finding.hint, 500)}"] if finding.hint else []
    return [*lines, f"Its rows: {rows_command(report, finding)}"] if finding.rows else lines


def rows_command(report: AuditReport, finding: "Finding") -> str:
    """The command that lists every row of a check's findings."""
    paths = [file.path for file in report.files]
    folder = shared_folder(paths)
    given = [folder] if folder and len(paths) > MOST_NAMED else paths
    data = " ".join(f"--data {shlex.quote(one_line(path, 1000))}" for path in given)
    return f"""./inv sql "FROM findings WHERE check_id = '{finding.check}'" {data}"""


def silencing(finding: "Finding") -> str:
    """How to silence a finding that is meant so; empty for information, which counts for nothing."""
    if finding.severity == "warn" and not finding.accepted:
        return f'Meant so? --accept {finding.check} --why "…"'
    if finding.severity == "fail":
        return f'Does not apply? --config FILE with [checks."{finding.check}"] and severity = "off"'
    return ""


def shared_folder(paths: list[str]) -> str:
    """What all paths begin with, up to their last folder; rows are easier to read without it."""
    if not paths:
        return ""
    folders = [path.rpartition("/")[0] for path in paths]
    shared = os.path.commonpath(folders) if all(folders) and len({f[0] == "/" for f in folders}) == 1 else ""
    return shared + "/" if shared else ""


def understood_lines(report: AuditReport) -> list[str]:
    """What was read, and what was not: in all, by file where there are several, and the first places by line."""
    files = report.understood.files
    if not files:
        return []
    kinds = report.understood.kinds
    lines = [summary_text(kinds)]
    if 1 < len(files) <= MOST_FILES:
        for file in files:
            counts = ", ".join(count_text(kind, read) for kind, read in file.kinds.items() if read.total)
            lines.append(f"  {one_line(file.path, 160)}: {counts}")
    places, more = unread_text(kinds)
    if places:
        lines.append("Not read:")
        for place in places:
            name = one_line(place.file.rpartition("/")[2], 160)
            lines.append(f"  {name}:{place.line} {one_line(place.detail, 160)}")
    if more:
        lines.append(f'  and {more:,} more: ./inv sql "FROM understood"')
    return lines


def terminal_view(report: AuditReport) -> "Group":
    """Something rich can print."""
    from rich.console import Group
    from rich.text import Text

    parts: list[Text | Table] = [Text(line) for line in understood_lines(report)]
    parts.append(Text(verdict_line(report), style=_STYLES[report.verdict]))
    parts += map(Text, next_step(report))
    splits: dict[str, int] = {}
    for file in report.files:
        splits[file.split] = splits.get(file.split, 0) + file.examples
    counted = ", ".join(f"{split} {count:,}" for split, count in splits.items())
    parts.append(
        Text(f"{_count(report.examples, 'example')} in {_count(len(report.files), 'file')} ({counted})")
    )
    if text := headline_text(report):
        parts.append(Text(text))
    if report.findings:
        parts.append(_table(report))
    hints = list(
        dict.fromkeys(f.hint for f in report.findings if f.severity != "info" and f.hint and not f.accepted)
    )
    if len(hints) > 1:
        parts.append(Text("What to do, the worst first:"))
        parts += [Text(f"  - {one_line(hint, 500)}") for hint in hints[:8]]
    counted_ones = [f for f in report.findings if f.severity != "info" and not f.accepted]
    silenced = {f.severity: f for f in reversed(counted_ones)}
    parts += [Text(silencing(silenced[severity])) for severity in ("fail", "warn") if severity in silenced]
    if counted_ones and counted_ones[0].page:
        parts.append(Text(f"Why: {counted_ones[0].page}"))
    if report.known:
        parts.append(Text(f"{_count(report.known, 'finding')} of the baseline left out."))
    return Group(*parts)


def same_in_other_splits(findings: "Iterable[Finding]") -> "list[tuple[Finding, list[Finding]]]":
    """Each fault once, with the same ones of other splits: those that say the same but for numbers and the split's name."""
    grouped: dict[tuple[object, ...], list[Finding]] = {}
    for finding in findings:
        said = re.sub(r"\d[\d.,]*|\b(?:train|valid|validation|test)\b", "#", finding.message)
        key = finding.check, finding.severity, finding.feature, finding.label, finding.accepted, said
        group = grouped.setdefault(key, [])
        if any(other.split == finding.split for other in group):
            group = grouped.setdefault((*key, len(grouped)), [])
        group.append(finding)
    return [(group[0], group[1:]) for group in grouped.values()]


def _table(report: AuditReport) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, expand=False)
    table.add_column("", no_wrap=True)
    table.add_column("check", no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("effect", justify="right", no_wrap=True)
    table.add_column("what", overflow="fold")
    told = set[str]()
    for finding, others in same_in_other_splits(report.findings):
        what = Text(one_line(finding.message, 500))
        for other in others:
            what.append(f"\n{other.split}: {one_line(other.message, 300)}")
        if finding.sides:
            what.append(
                "".join(f"\n{one_line(side, 200)}" for side in finding.sides.split("\n")), style="dim"
            )
        if finding.accepted:
            what.append(f"\naccepted by {one_line(finding.accepted, 300)}", style="dim")
        if finding.rows and not finding.sides:
            row = finding.rows[0]
            name = one_line(row.file.rpartition("/")[2], 160)
            what.append(
                f"\n{name}:{row.line}" + (f" {one_line(row.detail, 160)}" if row.detail else ""), style="dim"
            )
        for line in probe_lines(finding, report.data, report.probes):
            if line not in told:
                told.add(line)
                what.append(f"\n{line}", style="bold")
        table.add_row(
            Text(
                "ACCEPTED" if finding.accepted else finding.severity.upper(),
                style=_STYLES["info" if finding.accepted else finding.severity],
            ),
            finding.check,
            f"{count:,}" if (count := finding.count + sum(other.count for other in others)) else "",
            "" if finding.effect is None else f"{finding.effect:.2f}",
            what,
        )
    return table


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def terminal_text(report: AuditReport, width: int = 100) -> str:
    """The terminal report as plain text of at most `width` columns. Behind what was read comes the verdict and why."""
    from io import StringIO

    from rich.console import Console

    buffer = StringIO()
    Console(file=buffer, width=width, no_color=True, highlight=False, markup=False).print(
        terminal_view(report)
    )
    return buffer.getvalue()
