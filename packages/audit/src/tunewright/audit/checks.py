"""Checks: one file each. A check returns the rows that offend; none means that it passes.

An SQL check begins with a header of comments and may return these columns, each of them optional:
`example` (or `file` and `line`), `split`, `message`, `detail`, `severity`, `feature`, `label`, `effect`,
`support`, `q`, `hint`, `evidence`. Rows that share split, severity, message, feature and label make one finding.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

import duckdb

from tunewright.contract.errors import UserError

Severity = Literal["fail", "warn", "info"]
SEVERITIES: tuple[Severity, ...] = ("fail", "warn", "info")
OWN_CHECKS = Path(__file__).parent / "checks"
KEPT_ROWS = 20

_HEADER = re.compile(r"^--\s*(id|severity|threshold|reason|hint|message):\s*(.*?)\s*$")
_ID = re.compile(r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$")

OFFENCES = """
CREATE TABLE offences (
    check_id VARCHAR, example BIGINT, file INTEGER, line BIGINT, split VARCHAR, severity VARCHAR, message VARCHAR,
    detail VARCHAR, feature VARCHAR, label VARCHAR, effect DOUBLE, support BIGINT, q DOUBLE, hint VARCHAR, evidence VARCHAR
)
"""


@dataclass(frozen=True)
class Check:
    """A check as its file describes it. `sql` is empty for checks that are written in Python."""

    id: str
    severity: Severity
    reason: str
    hint: str = ""
    message: str = ""
    thresholds: Mapping[str, float] = field(default_factory=dict[str, float])
    sql: str = ""
    origin: str = ""


@dataclass(frozen=True)
class RowRef:
    """Where an offending row stands."""

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
        }


def parse_check(text: str, origin: str) -> Check:
    """Read a check's header. Raises UserError with `file:line` for what is missing or not understood."""
    found: dict[str, str] = {}
    thresholds: dict[str, float] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.startswith("--"):
            if line.strip():
                break
            continue
        match = _HEADER.match(line)
        if match is None:
            raise UserError(
                f"{origin}:{number}: not a header line: {line}",
                "Known: id, severity, threshold, reason, hint, message.",
            )
        key, value = match.groups()
        if key == "threshold":
            name, _, written = value.partition("=")
            try:
                thresholds[name.strip()] = float(written)
            except ValueError as error:
                raise UserError(
                    f"{origin}:{number}: a threshold is `name = number`", f"Found: {value}"
                ) from error
        else:
            found[key] = value
    for key in ("id", "severity", "reason"):
        if key not in found:
            raise UserError(
                f"{origin}: the header has no `-- {key}:` line",
                "See docs/checks.md, section Your own checks.",
            )
    if not _ID.match(found["id"]):
        raise UserError(
            f"{origin}: {found['id']!r} is not a check id", "An id is `group.name` in lower case."
        )
    if found["severity"] not in SEVERITIES:
        raise UserError(f"{origin}: severity {found['severity']!r}", "It is fail, warn or info.")
    return Check(
        found["id"],
        found["severity"],
        found["reason"],
        found.get("hint", ""),
        found.get("message", ""),
        thresholds,
        text,
        origin,
    )


def read_checks(folder: Path) -> list[Check]:
    """Every `.sql` check of a folder, by name. Raises UserError when the folder or a file cannot be read."""
    if not folder.is_dir():
        raise UserError(f"no folder of checks at {folder}", "Name a folder that holds .sql files.")
    checks: list[Check] = []
    for path in sorted(folder.glob("*.sql")):
        try:
            checks.append(parse_check(path.read_text(encoding="utf-8"), str(path)))
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: cannot be read ({error})", "Write it as UTF-8 text.") from error
    return checks


def run_sql(connection: duckdb.DuckDBPyConnection, check: Check) -> None:
    """Put what a check returns into `offences`. Raises UserError when a check's SQL does not run."""
    used = {name: value for name, value in check.thresholds.items() if f"${name}" in check.sql}
    try:
        connection.execute(
            f"""
            INSERT INTO offences BY NAME
            SELECT '{check.id}' AS check_id, example, file, line, split, severity, message, detail, feature, label,
                effect, support, q, hint, evidence
            FROM (SELECT * FROM offences WHERE false UNION ALL BY NAME ({check.sql}))
            """,
            used,
        )
    except duckdb.Error as error:
        reason = str(error).strip().partition("\n")[0]
        raise UserError(
            f"{check.origin}: the check cannot be run ({reason})",
            "docs/checks.md names the tables and their columns.",
        ) from error


