"""A JSON array is read as it comes, however it is cut into pieces: every row once, with its line."""

import json
import subprocess
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tunewright.audit.audited import audit_dataset
from tunewright.chat.reading.batch import Batch, Fault
from tunewright.chat.reading.files import DataFile
from tunewright.chat.reading.json_array import array_batches, is_array

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def taken(
    data: bytes, piece: int, batch_bytes: int = 64
) -> tuple[list[str], list[int], list[Fault], DataFile]:
    file = DataFile(Path("train.json"), "train")
    pieces = (data[start : start + piece] for start in range(0, len(data), piece))
    faults: list[Fault] = []
    batches = [b for b in array_batches(file, pieces, faults, batch_bytes) if b.rows]
    rows = [row for batch in batches for row in batch.rows]
    lines = [line for batch in batches for line in batch.lines]
    firsts = [batch.first for batch in batches]
    assert firsts == sorted(set(firsts)), "rows are numbered on from batch to batch"
    return rows, lines, faults, file


@given(
    st.lists(st.dictionaries(st.text(max_size=5), PLAIN, max_size=3), min_size=1, max_size=12),
    st.integers(1, 40),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_rows_come_back_whatever_the_pieces(
    rows: list[dict[str, Any]], piece: int, indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(rows, indent=indent, ensure_ascii=ascii_only)
    got, lines, faults, file = taken(text.encode(), piece)
    assert [json.loads(row) for row in got] == rows
    assert faults == []
    assert (file.rows, file.lines) == (len(rows), text.count("\n") + 1)
    if indent is None:
        assert lines == [1] * len(rows)
    else:
        starts = [number for number, line in enumerate(text.split("\n"), start=1) if line.startswith(" {")]
        assert lines == starts


@given(st.integers(1, 30), st.data())
def test_a_cut_array_gives_the_rows_before_the_cut_and_says_so(piece: int, data: st.DataObject) -> None:
    rows = [{"a": "x" * n, "b": [n, "é"]} for n in range(6)]
    whole = json.dumps(rows, ensure_ascii=False).encode()
    cut = data.draw(st.integers(1, len(whole) - 1))
    got, _, faults, _ = taken(whole[:cut], piece)
    assert [json.loads(row) for row in got] == rows[: len(got)]
    assert {fault.kind for fault in faults} & {"cut", "unreadable"}


def test_bytes_that_are_not_utf8_are_named_with_their_line_in_any_piece() -> None:
    data = b'[\n{"a": "fine"},\n{"a": "b\xffd"},\n{"a": "\xc3\xa9"}\n]'
    for piece in (1, 3, 7, 200):
        got, _, faults, _ = taken(data, piece)
        assert len(got) == 3
        assert [(fault.kind, fault.line) for fault in faults] == [("utf8", 3)], piece
        assert json.loads(got[2]) == {"a": "é"}


def test_what_comes_after_something_broken_is_not_read_into_memory() -> None:
    asked: list[int] = []

    def pieces() -> Any:
        yield b'[{"a": 1}, {"a": oops, "b": "' + b"x" * 100 + b'"}, '
        for number in range(50):
            asked.append(number)
            yield b'{"a": "' + b"y" * 1000 + b'"},\n'

    file = DataFile(Path("train.json"), "train")
    faults: list[Fault] = []
    batches: list[Batch] = []
    for batch in array_batches(file, pieces(), faults, 64):
        batches.append(batch)
        assert len(asked) <= 1, "the rest is only counted, once the rows are out"
    assert sum(len(batch.rows) for batch in batches) == 1
    assert faults[0].kind == "unreadable"
    assert file.lines == 50


def test_rows_of_one_line_are_as_many_examples_as_rows_of_many(tmp_path: Path) -> None:
    def row(number: int) -> dict[str, Any]:
        request = {"role": "user", "content": f"question number {number} about {number * 7}"}
        return {"messages": [request, {"role": "assistant", "content": f"answer {number}"}]}

    rows = [row(number) for number in range(300)]
    (tmp_path / "one.json").write_text(json.dumps(rows))
    (tmp_path / "many.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    one, many = audit_dataset([tmp_path / "one.json"]), audit_dataset([tmp_path / "many.jsonl"])
    assert one.examples == many.examples == 300
    assert one.headline == many.headline
    assert [(f.check, f.message, f.count) for f in one.findings] == [
        (f.check, f.message, f.count) for f in many.findings
    ]


def test_an_array_is_told_from_lines_that_are_arrays() -> None:
    bare = b'[{"role": "user", "content": "a"}]\n'
    assert is_array(b'[{"messages": []}]', complete=True)
    assert is_array(b"[\n{}", complete=False)
    assert not is_array(bare + bare, complete=True)
    assert not is_array(b'{"messages": []}\n', complete=True)


def test_the_launcher_reads_an_array_of_one_line(tmp_path: Path) -> None:
    rows = [
        {"messages": [{"role": "user", "content": f"q {n}"}, {"role": "assistant", "content": "a"}]}
        for n in range(3)
    ]
    (tmp_path / "d.json").write_text(json.dumps(rows))
    root = Path(__file__).parents[3]
    query = "SELECT count(DISTINCT example) AS n FROM examples"
    done = subprocess.run(
        [
            root / "inv",
            "sql",
            query,
            "--data",
            tmp_path / "d.json",
            "--format",
            "csv",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["n", "3"]


@given(st.integers(1, 40), st.integers(0, 3))
def test_a_comma_before_the_end_is_a_fault_of_its_line_and_loses_no_row(piece: int, blanks: int) -> None:
    text = f'[{{"a": 1}},\n{{"a": 2}},{" " * blanks}\n]'
    got, _, faults, _ = taken(text.encode(), piece)
    assert len(got) == 2
    assert [(fault.line, fault.kind) for fault in faults] == [(3, "unreadable")]


def test_a_line_with_two_rows_is_not_called_cut_short(tmp_path: Path) -> None:
    row = json.dumps({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})
    (tmp_path / "train.jsonl").write_text(f"{row}\n{row}{row}")
    (finding,) = [
        f for f in audit_dataset([tmp_path / "train.jsonl"]).findings if f.check == "format.unreadable_line"
    ]
    assert (finding.rows[0].line, finding.count) == (2, 1)
    assert "more than one value on the line" in finding.rows[0].detail
