"""Structural audit of fine-tuning datasets: DuckDB over JSONL, one check a file."""

from typing import TYPE_CHECKING

from tunewright.contract.lazy import lazily

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tunewright.audit.audited import AuditReport
    from tunewright.audit.findings import Finding, RowRef
    from tunewright.contract.recipe import Recipe

__all__ = ["AuditReport", "Finding", "RowRef", "audit"]
__getattr__ = lazily(
    __name__,
    {
        "AuditReport": "tunewright.audit.audited:AuditReport",
        "Finding": "tunewright.audit.findings:Finding",
        "RowRef": "tunewright.audit.findings:RowRef",
    },
)


def audit(
    *data: "str | Path",
    recipe: "Recipe | None" = None,
    config: "str | Path | None" = None,
    baseline: "str | Path | None" = None,
    suites: "Sequence[str | Path]" = (),
) -> "AuditReport":
    """Audit files, folders with splits, or globs, all together as one dataset.

    The report's `verdict` is `pass`, `warn` or `fail`; its `findings` come worst first, each with at most 20 `rows`
    (`file`, `line` from 1). With a `recipe`, what its trainer cuts and what gets loss is checked too (needs the extra
    `tokenizers`). `config` is a TOML file about checks, `baseline` the JSON of an earlier audit, `suites` are validation
    cases that the training split must not hold.

    Raises UserError for files that are missing, empty or unreadable; bad rows are findings.
    """
    from pathlib import Path

    from tunewright.audit.audited import audit_dataset

    return audit_dataset(
        [Path(name) for name in data],
        recipe=recipe,
        config=Path(config) if config else None,
        baseline=Path(baseline) if baseline else None,
        suites=[Path(name) for name in suites],
    )
