"""A folder that cannot be made is told before the work, a full disk after it; neither leaves anything behind."""

import errno
from pathlib import Path
from typing import Any

import pytest

from tunewright.chat import dataset_folder
from tunewright.chat.dataset_folder import enough_room, write_dataset
from tunewright.contract.atomic import check_place
from tunewright.contract.errors import UserError


def test_a_place_that_can_be_had_is_left_as_it_was(tmp_path: Path) -> None:
    check_place(tmp_path / "a" / "b" / "c")
    assert not list(tmp_path.iterdir())
    (tmp_path / "a").mkdir()
    check_place(tmp_path / "a" / "b")
    check_place(tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert not list((tmp_path / "a").iterdir())


@pytest.mark.parametrize("out", ["file/data", "new/" + "x" * 300, "file/above/data"])
def test_an_impossible_place_is_told_and_nothing_is_made(tmp_path: Path, out: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be made") as told:
        check_place(tmp_path / out)
    assert told.value.exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(
        Path, "mkdir", refuse
    )  # root may write anywhere, so that modes say nothing in a container
    with pytest.raises(UserError, match=r"cannot be made \(Permission denied\)"):
        check_place(tmp_path / "out")


def test_a_full_disk_is_told_and_nothing_half_done_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, rows: object) -> int:
        path.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(dataset_folder, "write_jsonl", full)
    with pytest.raises(UserError, match="no space is left on the disk"):
        write_dataset(tmp_path / "out", {"train": [{}]}, seed=1, lineage={}, facts={})
    assert not list(tmp_path.iterdir())


def test_another_fault_of_the_disk_keeps_its_traceback(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Input/output"), enough_room(tmp_path / "out"):
        raise OSError(errno.EIO, "Input/output error")