def add_offences(
    connection: duckdb.DuckDBPyConnection, check: Check, rows: Iterable[Mapping[str, Any]]
) -> None:
    """Put what a check written in Python found into `offences`."""
    from tunewright.audit.ingest import insert

    structure = (
        '{"check_id":"VARCHAR","example":"BIGINT","file":"INTEGER","line":"BIGINT","split":"VARCHAR","severity":"VARCHAR",'
        '"message":"VARCHAR","detail":"VARCHAR","feature":"VARCHAR","label":"VARCHAR","effect":"DOUBLE",'
        '"support":"BIGINT","q":"DOUBLE","hint":"VARCHAR","evidence":"VARCHAR"}'
    )
    insert(connection, "offences", structure, [{"check_id": check.id, **row} for row in rows])


_COLLECT = f"""
SELECT o.check_id, o.severity, coalesce(o.split, e.split, f.split) AS split, o.message, o.feature, o.label,
    any_value(o.hint) AS hint, any_value(o.evidence) AS evidence,
    max(o.effect) AS effect, max(o.support)::BIGINT AS support, min(o.q) AS q,
    count(coalesce(o.example, o.line)) AS count,
    list({{'file': coalesce(f.path, e.path), 'line': coalesce(o.line, e.line), 'detail': o.detail, 'excerpt': e.excerpt}}
        ORDER BY coalesce(o.file, e.file), coalesce(o.line, e.line))
        FILTER (coalesce(o.line, e.line) IS NOT NULL)[:{KEPT_ROWS}] AS rows
FROM offences o
LEFT JOIN (SELECT example, path, file, line, split, request[:200] AS excerpt FROM examples) e USING (example)
LEFT JOIN files f ON f.file = coalesce(o.file, e.file)
GROUP BY ALL
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
    "text",
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


@dataclass(frozen=True)
class Config:
    """What a user's TOML file says about checks: folders of their own, changed thresholds, severities, suppression."""

    folders: tuple[Path, ...] = ()
    severities: Mapping[str, str] = field(default_factory=dict[str, str])
    thresholds: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, Mapping[str, float]])
    by_definition: frozenset[tuple[str, str]] = frozenset()

    def applied(self, check: Check) -> Check | None:
        """The check as the user wants it; None when it is switched off."""
        if self.severities.get(check.id) == "off":
            return None
        return replace(check, thresholds={**check.thresholds, **self.thresholds.get(check.id, {})})

    def graded(self, finding: Finding) -> Finding:
        """A user's severity replaces ours, but never makes an information a fault."""
        wanted = self.severities.get(finding.check)
        if wanted is None or finding.severity == "info":
            return finding
        return replace(finding, severity=cast("Severity", wanted))


def read_config(path: Path | None, known: Iterable[Check]) -> Config:
    """Read an audit configuration. Raises UserError naming the key that is not understood."""
    if path is None:
        return Config()
    try:
        value = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}", "Give the path of a .toml file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not TOML ({error})", "Mend the line named.") from error
    if unknown := value.keys() - {"folders", "checks", "by_definition"}:
        raise UserError(f"{path}: {min(unknown)}: no such key", "Known: folders, checks, by_definition.")
    folders = value.get("folders", [])
    if not isinstance(folders, list) or not all(isinstance(folder, str) for folder in folders):
        raise UserError(f"{path}: folders: a list of paths is needed", 'folders = ["checks"]')
    pairs = value.get("by_definition", [])
    if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise UserError(f"{path}: by_definition: pairs are needed", 'by_definition = [["tool_set", "tool"]]')
    own = tuple(path.parent / folder for folder in folders)
    thresholds_of = {
        check.id: check.thresholds for check in [*known, *(c for f in own for c in read_checks(f))]
    }
    severities: dict[str, str] = {}
    thresholds: dict[str, dict[str, float]] = {}
    for name, table in value.get("checks", {}).items():
        if name not in thresholds_of:
            raise UserError(f"{path}: checks.{name!r}: no such check", "docs/checks.md lists them.")
        if not isinstance(table, dict):
            raise UserError(f"{path}: checks.{name!r}: a table is needed", f'[checks."{name}"]')
        for key, setting in table.items():
            if key == "severity" and setting in (*SEVERITIES, "off"):
                severities[name] = setting
            elif key in thresholds_of[name] and isinstance(setting, int | float):
                thresholds.setdefault(name, {})[key] = float(setting)
            else:
                known_keys = ", ".join(["severity", *thresholds_of[name]])
                raise UserError(
                    f"{path}: checks.{name!r}.{key}: not understood",
                    f"Known: {known_keys}; severity is fail, warn, info or off.",
                )
    return Config(own, severities, thresholds, frozenset((str(a), str(b)) for a, b in pairs))
