"""`models/registry.jsonl`: which model is in use, since when, by whom and on which evidence.

The file is only ever appended to. Every line carries the hash of the line before it, so that a line that was
changed or taken out is noticed. What is in use follows from the whole: a promotion puts a run on top of the
stack, a rollback takes it off.
"""

import fcntl
import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from tunewright.contract.atomic import dump_json, sha256_bytes, sha256_file, sha256_json, write_bytes
from tunewright.contract.errors import CheckFailed, UserError
from tunewright.contract.manifest import now, read_manifest
from tunewright.contract.run import RunFolder
from tunewright.eval.run_scores import judge_run
from tunewright.eval.terminal import aligned

_START = "0" * 64


class Entry(BaseModel):
    """One line of the registry."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seq: int  # from 1
    time: str  # ISO, UTC
    action: Literal["promoted", "rolled_back"]
    run: str  # promoted: put in use; rolled_back: taken out of use
    in_use: str  # the run in use from now on; empty for none
    by: str
    reason: str = ""
    forced: bool = False
    evidence: dict[str, Any] = {}
    previous: str  # SHA-256 of the line before, without its line end

    def __str__(self) -> str:
        """What happened, in one line."""
        done = "promoted" if self.action == "promoted" else f"taken out of use; {self.in_use} is in use again"
        forced = f" although {'; '.join(self.evidence.get('objections', ()))}" if self.forced else ""
        return f"{self.run} {done}{forced} (by {self.by}, {self.time[:19].replace('T', ' ')} UTC)"


def registry_file(models: Path) -> Path:
    """The registry in a checkout's `models` folder."""
    return models / "registry.jsonl"


def read_registry(models: Path) -> list[Entry]:
    """Every entry, oldest first; none when there is no registry yet. Raises UserError for a damaged one."""
    return _read(registry_file(models))[0]


def in_use(entries: Sequence[Entry]) -> str:
    """The run whose model is in use; empty when there is none."""
    return entries[-1].in_use if entries else ""


def promoted_runs(entries: Sequence[Entry]) -> list[str]:
    """The run in use, last, and before it those that rollbacks would bring back, the next one nearest."""
    stack: list[str] = []
    for entry in entries:
        if entry.action == "promoted":
            stack.append(entry.run)
        elif stack:
            stack.pop()
    return stack


def promote_run(models: Path, run: RunFolder, by: str, force: bool = False, reason: str = "") -> Entry:
    """Put a run's model in use, on record.

    The run is judged again from its predictions, so that the evidence is what they say and not what a file
    of scores says. Raises CheckFailed when a required gate did not PASS, or when the run itself was forced
    past its audit, unless `force`; UserError when it is in use already.
    """
    spec, scores = run.read_spec(), judge_run(run, in_use(read_registry(models)))
    objections = [
        f"{result.name} is {result.verdict} ({result.measured})"
        for result in scores.gates
        if result.gate.required and result.verdict != "PASS"
    ]
    if spec.forced:
        objections.append(f"the run was forced past a failed audit by {spec.forced.by}")
    if objections and not force:
        raise CheckFailed(
            f"run {spec.id} is not promoted: {'; '.join(objections)}",
            "Train again, or promote it all the same with --force; the record will say so.",
        )
    evidence: dict[str, Any] = {
        "model": scores.model,
        "verdict": scores.verdict,
        "objections": objections,
        "gates": [result.to_json() for result in scores.gates],
        "spec_sha256": sha256_file(run.spec),
    }
    manifest = read_manifest(run.stage("quantize"))
    if manifest is not None:
        evidence["model_sha256"] = sha256_json({name: entry.sha256 for name, entry in manifest.files.items()})
    with _locked(models) as (entries, text):
        if in_use(entries) == spec.id:
            raise UserError(f"run {spec.id} is in use already", "See the registry: invoke models")
        entry = Entry(
            seq=len(entries) + 1,
            time=now(),
            action="promoted",
            run=spec.id,
            in_use=spec.id,
            by=by,
            reason=reason,
            forced=bool(objections),
            evidence=evidence,
            previous=_previous(text),
        )
        return _append(models, text, entry)


def roll_back(models: Path, by: str, reason: str = "") -> Entry:
    """Take the model in use out of use; the one promoted before it is in use again.

    Raises UserError when nothing is in use, or when nothing was before it.
    """
    with _locked(models) as (entries, text):
        stack = promoted_runs(entries)
        if len(stack) < 2:
            what = f"{stack[-1]} is the only one promoted" if stack else "no model is in use"
            raise UserError(f"nothing to roll back to: {what}", "See the registry: invoke models")
        entry = Entry(
            seq=len(entries) + 1,
            time=now(),
            action="rolled_back",
            run=stack[-1],
            in_use=stack[-2],
            by=by,
            reason=reason,
            previous=_previous(text),
        )
        return _append(models, text, entry)


def registry_text(models: Path) -> str:
    """The registry for a terminal, newest first, the model in use marked."""
    entries = read_registry(models)
    if not entries:
        return "no model has been promoted yet\n"
    rows = [
        [
            "*" if entry is entries[-1] else " ",
            entry.time[:19].replace("T", " "),
            entry.action.replace("_", " ") + (", forced" if entry.forced else ""),
            entry.run,
            f"by {entry.by}",
            entry.reason,
        ]
        for entry in reversed(entries)
    ]
    return "\n".join([f"in use: {in_use(entries)}", "", *aligned(rows)]) + "\n"


def _previous(text: bytes) -> str:
    lines = text.splitlines()
    return sha256_bytes(lines[-1]) if lines else _START


def _read(path: Path) -> tuple[list[Entry], bytes]:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return [], b""
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}", "Check that it may be read.") from error
    if text and not text.endswith(b"\n"):
        raise UserError(
            f"{path}: the last line was cut short", "Restore the file from version control or a backup."
        )
    entries: list[Entry] = []
    previous = _START
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            entry = Entry.model_validate(json.loads(line))
        except (ValueError, ValidationError) as error:
            raise UserError(
                f"{path}:{number}: not an entry of the registry", "Restore the file from a backup."
            ) from error
        if entry.previous != previous or entry.seq != number:
            raise UserError(
                f"{path}:{number}: does not follow from the line before: the registry was changed by hand",
                "Restore the file from version control or a backup.",
            )
        previous = sha256_bytes(line)
        entries.append(entry)
    return entries, text


@contextmanager
def _locked(models: Path) -> Generator[tuple[list[Entry], bytes]]:
    """Hold the registry for one reading and appending; another process waits."""
    path = registry_file(models)
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / ".registry.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield _read(path)


def _append(models: Path, text: bytes, entry: Entry) -> Entry:
    """The old bytes and one line more, written whole: a crash leaves the old file."""
    line = dump_json(entry.model_dump()).encode()
    write_bytes(registry_file(models), text + line + b"\n")
    return entry
