"""Putting a run's model in use: everything that speaks for it is verified again, and what speaks against it is told.

The run's files are compared with its manifest, its gates are decided again from its predictions, the scores that were
saved are compared with those, and the run is compared with the model in use, paired, on the same suites.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunewright.contract.atomic import sha256_file
from tunewright.contract.errors import CheckFailed, UserError
from tunewright.contract.manifest import now, read_manifest
from tunewright.contract.run import RunFolder
from tunewright.contract.run_manifest import changed_files, model_hash
from tunewright.eval.comparison import compare_scores
from tunewright.eval.registry import (
    Entry,
    append_entry,
    hash_of_last,
    in_use,
    last_promotion,
    locked_registry,
)
from tunewright.eval.report import write_summary
from tunewright.eval.run_scores import RunScores, changed_scores, judge_run

NAMED = 3  # objections that a refusal names


@dataclass(frozen=True)
class Elsewhere:
    """What the run's host says of it: `said` for the record, `objections`, and the hash of a model that only it has."""

    said: str = "the host was not asked"
    objections: tuple[str, ...] = ()
    model_sha256: str = ""


def promote_run(
    models: Path,
    run: RunFolder,
    by: str,
    *,
    force: bool = False,
    reason: str = "",
    elsewhere: Elsewhere = Elsewhere(),
) -> Entry:
    """Put a run's model in use, on record in the registry and in the run's summary.

    Raises CheckFailed that names the objections unless `force`, UserError when `force` comes without a reason, when
    the run is in use already, or when it cannot be judged at all.
    """
    if force and not reason.strip():
        raise UserError("--force needs a reason", 'Say it for the record: --force --why "…"')
    with locked_registry(models) as (entries, text):
        if in_use(entries) == run.path.name:
            raise UserError(f"run {run.path.name} is in use already", "See the registry: ./inv models")
        # Before anything is judged: figures that follow from changed files mean nothing.
        changed = [*changed_files(run), *elsewhere.objections]
        if changed and not force:
            _refuse(run, changed)
        spec, scores = run.read_spec(), judge_run(run, in_use(entries))
        if spec.id != run.path.name:
            changed.append(f"spec.json is of run {spec.id}")
        against, compared = _against_in_use(entries, run, scores)
        objections = [*changed, *changed_scores(run, scores), *_failed(scores), *against]
        if spec.forced:
            objections.append(f"the run was forced past a failed audit by {spec.forced.by}")
        if objections and not force:
            _refuse(run, objections)
        manifest = read_manifest(run.stage("quantize"))
        entry = Entry(
            seq=len(entries) + 1,
            time=now(),
            action="promoted",
            run=run.path.name,
            in_use=run.path.name,
            by=by,
            reason=reason,
            forced=bool(objections),
            evidence={
                "model": scores.model,
                "verdict": scores.verdict,
                "badge": scores.badge,
                "objections": objections,
                "gates": [result.to_json() for result in scores.gates],
                "compared": compared,
                "host": elsewhere.said,
                "spec_sha256": sha256_file(run.spec),
                "run_sha256": sha256_file(run.manifest) if run.manifest.is_file() else "",
                "model_sha256": model_hash(manifest) if manifest else elsewhere.model_sha256,
            },
            previous=hash_of_last(text),
        )
        entry = append_entry(models, text, entry)
    write_summary(run, scores, models)
    return entry


def _refuse(run: RunFolder, objections: list[str]) -> None:
    more = f"; and {len(objections) - NAMED} more" if len(objections) > NAMED else ""
    raise CheckFailed(
        f"run {run.path.name} is not promoted: {'; '.join(objections[:NAMED])}{more}",
        'What was changed comes back with ./inv pull. To promote it all the same, on record: --force --why "…"',
    )


def _failed(scores: RunScores) -> list[str]:
    return [
        f"{result.name} is {result.verdict} ({result.measured})"
        for result in scores.gates
        if result.gate.required and result.verdict != "PASS"
    ]


def _against_in_use(
    entries: list[Entry], run: RunFolder, scores: RunScores
) -> tuple[list[str], dict[str, Any] | None]:
    """What the comparison with the model in use says against the run, and the comparison for the record."""
    name = in_use(entries)
    if not name:
        return [], None
    other = RunFolder(run.path.parent / name)
    promotion = last_promotion(entries, name)
    sealed = promotion.evidence.get("run_sha256") if promotion else ""
    try:
        if sealed and other.path.is_dir():
            if not other.manifest.is_file() or sha256_file(other.manifest) != sealed:
                return [f"the model in use, {name}: manifest.json is not the one that was promoted"], None
            if changed := changed_files(other, ("predict",)):
                return [f"the model in use, {name}: {changed[0]}"], None
        comparison = compare_scores(judge_run(other), scores)
    except UserError as error:
        return [f"it cannot be compared with the model in use, {name}: {error.message}"], None
    compared = {
        "with": name,
        "verdict": comparison.verdict,
        "reason": comparison.reason,
        "total": comparison.total.to_json(),
        "left_out": list(comparison.left_out),
    }
    against = [
        f"it did not answer suite {suite}, which the model in use did"
        for suite in comparison.left_out
        if suite not in scores.tuned
    ]
    if comparison.verdict == "WORSE":
        against.append(f"it is WORSE than the model in use, {name}: {comparison.reason}")
    return against, compared
