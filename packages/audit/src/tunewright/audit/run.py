"""The steps of an audit, one line each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from tunewright.audit import shortcut_checks
from tunewright.audit.audit import AuditedFile, AuditReport
from tunewright.audit.baseline import is_known, read_baseline
from tunewright.audit.checks import (
    OFFENCES,
    OWN_CHECKS,
    Check,
    Config,
    add_offences,
    collect,
    read_checks,
    read_config,
    run_sql,
)
from tunewright.audit.headline import measure_headline
from tunewright.audit.ingest import Report, load
from tunewright.audit.neighbours import find_neighbours
from tunewright.contract.recipe import Recipe

TABLES = Path(__file__).parent / "tables"
PYTHON_CHECKS = (shortcut_checks.FEATURE,)


def all_checks() -> list[Check]:
    """Every check of ours, SQL and Python."""
    return [*read_checks(OWN_CHECKS), *PYTHON_CHECKS]


def build_tables(connection: duckdb.DuckDBPyConnection, report: Report) -> None:
    """Everything that checks ask for, from what was read."""
    report("structure", 0.0)
    connection.execute((TABLES / "examples.sql").read_text(encoding="utf-8"))
    connection.execute((TABLES / "features.sql").read_text(encoding="utf-8"))
    report("near-duplicates", 0.0)
    find_neighbours(connection)
    shortcut_checks.prepare(connection)
    connection.execute(OFFENCES)


def run_audit(
    paths: Sequence[Path],
    *,
    recipe: Recipe | None,
    config: Path | None,
    baseline: Path | None,
    suites: Sequence[Path],
    report: Report,
) -> AuditReport:
    """See `audit.audit_dataset`."""
    own = all_checks()
    earlier = read_baseline(baseline)
    settings = read_config(config, own)
    checks = [*own, *(check for folder in settings.folders for check in read_checks(folder))]
    with load(paths, report) as store:
        build_tables(store.connection, report)
        run_checks(store.connection, checks, settings, report)
        headline = measure_headline(store.connection)
        findings = [settings.graded(finding) for finding in collect(store.connection, checks)]
        files = store.connection.execute(
            "SELECT path, split, examples, sha256 FROM files ORDER BY file"
        ).fetchall()
    new = [finding for finding in findings if not is_known(finding, earlier)]
    return AuditReport(
        tuple(AuditedFile(*file) for file in files), tuple(new), headline, known=len(findings) - len(new)
    )


def run_checks(
    connection: duckdb.DuckDBPyConnection, checks: Sequence[Check], settings: Config, report: Report
) -> None:
    """Every check that is not switched off, into `offences`."""
    for number, given in enumerate(checks):
        report(f"check {given.id}", number / len(checks))
        check = settings.applied(given)
        if check is None:
            continue
        if check.sql:
            run_sql(connection, check)
        else:
            add_offences(connection, check, _python_rows(connection, check, settings))


def _python_rows(connection: duckdb.DuckDBPyConnection, check: Check, settings: Config) -> Any:
    judged = shortcut_checks.judge(connection, check, settings.by_definition)
    return shortcut_checks.offences(connection, judged)
