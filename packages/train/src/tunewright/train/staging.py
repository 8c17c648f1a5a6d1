"""How a stage's folder comes to be: worked on under a hidden name, renamed when complete, found again later.

Work in progress is kept when the worker dies, because a stage may go on from it; the key it was begun under
is in it, so that it is never continued with other inputs.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tunewright.contract.atomic import fsync_folder, fsync_tree, write_text
from tunewright.contract.manifest import Manifest, damaged_files, read_manifest, write_manifest
from tunewright.contract.run import RunFolder, Stage

KEY = ".key"


def workspace(run: Path, stage: Stage) -> Path:
    """The folder of a stage's unfinished work."""
    return run / f".{stage}.partial"


def open_workspace(run: Path, stage: Stage, key: str) -> Path:
    """The stage's workspace: the one left by an interrupted worker with the same inputs, or an empty one."""
    folder = workspace(run, stage)
    try:
        same = (folder / KEY).read_text() == key
    except OSError:
        same = False
    if not same:
        remove(folder)
        folder.mkdir(parents=True)
        write_text(folder / KEY, key)
    return folder


def publish(folder: Path, out: Path, key: str, facts: dict[str, Any]) -> Manifest:
    """Turn a workspace into the stage's finished folder: manifest last, then one rename."""
    (folder / KEY).unlink(missing_ok=True)
    manifest = write_manifest(folder, key, facts)
    fsync_tree(folder)
    remove(out)
    folder.rename(out)
    fsync_folder(out.parent)
    return manifest


def finished(out: Path, key: str) -> Manifest | None:
    """The manifest of a folder that is whole and was made from the same inputs, else None."""
    manifest = read_manifest(out)
    if manifest is None or manifest.key != key or damaged_files(out, manifest):
        return None
    return manifest


def siblings(run: RunFolder, stage: Stage, key: str) -> Iterator[tuple[RunFolder, Manifest]]:
    """Other runs on this host whose outputs of that stage were made from the same inputs and are whole.

    The latest first. Each is read and hashed only when asked for.
    """
    for spec in sorted(run.path.parent.glob("*/spec.json"), reverse=True):
        other = RunFolder(spec.parent)
        if other.path.name == run.path.name:
            continue
        manifest = finished(other.stage(stage), key)
        if manifest is not None:
            yield other, manifest


def adopt(source: Path, out: Path, manifest: Manifest) -> None:
    """Make `out` the same finished folder as `source`, sharing the bytes where the file system can."""
    folder = out.with_name(f".{out.name}.adopted")
    remove(folder)
    for name in manifest.files:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            target.hardlink_to(source / name)
        except OSError:
            shutil.copyfile(source / name, target)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "manifest.json", (source / "manifest.json").read_text(encoding="utf-8"))
    fsync_tree(folder)
    remove(out)
    folder.rename(out)
    fsync_folder(out.parent)


def sweep(run: Path) -> None:
    """Remove what a killed worker left half-written in a run's folder. Its lock must be held."""
    for pattern in (".*.tmp", ".*.removed", ".*.adopted"):
        for path in run.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def remove(folder: Path) -> None:
    """Delete a folder, under another name first: half of it must never pass for the whole."""
    if not folder.exists():
        return
    doomed = folder.with_name(f".{folder.name.lstrip('.')}.{os.getpid()}.removed")
    shutil.rmtree(doomed, ignore_errors=True)
    folder.rename(doomed)
    shutil.rmtree(doomed)
