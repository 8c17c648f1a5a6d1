"""Whatever bytes a file holds: each fault has its line, and every other row is audited."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunewright.audit.audited import AuditReport, audit_dataset
from tunewright.audit.ingest import load
from tunewright.chat.reading.files import find_files, split_of
from tunewright.chat.reading.lines import read_batches
from tunewright.contract.errors import UserError


def row(text: str = "hello", answer: str = "hi") -> bytes:
    messages = [{"role": "user", "content": text}, {"role": "assistant", "content": answer}]
    return json.dumps({"messages": messages}).encode()


def audited(folder: Path, data: bytes, name: str = "train.jsonl") -> AuditReport:
    (folder / name).write_bytes(data)
    return audit_dataset([folder / name])


def lines_of(report: AuditReport, check: str) -> list[int]:
    return sorted(r.line for f in report.findings if f.check == check for r in f.rows)


def test_each_kind_of_bad_line_is_found_with_its_number_and_the_rest_is_audited(tmp_path: Path) -> None:
    data = b"\n".join(
        [
            b"\xef\xbb\xbf" + row("one"),
            b"",
            row("three") + b"\r",
            b'{"messages": [{"role": "user", "content": "\xff four"}, {"role": "assistant", "content": "x"}]}',
            b'{"messages": [{"role": "user", "content": "five"}, {"role": "assistant", "content": "x"}], "score": NaN}',
            b'{"messages": [{"role": "user", "content": "six"}, {"role": "assistant", "content": "\\ud800"}]}',
            b'{"messages": [{"role": "user", "content": "a", "content": "seven"}, {"role": "assistant", "content": "x"}]}',
            b'{"messages": [{"role": "user"',
            b'{"unknown": 9}',
            row("ten"),
            b'{"messages": [{"role": "user", "content": "torn"',
        ]
    )
    report = audited(tmp_path, data)
    assert report.examples == 7
    assert lines_of(report, "format.unreadable_line") == [8, 11]
    assert lines_of(report, "format.unknown_shape") == [9]
    assert lines_of(report, "format.encoding") == [1, 2, 3, 4, 5, 6, 7]
    details = [r.detail for f in report.findings if f.check == "format.unreadable_line" for r in f.rows]
    assert any("middle of a row" in detail for detail in details)


def test_the_last_of_two_equal_keys_is_what_is_audited_as_python_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(
        b'{"messages": [{"role": "user", "content": "a", "content": "b"}, {"role": "assistant", "content": "x"}]}'
    )
    with load([path]) as store:
        assert store.connection.execute("SELECT content FROM messages WHERE position = 1").fetchall() == [
            ("b",)
        ]


def test_a_row_of_20_megabytes_is_audited_and_named(tmp_path: Path) -> None:
    report = audited(tmp_path, row("first") + b"\n" + row("x" * 20_000_000) + b"\n" + row("last") + b"\n")
    assert report.examples == 3
    assert lines_of(report, "format.encoding") == [2]


@pytest.mark.parametrize(
    ("pack", "name"), [(gzip.compress, "train.jsonl.gz"), (zstandard.compress, "train.jsonl.zst")]
)
def test_compressed_files_are_read(pack: Callable[[bytes], bytes], name: str, tmp_path: Path) -> None:
    data = row("one") + b"\n" + row("two") + b"\n"
    assert audited(tmp_path, pack(data), name).examples == 2


def test_a_compressed_file_that_ends_early_gives_its_rows_and_a_finding(tmp_path: Path) -> None:
    rows = [row(f"{n} " + "".join(chr(97 + (n * k) % 26) for k in range(200))) for n in range(2000)]
    packed = gzip.compress(b"\n".join(rows))
    report = audited(tmp_path, packed[: len(packed) // 2], "train.jsonl.gz")
    assert 0 < report.examples < 2000
    assert any(f.check == "format.unreadable_line" for f in report.findings)


def test_a_json_array_is_read_with_the_line_of_each_row(tmp_path: Path) -> None:
    data = b"[\n" + row("one") + b",\n\n" + b'{"unknown": 1}' + b",\n" + row("two") + b"\n]\n"
    report = audited(tmp_path, data, "train.json")
    assert report.examples == 2
    assert lines_of(report, "format.unknown_shape") == [4]


def test_a_json_array_that_is_cut_keeps_what_came_before(tmp_path: Path) -> None:
    report = audited(tmp_path, b"[" + row("one") + b",\n" + row("two")[:-9], "train.json")
    assert report.examples == 1
    assert lines_of(report, "format.unreadable_line") == [2]


def test_lines_that_are_bare_lists_of_messages_are_rows(tmp_path: Path) -> None:
    line = b'[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]'
    assert audited(tmp_path, line + b"\n" + line.replace(b'"a"', b'"c"') + b"\n").examples == 2


def test_parquet_is_read(tmp_path: Path) -> None:
    import duckdb

    path = tmp_path / "valid.parquet"
    row = "{'role': 'user', 'content': 'a'}, {'role': 'assistant', 'content': 'b'}"
    duckdb.execute(f"COPY (SELECT [{row}] AS messages) TO '{path}' (FORMAT parquet)")
    report = audit_dataset([path])
    assert (report.examples, report.files[0].split) == (1, "valid")


def test_every_shape_gives_the_same_conversation(tmp_path: Path) -> None:
    rows = [
        {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]},
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "q"}]},
                {"role": "assistant", "content": "a"},
            ]
        },
        {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
        {"conversations": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]},
        {"text": "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\na<|im_end|>\n"},
        {"prompt": "q", "completion": "a"},
        {"prompt": "q", "completion": "a", "label": True},
        {
            "prompt": [{"role": "user", "content": "q"}],
            "chosen": [{"role": "assistant", "content": "a"}],
            "rejected": [],
        },
        {"instruction": "q", "output": "a"},
    ]
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join(json.dumps(r) for r in rows))
    with load([path]) as store:
        found = store.connection.execute(
            "SELECT example, list(role ORDER BY position), list(content ORDER BY position) FROM messages "
            "GROUP BY 1 ORDER BY 1"
        ).fetchall()
    assert found == [(n, ["user", "assistant"], ["q", "a"]) for n in range(1, len(rows) + 1)]


def test_a_folder_gives_its_splits_and_leaves_its_manifest_alone(tmp_path: Path) -> None:
    for name in ("train.jsonl", "valid.jsonl", "test.jsonl.gz", "dataset.json", "notes.txt"):
        (tmp_path / name).write_bytes(gzip.compress(row()) if name.endswith("gz") else row())
    assert [(f.path.name, f.split) for f in find_files([tmp_path])] == [
        ("train.jsonl", "train"),
        ("valid.jsonl", "valid"),
        ("test.jsonl.gz", "test"),
    ]


def test_a_folder_of_folders_gives_their_files_and_a_folder_s_name_may_be_the_split(tmp_path: Path) -> None:
    for name in (
        "data/train-00000-of-00002.jsonl",
        "data/train-00001-of-00002.jsonl",
        "data/notes.json",
        "validation/part-0.jsonl",
        ".git/train.jsonl",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(row())
    assert [(f.path.name, f.split) for f in find_files([tmp_path])] == [
        ("train-00000-of-00002.jsonl", "train"),
        ("train-00001-of-00002.jsonl", "train"),
        ("part-0.jsonl", "valid"),
    ]


def test_globs_and_repeated_paths_name_each_file_once(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_bytes(row())
    assert len(find_files([tmp_path / "*.jsonl", tmp_path / "a.jsonl"])) == 2


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.jsonl", "train"),
        ("my_validation-set.json", "valid"),
        ("x.dev.jsonl", "valid"),
        ("test_train.jsonl", "train"),
        ("data.jsonl", "train"),
    ],
)
def test_a_file_s_name_says_its_split(name: str, split: str) -> None:
    assert split_of(Path(name)) == split


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("missing.jsonl", None, "no data at"),
        ("empty.jsonl", b"", "empty"),
        ("blank.jsonl", b"\n\n \n", "no example can be read"),
        ("bad.jsonl", b"nonsense\n", "bad.jsonl:1"),
        ("bad.parquet", b"nonsense", "Parquet"),
        ("fake.jsonl.gz", b"nonsense", "not a .gz file"),
    ],
)
def test_input_that_cannot_be_used_is_an_error_in_one_line(
    name: str, data: bytes | None, message: str, tmp_path: Path
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=message) as caught:
        audit_dataset([tmp_path / name])
    assert caught.value.hint
    assert "\n" not in caught.value.message


def test_batches_of_any_size_give_the_same_lines(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(b"\n".join(row(f"{n}" * (n % 40)) for n in range(300)))
    whole = path.read_text().split("\n")
    for size in (50, 1000, 1 << 20):
        file = find_files([path])[0]
        lines = [line for batch in read_batches(file, size) for line in batch.rows]
        assert lines == whole
        assert file.lines == 300


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=400))
def test_no_bytes_make_a_traceback(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "train.jsonl").write_bytes(row() + b"\n" + data)
    with load([tmp_path / "train.jsonl"]) as store:
        assert store.connection.execute("SELECT count(*) >= 1 FROM rows").fetchone() == (True,)


def test_a_link_is_the_file_itself_unless_it_is_another_split(tmp_path: Path) -> None:
    train = tmp_path / "train.jsonl"
    train.write_text("{}\n")
    for name in ("valid.jsonl", "train-again.jsonl"):
        (tmp_path / name).symlink_to(train.name)
    found = find_files([tmp_path, train, tmp_path / "train-again.jsonl"])
    assert [(file.path.name, file.split) for file in found] == [
        ("train-again.jsonl", "train"),
        ("valid.jsonl", "valid"),
    ]
