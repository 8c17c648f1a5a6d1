"""What the offered tools say: by definition nothing, in their order and company perhaps a lot."""

import hashlib
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tunewright.audit.audited import audit_dataset
from tunewright.audit.findings import Finding
from tunewright.chat.calls.code_mode import render_program
from tunewright.chat.tools import tools_in_prompt


def words(number: int) -> str:
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return " ".join("".join(chr(97 + int(c, 16)) for c in digest[k : k + 5]) for k in range(0, 30, 5))


def row(number: int, tool: str | None, offered: list[str]) -> dict[str, Any]:
    answer: dict[str, Any] = {"role": "assistant", "content": "No."}
    if tool:
        call = {"type": "function", "function": {"name": tool, "arguments": "{}"}}
        answer = {"role": "assistant", "content": "", "tool_calls": [call]}
    tools = [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in offered
    ]
    return {"messages": [{"role": "user", "content": words(number)}, answer], "tools": tools}


def faults(folder: Path, rows: list[dict[str, Any]]) -> list[Finding]:
    (folder / "train.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    found = audit_dataset([folder / "train.jsonl"]).findings
    return [f for f in found if f.check == "shortcut.feature" and f.severity != "info"]


def test_without_tools_there_is_no_call_by_definition(tmp_path: Path) -> None:
    rows = [row(n, "abc"[n % 3], ["a", "b", "c"]) for n in range(200)] + [
        row(n, None, []) for n in range(200, 400)
    ]
    assert faults(tmp_path, rows) == []


def test_a_tool_that_is_not_offered_is_not_called_by_definition(tmp_path: Path) -> None:
    rows = [row(n, "ab"[n % 2], ["a", "b"]) for n in range(200)] + [
        row(n, "cd"[n % 2], ["c", "d"]) for n in range(200, 400)
    ]
    assert faults(tmp_path, rows) == []


def test_fewer_tools_leave_fewer_to_choose_from_by_definition(tmp_path: Path) -> None:
    names = list("abcdefgh")
    rows = [row(n, "ab"[n % 2], ["a", "b"]) for n in range(300)] + [
        row(n, names[n % 8], names) for n in range(300, 600)
    ]
    assert not [f for f in faults(tmp_path, rows) if f.label == "tool"]


def test_an_order_that_goes_with_the_right_tool_is_a_fault(tmp_path: Path) -> None:
    orders = {"a": ["a", "b", "c"], "b": ["b", "c", "a"], "c": ["c", "a", "b"]}
    rows = [row(n, "abc"[n * 7 % 3], orders["abc"[n * 7 % 3]]) for n in range(300)]
    found = [f for f in faults(tmp_path, rows) if f.feature == "tool_order"]
    assert found
    assert found[0].severity == "fail"


def test_offering_tools_whenever_one_is_called_and_fewer_otherwise_is_a_fault(tmp_path: Path) -> None:
    rows = [row(n, "ab"[n % 2], ["a", "b", "c"]) for n in range(200)] + [
        row(n, None, ["a", "b"]) for n in range(200, 400)
    ]
    assert "tools_offered" in {f.feature for f in faults(tmp_path, rows)}


LISTED = """You are a coding assistant.

Tools:
- goto_definition(file: str, line: int = 1, tags: list[str] = ["a)"]) -> success, locations: Where a symbol is defined.
- read_file(path: str) -> success, content: The text of a file.

Be brief."""


def test_signatures_under_a_heading_are_tools_with_their_parameters() -> None:
    tools = tools_in_prompt(LISTED)
    assert [(t["position"], t["tool"], t["description"]) for t in tools] == [
        (1, "goto_definition", "Where a symbol is defined."),
        (2, "read_file", "The text of a file."),
    ]
    schema = json.loads(tools[0]["parameters"])
    assert schema["required"] == ["file"]
    assert schema["properties"] == {"file": {"type": "string"}, "line": {"type": "integer"}, "tags": {}}


@pytest.mark.parametrize(
    "content",
    [
        "Remember:\n- print(x) shows a value\n- len(x) counts",  # no heading that speaks of tools
        "Tools:\n- search(query: str): finds\n- call(me maybe) later",  # not all are signatures
        "Tools are dangerous. Be careful.",
        "Tools:\n- hammer\n- saw",
        "- search(query: str): finds",
        "Tools:\n- f(" + "(" * 5000,
    ],
)
def test_what_only_looks_like_a_list_of_tools_is_none(content: str) -> None:
    assert tools_in_prompt(content) == []


def listed_row(number: int, tool: str, names: dict[str, str]) -> dict[str, Any]:
    described = {"search": "finds files", "show": "prints a file", "test": "runs the tests"}
    lines = "\n".join(f"- {names[name]}(path: str) -> text: {what}" for name, what in described.items())
    code = render_program(f"r = {names[tool]}('{words(number)}')")
    messages = [("system", f"Help.\nTools:\n{lines}"), ("user", words(number)), ("assistant", code)]
    return {"messages": [{"role": role, "content": content} for role, content in messages]}


def test_masked_names_are_the_tools_that_they_stand_for(tmp_path: Path) -> None:
    plain = {name: name for name in ("search", "show", "test")}
    masked = [dict(zip(plain, order)) for order in ("abc", "bca", "cab")]
    rows = [
        listed_row(n, ["search", "show", "test"][n % 3], masked[n // 3 % 3] if n % 10 == 0 else plain)
        for n in range(300)
    ]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    report = audit_dataset([tmp_path / "train.jsonl"])
    assert not [f for f in report.findings if f.check in ("call.unknown_tool", "balance.tool")]
    assert {entry["name"] for entry in report.charts["tools"]} == {"search", "show", "test"}


def test_a_tool_that_such_a_list_lacks_is_not_offered(tmp_path: Path) -> None:
    plain = {name: name for name in ("search", "show", "test")}
    rows = [listed_row(n, "search", plain) for n in range(20)]
    rows[7]["messages"][2]["content"] = rows[7]["messages"][2]["content"].replace("search(", "grep(")
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    found = [f for f in audit_dataset([tmp_path / "train.jsonl"]).findings if f.check == "call.unknown_tool"]
    assert [(f.message, [r.line for r in f.rows]) for f in found] == [("grep is called and not offered", [8])]


def test_tools_described_alike_in_one_list_are_two_tools(tmp_path: Path) -> None:
    def two(number: int) -> dict[str, Any]:
        made = row(number, "ab"[number % 2], ["a", "b"])
        for tool in made["tools"]:
            tool["function"]["description"] = "does something"
        return made

    (tmp_path / "train.jsonl").write_text("".join(json.dumps(two(n)) + "\n" for n in range(40)))
    assert {e["name"] for e in audit_dataset([tmp_path / "train.jsonl"]).charts["tools"]} == {"a", "b"}


def after_small_talk(row: dict[str, Any]) -> dict[str, Any]:
    """The row with a greeting and its answer before it, and a system message that goes with its tool."""
    name = row["messages"][-1]["tool_calls"][0]["function"]["name"]
    greeting = [
        {"role": "system", "content": "You know money." if name == "a" else "You are helpful."},
        {"role": "user", "content": "Good morning!"},
        {"role": "assistant", "content": "How can I help?"},
    ]
    return {**row, "messages": [*greeting, *row["messages"]]}


def test_a_shortcut_behind_small_talk_is_found(tmp_path: Path) -> None:
    rows = [after_small_talk(row(n, "abc"[n % 3], list("abc"))) for n in range(240)]
    found = faults(tmp_path, rows)
    assert [(f.feature, f.label, f.severity) for f in found] == [("system_text", "tool", "fail")]
    first = [
        {**r, "tools": sorted(r["tools"], key=lambda t: t["function"]["name"] != called(r))} for r in rows
    ]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(r) + "\n" for r in first))
    checks = {f.check for f in audit_dataset([tmp_path / "train.jsonl"]).findings if f.severity == "fail"}
    assert "shortcut.tool_position" in checks


def called(row: dict[str, Any]) -> str:
    return row["messages"][-1]["tool_calls"][0]["function"]["name"]


@pytest.mark.parametrize("sizes", [(1, 5), (2, 5), (3, 3)])
def test_lists_of_many_sizes_are_no_shortcut_together(tmp_path: Path, sizes: tuple[int, int]) -> None:
    random, names = Random(1), list("abcdefg")
    rows: list[dict[str, Any]] = []
    for number in range(400):
        tool = random.choice(names)
        offered = [tool, *random.sample([n for n in names if n != tool], random.randint(*sizes) - 1)]
        random.shuffle(offered)
        rows.append(row(number, tool if random.random() < 0.8 else None, offered))
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    report = audit_dataset([tmp_path / "train.jsonl"])
    assert not [f for f in report.findings if f.check.startswith("shortcut.") and f.severity != "info"]
    assert report.headline["majority"] > 1 / 7


def test_a_set_that_gives_its_tool_away_is_found_beyond_what_it_makes_impossible(tmp_path: Path) -> None:
    random = Random(2)
    pairs = [("a", "b"), ("b", "c"), ("c", "a")]
    rows: list[dict[str, Any]] = []
    for number in range(300):
        pair = pairs[number % 3]
        offered = list(pair)
        random.shuffle(offered)
        rows.append(row(number, pair[0], offered))
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    report = audit_dataset([tmp_path / "train.jsonl"])
    assert report.headline["structure_only"] == 1.0
    assert report.headline["majority"] < 0.7
    assert "shortcut.joint" in {f.check for f in report.findings if f.severity == "fail"}


def test_sets_are_compared_with_sets_of_their_size_and_by_the_tool_s_name(tmp_path: Path) -> None:
    rows = [row(n, "a" if n % 2 else "bcd"[n % 3], list("abcd")) for n in range(120)] + [
        row(n, "a", list("abef")) for n in range(200, 260)
    ]
    found = [
        f for f in faults(tmp_path, rows) if f.feature in ("tool_set", "offered_tool") and f.label == "tool"
    ]
    assert found
    assert all(f.message.split()[1] == "a" or " a " in f.message for f in found)
    assert all("another" not in f.message and f.rows for f in found)
