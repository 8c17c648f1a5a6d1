"""Which parts of a file a host already has: the parts are right, few, and what is sent is what is new."""

import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunewright.remote import chunks
from tunewright.remote.chunks import (
    MOST_PIECES,
    Chunks,
    Piece,
    SentFiles,
    compose_script,
    cut,
    pieces_of,
    read_sent,
    sent_bytes,
)

# A chunk's hash is its content here: a letter, repeated.
CHUNKS = st.lists(st.sampled_from([("a", 2), ("b", 3), ("c", 5), ("d", 1)]), max_size=12)


def content(chunks: Chunks) -> bytes:
    return b"".join(digest.encode() * length for digest, length in chunks)


def composed(folder: Path, old: bytes, new: bytes, pieces: list[Piece]) -> bytes:
    """What a host makes of them, by the script that it gets."""
    (folder / "new").write_bytes(new)
    (folder / "old").write_bytes(old)
    (folder / "sent").write_bytes(b"".join(read_sent(folder / "new", pieces)))
    names = [str(folder / name) for name in ("old", "sent", "made", "result")]
    script = compose_script(pieces).encode()
    subprocess.run(["/bin/sh", "-s", "--", *names], input=script, check=True, timeout=60)
    assert not (folder / "sent").exists()
    assert not (folder / "made").exists()
    return (folder / "result").read_bytes()


@given(CHUNKS, CHUNKS)
def test_the_pieces_are_the_new_file(new: Chunks, old: Chunks) -> None:
    pieces = pieces_of(new, old)
    was, is_ = content(old), content(new)
    assert is_ == b"".join(
        (was if piece.known else is_)[piece.offset : piece.offset + piece.length] for piece in pieces
    )
    have = {digest for digest, _ in old}
    assert sent_bytes(pieces) == sum(length for digest, length in new if digest not in have)
    for one, other in pairwise(pieces):
        assert one.known != other.known or one.offset + one.length != other.offset, "they could be one piece"


def test_a_host_puts_them_together_with_its_own_tools(tmp_path: Path) -> None:
    random = Random(1)
    old = random.randbytes(600_000)
    new = old[:200_000] + b"changed\n" + old[200_100:500_000] + random.randbytes(50_000)
    for name, data in (("a", old), ("b", new)):
        (tmp_path / name).write_bytes(data)
    pieces = pieces_of(cut(tmp_path / "b"), cut(tmp_path / "a"))
    assert composed(tmp_path, old, new, pieces) == new
    assert 50_000 < sent_bytes(pieces) < 500_000


@settings(max_examples=10)
@given(st.integers(0, 10**9), st.integers(0, 40))
def test_what_was_sent_goes_on_where_it_was(seed: int, skip: int) -> None:
    pieces = [Piece(False, 5, 10), Piece(True, 0, 3), Piece(False, 18, 20)]
    data = Random(seed).randbytes(60)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        path.write_bytes(data)
        whole = b"".join(read_sent(path, pieces))
        assert whole == data[5:15] + data[18:38]
        assert b"".join(read_sent(path, pieces, skip)) == whole[skip:]


def test_a_changed_row_moves_no_other_cut(tmp_path: Path) -> None:
    random = Random(2)
    rows = [random.randbytes(400).hex() + "\n" for _ in range(10_000)]
    (tmp_path / "a").write_text("".join(rows))
    rows[5_000] = "another row, of another length\n"
    (tmp_path / "b").write_text("".join(rows))
    pieces = pieces_of(cut(tmp_path / "b"), cut(tmp_path / "a"))
    assert 0 < sent_bytes(pieces) < 300_000
    assert len(pieces) == 3
    # Positive control: nothing is alike.
    (tmp_path / "c").write_text("".join(random.randbytes(400).hex() + "\n" for _ in range(10_000)))
    assert sent_bytes(pieces_of(cut(tmp_path / "c"), cut(tmp_path / "a"))) == (tmp_path / "c").stat().st_size


