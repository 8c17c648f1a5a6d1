"""A row takes one of several ways into the tables: trusted, doubted, repaired here or by a helper. All lead to the same."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.unit.audit.test_audit_weird_rows import OK, WEIRD
from tunewright.audit import helpers as helpers_module
from tunewright.audit import load_lines
from tunewright.audit.database import connect
from tunewright.audit.helpers import Helpers
from tunewright.chat.reading.batch import Batch

SAID = [{"from": "human", "value": "where is it"}, {"from": "gpt", "value": "here"}]
TOOL = {"name": "f", "parameters": {"type": "object", "properties": {}}}
SHAREGPT: list[Any] = [
    {"conversations": SAID},
    {"conversations": SAID, "source": "s", "meta": {"family": "x"}},
    *[
        {"conversations": SAID, "tools": tools}
        for tools in (
            "[]",
            "x",
            '{"a": 1}',
            json.dumps([TOOL]),
            [TOOL],
            5,
            "5",
            "",
            None,
            ' [ {"name":"é"} ] ',
        )
    ],
    {"conversations": SAID, "system": "be kind"},
    {"conversations": SAID, "functions": [TOOL]},
    {"conversations": SAID, "available_tools": [TOOL]},
    *[{"conversations": SAID, "messages": messages} for messages in (None, "x", [], OK)],
    {"conversations": [{"role": "user", "content": "x"}, SAID[1]]},
    {"conversations": [{"from": "human", "value": ["x"]}, SAID[1]]},
    {"conversations": [{"from": "human", "value": "[x"}, SAID[1]]},
    {"conversations": [{"from": "human", "value": None}, {"from": "gpt", "value": 5}]},
    {"conversations": [{"from": "Human ", "value": "x"}, SAID[1]]},
    {"conversations": [{"from": "human", "value": "x", "name": "bob"}, {"from": "gpt", "value": "NaN"}]},
    {"conversations": [{"from": "system", "value": "s"}, *SAID, {"from": "observation", "value": "r"}]},
    {
        "conversations": [
            SAID[0],
            {"from": "function_call", "value": json.dumps({"name": "f", "arguments": {}})},
        ]
    },
    *[
        {"conversations": listed}
        for listed in ([], "x", [5], [{"from": None, "value": "x"}], [{"value": "x"}])
    ],
]
TABLES = ("rows", "messages", "calls", "toolset_texts", "faults")


def loaded(folder: Path, texts: list[str], way: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """What is in the tables after a batch of these lines went in one way."""
    with monkeypatch.context() as patch, Helpers() as helpers:
        if way == "doubted":
            patch.setattr(load_lines, "TRUSTED", load_lines.DOUBTED)
        elif way in ("repaired", "helped"):
            nothing = load_lines.RAW.replace(
                "CASE WHEN messages IS NULL THEN false", "CASE WHEN true THEN false"
            )
            assert nothing != load_lines.RAW
            patch.setattr(load_lines, "RAW", nothing)
        if way == "helped":
            patch.setattr(helpers_module, "FEWEST", 1)
        connection = connect(folder)
        load_lines.insert_batch(connection, 0, 0, Batch(texts, 1), helpers)
        if way == "helped":
            assert helpers.running
        found = {
            table: [
                tuple(map(str, row)) for row in connection.execute(f"FROM {table} ORDER BY ALL").fetchall()
            ]
            for table in TABLES
        }
        connection.close()
    return found


@pytest.mark.parametrize("way", ["doubted", "repaired", "helped"])
def test_every_way_in_leads_to_the_same_tables(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [json.dumps(row) for row in (*WEIRD, *SHAREGPT)]
    texts.append(
        '{"conversations": [{"from": "human", "value": "x", "from": "gpt"}, {"from": "gpt", "value": "y"}]}'
    )
    texts.append(json.dumps({"messages": OK, "note": "é\u2028\U0001f600"}, ensure_ascii=False))
    usual = loaded(tmp_path, texts, "trusted", monkeypatch)
    assert len(usual["rows"]) > len(texts) / 2
    assert loaded(tmp_path, texts, way, monkeypatch) == usual


def test_a_line_that_is_no_json_changes_nothing_for_its_neighbours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [json.dumps(row) for row in (*WEIRD, *SHAREGPT)]
    usual = loaded(tmp_path, texts, "trusted", monkeypatch)
    with_bad = loaded(tmp_path, [*texts, "{", "", '{"messages": "\\ud800"}'], "trusted", monkeypatch)
    assert {t: with_bad[t] for t in TABLES if t != "faults"} == {t: usual[t] for t in TABLES if t != "faults"}
    assert len(with_bad["faults"]) > len(usual["faults"])


def test_sharegpt_does_not_need_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    ask = Helpers.ask

    def counted(self: Helpers, task: str, rows: Any) -> list[str]:
        asked.append(len(rows))
        return ask(self, task, rows)

    monkeypatch.setattr(Helpers, "ask", counted)
    loaded(tmp_path, [json.dumps(row) for row in SHAREGPT[:2]] * 50, "trusted", monkeypatch)
    assert asked == []


def test_a_helper_that_dies_costs_nothing_but_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helpers_module, "FEWEST", 1)
    texts = [
        (
            n,
            1,
            "<tool_call><function=execute_code>\n<parameter=code>\nf(1)\n</parameter>\n</function></tool_call>",
        )
        for n in range(50)
    ]
    with Helpers() as helpers:
        helpers.count = 1
        first = helpers.ask("turns", texts)
        # Ctrl-C in a terminal goes to a group of processes, and may come before a helper could ignore it.
        assert [os.getpgid(process) for process in helpers.running] == helpers.running
        for process in helpers.running:
            os.kill(process, signal.SIGKILL)
        assert helpers.ask("turns", texts) == first
        assert next(json.loads(result) for result in first)["tool"] == ["f"] * 50
        helpers.ask("turns", texts)
        assert helpers.running
    assert helpers.running == [], "none is left behind"


def test_few_rows_start_no_process() -> None:
    with Helpers() as helpers:
        assert json.loads(helpers.ask("rows", [(1, 1, "[", False)])[1]) == [
            [1, "unreadable", "not JSON: Expecting value: line 1 column 2 (char 1)"]
        ]
        assert helpers.running == []
