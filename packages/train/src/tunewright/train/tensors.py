"""Weights on disk: written so that a cut file is noticed, read so that a changed one is."""

import json
import struct
from pathlib import Path
from typing import Any

import mlx.core as mx

from tunewright.contract.errors import UserError


def save_tensors(path: Path, arrays: dict[str, Any]) -> None:
    """Write a safetensors file. `path` ends in `.safetensors` and is in a folder that nobody reads yet.

    Raises OSError when fewer bytes arrived than the header promises.
    """
    mx.save_safetensors(str(path), arrays, metadata={"format": "mlx"})
    if path.stat().st_size != promised_size(path):
        raise OSError(f"{path} was cut short: No space left on device")


def promised_size(path: Path) -> int:
    """How many bytes a safetensors file has by its own header. Raises ValueError when it has none."""
    with path.open("rb") as file:
        head = file.read(8)
        if len(head) < 8:
            raise ValueError(f"{path}: not a safetensors file")
        (length,) = struct.unpack("<Q", head)
        text = file.read(min(length, 1 << 28))
    header = json.loads(text)
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    return 8 + length + max(ends, default=0)


def load_tensors(path: Path) -> dict[str, Any]:
    """Read a safetensors file. Raises UserError when it is missing, cut or not one."""
    try:
        whole = path.stat().st_size == promised_size(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: no weights in it ({error})", "Fetch or make the model again.") from error
    if not whole:
        raise UserError(f"{path} is cut short", "Fetch or make the model again.")
    arrays: Any = mx.load(str(path))
    return arrays


def number(value: Any) -> float:
    """The value of an array of one real element; evaluates it."""
    return float(value.item())
