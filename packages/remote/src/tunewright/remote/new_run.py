"""A new run's folder on the laptop: spec and inputs, whole or not at all."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tunewright.contract.atomic import atomic_folder, sha256_file, write_bytes
from tunewright.contract.errors import UserError
from tunewright.contract.manifest import DATASET, DatasetManifest, find_splits, now
from tunewright.contract.recipe import Recipe
from tunewright.contract.run import Forced, RunFolder, RunSpec, new_run_id
from tunewright.contract.suite import suite_text
from tunewright.remote.environment import Environment
from tunewright.remote.host import Host
from tunewright.remote.worker_client import RECORD, write_record

DROPPED = "dropped.jsonl"
PREPARATION = (
    "read",
    "dropped",
    "first_dropped",
    "shapes",
    "dialects",
    "held_out",
    "calls_as",
    "one_call_a_turn",
    "calls_left_out",
    "tool_tokens",
)  # facts of a prepared dataset that a run records


def new_run(
    root: Path,
    recipe: Recipe,
    data: Path,
    audit_json: Path | None,
    forced: Forced | None,
    host: Host,
    environment: Environment,
    *,
    prepared: Mapping[str, Path] | None = None,
    origin: str = "",
    base_note: str = "",
) -> RunFolder:
    """Make `root/runs/<id>` with `spec.json` and copies of every input: the dataset's splits, the suites, the
    audit. Suites are found relative to `root`, the checkout, but for those in `prepared`: made out of held-out rows, or
    changed for the base model.
    `data` is a folder in the normal form; `origin` is what it was prepared from. `base_note` is what the base model alone
    is told before it answers the suites.

    Raises UserError when a split or a suite is missing or cannot be read; then nothing is written.
    """
    splits = check_splits(data)
    suites = _suites(root, recipe, prepared or {})
    run_id = new_run_id(recipe.name)
    final = RunFolder(root / "runs" / run_id)
    try:
        with atomic_folder(final.path) as temporary:
            run = RunFolder(temporary)
            run.data.mkdir(parents=True)
            run.suites.mkdir()
            data_hashes = {name: _copy(path, run.data / f"{name}.jsonl") for name, path in splits.items()}
            for name, text in suites.items():
                write_bytes(run.suites / f"{name}.jsonl", text)
            suite_hashes = {name: sha256_file(run.suites / f"{name}.jsonl") for name in suites}
            if (data / DROPPED).is_file():
                _copy(data / DROPPED, run.dropped)
            if audit_json is not None:
                write_bytes(run.audit, audit_json.read_bytes())
            run.write_spec(
                RunSpec(
                    id=run_id,
                    created=now(),
                    recipe=recipe,
                    data=data_hashes,
                    suites=suite_hashes,
                    environment=environment.hash,
                    versions=environment.versions,
                    git_commit=_commit(root),
                    dataset=origin or str(data),
                    preparation=_preparation(data, Path(origin) if origin else data),
                    host=host.name,
                    audit=sha256_file(run.audit) if audit_json is not None else "",
                    forced=forced,
                    base_note=base_note,
                )
            )
            write_record(run, host, environment)
    except OSError as error:
        raise UserError(
            f"cannot make {final.path}: {error.strerror or error}",
            "Is the disk full, or the folder not yours?",
        ) from error
    return final


def earlier_unstarted(run: RunFolder) -> RunFolder | None:
    """The latest earlier run of the very same inputs that was never started: shipping it was interrupted."""
    wanted = _inputs(run)
    for path in sorted(run.path.parent.glob("*/spec.json"), reverse=True):
        earlier = RunFolder(path.parent)
        if earlier.path == run.path or earlier.status.exists() or earlier.events.exists():
            continue
        try:
            if _inputs(earlier) == wanted:
                return earlier
        except (UserError, OSError):
            continue  # not a run of this version
    return None


def _inputs(run: RunFolder) -> dict[str, Any]:
    """What decides a run's result, and where it is to be."""
    spec = run.read_spec().model_dump(mode="json", exclude={"id", "created", "git_commit", "audit"})
    return spec | {"record": (run.path / RECORD).read_bytes()}


def check_splits(data: Path) -> dict[str, Path]:
    """The dataset's splits. Raises UserError when `train` or `valid` is missing, empty or cut short."""
    splits = find_splits(data)
    for needed in ("train", "valid"):
        if needed not in splits:
            raise UserError(
                f"{data}: no {needed} split",
                "Training needs train.jsonl and valid.jsonl. "
                f"Split one off: ./inv data.merge --data {data} --out data/NAME --valid 0.1",
            )
    for path in splits.values():
        _check_end(path)
    return splits


def _check_end(path: Path) -> None:
    """A file that is empty, or whose last line is torn, was not written to its end."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - (1 << 24)))
            tail = file.read()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}", "Check the path, and that it may be read.") from error
    if not tail.strip():
        raise UserError(f"{path}: no examples in it", "The file is empty, or holds only blank lines.")
    if tail.endswith(b"\n"):
        return
    try:
        json.loads(tail.rsplit(b"\n", 1)[-1])
    except ValueError as error:
        with path.open("rb") as file:
            number = sum(1 for _ in file)
        raise UserError(
            f"{path}:{number}: the last line is cut short",
            "The file was not written to its end. Write it again.",
        ) from error


def _preparation(data: Path, origin: Path) -> dict[str, Any]:
    """What `dataset.json` says of how the rows were prepared, and that of the data they were prepared from of how it was
    normalized; empty where nothing was."""
    prepared, source = _facts(data), _facts(origin)
    found = {key: prepared[key] for key in PREPARATION if key in prepared}
    return found | ({"structure": source["structure"]} if "structure" in source else {})


def _facts(folder: Path) -> dict[str, Any]:
    try:
        return DatasetManifest.model_validate_json((folder / DATASET).read_bytes()).facts
    except (OSError, ValidationError):
        return {}


def _suites(root: Path, recipe: Recipe, prepared: Mapping[str, Path]) -> dict[str, bytes]:
    """What each suite's file holds in the run, by name: of a subset its cases alone."""
    found: dict[str, bytes] = {}
    for entry in recipe.suites:
        path = prepared.get(entry.name) or (root / entry.path if entry.path else None)
        if path is None:
            raise UserError(
                f"recipe {recipe.name}: no held-out rows are left for the suite {entry.name}",
                f"The dataset needs a {entry.name} split with rows that hold an answer.",
            )
        if not path.is_file():
            raise UserError(
                f"recipe {recipe.name}: no suite at {path}", "A suite's path is relative to the checkout."
            )
        if entry.name in found:
            raise UserError(
                f"recipe {recipe.name}: two suites are named {entry.name}", "Suites are known by file name."
            )
        found[entry.name] = suite_text(path, entry.subset)
    return found


def _copy(source: Path, target: Path) -> str:
    shutil.copyfile(source, target)
    return sha256_file(target)


def _commit(root: Path) -> str | None:
    """The checkout's commit, with `+` when files differ from it; None outside git."""
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+" if changed else "")


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=20
    )
    return done.stdout.strip()
