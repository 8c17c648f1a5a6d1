"""The audit as one self-contained HTML page.

Data are hostile: everything is escaped, control and direction characters are shown and not obeyed, and the policy in
the page lets it load nothing and run only the one script that belongs to it, by its hash.
"""

import base64
import hashlib
import os
import unicodedata
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunewright.audit.audit import AuditReport
from tunewright.audit.report import verdict_line

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent / "templates"


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["visible"] = visible
    environment.filters["percent"] = percent
    return environment


def visible(text: str, limit: int = 400) -> str:
    """Text of at most `limit` characters in which what cannot be seen is written out as `\\u202e`."""
    shown = "".join(
        character
        if character in " \n"
        or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn")
        else {"\t": "→"}.get(character, f"\\u{ord(character):04x}")
        for character in text[:limit]
    )
    return shown + "…" if len(text) > limit else shown


def percent(share: float) -> str:
    """`0.825` as `82%`; what is not quite 100 % or 0 % does not look as if it were."""
    if 0.995 <= share < 1:
        return ">99%"
    return "<1%" if 0 < share < 0.005 else f"{share:.0%}"


def _shade(share: float) -> int:
    """One of eleven steps of the heat map's colour."""
    return round(10 * min(1.0, max(0.0, share)))


def _shared_folder(paths: list[str]) -> str:
    """What all paths begin with, up to their last folder; rows are easier to read without it."""
    if not paths:
        return ""
    folders = [path.rpartition("/")[0] for path in paths]
    shared = os.path.commonpath(folders) if all(folders) and len({f[0] == "/" for f in folders}) == 1 else ""
    return shared + "/" if shared else ""


def _source_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def html_report(report: AuditReport) -> str:
    """The page, complete: no other file is asked for. `report.charts` may be empty; then there are no charts."""
    from markupsafe import Markup

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
    shared = _shared_folder([file.path for file in report.files])

    def shorter(path: str) -> str:
        return path.removeprefix(shared)

    reason = verdict_line(report).partition(": ")[2]
    page = (
        _environment()
        .get_template("audit.html.jinja")
        .render(
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            style_hash=_source_hash(style),
            script_hash=_source_hash(script),
            report=report,
            verdict=report.verdict,
            shorter=shorter,
            reason=reason[:1].upper() + reason[1:],
            counts={s: sum(f.severity == s for f in report.findings) for s in ("fail", "warn", "info")},
            slices=slices,
            heat=heat,
            headline=[
                ("always the commonest tool", report.headline.get("majority")),
                ("structure alone, without the request", report.headline.get("structure_only")),
                ("the request alone", report.headline.get("query_only")),
            ]
            if report.headline
            else [],
        )
    )
    return page.encode("utf-8", "replace").decode()
