"""Reading a GGUF file: its metadata and tensors, every length checked before it is used.

mlx can read these files too, through a C library that trusts every number in them: a cut or hostile file ends
the process. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3.
"""

import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tunewright.contract.errors import UserError
from tunewright.contract.visible import one_line

GROUP = 32  # weights that share a scale, in every quantization read here
MAX_DIMENSIONS = 4
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
# Of each type: its name, weights a block, bytes a block.
_TYPES = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    30: ("BF16", 1, 2),
    2: ("Q4_0", GROUP, 18),
    3: ("Q4_1", GROUP, 20),
    8: ("Q8_0", GROUP, 34),
}
# What a message can name beyond the types that are read.
_OTHERS = {
    6: "Q5_0",
    7: "Q5_1",
    9: "Q8_1",
    10: "Q2_K",
    11: "Q3_K",
    12: "Q4_K",
    13: "Q5_K",
    14: "Q6_K",
    15: "Q8_K",
}

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Floats:
    """A tensor that is stored as floats. values: float32 or float16, in the shape of the weight."""

    values: npt.NDArray[Any]


@dataclass(frozen=True)
class Quantized:
    """A matrix as mlx holds one quantized in groups of 32: weight = scale * number + bias.

    packed: (rows, columns * bits / 32) uint32, the first number in the lowest bits.
    scales, biases: (rows, columns / 32) float16.
    """

    packed: npt.NDArray[np.uint32]
    scales: npt.NDArray[np.float16]
    biases: npt.NDArray[np.float16]
    bits: int

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of the matrix that it packs."""
        return self.packed.shape[0], self.packed.shape[1] * 32 // self.bits


@dataclass(frozen=True)
class _Place:
    shape: tuple[int, ...]  # rows first
    kind: int
    start: int
    size: int


class Gguf:
    """An open GGUF file.

    metadata: values by key; an array of numbers is a NumPy array, one of strings a list.
    """

    def __init__(self, path: Path) -> None:
        """Raises UserError when the file cannot be read, is not GGUF, is cut short, or contradicts itself."""
        self.path = path
        try:
            with path.open("rb") as file:
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "the file is empty"
            raise UserError(f"{path}: cannot be read ({reason})", "Check the path.") from error
        self._at = 0
        if self._data[:4] != b"GGUF":
            raise UserError(f"{path} is not a GGUF file", "Name a file that llama.cpp reads.")
        self._at = 4
        version = self._number("I")
        if version not in (2, 3):
            raise UserError(f"{path}: GGUF version {version} is not supported", "Versions 2 and 3 are.")
        tensors, values = self._number("Q"), self._number("Q")
        self.metadata: dict[str, Any] = {}
        for _ in range(self._counted(values, 13)):
            key = self._text()
            if key in self.metadata:
                raise self.fault(f"{key!r} appears twice")
            self.metadata[key] = self._value(self._number("I"), nested=False)
        self._places = self._read_places(self._counted(tensors, 24))

    @property
    def names(self) -> tuple[str, ...]:
        """The tensors' names."""
        return tuple(self._places)

    def fault(self, what: str) -> UserError:
        """The error for a file that holds something it may not."""
        return UserError(f"{self.path}: {one_line(what)}", "Fetch or convert the file again.")

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor, rows first."""
        return self._places[name].shape

    def tensor(self, name: str) -> Floats | Quantized:
        """One tensor. Raises UserError for a type that is not read, and for numbers that are not finite."""
        place = self._places[name]
        raw = np.frombuffer(self._data, np.uint8, place.size, place.start)
        kind = _TYPES[place.kind][0]
        if kind.startswith("Q"):
            found = _unpack(kind, raw, place.shape)
            finite = np.isfinite(found.scales).all() and np.isfinite(found.biases).all()
        else:
            found = Floats(_floats(kind, raw).reshape(place.shape))
            finite = np.isfinite(found.values).all()
        if not finite:
            raise self.fault(f"{name} holds numbers that are not finite")
        return found

    def _take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise UserError(f"{self.path} is cut short", "Fetch the file again.")
        piece = self._data[self._at : end]
        self._at = end
        return piece

    def _number(self, code: str) -> Any:
        return struct.unpack("<" + code, self._take(struct.calcsize("<" + code)))[0]

    def _counted(self, count: int, least: int) -> int:
        """A count of things that take `least` bytes each: no more than the file has room for."""
        if count * least > len(self._data) - self._at:
            raise UserError(f"{self.path} is cut short", "Fetch the file again.")
        return count

    def _text(self) -> str:
        piece = self._take(self._number("Q"))
        try:
            return piece.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.fault("a string in it is not UTF-8") from error

    def _value(self, kind: int, *, nested: bool) -> Any:
        if kind in _SCALARS:
            return self._number(_SCALARS[kind])
        if kind == _STRING:
            return self._text()
        if kind != _ARRAY or nested:
            raise self.fault(f"a value of type {kind} is not supported")
        inner, count = self._number("I"), self._number("Q")
        if inner == _STRING:
            return [self._text() for _ in range(self._counted(count, 8))]
        if inner not in _SCALARS:
            raise self.fault(f"an array of type {inner} is not supported")
        dtype = np.dtype("<" + _SCALARS[inner])
        return np.frombuffer(self._take(self._counted(count, dtype.itemsize) * dtype.itemsize), dtype)

    def _read_places(self, count: int) -> dict[str, _Place]:
        heads: list[tuple[str, tuple[int, ...], int, int]] = []
        for _ in range(count):
            name = self._text()
            dimensions = self._number("I")
            if not 1 <= dimensions <= MAX_DIMENSIONS:
                raise self.fault(f"{name} has {dimensions} dimensions")
            shape = tuple(self._number("Q") for _ in range(dimensions))[::-1]
            heads.append((name, shape, self._number("I"), self._number("Q")))
        alignment = self.metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or isinstance(alignment, bool) or alignment < 1:
            raise self.fault("general.alignment is not a positive number")
        start = -(-self._at // alignment) * alignment
        places: dict[str, _Place] = {}
        for name, shape, kind, offset in heads:
            if name in places:
                raise self.fault(f"the tensor {name} appears twice")
            if kind not in _TYPES:
                called = _OTHERS.get(kind, f"type {kind}")
                raise UserError(
                    f"{self.path}: {one_line(name, 80)} is quantized as {called}, which is not supported",
                    "Supported are Q4_0, Q4_1 and Q8_0: convert it with llama-quantize --pure, or fetch such a file.",
                )
            _, block, size = _TYPES[kind]
            weights = math.prod(shape)
            if weights < 1 or shape[-1] % block or (block > 1 and len(shape) != 2):
                raise self.fault(f"{name} has the impossible shape {shape}")
            place = _Place(shape, kind, start + offset, weights // block * size)
            if place.start + place.size > len(self._data):
                raise UserError(
                    f"{self.path} is cut short: {one_line(name, 80)} ends outside it", "Fetch the file again."
                )
            places[name] = place
        return places


def _floats(kind: str, raw: Bytes) -> npt.NDArray[Any]:
    if kind == "BF16":  # the upper half of a float32
        return (raw.view("<u2").astype(np.uint32) << 16).view(np.float32)
    return raw.view("<f4" if kind == "F32" else "<f2")


def _unpack(kind: str, raw: Bytes, shape: tuple[int, ...]) -> Quantized:
    rows, columns = shape
    groups = columns // GROUP
    blocks = raw.reshape(rows * groups, -1)
    scales = _halves(blocks[:, :2])
    if kind == "Q8_0":
        # Signed bytes; mlx's numbers are unsigned, so that the bias is -128 scales.
        packed = (blocks[:, 2:] ^ np.uint8(0x80)).reshape(rows, -1)
        return Quantized(
            packed.view("<u4"), scales.reshape(rows, groups), _times(scales, -128).reshape(rows, groups), 8
        )
    if kind == "Q4_0":
        biases, nibbles = _times(scales, -8), blocks[:, 2:]
    else:
        biases, nibbles = _halves(blocks[:, 2:4]), blocks[:, 4:]
    # A block's low halves are its first 16 numbers, its high halves the rest.
    numbers = np.concatenate([nibbles & 0x0F, nibbles >> 4], axis=1)
    packed = np.ascontiguousarray(numbers[:, 0::2] | (numbers[:, 1::2] << 4)).reshape(rows, -1)
    return Quantized(packed.view("<u4"), scales.reshape(rows, groups), biases.reshape(rows, groups), 4)


def _halves(columns: Bytes) -> npt.NDArray[np.float16]:
    return np.ascontiguousarray(columns).view("<f2").reshape(-1)


def _times(scales: npt.NDArray[np.float16], factor: int) -> npt.NDArray[np.float16]:
    with np.errstate(over="ignore", invalid="ignore"):  # whatever is not finite is refused by the caller
        return scales * np.float16(factor)
