"""Tools that a system prompt lists as JSON, and data there that are none."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.audit_rows import words_of
from tunewright.audit.audited import audit_dataset
from tunewright.chat.tools import bare_prompt, tools_in_prompt, unread_block

SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}}
ONE = {"name": "one", "description": "Does one thing.", "parameters": SCHEMA}
TWO = {"name": "two", "description": "Does another.", "input_schema": SCHEMA}
BARE = {"name": "three", "description": "Takes nothing.", "parameters": {}}


@pytest.mark.parametrize(
    "content",
    [
        f"You can invoke:\n{json.dumps([ONE, TWO, BARE])}. \nShould you decide to",
        f"Use them -\n{json.dumps(ONE, indent=4)}\n{json.dumps(TWO, indent=4)}\n\n{json.dumps(BARE)}\n",
        f"Tools: {json.dumps({'version': 1, 'tools': [ONE, TWO, BARE]})}",
        f"<tools>\n{json.dumps(ONE, indent=2)}\n{json.dumps(TWO)}\n{json.dumps(BARE)}</tools>",
        f"<tools>{[ONE, TWO, BARE]}</tools>",
        f"In <tools></tools> stand tools. <tools> {json.dumps([ONE, TWO, BARE])} </tools>",
        'For example [{x}] {"a\n'
        + json.dumps([{"type": "function", "function": t} for t in (ONE, TWO, BARE)]),
    ],
)
def test_json_in_a_prompt_is_read(content: str) -> None:
    assert [tool["tool"] for tool in tools_in_prompt(content)] == ["one", "two", "three"]
    assert unread_block(content) == ""


@pytest.mark.parametrize(
    "value",
    [
        [{"name": "Anna", "description": "a friend"}, {"name": "Ben", "description": "another"}],
        [{"name": "chair", "parameters": {"legs": 4}}],
        {"name": "get_weather", "parameters": {"city": "Paris"}},
        {"name": "get_weather", "arguments": {"city": "Paris"}},
        [ONE, {"name": 5, "parameters": SCHEMA}],
        [ONE, "two"],
        [],
        {"properties": {"name": {"type": "string"}}, "title": "Call", "type": "object"},
        [{"function": 5}, {"function": {"name": "x"}}],
    ],
)
def test_other_data_in_a_prompt_are_no_tools(value: Any) -> None:
    assert tools_in_prompt(f"You know this: {json.dumps(value)}") == []


def test_much_that_looks_like_json_is_looked_at_for_a_while_only() -> None:
    assert tools_in_prompt('"name": "' + '[{"' * 200_000) == []
    assert tools_in_prompt("[{" * 200_000) == []


@pytest.mark.parametrize(
    ("block", "detail"),
    [
        (json.dumps([ONE, TWO])[:-20], "not JSON"),
        (json.dumps([ONE, {"description": "x"}]), "1 of 2 offered tools have no name"),
        ("{bad\n" + json.dumps(ONE), "not JSON: {bad"),
        ("none today", ""),
    ],
)
def test_a_block_that_is_not_read_is_a_fault(block: str, detail: str) -> None:
    assert detail in unread_block(f"<tools>{block}</tools>")
    assert bool(unread_block(f"<tools>{block}</tools>")) == bool(detail)


def test_a_prompt_says_the_same_without_its_tools() -> None:
    many, one = json.dumps([ONE, TWO, BARE], indent=2), json.dumps([ONE])
    assert bare_prompt(f"Use\n{many}\nor not.") == bare_prompt(f"Use\n{one}\nor not.") == "Use or not."
    three = "\n\n".join(json.dumps(tool, indent=4) for tool in (ONE, TWO, BARE))
    assert bare_prompt(f"Use -\n{three}\n") == bare_prompt(f"Use -\n{json.dumps(ONE)}\n")


def test_the_tools_in_a_prompt_are_no_shortcut_by_themselves(tmp_path: Path) -> None:
    """Each row offers the one tool that it calls: what a model may call follows from that, by definition."""

    def row(number: int) -> dict[str, Any]:
        tool = {
            **ONE,
            "name": f"tool_{number % 4}",
            "description": f"Does {number % 4} things." * (number % 4 + 1),
        }
        call = f'<functioncall> {{"name": "tool_{number % 4}", "arguments": \'{{"q": "x"}}\'}} <|endoftext|>'
        return {
            "system": f"SYSTEM: You have these functions -\n{json.dumps(tool, indent=4)}\n",
            "chat": f"USER: {words_of(number)}\n\n\nASSISTANT: {call}\n\n\n",
        }

    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row(n)) + "\n" for n in range(200)))
    report = audit_dataset([tmp_path / "train.jsonl"])
    assert {entry["name"] for entry in report.charts["tools"]} == {f"tool_{n}" for n in range(4)}
    named = {f.feature for f in report.findings if f.check == "shortcut.feature"}
    assert not named & {"system_text", "system_length"}
