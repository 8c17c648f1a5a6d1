"""The manifest of a whole run: which spec and which stages' outputs belong together.

The worker writes it when the last stage is done. It holds the hash of `spec.json`, which holds those of the inputs, and
the hash of each stage's manifest, which holds those of the stage's files. So its own hash identifies the whole run.
"""

from collections.abc import Iterable
from pathlib import Path

from tunewright.contract.atomic import sha256_file, sha256_json, write_json
from tunewright.contract.errors import UserError
from tunewright.contract.manifest import (
    MANIFEST,
    FileEntry,
    Manifest,
    damaged_files,
    now,
    read_manifest,
)
from tunewright.contract.run import STAGES, RunFolder, Stage

STAYS_AWAY: tuple[Stage, ...] = ("fuse", "quantize")  # what a pull may leave on the host


def write_run_manifest(run: RunFolder) -> Manifest:
    """Record what a finished run consists of. Raises FileNotFoundError when a stage is not finished."""
    names = ("spec.json", *(manifest_name(run, stage) for stage in STAGES))
    files = {
        name: FileEntry(sha256=sha256_file(run.path / name), size=(run.path / name).stat().st_size)
        for name in names
    }
    manifest = Manifest(key=files["spec.json"].sha256, finished=now(), files=files)
    write_json(run.manifest, manifest.model_dump())
    return manifest


def manifest_name(run: RunFolder, stage: Stage) -> str:
    """Where a stage's manifest is in the run's folder."""
    return f"{run.stage(stage).name}/{MANIFEST}"


def changed_files(run: RunFolder, stages: Iterable[Stage] = STAGES) -> list[str]:
    """What of a run is no longer as it was when the run ended, one line each; empty when all of it is.

    Every file of `stages` and every input is hashed. A stage that a pull leaves on the host is not looked at when it is
    not here. A run without a manifest of its own has not ended, or was made before there were any.
    """
    sealed = read_manifest(run.path)
    if sealed is None:
        return [f"{run.manifest.name} is missing: nothing says what the run consisted of when it ended"]
    found = [*_changed(run.path, "spec.json", sealed), *_changed_inputs(run)]
    for stage in stages:
        folder = run.stage(stage)
        if not folder.exists() and stage in STAYS_AWAY:
            continue
        found += _changed(run.path, manifest_name(run, stage), sealed) or _changed_outputs(folder)
    return found


def model_hash(manifest: Manifest) -> str:
    """One hash for all files of a model's folder."""
    return sha256_json({name: entry.sha256 for name, entry in manifest.files.items()})


def _changed(folder: Path, name: str, manifest: Manifest) -> list[str]:
    entry, path = manifest.files.get(name), folder / name
    if entry is None:
        return [f"{name} is not in the run's manifest"]
    if not path.is_file():
        return [f"{name} is missing"]
    return [] if sha256_file(path) == entry.sha256 else [f"{name} was changed after the run"]


def _changed_inputs(run: RunFolder) -> list[str]:
    try:
        spec = run.read_spec()
    except UserError as error:
        return [error.message]
    wanted = {run.data / f"{name}.jsonl": sha256 for name, sha256 in spec.data.items()}
    wanted |= {run.suites / f"{name}.jsonl": sha256 for name, sha256 in spec.suites.items()}
    if spec.audit:
        wanted[run.audit] = spec.audit
    names = {path: path.relative_to(run.path).as_posix() for path in wanted}
    return [
        f"{names[path]} is missing"
        if not path.is_file()
        else f"{names[path]} was changed after the run began"
        for path, sha256 in wanted.items()
        if not path.is_file() or sha256_file(path) != sha256
    ]


def _changed_outputs(folder: Path) -> list[str]:
    """Files that differ from the stage's manifest, and those that it does not name: a loader may take them too."""
    manifest = read_manifest(folder)
    if manifest is None:
        return [f"{folder.name}/{MANIFEST} cannot be read"]
    there = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() or path.is_symlink()
    }
    bad = [f"{folder.name}/{name} was changed after the run" for name in damaged_files(folder, manifest)]
    strangers = sorted(there - {*manifest.files, MANIFEST})
    return bad + [f"{folder.name}/{name} was added after the run" for name in strangers]
