"""Finished probes, kept by the fingerprint of the data that they were trained on, so that an audit of these shows them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tunewright.contract.atomic import sha256_json, write_json

# Of a probe's JSON. It is here and not in verdict.py because every audit imports this module: verdict.py imports pydantic.
SCHEMA = 1


def fingerprint(files: Iterable[tuple[str, str]]) -> str:
    """A hash of data files, given as (split, sha256); their names and order do not count."""
    return sha256_json(sorted([split, sha256] for split, sha256 in files))


def save_probe(folder: Path, data: str, model: str, result: dict[str, Any]) -> Path:
    """Keep a probe's JSON for the data of that fingerprint, in place of an earlier one of the same model."""
    path = folder / f"{data[:32]}-{model}.json"
    write_json(path, {**result, "fingerprint": data, "model": model})
    return path


def read_probes(folder: Path, data: str) -> list[dict[str, Any]]:
    """The probes kept for the data of that fingerprint, by model; a file that is damaged is passed over."""
    found: list[dict[str, Any]] = []
    for path in sorted(folder.glob(f"{data[:32]}-*.json")):
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(value, dict) and value.get("schema") == SCHEMA and value.get("fingerprint") == data:
            found.append(value)
    return found
