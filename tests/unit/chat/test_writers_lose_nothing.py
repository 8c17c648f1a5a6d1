"""`data.merge` and `data.normalize`: no row is lost or changed, or nothing is written and the row is named."""

import json
import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.chat_shapes import ROWS
from tests.unit.chat.test_shapes import ROWS as HOSTILE
from tunewright.chat.conversation import UnknownShapeError, read_conversation
from tunewright.chat.merge import merge_datasets
from tunewright.chat.message import called_by
from tunewright.chat.normalize import normalize_dataset
from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Structure

Row = dict[str, Any]
KEPT_AS_IT_IS = Structure(system_message=0, multi_turn=0, preamble=0)


def file_of(folder: Path, rows: list[Any]) -> Path:
    path = folder / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows_in(folder: Path) -> list[Row]:
    return [json.loads(line) for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]


@pytest.mark.parametrize("shape", ROWS)
def test_a_row_of_each_shape_is_merged_whole(shape: str, tmp_path: Path) -> None:
    row = {**ROWS[shape][0], "mine": {"kept": None}}
    merge_datasets([file_of(tmp_path, [row])], tmp_path / "out", valid=0)
    [merged] = rows_in(tmp_path / "out")
    wanted = read_conversation(row).row()
    if isinstance(wanted.get("tools"), str):  # a list written as text becomes a list
        wanted = {**wanted, "tools": json.loads(wanted["tools"])}
    assert merged == wanted
    if isinstance(row.get("messages"), list):
        assert merged == row


def test_what_others_call_the_same_is_one_row_and_what_differs_is_two(tmp_path: Path) -> None:
    talk = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
    image = {"role": "user", "content": [{"type": "image", "url": "1"}]}
    rows = [
        talk,
        {"prompt": "q", "completion": "a"},  # the same
        {**talk, "rejected": "b"},
        {**talk, "rejected": "c"},
        {**talk, "tools": [{"name": "f"}]},
        {**talk, "kto_tag": True},
        {"messages": [talk["messages"][0], {**talk["messages"][1], "weight": 0}]},
        {"messages": [talk["messages"][0], {**talk["messages"][1], "loss": True}]},
        {"messages": [image, talk["messages"][1]]},
        {"messages": [{**image, "content": [{"type": "image", "url": "2"}]}, talk["messages"][1]]},
    ]
    made = merge_datasets([file_of(tmp_path, rows)], tmp_path / "out", valid=0)
    assert made.facts["doubles_dropped"] == 1
    assert len(rows_in(tmp_path / "out")) == len(rows) - 1


def unreadable(row: Any) -> bool:
    try:
        found = read_conversation(row)
        json.dumps(found.row(), ensure_ascii=False, allow_nan=False).encode()
    except (UnknownShapeError, ValueError):
        return True
    return any(kind == "tools" for kind, _ in found.notes)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(HOSTILE | st.sampled_from([row for row, _ in ROWS.values()]), min_size=1, max_size=5))
def test_any_rows_are_merged_whole_or_named(rows: list[Row]) -> None:
    rows = [{**row, "n": n} for n, row in enumerate(rows)]
    with tempfile.TemporaryDirectory() as name:
        path = file_of(Path(name), rows)
        before = path.read_bytes()
        try:
            made = merge_datasets([path], Path(name) / "out", valid=0, balance="none")
        except UserError as error:
            named = [int(line) for line in re.findall(r"train\.jsonl:(\d+):", error.message)]
            assert named == [n for n, row in enumerate(rows, start=1) if unreadable(row)]
            assert not (Path(name) / "out").exists()
            return
        finally:
            assert path.read_bytes() == before
        merged = rows_in(Path(name) / "out")
    assert not any(map(unreadable, rows))
    dropped = made.facts["doubles_dropped"] + made.facts["unwanted_dropped"]
    assert len(merged) + dropped == len(rows) == made.facts["read"]
    for row in merged:
        source = rows[row["n"]]
        found = read_conversation(source)
        assert read_conversation(row).plain == found.plain
        assert (read_conversation(row).tools or None) == (found.tools or None)
        for key, value in source.items():
            assert key in (*found.read_from, "tools", "messages") or row[key] == value
    gone = [read_conversation(row) for n, row in enumerate(rows) if n not in {row["n"] for row in merged}]
    said = {json.dumps(read_conversation(row).plain) for row in merged}
    assert all(found.label is False or json.dumps(found.plain) in said for found in gone)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(HOSTILE | st.sampled_from([row for row, _ in ROWS.values()]), min_size=1, max_size=5))
def test_any_rows_are_normalized_whole_or_named(rows: list[Row]) -> None:
    rows = [{**row, "n": n} for n, row in enumerate(rows)]
    with tempfile.TemporaryDirectory() as name:
        path = file_of(Path(name), rows)
        try:
            normalize_dataset(path, Path(name) / "out", KEPT_AS_IT_IS)
        except UserError as error:
            assert re.search(r"train\.jsonl:\d+:", error.message)
            return
        after = rows_in(Path(name) / "out")
    assert Counter(row["n"] for row in after) == Counter(range(len(rows)))
    for row in after:
        wanted = read_conversation(rows[row["n"]]).row()
        for key, value in wanted.items():
            if key not in ("messages", "tools", "functions", "available_tools"):
                assert row[key] == value
        answers = [m for m in wanted["messages"] if m["role"] == "assistant"]
        after_it = [m for m in row["messages"] if m["role"] == "assistant"]
        assert all(same_but_for_a_preamble(*pair) for pair in zip(answers, after_it, strict=True))


def same_but_for_a_preamble(old: Row, new: Row) -> bool:
    """Words before a call may go, for that is what was asked for."""
    said, says = old.get("content"), new.get("content")
    words = isinstance(said, str) and isinstance(says, str) and said.endswith(says) and bool(called_by(old))
    return {**old, "content": says} == new if words else old == new


def test_at_most_twenty_rows_are_named_with_the_total(tmp_path: Path) -> None:
    rows = [{"x": n} for n in range(30)] + [ROWS["messages"][0]]
    for write in (merge_datasets, normalize_dataset):
        path = file_of(tmp_path, rows)
        with pytest.raises(UserError) as caught:
            write([path] if write is merge_datasets else path, tmp_path / "out")  # pyright: ignore[reportArgumentType]
        named = re.findall(r"train\.jsonl:(\d+): no conversation", caught.value.message)
        assert named == [str(n) for n in range(1, 21)]
        assert "and 10 more rows" in caught.value.message
        assert "30 rows" in caught.value.message
        assert "[read]" in caught.value.hint
        assert not (tmp_path / "out").exists()
