"""Which files a dataset is: found by name, folder or pattern, each with the split that its name says."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tunewright.contract.errors import UserError

SUFFIXES = (".jsonl", ".json", ".ndjson", ".parquet")
COMPRESSIONS = (".gz", ".zst")
_SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
    "testing": "test",
    "eval": "test",
}


@dataclass
class DataFile:
    """One input. What is read from it is filled in when its batches have been taken to the end."""

    path: Path
    split: str
    sha256: str = ""
    size: int = 0  # bytes on the disk
    lines: int = 0
    rows: int = 0  # rows handed out, read or not: a row's number in its file goes from 1 to this


def split_of(path: Path) -> str:
    """The split that a file's name says: train, valid or test; train when it says none."""
    return _named_split(path.name) or "train"


def _named_split(name: str) -> str | None:
    found = [_SPLIT_WORDS[word] for word in re.findall(r"[a-z]+", name.lower()) if word in _SPLIT_WORDS]
    return found[-1] if found else None


def is_data(path: Path) -> bool:
    """Whether a name is one that rows are read from, compressed or not."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    while suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return bool(suffixes) and suffixes[-1] in SUFFIXES


def find_files(paths: Sequence[Path]) -> list[DataFile]:
    """Files, folders and globs, each file once. Raises UserError for what is missing or empty.

    A link to another file of the same split is that file; in another split it is a file of its own, for its rows are
    in both splits.
    """
    found: dict[Path, DataFile] = {}
    for path in paths:
        for file in _expand(path):
            found.setdefault(file.path.parent.resolve() / file.path.name, file)
    if not found:
        raise UserError("no data given", "Give a .jsonl file, or a folder with train.jsonl and valid.jsonl.")
    for file in found.values():
        if file.path.stat().st_size == 0:
            raise UserError(f"{file.path}: the file is empty", "Each line must hold one example.")
    unlinked: dict[tuple[Path, str], DataFile] = {}
    for file in found.values():
        unlinked.setdefault((file.path.resolve(), file.split), file)
    return list(unlinked.values())


def _expand(path: Path) -> list[DataFile]:
    if path.is_file():
        return [DataFile(path, split_of(path))]
    if path.is_dir():
        files = _in_folder(path)
        if not files:
            raise UserError(
                f"{path}: no data files in it", f"Looked for {', '.join(SUFFIXES)}, also with .gz or .zst."
            )
        return files
    if any(character in str(path) for character in "*?["):
        base = Path(path.anchor) if path.is_absolute() else Path()
        pattern = str(path.relative_to(path.anchor)) if path.is_absolute() else str(path)
        files = [DataFile(file, split_of(file)) for file in sorted(base.glob(pattern)) if file.is_file()]
        if not files:
            raise UserError(
                f"nothing matches {path}", "Check the pattern; quote it so that the shell leaves it."
            )
        return files
    raise UserError(f"no data at {path}", "Give a .jsonl file, or a folder with train.jsonl and valid.jsonl.")


def _in_folder(path: Path) -> list[DataFile]:
    """A folder's data files, train first. Where it has none, those of the folders in it: their names may be splits."""
    found = _directly_in(path, None)
    if not found:
        folders = [below for below in sorted(path.iterdir()) if below.is_dir() and below.name[0] not in "._"]
        found = [file for folder in folders for file in _directly_in(folder, _named_split(folder.name))]
    if not found:
        found = [DataFile(file, "train") for file in path.iterdir() if file.is_file() and is_data(file)]
    order = ("train", "valid", "test")
    return sorted(found, key=lambda file: (order.index(file.split), str(file.path)))


def _directly_in(folder: Path, split: str | None) -> list[DataFile]:
    """The files that name a split, or else all but .json: dataset.json and the like describe the rows, they are not rows."""
    files = [file for file in folder.iterdir() if file.is_file() and is_data(file)]
    named = [file for file in files if _named_split(file.name)]
    chosen = named or [file for file in files if split or file.suffix != ".json"]
    return [DataFile(file, _named_split(file.name) or split or "train") for file in chosen]
