"""The file that `serve --log` writes: private, bounded, whole after a crash, and never somebody else's file."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.served import asking, calling, saying, served
from tunewright.audit.audited import audit_dataset
from tunewright.audit.sql import run_query
from tunewright.chat.merge import merge_datasets
from tunewright.chat.review_mark import mark_of
from tunewright.chat.training_set import read_training_set
from tunewright.cli.served_log import ServedLog
from tunewright.contract.errors import UserError

ROWS = [served(asking(f"How is the weather in city {n}?"), calling(f"City {n}")) for n in range(4)]


def write(path: Path, rows: list[Any], **options: Any) -> int:
    with ServedLog(path, **options) as log:
        for row in rows:
            log.add(row)
        return log.rows


def read(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_rows_are_appended_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "log.jsonl"
    assert write(path, ROWS[:2]) == 2
    assert write(path, ROWS[2:]) == 2
    assert [row["messages"] for row in read(path)] == [row["messages"] for row in ROWS]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_others_could_read_becomes_private(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    write(path, ROWS)
    path.chmod(0o644)
    write(path, [])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_host_cannot_mark_rows_nor_add_anything_else(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    lying = {
        **ROWS[0],
        "mark": "keep",
        "headers": {"Authorization": "Bearer sk-1"},
        "meta": {"source": "navigation"},
    }
    write(path, [lying, "text", {"messages": "text"}, {"meta": {}}, None])
    (row,) = read(path)
    assert set(row) == {"mark", "messages", "tools", "meta"}
    assert mark_of(row) == ""


@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_wherever_a_crash_cuts_the_file_whole_rows_stay_and_new_ones_follow(
    tmp_path: Path, data: st.DataObject
) -> None:
    path = tmp_path / "log.jsonl"
    path.unlink(missing_ok=True)
    write(path, ROWS)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    write(path, [served(asking("Again?"), saying("Yes."))])
    kept = whole[:cut].count(b"\n") + (whole[cut : cut + 1] == b"\n")
    assert [row["messages"][0]["content"] for row in read(path)] == [
        *(row["messages"][0]["content"] for row in ROWS[:kept]),
        "Again?",
    ]


def test_the_file_never_grows_beyond_its_size_and_that_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log.jsonl"
    write(path, ROWS[:1])
    one = path.stat().st_size
    path.unlink()
    assert write(path, ROWS, largest=2 * one + 5) == 2
    assert len(read(path)) == 2
    assert path.stat().st_size <= 2 * one + 5
    assert capsys.readouterr().err.count("nothing more is written") == 1
    with pytest.raises(UserError, match="full"):
        ServedLog(path, largest=one)


def test_a_full_disk_leaves_whole_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log.jsonl"
    real = os.write
    with ServedLog(path) as log:
        log.add(ROWS[0])

        def half(file: int, data: bytes) -> int:
            if len(data) > 20:
                return real(file, data[: len(data) // 2])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", half)
        log.add(ROWS[1])
        monkeypatch.setattr(os, "write", real)
        log.add(ROWS[2])
    assert len(read(path)) == 1
    assert "No space left" in capsys.readouterr().err


@pytest.mark.parametrize("text", ['{"messages": []}\n', "notes\n", "\n", '{"mark": ' + "x" * (3 << 20)])
def test_nothing_is_added_to_another_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(text)
    with pytest.raises(UserError, match="not a log"):
        ServedLog(path)
    assert path.read_text() == text


def test_what_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", ".", "/dev/null"):
        with pytest.raises(UserError):
            ServedLog(tmp_path / name)
    assert not (tmp_path / "elsewhere").exists()


def test_two_cannot_write_to_one_file(tmp_path: Path) -> None:
    with (
        ServedLog(tmp_path / "log.jsonl"),
        pytest.raises(UserError, match="another"),
    ):
        ServedLog(tmp_path / "log.jsonl")
    ServedLog(tmp_path / "log.jsonl").__exit__(None, None, None)


def test_what_is_not_json_or_not_text_breaks_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    assert (
        write(path, [served(asking("\ud800 what?"), saying("?")), {**ROWS[0], "tools": [float("nan")]}]) == 1
    )
    assert read(path)[0]["messages"][0]["content"] == "? what?"


def test_audit_and_sql_read_a_log_and_nothing_is_trained_on(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    write(path, ROWS)
    report = audit_dataset([path])
    assert not [f for f in report.findings if f.check.startswith(("format.", "call."))]
    assert str(run_query("SELECT count(*) AS n FROM calls", [path], None, "csv")).split()[-1] == "4"
    with pytest.raises(UserError, match="not marked keep"):
        read_training_set(path)
    made = merge_datasets([path], tmp_path / "merged", valid=0)
    assert made.facts["unwanted_dropped"] == 4
    assert not any(split.examples for split in made.splits.values())
