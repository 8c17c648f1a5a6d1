"""What was read and what was not is counted, by file and line, the same in every report."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.support.audit_rows import Row, chat, good, last, openai, says, schema
from tests.support.page_text import page_text
from tunewright.audit.audit_page import html_report
from tunewright.audit.audited import AuditReport, audit_dataset
from tunewright.audit.sql import run_query
from tunewright.audit.terminal_report import terminal_text

IMAGE = {"type": "image_url", "image_url": {"url": "data:,x"}}
HALF_A_CALL = 'One moment.\n<tool_call>\n{"name": "search", "arguments": {"q":'


def write(path: Path, rows: Sequence[Row]) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def blocks(*content: Any) -> dict[str, Any]:
    row = says(900)
    row["messages"][1]["content"] = list(content)
    return row


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write(
        folder / "train.jsonl",
        [
            *(openai(n) for n in range(1, 31)),  # lines 1 to 30
            "not json",
            {"no": "conversation"},
            blocks({"type": "text", "text": "what"}, IMAGE, "is this"),
            last(openai(100), HALF_A_CALL),
            openai(101, tools=[schema("search"), {"description": "without a name"}]),
            {**says(102), "tools": "{not a list"},
            openai(103) | {"messages": [*openai(103)["messages"][:-1], broken_call()]},
            {
                "conversations": [{"from": "human", "value": "who"}, {"from": "gpt", "value": "me"}],
                "tools": "",
            },
        ],
    )
    write(folder / "valid.jsonl", [*good(12, 500), *(f"line {n}" for n in range(60))])
    return folder


def broken_call() -> dict[str, Any]:
    function = {"name": "search", "arguments": "{not json"}
    return {"role": "assistant", "content": "", "tool_calls": [{"id": "1", "function": function}]}


@pytest.fixture(scope="module")
def report(folder: Path) -> AuditReport:
    return audit_dataset([folder])


def test_everything_is_counted_by_file(report: AuditReport) -> None:
    train, valid = report.understood.files
    counts = {
        kind: (read.read, read.unread, dict(read.forms), [place.line for place in read.unread_at])
        for kind, read in train.kinds.items()
    }
    assert counts == {
        "rows": (36, 2, {"messages": 35, "sharegpt": 1}, [31, 32]),
        "blocks": (2, 1, {}, [33]),
        "tool_lists": (32, 2, {}, [35, 36]),
        "calls": (31, 2, {"openai": 31}, [34, 37]),
    }
    assert (valid.kinds["rows"].read, valid.kinds["rows"].unread) == (12, 60)
    assert [place.line for place in valid.kinds["rows"].unread_at] == list(range(13, 33))
    assert valid.kinds["calls"].forms == {"code_mode": 9}


def test_the_totals_are_those_of_the_files(report: AuditReport) -> None:
    for kind, read in report.understood.kinds.items():
        assert read.read == sum(file.kinds[kind].read for file in report.understood.files)
        assert read.unread == sum(file.kinds[kind].unread for file in report.understood.files)
        assert len(read.unread_at) == min(20, read.unread)
        assert all(place.detail for place in read.unread_at)


def test_the_json_and_the_view_say_the_same(report: AuditReport, folder: Path) -> None:
    told = json.loads(run_query("FROM understood", [folder], None, "json"))
    value = json.loads(json.dumps(report.to_json()))["understood"]
    found = {(file["path"], kind): file[kind] for file in value["files"] for kind in value if kind in file}
    assert len(told) == len(found) == 8
    for row in told:
        said = found[row["file"], row["kind"]]
        assert (row["read"], row["unread"]) == (said["read"], said["unread"])
        assert row["lines"][:20] == [place["line"] for place in said["unread_at"]]
        assert {form["form"]: form["n"] for form in row["forms"]} == said["forms"]
        assert {place["detail"] for place in said["unread_at"]} <= set(row["reasons"])


def test_terminal_and_page_say_it_before_the_verdict_and_the_findings(
    report: AuditReport, folder: Path, snapshot: SnapshotAssertion
) -> None:
    terminal = terminal_text(report, 1000).partition("FAIL:")[0]
    page = html_report(report).partition("<h2>Findings")[0].partition("What was read")[2].partition("<h2")[0]
    for said in (terminal, page_text(page)):
        assert said.replace(f"{folder}/", "") == snapshot


def test_what_is_unread_is_no_encoding_fault(report: AuditReport) -> None:
    assert "format.encoding" not in {finding.check for finding in report.findings}


def test_data_that_are_read_whole_have_nothing_unread(tmp_path: Path) -> None:
    report = audit_dataset([write(tmp_path / "x.jsonl", good(20))])
    assert {kind: read.unread for kind, read in report.understood.kinds.items()} == {
        "rows": 0, "blocks": 0, "tool_lists": 0, "calls": 0
    }  # fmt: skip
    text = terminal_text(report)
    assert text.startswith("Read: 20 rows (messages), 15 calls (code_mode).\n")
    assert "Not read" not in text


@pytest.mark.parametrize("answer", ["CALL search WITH it", "I would search for that.", ""])
def test_offered_tools_without_a_call_are_a_warning_whatever_the_answer(tmp_path: Path, answer: str) -> None:
    report = audit_dataset([write(tmp_path / "x.jsonl", [last(openai(1), answer)])])
    found = [f for f in report.findings if f.check == "call.none_recognised"]
    assert [(f.severity, f.count) for f in found] == [("warn", 1)]


def test_one_call_in_the_file_or_no_tools_and_there_is_no_warning(tmp_path: Path) -> None:
    rows = [last(openai(n), "No.") for n in range(30)]
    for others in ([openai(99)], [chat("a", "b")] * 3):
        path = write(tmp_path / "x.jsonl", [*rows, *others] if others[0].get("tools") else others)
        found = {finding.check for finding in audit_dataset([path]).findings}
        assert "call.none_recognised" not in found
