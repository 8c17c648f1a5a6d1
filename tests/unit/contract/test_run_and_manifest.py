"""Runs and manifests: finding a run, reading events while they are written, noticing damage."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.contract.errors import UserError
from tunewright.contract.manifest import MANIFEST, damaged_files, find_splits, read_manifest, write_manifest
from tunewright.contract.run import RunFolder, find_run, new_run_id, parse_events


def test_a_run_id_says_when_and_which_recipe() -> None:
    run_id = new_run_id("tiny", datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC))
    assert re.fullmatch(r"20260304-050607-tiny-[0-9a-f]{8}", run_id)


def make_runs(root: Path, *names: str) -> None:
    for name in names:
        (root / name).mkdir()
        (root / name / "spec.json").write_text("{}")


def test_the_latest_run_is_meant_when_none_is_named(tmp_path: Path) -> None:
    make_runs(tmp_path, "20260101-000000-tiny-aaaaaaaa", "20260201-000000-tiny-bbbbbbbb")
    assert find_run(tmp_path).path.name.endswith("bbbbbbbb")
    assert find_run(tmp_path, "aaaaaaaa").path.name.endswith("aaaaaaaa")
    assert find_run(tmp_path, "20260101").path.name.endswith("aaaaaaaa")
    assert find_run(tmp_path, f"{tmp_path}/20260101-000000-tiny-aaaaaaaa/").path.name.endswith("aaaaaaaa")


def test_a_run_of_another_folder_is_not_found_by_its_name(tmp_path: Path) -> None:
    make_runs(tmp_path, "20260101-000000-tiny-aaaaaaaa")

    with pytest.raises(UserError, match="no run"):
        find_run(tmp_path, "elsewhere/20260101-000000-tiny-aaaaaaaa")


@pytest.mark.parametrize(
    ("name", "says"), [("2026", "fits 2 runs"), ("nope", "no run 'nope'"), ("../x", "no run")]
)
def test_a_name_that_fits_none_or_several_is_refused(tmp_path: Path, name: str, says: str) -> None:
    make_runs(tmp_path, "20260101-000000-tiny-aaaaaaaa", "20260201-000000-tiny-bbbbbbbb")
    with pytest.raises(UserError, match=says):
        find_run(tmp_path, name)


def test_no_runs_at_all_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no runs"):
        find_run(tmp_path)


@given(st.integers(0, 200), st.lists(st.text(max_size=10), max_size=4))
def test_events_read_at_any_cut_are_whole_and_none_is_lost(cut: int, notes: list[str]) -> None:
    lines = [
        json.dumps({"seq": i, "time": "t", "stage": "train", "kind": "loss", "data": {"note": note}})
        for i, note in enumerate(notes, 1)
    ]
    data = "".join(line + "\n" for line in lines).encode()
    first, taken = parse_events(data[:cut])
    rest, _ = parse_events(data[taken:])
    assert [event.data["note"] for event in first + rest] == notes


def test_a_manifest_notices_a_flipped_byte_a_missing_and_a_longer_file(tmp_path: Path) -> None:
    for name in ("same", "flipped", "longer", "missing"):
        (tmp_path / name).write_text("content")
    manifest = write_manifest(tmp_path, "key", {"n": 1})
    assert read_manifest(tmp_path) == manifest
    assert damaged_files(tmp_path, manifest) == []
    (tmp_path / "flipped").write_text("cONTENT".swapcase())
    (tmp_path / "longer").write_text("content!")
    (tmp_path / "missing").unlink()
    assert set(damaged_files(tmp_path, manifest)) == {"flipped", "longer", "missing"}


@pytest.mark.parametrize("damage", [b"", b"{", b'{"key": 1}'])
def test_an_unreadable_manifest_means_not_finished(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / MANIFEST).write_bytes(damage)
    assert read_manifest(tmp_path) is None


def test_a_folder_without_splits_and_no_folder_at_all_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no train\.jsonl"):
        find_splits(tmp_path)
    with pytest.raises(UserError, match="no data at"):
        find_splits(tmp_path / "none")


def test_a_folder_that_is_no_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run"):
        RunFolder(tmp_path).read_spec()
