"""A dataset on the disk: splits as JSONL and `dataset.json`, whole or not at all, and never overwritten."""

import errno
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tunewright.contract.atomic import atomic_folder, sha256_file, write_json, write_jsonl
from tunewright.contract.errors import UserError
from tunewright.contract.manifest import DATASET, DatasetManifest, LineageEntry, SplitEntry, now

Row = dict[str, Any]


class MadeFromOtherInputs(UserError):
    """The folder holds a finished dataset, and it is another one."""


def finished_dataset(out: Path, key: str) -> DatasetManifest | None:
    """The dataset in `out` when it was made from the inputs that hash to `key`; None when nothing is there.

    Raises MadeFromOtherInputs when something else is there, UserError when its files are not those that were written.
    """
    if not out.exists():
        return None
    try:
        manifest = DatasetManifest.model_validate_json((out / DATASET).read_bytes())
    except (OSError, ValueError):
        manifest = None
    if manifest is None or manifest.facts.get("key") != key:
        raise MadeFromOtherInputs(
            f"{out} exists and was made from other inputs",
            "Give another --out, or remove that folder first: nothing finished is ever overwritten.",
        )
    for entry in manifest.splits.values():
        path = out / entry.file
        if not path.is_file() or sha256_file(path) != entry.sha256:
            raise UserError(f"{path} is not what was generated", "Remove the folder and make it again.")
    return manifest


@contextmanager
def enough_room(out: Path) -> Generator[None]:
    """Turn a full disk into a UserError that says where room is needed."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(
            f"no space is left on the disk{f': {error.filename}' if error.filename else ''}",
            f"Make room in {tempfile.gettempdir()}, where the work is done (TMPDIR gives another place), and in "
            f"{out.absolute().parent}. Nothing half done was left there.",
        ) from error


def write_dataset(
    out: Path,
    splits: Mapping[str, Sequence[Row]],
    *,
    seed: int,
    lineage: Mapping[str, str],
    facts: Mapping[str, Any],
    extra: Mapping[str, Sequence[Row]] | None = None,
) -> DatasetManifest:
    """Write the folder `out`, which must not exist; `lineage` maps each input's path or name to its hash.

    An empty split gets no file. `extra` are other JSONL files by name that are not splits. Raises UserError when the
    disk is full.
    """
    try:
        with enough_room(out), atomic_folder(out) as folder:
            entries: dict[str, SplitEntry] = {}
            for name, rows in splits.items():
                if rows:
                    path = folder / f"{name}.jsonl"
                    count = write_jsonl(path, rows)
                    entries[name] = SplitEntry(file=path.name, examples=count, sha256=sha256_file(path))
            for name, rows in (extra or {}).items():
                write_jsonl(folder / name, rows)
            manifest = DatasetManifest(
                name=out.name,
                created=now(),
                seed=seed,
                splits=entries,
                lineage=[LineageEntry(path=path, sha256=digest) for path, digest in lineage.items()],
                facts=dict(facts),
            )
            write_json(folder / DATASET, manifest.model_dump())
    except FileExistsError as error:
        raise UserError(f"{out} exists", "Give another --out, or remove that folder first.") from error
    return manifest
