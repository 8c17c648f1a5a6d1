"""The head of a GGUF file, read piece by piece, and no more of it than needed."""

import struct
from collections.abc import Iterator

import pytest

from tests.support.gguf_file import metadata, write_gguf
from tunewright.contract.gguf_metadata import LONGEST, read_metadata


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_gguf(tmp_path_factory.mktemp("gguf") / "a.gguf").read_bytes()


@pytest.mark.parametrize("size", [1, 7, 1 << 18])
def test_values_are_read_whatever_the_pieces(data: bytes, size: int) -> None:
    wanted = {
        key: value
        for key, value in metadata().items()
        if not (isinstance(value, list) and not isinstance(value[0], str))
    }
    found = read_metadata(pieces(data, size))
    epsilon = "llama.attention.layer_norm_rms_epsilon"
    assert found.pop(epsilon) == pytest.approx(wanted.pop(epsilon))
    assert found == wanted


def test_the_weights_are_not_read(data: bytes) -> None:
    taken = 0

    def counted() -> Iterator[bytes]:
        nonlocal taken
        for piece in pieces(data, 64):
            taken += len(piece)
            yield piece

    read_metadata(counted())
    assert taken < len(data) / 2


@pytest.mark.parametrize("end", [0, 3, 4, 10, 24, 40, 300, 1000])
def test_a_cut_file_is_said_to_be_cut(data: bytes, end: int) -> None:
    with pytest.raises(ValueError, match="cut short"):
        read_metadata([data[:end]])


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (b"not a model at all", "not a GGUF file"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version 1"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", LONGEST * 4), "more than"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"a" + struct.pack("<I", 99), "type 99"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 60), "cut short"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"\xff" + struct.pack("<II", 4, 1), "utf-8"),
    ],
)
def test_what_contradicts_itself_is_refused(head: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_metadata([head])


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(ValueError, match="cut short"):
        read_metadata([])
