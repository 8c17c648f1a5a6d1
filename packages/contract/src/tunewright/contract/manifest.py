"""Manifests: what a finished folder holds, written last, so that their presence means completion."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from tunewright.contract.atomic import sha256_file, write_json
from tunewright.contract.errors import UserError

MANIFEST = "manifest.json"
DATASET = "dataset.json"


class FileEntry(BaseModel):
    """One file of a folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    size: int  # bytes


class Manifest(BaseModel):
    """A stage's outputs. `key` is the hash of everything that went in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 1
    key: str
    finished: str  # ISO time, UTC
    files: dict[str, FileEntry]  # by path relative to the folder, with slashes
    facts: dict[str, Any] = {}  # what the stage found out, small


def describe_files(folder: Path) -> dict[str, FileEntry]:
    """Hash every file below `folder` but the manifest itself."""
    return {
        path.relative_to(folder).as_posix(): FileEntry(sha256=sha256_file(path), size=path.stat().st_size)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / MANIFEST
    }


def write_manifest(folder: Path, key: str, facts: dict[str, Any] | None = None) -> Manifest:
    """Describe the files of `folder` and write its `manifest.json`, last."""
    manifest = Manifest(key=key, finished=now(), files=describe_files(folder), facts=facts or {})
    write_json(folder / MANIFEST, manifest.model_dump())
    return manifest


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a finished folder; None when the folder is not finished or its manifest unreadable."""
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError):
        return None


def damaged_files(folder: Path, manifest: Manifest) -> list[str]:
    """Relative paths of files that are missing or differ from the manifest."""
    bad: list[str] = []
    for name, entry in manifest.files.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != entry.size or sha256_file(path) != entry.sha256:
            bad.append(name)
    return bad


class SplitEntry(BaseModel):
    """One split of a dataset."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    examples: int
    sha256: str


class LineageEntry(BaseModel):
    """One input that a dataset was made from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    sha256: str


class DatasetManifest(BaseModel):
    """`dataset.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 1
    name: str
    created: str  # ISO time, UTC
    seed: int
    splits: dict[str, SplitEntry]
    lineage: list[LineageEntry] = []
    facts: dict[str, Any] = {}


def find_splits(data: Path) -> dict[str, Path]:
    """The split files of a dataset folder, or `{"train": file}` for a single file.

    Raises UserError when nothing is there.
    """
    if data.is_file():
        return {"train": data}
    if not data.exists():
        raise UserError(
            f"no data at {data}", "Give a .jsonl file, or a folder with train.jsonl and valid.jsonl."
        )
    splits = {
        name: data / f"{name}.jsonl"
        for name in ("train", "valid", "test")
        if (data / f"{name}.jsonl").is_file()
    }
    if not splits:
        raise UserError(
            f"{data}: no train.jsonl in it",
            "A dataset folder holds train.jsonl, valid.jsonl and perhaps test.jsonl.",
        )
    return splits


def now() -> str:
    """The time in UTC, ISO format, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
