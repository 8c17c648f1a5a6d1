"""The metadata at the head of a GGUF file, read from a stream: the file itself may be gigabytes on another machine.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3.
"""

import struct
from collections.abc import Iterable
from typing import Any

LONGEST = 1 << 28  # bytes of metadata that are read; a vocabulary of 250,000 words takes some ten million
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


def read_metadata(pieces: Iterable[bytes]) -> dict[str, Any]:
    """Values by key: scalars, strings and lists of strings; arrays of numbers are skipped.

    `pieces` are the file's bytes from its beginning; no more of them are taken than needed. Raises ValueError for what is
    no such file.
    """
    head = _Head(pieces)
    if head.take(4) != b"GGUF":
        raise ValueError("it is not a GGUF file")
    if (version := head.number("I")) not in (2, 3):
        raise ValueError(f"GGUF version {version} is not supported")
    head.number("Q")  # tensors
    found: dict[str, Any] = {}
    for _ in range(head.number("Q")):
        key, kind = head.text(), head.number("I")
        if kind == _STRING:
            found[key] = head.text()
        elif kind != _ARRAY:
            found[key] = head.number(_code(kind))
        elif (inner := head.number("I")) == _STRING:
            found[key] = [head.text() for _ in range(head.number("Q"))]
        else:
            head.take(head.number("Q") * struct.calcsize("<" + _code(inner)))
    return found


def _code(kind: int) -> str:
    if kind not in _SCALARS:
        raise ValueError(f"a value of type {kind} is not supported")
    return _SCALARS[kind]


class _Head:
    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._held = bytearray()
        self._at = 0
        self._taken = 0

    def take(self, count: int) -> bytes:
        self._taken += count
        if self._taken > LONGEST:
            raise ValueError(f"its metadata take more than {LONGEST:,} bytes")
        while len(self._held) - self._at < count:
            del self._held[: self._at]
            self._at = 0
            piece = next(self._pieces, b"")
            if not piece:
                raise ValueError("it is cut short")
            self._held += piece
        self._at += count
        return bytes(self._held[self._at - count : self._at])

    def number(self, code: str) -> Any:
        return struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0]

    def text(self) -> str:
        return self.take(self.number("Q")).decode("utf-8")
