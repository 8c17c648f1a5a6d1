"""Known datasets as they are on the disk: their calls, tools and faults are found in any shape."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.audit_rows import words_of
from tunewright.audit.audited import AuditReport, audit_dataset
from tunewright.audit.ingest import load
from tunewright.chat.reading.shapes import KNOWN_SHAPES
from tunewright.contract.errors import UserError

TOOL = {
    "name": "weather",
    "description": "Looks out.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
FLAT = {"name": "weather", "description": "Looks out.", "parameters": {"city": {"type": "str, optional"}}}


def written(folder: Path, *rows: Any) -> Path:
    path = folder / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def found(report: AuditReport, *checks: str) -> list[tuple[str, list[int]]]:
    return sorted(
        (f.message, sorted(r.line for r in f.rows))
        for f in report.findings
        if f.check in (checks or ("call.unknown_tool", "call.arguments", "call.unparseable"))
    )


def xlam(name: str, arguments: Any) -> dict[str, Any]:
    answers = json.dumps([{"name": name, "arguments": arguments}])
    return {"query": "Is it warm in Lima?", "answers": answers, "tools": json.dumps([FLAT])}


def glaive(name: str, arguments: Any) -> dict[str, Any]:
    call = f'{{"name": "{name}", "arguments": \'{json.dumps(arguments)}\'}}'
    return {
        "system": f"SYSTEM: You may use these functions -\n{json.dumps(TOOL, indent=4)}\n",
        "chat": f"USER: Is it warm in Lima?\n\n\nASSISTANT: <functioncall> {call} <|endoftext|>\n\n\n",
    }


def toolace(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    given = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
    system = (
        "Here is a list of functions in JSON format that you can invoke:\n"
        f"[{json.dumps(TOOL)}]. \nShould you decide to return the function call(s), use [func(params)]."
    )
    turns = [("user", "Is it warm in Lima?"), ("assistant", f"[{name}({given})]")]
    return {"system": system, "conversations": [{"from": who, "value": said} for who, said in turns]}


def mistral(name: str, arguments: Any) -> dict[str, Any]:
    call = json.dumps([{"name": name, "arguments": arguments}])
    tools = json.dumps([{"type": "function", "function": TOOL}])
    return {
        "text": f"<s>[AVAILABLE_TOOLS] {tools}[/AVAILABLE_TOOLS][INST] Is it warm? [/INST][TOOL_CALLS] {call}</s>"
    }


@pytest.mark.parametrize("shape", [xlam, glaive, toolace, mistral])
def test_faults_of_calls_show_in_every_shape(shape: Any, tmp_path: Path) -> None:
    rows = [
        shape("weather", {"city": "Lima"}),
        shape("wether", {"city": "Lima"}),
        shape("weather", {"town": 1}),
    ]
    report = audit_dataset([written(tmp_path, *rows)])
    assert report.examples == 3
    assert not found(report, "format.unknown_shape", "format.role_order", "format.empty_content")
    # xLAM does not say which parameters a call needs.
    lacks = [] if shape is xlam else [("weather: lacks city", [3])]
    assert found(report) == [
        ("weather: has no parameter town", [3]),
        *lacks,
        ("wether is called and not offered", [2]),
    ]


def test_python_s_words_for_types_are_understood(tmp_path: Path) -> None:
    types = {"a": "int", "b": "List[int]", "c": "Whatever", "d": "float"}
    tool = {"name": "f", "parameters": {name: {"type": word} for name, word in types.items()}}
    row = {"query": "q", "tools": [tool]}
    good = {"a": 1, "b": [1], "c": "x", "d": 1.5}
    rows = [{**row, "answers": [{"name": "f", "arguments": g}]} for g in (good, {"a": "x", "b": 2, "d": []})]
    assert found(audit_dataset([written(tmp_path, *rows)])) == [
        ("f: a should be integer, it is varchar", [2]),
        ("f: b should be array, it is ubigint", [2]),
        ("f: d should be number, it is array", [2]),
    ]


def test_a_tool_result_of_anthropic_is_compared_with_itself(tmp_path: Path) -> None:
    def row(count: int) -> dict[str, Any]:
        result = json.dumps({"hit_count": count, "hits": []})
        used = {"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "Lima"}}
        given = {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": result}]}
        turns = [("user", f"Warm {count}?"), ("assistant", [used]), ("user", [given]), ("assistant", "Yes.")]
        return {"messages": [{"role": role, "content": content} for role, content in turns]}

    report = audit_dataset([written(tmp_path, row(0), row(3))])
    assert [lines for _, lines in found(report, "call.result_mismatch")] == [[2]]
    assert not found(report, "format.role_order")


def test_rows_with_different_images_are_no_duplicates(tmp_path: Path) -> None:
    def row(image: str) -> dict[str, Any]:
        block = {"type": "image_url", "image_url": {"url": f"https://example.com/{image}"}}
        return {
            "messages": [{"role": "user", "content": [block]}, {"role": "assistant", "content": "A house."}]
        }

    report = audit_dataset([written(tmp_path, row("1.png"), row("2.png"), row("1.png"))])
    assert [lines for _, lines in found(report, "duplicates.exact")] == [[3]]


def test_tools_that_cannot_be_read_are_a_finding(tmp_path: Path) -> None:
    def row(**extra: Any) -> dict[str, Any]:
        call = {"type": "function", "function": {"name": "weather", "arguments": '{"city": "Lima"}'}}
        turns = [{"role": "user", "content": "Is it warm?"}, {"role": "assistant", "tool_calls": [call]}]
        return {"messages": turns, **extra}

    text = json.dumps([TOOL])
    listed = [TOOL, {"description": "has no name"}]
    prompts = [f"<tools>{text[:-9]}</tools>", f"<tools>{text}</tools>", f"<tools>{[TOOL]}</tools>"]
    rows = [
        row(tools=[TOOL]),
        row(tools=text),
        row(tools=text[:-9]),
        row(tools={"weather": TOOL}),
        row(tools=listed),
        row(tools=json.dumps(listed)),
        row(),
        row(tools=""),
        *(row(system=prompt) for prompt in prompts),
    ]
    report = audit_dataset([written(tmp_path, *rows)])
    assert found(report) == [("Offered tools that cannot be read", [3, 4, 5, 6, 9])]
    details = {r.line: r.detail for f in report.findings if f.check == "call.unknown_tool" for r in f.rows}
    assert details[5] == "1 of 2 offered tools have no name, the first is number 2"
    assert "not JSON" in details[9]
    assert not found(report, "format.encoding")


def test_a_printed_call_is_unparseable_and_still_says_its_tool(tmp_path: Path) -> None:
    call = "<tool_call>\n{'name': 'weather', 'arguments': {'city': 'Lima'}}\n</tool_call>"
    turns = [{"from": "human", "value": "Is it warm?"}, {"from": "gpt", "value": call}]
    path = written(tmp_path, {"conversations": turns})
    assert [lines for _, lines in found(audit_dataset([path]))] == [[1]]
    with load([path]) as store:
        assert store.connection.execute("SELECT tool FROM calls").fetchall() == [("weather",)]


def test_what_is_not_understood_is_told_what_is(tmp_path: Path) -> None:
    good = {"prompt": "q", "completion": "a"}
    report = audit_dataset([written(tmp_path, good, {"question": "?", "answer": "!"})])
    [finding] = [f for f in report.findings if f.check == "format.unknown_shape"]
    assert KNOWN_SHAPES in finding.hint
    with pytest.raises(UserError) as caught:
        audit_dataset([written(tmp_path, {"question": "?", "answer": "!"})])
    assert KNOWN_SHAPES in caught.value.hint
    assert "docs/checks.md" in KNOWN_SHAPES


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-be", "utf-32"])
def test_other_unicode_is_called_by_its_name(coding: str, tmp_path: Path) -> None:
    text = json.dumps({"prompt": "q", "completion": "a"})
    mark = "\ufeff" if coding.endswith("be") else ""
    (tmp_path / "train.jsonl").write_bytes((mark + text).encode(coding))
    with pytest.raises(UserError, match=coding[:6].upper()) as caught:
        audit_dataset([tmp_path / "train.jsonl"])
    assert "iconv" in caught.value.hint


@pytest.mark.parametrize("indent", [None, 2])
def test_rows_in_an_object_are_read_with_their_lines(indent: int | None, tmp_path: Path) -> None:
    rows = [{"prompt": f"What is {words_of(n)}?", "completion": f"{n}"} for n in range(5)]
    path = tmp_path / "train.json"
    path.write_text(json.dumps({"data": rows, "version": 1}, indent=indent))
    with load([path]) as store:
        found = store.connection.execute("SELECT line FROM rows ORDER BY example").fetchall()
    lines = path.read_text().splitlines()
    assert len(found) == 5
    if indent:
        assert [line for (line,) in found] == [
            n for n, text in enumerate(lines, start=1) if text.strip() == "{" and n > 1
        ]


def test_lines_that_are_objects_with_data_stay_lines(tmp_path: Path) -> None:
    row = {
        "data": [{"a": 1}],
        "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
    }
    assert audit_dataset([written(tmp_path, row, row)]).examples == 2
