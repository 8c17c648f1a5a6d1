"""The steps of an audit, one line each."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import duckdb

from tunewright.audit.argument_schemas import check_arguments
from tunewright.audit.audited import AuditedFile, AuditReport
from tunewright.audit.baseline import is_known, read_baseline
from tunewright.audit.chart_data import draw_charts
from tunewright.audit.checks import (
    OFFENCES,
    OWN_CHECKS,
    Check,
    Severity,
    add_offences,
    check_severities,
    read_checks,
    run_sql,
)
from tunewright.audit.config import Config, accepting, read_config
from tunewright.audit.context import Context
from tunewright.audit.database import make_in_slices
from tunewright.audit.drift import DRIFT
from tunewright.audit.export import check_folder, export_rows
from tunewright.audit.findings import Finding, collect
from tunewright.audit.ingest import Report, load, many_at_once
from tunewright.audit.joint import JOINT
from tunewright.audit.label_features import label_rows
from tunewright.audit.neighbours import find_neighbours
from tunewright.audit.order_checks import ORDER, TOOL_POSITION
from tunewright.audit.preference_checks import LABEL_BALANCE, PREFERENCE
from tunewright.audit.probe.saved import fingerprint, read_probes
from tunewright.audit.results import RESULT_MISMATCH
from tunewright.audit.shortcut_checks import FEATURE_CHECK
from tunewright.audit.suite_tables import load_suites
from tunewright.audit.suspects import SUSPECTS
from tunewright.audit.toolsets import offer_catalog
from tunewright.audit.understood import what_was_understood
from tunewright.contract.errors import UserError

if TYPE_CHECKING:
    from tunewright.contract.recipe import Recipe

TABLES = Path(__file__).parent / "tables"
FORM_SAMPLE = 20_000  # rows of a split whose requests are looked at for how they are written
PYTHON_CHECKS = (
    *(FEATURE_CHECK, JOINT, TOOL_POSITION, ORDER, DRIFT, RESULT_MISMATCH),
    *(PREFERENCE, LABEL_BALANCE, SUSPECTS),
)


def all_checks() -> list[Check]:
    """Every check of ours, SQL and Python."""
    return [*read_checks(OWN_CHECKS), *(entry.check for entry in PYTHON_CHECKS)]


def build_tables(connection: duckdb.DuckDBPyConnection, suites: Sequence[Path], report: Report) -> None:
    """Everything that checks ask for, from what was read."""
    report("structure", 0.0)
    make_in_slices(connection, "examples", (TABLES / "examples.sql").read_text(encoding="utf-8"))
    with many_at_once(connection, 1) as start:
        features = start(_make_features)
        load_suites(connection, suites)
        report("near-duplicates", 0.0)
        find_neighbours(connection)
        features.result()
    label_rows(connection)
    connection.execute(OFFENCES)


def _make_features(cursor: duckdb.DuckDBPyConnection) -> None:
    cursor.execute((TABLES / "features.sql").read_text(encoding="utf-8"), {"sample": FORM_SAMPLE})


@contextmanager
def _room_missing() -> Generator[None]:
    """Tell a full disk or memory as a mistake that the user can do something about. Raises UserError."""
    try:
        yield
    except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"the audit ran out of room: {reason}",
            "It works in a temporary folder of up to three times the data's size; point TMPDIR to a larger disk.",
        ) from error


@_room_missing()
def run_audit(
    paths: Sequence[Path],
    *,
    recipe: "Recipe | None",
    config: Path | None,
    baseline: Path | None,
    suites: Sequence[Path],
    report: Report,
    export: Path | None,
    accept: Mapping[str, str],
    probes: Path | None,
) -> AuditReport:
    """See `audit.audit_dataset`."""
    own = all_checks()
    earlier = read_baseline(baseline)
    settings = accepting(read_config(config, own), accept, own)
    # Users' own first: what is wrong with one is told before the long ones have run.
    checks = [*(check for folder in settings.folders for check in read_checks(folder)), *own]
    with load(paths, report, config) as store:
        connection = store.connection
        build_tables(connection, suites, report)
        if recipe is not None:
            from tunewright.audit.trainer import (
                simulate,  # rendering and tokens, which most audits do without
            )

            offer_catalog(connection, recipe)
            simulate(connection, recipe, report)
        check_arguments(connection)
        context = Context(connection, settings.by_definition, recipe)
        run_checks(context, checks, settings, report, 2 if store.is_small else 1)
        findings = [settings.graded(finding) for finding in collect(connection, checks)]
        headline = context.predictions.accuracies() if context.predictions else {}
        charts = draw_charts(connection)
        understood = what_was_understood(connection)
        if export is not None:

            def faulty(check: str, severity: str) -> bool:
                finding = settings.graded(Finding(check, cast("Severity", severity), ""))
                return finding.severity != "info" and not finding.accepted

            check_folder(export, [file.split for file in store.files])
            export_rows(connection, store.files, checks, faulty, export)
        files = connection.execute("SELECT path, split, examples, sha256 FROM files ORDER BY file").fetchall()
    new = [finding for finding in findings if not is_known(finding, earlier)]
    return AuditReport(
        tuple(AuditedFile(*file) for file in files),
        tuple(new),
        headline,
        understood,
        known=len(findings) - len(new),
        charts=charts,
        data=tuple(map(str, paths)),
        probes=tuple(read_probes(probes, fingerprint((split, sha256) for _, split, _, sha256 in files)))
        if probes
        else (),
    )


def find_all(connection: duckdb.DuckDBPyConnection) -> None:
    """Every check of ours with its own thresholds, into `offences`, severities filled in."""
    check_arguments(connection)
    checks = all_checks()
    run_checks(Context(connection), checks, Config(), lambda _step, _share: None)
    for check in checks:
        connection.execute(
            "UPDATE offences SET severity = coalesce(severity, $2), message = coalesce(message, $3) WHERE check_id = $1",
            [check.id, check.severity, check.message.replace("{rows} ", "") or check.reason],
        )


def run_checks(
    context: Context, checks: Sequence[Check], settings: Config, report: Report, at_once: int = 1
) -> None:
    """Every check that is not switched off, into `offences`; of those in SQL so many at once.

    Those in Python run at the same time: numpy and the tests leave a core to the SQL.
    """
    in_python = {entry.check.id: entry for entry in PYTHON_CHECKS}
    chosen = [check for check in map(settings.applied, checks) if check is not None]
    with many_at_once(context.connection, at_once) as start:
        running = [(check, start(run_sql, check)) for check in chosen if check.sql]
        written = [check for check in chosen if not check.sql]
        for number, check in enumerate(written):
            report(f"check {check.id}", number / len(chosen))
            add_offences(context.connection, check, in_python[check.id].find(context, check))
            for _, ended in running:
                if ended.done():
                    ended.result()  # a mistake in a user's own SQL is told at once
        for number, (check, ended) in enumerate(running, start=len(written)):
            report(f"check {check.id}", number / len(chosen))
            ended.result()
    check_severities(context.connection, chosen)