def test_the_best_file_comes_first_and_what_saves_little_not_at_all(tmp_path: Path) -> None:
    sent = SentFiles(tmp_path)
    new: Chunks = [("a", 100), ("b", 100), ("c", 100), ("d", 100)]
    sent.add("1" * 64, [("a", 100)])
    sent.add("2" * 64, [("a", 100), ("b", 100), ("x", 7), ("c", 100)])
    sent.add("3" * 64, new)
    sent.add("4" * 64, [("d", 100), ("c", 100), ("b", 100)])
    (tmp_path / ("5" * 64)).write_text("damaged")
    (tmp_path / "notes.txt").write_text("not ours")
    found = sent.alike("3" * 64, new)
    assert {name[0] for name, _ in found} == {"2", "4"}
    assert [sent_bytes(pieces) for _, pieces in found] == [100, 100]
    assert sent.alike("6" * 64, new)[0] == ("3" * 64, [Piece(True, 0, 400)])


def test_what_falls_to_pieces_is_sent_whole(tmp_path: Path) -> None:
    sent = SentFiles(tmp_path)
    old: Chunks = [(str(number), 10) for number in range(2 * MOST_PIECES)]
    sent.add("1" * 64, old)
    assert sent.alike("2" * 64, old[::-1]) == []
    assert sent.alike("2" * 64, old[::2][: MOST_PIECES // 2]) != []


def test_a_look_at_a_few_places_tells_a_file_that_may_be_alike(tmp_path: Path) -> None:
    random = Random(4)
    rows = [random.randbytes(1000) for _ in range(70_000)]

    def written(name: str, content: list[bytes]) -> Path:
        (tmp_path / name).write_bytes(b"".join(content))
        return tmp_path / name

    def new(count: int) -> list[bytes]:
        return [random.randbytes(1000) for _ in range(count)]

    first, files = written("first", rows), SentFiles(tmp_path / "index")
    assert not files.may_be_alike("1" * 64, first), "nothing was sent yet"
    files.add_later("0" * 64, first)
    alike = {
        "one row": [*rows[:35_000], *new(1), *rows[35_001:]],
        "a half": new(35_000) + rows[35_000:],
        "every other megabyte": [
            row for at in range(0, 70_000, 2000) for row in rows[at : at + 1000] + new(1000)
        ],
        "all of it, and something before": [b"a row", *rows],
    }
    for name, content in alike.items():
        assert files.may_be_alike("1" * 64, written(name, content)), name
    assert not files.may_be_alike("1" * 64, written("another", new(70_000)))
    assert not files.may_be_alike("0" * 64, first), "only the file itself was sent"


def test_a_file_that_is_cut_short_meanwhile_ends_nothing(tmp_path: Path) -> None:
    """In a process of its own: to read what is gone of a file in mapped memory would end this one."""
    path = tmp_path / "file"
    path.write_bytes(Random(5).randbytes(20_000_000))
    code = (
        "import os, sys; from pathlib import Path; from tunewright.remote import chunks\n"
        "digest = chunks._digest\n"
        "def shorten(chunk): os.truncate(sys.argv[1], 0); return digest(chunk)\n"
        "chunks._digest = shorten\n"
        "print(len(chunks.cut(Path(sys.argv[1]))) > 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


@pytest.mark.parametrize("change", ["rewritten", "removed", "none"])
def test_of_a_file_that_changed_before_it_was_cut_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100_000)

    def changed(file: Path) -> Chunks:
        if change == "rewritten":
            file.write_bytes(b"y" * 100_001)
        elif change == "removed":
            file.unlink()
        return cut(file)

    monkeypatch.setattr(chunks, "cut", changed)
    files = SentFiles(tmp_path / "index")
    files.add_later("0" * 64, path)
    files.wait()
    kept = [one.name for one in files.folder.iterdir()] if files.folder.exists() else []
    assert kept == (["0" * 64] if change == "none" else [])
