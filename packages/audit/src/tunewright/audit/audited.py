"""The audit from end to end: files in, findings out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tunewright.audit.understood import Understood

if TYPE_CHECKING:
    from tunewright.audit.findings import Finding
    from tunewright.audit.ingest import Report
    from tunewright.contract.recipe import Recipe

Verdict = Literal["pass", "warn", "fail"]
SCHEMA = 1


@dataclass(frozen=True)
class AuditedFile:
    """One input file."""

    path: str
    split: str
    examples: int
    sha256: str


@dataclass(frozen=True)
class AuditReport:
    """What the audit found. `charts` is what the page draws and the JSON leaves out."""

    files: tuple[AuditedFile, ...]
    findings: tuple["Finding", ...]
    headline: dict[str, float]
    understood: Understood = field(default_factory=Understood)
    known: int = 0  # findings that a baseline already has
    charts: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)
    data: tuple[str, ...] = ()  # as they were named
    probes: tuple[dict[str, Any], ...] = ()  # of the same data, as `probe --json` writes them

    @property
    def verdict(self) -> Verdict:
        """fail when any finding is fail, warn when any is warn that is not accepted."""
        severities = {finding.severity for finding in self.findings if not finding.accepted}
        return "fail" if "fail" in severities else "warn" if "warn" in severities else "pass"

    @property
    def examples(self) -> int:
        return sum(file.examples for file in self.files)

    def to_json(self) -> dict[str, Any]:
        """The value that `audit --json` writes (docs/formats.md, section audit)."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "understood": self.understood.to_json(),
            "dataset": {"files": [vars(file) for file in self.files]},
            "headline": self.headline,
            "findings": [finding.to_json() for finding in self.findings],
            "probes": list(self.probes),
        }


def audit_dataset(
    paths: Sequence[Path],
    *,
    recipe: "Recipe | None" = None,
    config: Path | None = None,
    baseline: Path | None = None,
    suites: Sequence[Path] = (),
    report: "Report | None" = None,
    export: Path | None = None,
    accept: Mapping[str, str] | None = None,
    probes: Path | None = None,
) -> AuditReport:
    """Audit files, folders with splits, or globs, all together as one dataset.

    With a `recipe` its catalog and trainer are checked too; `suites` are validation cases that must not stand in
    train. `report(step, share)` is told how far it is. Clean rows and
    rejected ones go to the folder `export`. Findings about structure show what the probes of the same data in the folder
    `probes` found. Warnings of the checks that `accept` names, each with a reason, do not count.
    Raises UserError for a missing, empty or unreadable file and
    for a configuration that is not understood; bad rows are findings.
    """
    from tunewright.audit import audit_steps

    return audit_steps.run_audit(
        paths,
        recipe=recipe,
        config=config,
        baseline=baseline,
        suites=suites,
        report=report or (lambda _s, _f: None),
        export=export,
        accept=accept or {},
        probes=probes,
    )
