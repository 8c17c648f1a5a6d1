"""Checks: one file each. A check returns the rows that offend; none means that it passes.

An SQL check begins with a header of comments and may return these columns, each of them optional:
`example` (or `file` and `line`), `split`, `message`, `detail`, `severity`, `feature`, `label`, `effect`,
`support`, `q`, `hint`, `evidence`, `sides`. Rows that share split, severity, message, feature and label make one finding.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import duckdb

from tunewright.contract.errors import UserError

Severity = Literal["fail", "warn", "info"]
SEVERITIES: tuple[Severity, ...] = ("fail", "warn", "info")
OWN_CHECKS = Path(__file__).parent / "checks"

_HEADER = re.compile(r"^--\s*(id|severity|threshold|reason|hint|message):\s*(.*?)\s*$")
_ID = re.compile(r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$")

OFFENCES = """
CREATE TABLE offences (
    check_id VARCHAR, example BIGINT, file INTEGER, line BIGINT, split VARCHAR, severity VARCHAR, message VARCHAR,
    detail VARCHAR, feature VARCHAR, label VARCHAR, effect DOUBLE, support BIGINT, q DOUBLE, hint VARCHAR, evidence VARCHAR,
    sides VARCHAR
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

    @property
    def is_own(self) -> bool:
        """Whether it is one of ours, and not of a user's folder."""
        return Path(self.origin).is_relative_to(Path(__file__).parent)


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
                effect, support, q, hint, evidence, sides
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


def check_severities(connection: duckdb.DuckDBPyConnection, checks: Iterable[Check]) -> None:
    """Raise UserError for a check that returned a severity that is none."""
    wrong = connection.execute(
        "SELECT check_id, severity FROM offences WHERE severity NOT IN ('fail', 'warn', 'info') ORDER BY ALL LIMIT 1"
    ).fetchone()
    if wrong is not None:
        origin = next(check.origin for check in checks if check.id == wrong[0])
        raise UserError(f"{origin}: severity {wrong[1]!r}", "It is fail, warn or info.")


def add_offences(
    connection: duckdb.DuckDBPyConnection, check: Check, rows: Iterable[Mapping[str, Any]]
) -> None:
    """Put what a check written in Python found into `offences`."""
    from tunewright.audit.database import insert

    structure = (
        '{"check_id":"VARCHAR","example":"BIGINT","file":"INTEGER","line":"BIGINT","split":"VARCHAR","severity":"VARCHAR",'
        '"message":"VARCHAR","detail":"VARCHAR","feature":"VARCHAR","label":"VARCHAR","effect":"DOUBLE",'
        '"support":"BIGINT","q":"DOUBLE","hint":"VARCHAR","evidence":"VARCHAR","sides":"VARCHAR"}'
    )
    insert(connection, "offences", structure, [{"check_id": check.id, **row} for row in rows])
