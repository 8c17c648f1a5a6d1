"""`./inv sql`: every view with every column it is documented to have, and nothing beyond the files named."""

import csv
import io
import json
import re
from pathlib import Path

import duckdb
import pytest
from syrupy.assertion import SnapshotAssertion

from tests.support import planted_structure
from tunewright.audit.sql import FORMATS, STATS, run_query
from tunewright.audit.views import COLUMNS, RUN_TABLES
from tunewright.contract.errors import UserError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def data(tmp_path: Path) -> list[Path]:
    messages = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "[f(a=1)]"},
    ]
    row = json.dumps({"messages": messages, "tools": [{"name": "f"}], "meta": {"source": "here"}})
    (tmp_path / "train.jsonl").write_text(row + "\n")
    return [tmp_path / "train.jsonl"]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    run = tmp_path / "runs" / "20260101-000000-tiny-0a"
    (run / "predictions" / "base").mkdir(parents=True)
    (run / "scores" / "base").mkdir(parents=True)
    (run / "spec.json").write_text(
        json.dumps({"id": run.name, "recipe": {"name": "tiny"}, "host": "local", "created": "now"})
    )
    (run / "status.json").write_text(json.dumps({"state": "running", "stage": "train", "step": 3}))
    event = {"seq": 1, "time": "now", "stage": "train", "kind": "loss", "data": {"loss": 0.5}}
    # A living run: its last line is not finished.
    (run / "events.jsonl").write_text(json.dumps(event) + '\n{"seq": 2, "ti')
    (run / "predictions" / "base" / "navigation.jsonl").write_text(
        json.dumps({"case": "a", "sample": 0, "text": "t", "tokens": 1})
    )
    case = {
        "case": "a",
        "category": "c",
        "sample": 0,
        "passed": True,
        "checks": {"tools": True},
        "reasons": [],
    }
    (run / "scores" / "base" / "navigation.json").write_text(json.dumps({"cases": [case]}))
    (tmp_path / "runs" / "not-a-run").mkdir()
    return tmp_path / "runs"


def ask(query: str, data: list[Path], runs: Path | None = None) -> list[dict[str, object]]:
    result = run_query(query, data, runs, "json")
    assert isinstance(result, str)
    return json.loads(result)


@pytest.mark.parametrize("view", COLUMNS)
def test_a_view_has_the_columns_that_are_documented(view: str, data: list[Path], runs: Path) -> None:
    described = ask(f"DESCRIBE {view}", data, runs)
    assert {row["column_name"] for row in described} == set(COLUMNS[view])
    text = (ROOT / "docs" / "sql.md").read_text(encoding="utf-8")
    section = re.split(r"^## ", text, flags=re.MULTILINE)
    page = next(part for part in section if part.startswith(f"`{view}`"))
    assert re.findall(r"^\| `(\w+)`", page, flags=re.MULTILINE) == list(COLUMNS[view])


@pytest.mark.parametrize("view", [view for view in COLUMNS if view != "findings"])
def test_a_view_is_not_empty(view: str, data: list[Path], runs: Path) -> None:
    assert ask(f"SELECT count(*) AS n FROM {view}", data, runs)[0]["n"] != 0


@pytest.mark.parametrize("view", STATS)
def test_the_tables_of_stats_as_a_whole(
    view: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    rows = planted_structure.by_structure(60)
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run_query(f"FROM {view}", [tmp_path / "train.jsonl"], None) == snapshot


def test_findings_are_asked_for_with_their_rows(data: list[Path]) -> None:
    data[0].write_text(data[0].read_text() * 3)
    found = ask(
        "SELECT file, line, detail FROM findings WHERE check_id = 'duplicates.exact' ORDER BY line", data
    )
    assert [row["line"] for row in found] == [2, 3]


def test_runs_are_asked_without_data(runs: Path) -> None:
    assert ask(
        "SELECT data ->> '$.loss' AS loss FROM events JOIN runs USING (run) WHERE state = 'running'", [], runs
    ) == [{"loss": "0.5"}]
    assert set(RUN_TABLES) <= set(COLUMNS)


@pytest.mark.parametrize("view", RUN_TABLES)
def test_before_there_is_a_run_its_views_are_empty(view: str) -> None:
    assert ask(f"FROM {view}", [], None) == []


def test_a_folder_of_runs_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere"):
        run_query("FROM runs", [], tmp_path / "nowhere")


def test_every_format_gives_the_same_rows(data: list[Path], tmp_path: Path) -> None:
    query = "SELECT tool, request, keys FROM examples"
    table = run_query(query, data, None, "table")
    assert isinstance(table, str)
    assert re.search(r"f\s+q\s+\[", table)
    text = run_query(query, data, None, "csv")
    assert isinstance(text, str)
    assert list(csv.reader(io.StringIO(text)))[1] == ["f", "q", '["messages", "tools", "meta"]']
    packed = run_query(query, data, None, "parquet")
    assert isinstance(packed, bytes)
    (tmp_path / "out.parquet").write_bytes(packed)
    assert duckdb.execute(f"SELECT tool FROM '{tmp_path}/out.parquet'").fetchall() == [("f",)]
    with pytest.raises(UserError, match="no format"):
        run_query(query, data, None, "xml")
    assert len(FORMATS) == 4


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('https://example.com/a.csv')",
        "SELECT * FROM glob('/*')",
        "COPY (SELECT 1) TO '/tmp/stolen.csv'",
        "ATTACH '/tmp/other.db'",
        "EXPORT DATABASE '/tmp/export'",
        "INSTALL httpfs",
        "LOAD '/tmp/evil.duckdb_extension'",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "RESET lock_configuration",
        "PRAGMA enable_profiling; SELECT * FROM query",
        "SELECT * FROM data",
        "SELECT * FROM words",
    ],
)
def test_a_query_reaches_nothing_but_the_views(query: str, data: list[Path]) -> None:
    with pytest.raises(UserError) as caught:
        run_query(query, data, None)
    assert caught.value.hint


def test_a_table_obeys_no_escape_sequence(data: list[Path]) -> None:
    shown = run_query(
        "SELECT chr(27) || '[31mred' AS a, chr(8238) AS b, 'x' || chr(10) || 'y' AS c", data, None
    )
    assert isinstance(shown, str)
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "x⏎y" in shown


@pytest.mark.parametrize("query", ["SELEC 1", "SELECT * FROM nothing", "", " ; "])
def test_a_wrong_query_is_an_error_in_words(query: str, data: list[Path]) -> None:
    with pytest.raises(UserError) as caught:
        run_query(query, data, None)
    assert "Traceback" not in str(caught.value)


def test_dataset_views_without_data_say_what_to_add(runs: Path) -> None:
    with pytest.raises(UserError, match="no data are given"):
        run_query("SELECT * FROM examples", [], runs)
