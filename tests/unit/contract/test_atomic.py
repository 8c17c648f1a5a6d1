"""A file or folder appears whole, or not at all."""

import errno
import json
import os
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.contract.atomic import (
    atomic_folder,
    atomic_writer,
    check_place,
    dump_json,
    open_descriptor,
    sha256_bytes,
    sha256_file,
    sha256_json,
    write_bytes,
    write_json,
    write_jsonl,
    write_text,
)
from tunewright.contract.errors import UserError


def test_a_file_is_written_with_its_parents(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.txt"
    write_text(path, "grün\n")
    assert path.read_bytes() == "grün\n".encode()


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with pytest.raises(RuntimeError), atomic_writer(path) as file:
        file.write(b"half of the new")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_an_interrupted_write_leaves_no_rubbish(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), atomic_writer(tmp_path / "file"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with pytest.raises(OSError) as caught, atomic_writer(path) as file:
        # What the kernel says when the disk is full, on the same road.
        os.dup2(os.open(full, os.O_WRONLY), file.fileno())
        file.write(b"new")
    assert caught.value.errno == errno.ENOSPC
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_full_device_is_told_with_its_name() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(OSError, match="/dev/full") as caught:
        write_text(Path("/dev/full"), "x")
    assert caught.value.errno == errno.ENOSPC


def test_a_device_is_written_into_and_stays_a_device(tmp_path: Path) -> None:
    node = tmp_path / "null"
    try:
        os.mknod(node, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        node.read_bytes()
    except OSError:
        pytest.skip("only root makes devices")
    check_place(node)
    write_json(node, {"a": 1})
    write_text(node, "x")
    assert stat.S_ISCHR(node.lstat().st_mode)
    assert [p.name for p in tmp_path.iterdir()] == ["null"]


def test_a_pipe_is_written_into_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    check_place(pipe)
    with ThreadPoolExecutor(1) as reader:
        read = reader.submit(pipe.read_bytes)
        write_text(pipe, "grün\n" * 50_000)
        assert read.result() == "grün\n".encode() * 50_000
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    assert [p.name for p in tmp_path.iterdir()] == ["pipe"]


@pytest.mark.parametrize("name", ["/dev/fd/{}", "/proc/self/fd/{}"])
def test_an_open_descriptor_is_written_where_it_stands(tmp_path: Path, name: str) -> None:
    target = tmp_path / "file"
    with target.open("wb") as file:
        path = Path(name.format(file.fileno()))
        if not path.exists():
            pytest.skip(f"this system has no {path}")
        file.write(b"before\n")
        file.flush()
        link = tmp_path / "link"
        link.symlink_to(path)
        for place in (path, link):
            assert open_descriptor(place) == file.fileno()
            check_place(place)
            write_text(place, "written\n")
        file.write(b"after\n")
    assert target.read_bytes() == b"before\nwritten\nwritten\nafter\n"
    assert link.is_symlink()


def test_a_socket_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        with pytest.raises(UserError, match="socket"):
            check_place(tmp_path / "s")


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    link, target = tmp_path / "link", tmp_path / "there" / "file"
    target.parent.mkdir()
    link.symlink_to(target)
    for text in ("first", "second"):
        check_place(link)
        write_text(link, text)
        assert target.read_text() == text
        assert link.is_symlink()
    assert [p.name for p in target.parent.iterdir()] == ["file"]


def test_a_place_that_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    check_place(tmp_path / "a" / "b")
    (tmp_path / "file").write_text("old")
    check_place(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_written_files_are_as_readable_as_any_other(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_text(tmp_path / "file", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o644


def test_a_folder_appears_when_its_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "done"
    with atomic_folder(target) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "file").write_text("x")
        assert not target.exists()
    assert (target / "sub" / "file").read_text() == "x"
    assert [p.name for p in tmp_path.iterdir()] == ["done"]


def test_a_failed_folder_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "done") as folder:
        (folder / "file").write_text("x")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_finished_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "done").mkdir()
    with pytest.raises(FileExistsError), atomic_folder(tmp_path / "done"):
        raise AssertionError("the block must not start")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_equal_values_have_equal_json_whatever_the_order_of_keys(value: object) -> None:
    text = dump_json(value)
    assert json.loads(text) == value
    if isinstance(value, dict):
        turned = dict(reversed(list(value.items())))
        assert dump_json(turned) == text
        assert sha256_json(turned) == sha256_json(value)


def test_not_a_number_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        write_json(tmp_path / "x.json", {"loss": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_json_lines_are_counted_and_read_back(tmp_path: Path) -> None:
    assert write_jsonl(tmp_path / "x.jsonl", [{"a": "ü"}, {"a": "\u2028"}]) == 2
    lines = (tmp_path / "x.jsonl").read_bytes().split(b"\n")
    assert [json.loads(line)["a"] for line in lines if line] == ["ü", "\u2028"]


@given(st.binary(max_size=3000))
def test_a_files_hash_is_its_contents_hash(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(data)
        assert sha256_file(path) == sha256_bytes(data)
