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
    words = re.findall(r"[a-z]+", path.name.lower())
    found = [_SPLIT_WORDS[word] for word in words if word in _SPLIT_WORDS]
    return found[-1] if found else "train"


def is_data(path: Path) -> bool:
    """Whether a name is one that rows are read from, compressed or not."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    while suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return bool(suffixes) and suffixes[-1] in SUFFIXES


def find_files(paths: Sequence[Path]) -> list[DataFile]:
    """Files, folders and globs, each file once. Raises UserError for what is missing or empty."""
    found: dict[Path, DataFile] = {}
    for path in paths:
        for file in _expand(path):
            found.setdefault(file.resolve(), DataFile(file, split_of(file)))
    if not found:
        raise UserError("no data given", "Give a .jsonl file, or a folder with train.jsonl and valid.jsonl.")
    for file in found.values():
        if file.path.stat().st_size == 0:
            raise UserError(f"{file.path}: the file is empty", "Each line must hold one example.")
    return list(found.values())


def _expand(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file() and is_data(file))
        named = [
            file for file in files if set(re.findall(r"[a-z]+", file.name.lower())) & _SPLIT_WORDS.keys()
        ]
        # dataset.json and the like describe the rows; they are not rows.
        files = named or [file for file in files if file.suffix != ".json"] or files
        if not files:
            raise UserError(
                f"{path}: no data files in it", f"Looked for {', '.join(SUFFIXES)}, also with .gz or .zst."
            )
        return _in_order(files)
    if any(character in str(path) for character in "*?["):
        base = Path(path.anchor) if path.is_absolute() else Path()
        pattern = str(path.relative_to(path.anchor)) if path.is_absolute() else str(path)
        files = sorted(file for file in base.glob(pattern) if file.is_file())
        if not files:
            raise UserError(
                f"nothing matches {path}", "Check the pattern; quote it so that the shell leaves it."
            )
        return files
    raise UserError(f"no data at {path}", "Give a .jsonl file, or a folder with train.jsonl and valid.jsonl.")


def _in_order(files: list[Path]) -> list[Path]:
    order = ("train", "valid", "test")
    return sorted(files, key=lambda file: (order.index(split_of(file)), file.name))
