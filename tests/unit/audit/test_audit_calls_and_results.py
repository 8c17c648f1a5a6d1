"""Calls against what is offered, arguments against what was said, results against the calls that they answer."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.audit_rows import chat, openai, words_of
from tunewright.audit.audit_steps import all_checks
from tunewright.audit.audited import audit_dataset
from tunewright.audit.config import read_config
from tunewright.audit.findings import Finding
from tunewright.audit.terminal_report import verdict_line
from tunewright.contract.errors import UserError


def found(folder: Path, rows: list[dict[str, Any]], check: str) -> list[Finding]:
    path = folder / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [finding for finding in audit_dataset([path]).findings if finding.check == check]


def tool(properties: dict[str, Any], **schema: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": [], **schema}
    return {"type": "function", "function": {"name": "search", "description": "s", "parameters": parameters}}


CITY = tool(
    {"city": {"type": "string"}, "unit": {"enum": ["celsius", "kelvin"]}, "days": {"type": "integer"}}
)


GIVEN: list[tuple[dict[str, Any], str]] = [
    ({"city": "Paris"}, ""),
    ({"city": "Paris", "unit": "kelvin", "days": 3}, ""),
    ({"days": 3.0}, ""),
    ({"days": 3.5}, "search: days should be integer, it is double"),
    ({"days": "three"}, "search: days should be integer, it is varchar"),
    ({"unit": "rankine"}, 'search: unit should be one of ["celsius","kelvin"], it is "rankine"'),
    ({"town": "Paris"}, "search: has no parameter town"),
]


def test_arguments_are_held_against_the_schema_as_it_is_usually_written(tmp_path: Path) -> None:
    rows = [openai(1, arguments=arguments, tools=[CITY]) for arguments, _ in GIVEN]
    said = {row.line: f.message for f in found(tmp_path, rows, "call.arguments") for row in f.rows}
    assert said == {line: says for line, (_, says) in enumerate(GIVEN, 1) if says}


def test_a_schema_that_is_open_takes_any_argument(tmp_path: Path) -> None:
    for value in (True, {"type": "string"}):
        row = openai(1, arguments={"town": "Paris"}, tools=[tool({}, additionalProperties=value)])
        assert found(tmp_path, [row], "call.arguments") == []


@pytest.mark.parametrize("check", ["call.unknown_tool", "call.arguments"])
def test_many_tools_at_fault_make_one_finding_that_names_some(tmp_path: Path, check: str) -> None:
    unknown = check == "call.unknown_tool"
    rows = [
        openai(n, f"tool_{n}" if unknown else "search", {"query": "x", "bad" if unknown else f"bad_{n}": 1})
        for n in range(12)
    ]
    (finding,) = found(tmp_path, rows, check)
    assert finding.count == 12
    assert (
        "12 tools are called and not offered: tool_0 (1)" if unknown else "search (12)"
    ) in finding.message
    assert ("tool_3" if unknown else "bad_3") in finding.rows[3].detail
    assert len(found(tmp_path, rows[:5], check)) == 5


def test_many_rare_tools_make_one_finding(tmp_path: Path) -> None:
    rows = [openai(n, "search") for n in range(200)] + [openai(n, f"tool_{n}") for n in range(300, 312)]
    rare = [f for f in found(tmp_path, rows, "balance.tool") if "at most" in f.message]
    assert [f.count for f in rare] == [12]
    assert rare[0].message.startswith("12 tools have at most 1 of 212 calls: tool_300 (1), ")


def answered(calls: list[str], results: list[str], goes_on: bool = True) -> dict[str, Any]:
    """A row whose calls and results have these ids."""
    made = [{"id": c, "type": "function", "function": {"name": "search", "arguments": "{}"}} for c in calls]
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": words_of(1)},
        {"role": "assistant", "content": "", "tool_calls": made},
        *({"role": "tool", "tool_call_id": result, "content": "1"} for result in results),
    ]
    return {"messages": [*messages, {"role": "assistant", "content": "One."}] if goes_on else messages}


RESULTS: list[tuple[dict[str, Any], set[str]]] = [
    (answered(["a", "b"], ["b", "a"]), set()),
    (answered(["a"], [], goes_on=False), set()),
    (
        answered(["a", "b"], ["a", "z"]),
        {
            "a tool result for a call that is not there: no call before it has its tool_call_id",
            "a call without its result, although the conversation goes on",
        },
    ),
    (answered(["a", "a"], ["a"]), {"two calls of one message with the same id"}),
]


def test_results_answer_the_calls_whose_ids_they_have(tmp_path: Path) -> None:
    findings = found(tmp_path, [row for row, _ in RESULTS], "format.role_order")
    said = {(row.line, finding.message) for finding in findings for row in finding.rows}
    assert said == {(line, text) for line, (_, says) in enumerate(RESULTS, 1) for text in says}


ASKED: list[tuple[str, dict[str, Any], bool]] = [
    ("How warm is it in Paris?", {"city": "Paris"}, False),
    ("How warm is it?", {"city": "Paris"}, True),
    ("How warm is it in new york city?", {"city": "New York"}, False),
    ("How warm is it in NYC?", {"city": "New Atlantis"}, True),
    ("How warm is it?", {"unit": "celsius"}, False),
    ("What is on May 8, 2025?", {"city": "2025-05-08"}, False),
    ("Wake me at seven", {"city": "7:00"}, False),
    ("Find it", {"city": "a text that was composed for this"}, False),
    ("Line 42 please", {"days": 42}, False),
    ("The line please", {"days": 42}, True),
]


def test_an_argument_is_made_up_when_nothing_before_the_call_says_it(tmp_path: Path) -> None:
    rows = [openai(1, arguments=arguments, tools=[CITY]) for _, arguments, _ in ASKED]
    for row, (request, _, _) in zip(rows, ASKED):
        row["messages"][-2]["content"] = request
    (finding,) = found(tmp_path, rows, "call.ungrounded")
    assert {row.line for row in finding.rows} == {
        line for line, (_, _, made_up) in enumerate(ASKED, 1) if made_up
    }


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_pair_by_definition_names_a_feature_and_a_label(tmp_path: Path) -> None:
    config = tmp_path / "audit.toml"
    assert read_config(write(config, 'by_definition = [["tool_set", "tool"]]'), all_checks()).by_definition
    for pair, wrong in (
        ('["tool_sett", "tool"]', "tool_sett"),
        ('["tool_set", "tools"]', "tools"),
        ("[1, 2]", "pairs"),
    ):
        with pytest.raises(UserError, match=wrong):
            read_config(write(config, f"by_definition = [{pair}]"), all_checks())


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        (
            "-- id: format.tags\n-- severity: warn\n-- reason: r\nSELECT 1 AS example",
            "a check format.tags already",
        ),
        ("-- id: own.a\n-- severity: warn\n-- reason: r\nSELECT 1 AS example, 3 AS severity", "severity '3'"),
        ("-- id: own.a\n-- severity: warn\n-- reason: r\nSELEC 1", "cannot be run"),
    ],
)
def test_a_check_of_ones_own_that_cannot_be_is_told(tmp_path: Path, sql: str, says: str) -> None:
    (tmp_path / "checks").mkdir()
    write(tmp_path / "checks" / "own.sql", sql)
    data = write(tmp_path / "train.jsonl", json.dumps(chat("a", "b")) + "\n")
    with pytest.raises(UserError, match=says):
        audit_dataset([data], config=write(tmp_path / "audit.toml", 'folders = ["checks"]'))


def test_with_a_baseline_a_pass_says_that_nothing_is_new(tmp_path: Path) -> None:
    data = write(
        tmp_path / "train.jsonl", json.dumps(chat("a", "b")) + "\n" + json.dumps(chat("a", "b")) + "\n"
    )
    before = audit_dataset([data])
    baseline = write(tmp_path / "before.json", json.dumps(before.to_json()))
    after = audit_dataset([data], baseline=baseline)
    assert verdict_line(before).startswith("FAIL: ")
    assert verdict_line(after) == "PASS: nothing new in 2 examples."
