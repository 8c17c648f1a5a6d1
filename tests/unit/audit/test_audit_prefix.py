"""Which turns a trainer that renders a row once trains behind other tokens than they are served behind."""

from pathlib import Path
from typing import Any

from tests.support.audit_rows import base_with_template, recipe
from tunewright.audit.audited import audit_dataset
from tunewright.audit.prefixes import other_prefixes
from tunewright.audit.tokenizer import Tokenizer
from tunewright.contract.atomic import write_jsonl

Row = dict[str, Any]
THOUGHT = "<think>\nhm\n</think>\n\n"
TOOL: Row = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
CALL: Row = {"type": "function", "function": {"name": "weather", "arguments": {"city": "Lima"}}}


def turns(*said: str) -> list[Row]:
    return [{"role": "user" if n % 2 == 0 else "assistant", "content": text} for n, text in enumerate(said)]


def called(call: Row = CALL) -> list[Row]:
    return [
        {"role": "user", "content": "Is it warm?"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "20"},
        {"role": "assistant", "content": "Yes."},
    ]


def found(
    messages: list[Row],
    template: str = "qwen3",
    tools: list[Any] | None = None,
    as_text: dict[int, dict[int, str]] | None = None,
    *,
    thinks: bool = True,
) -> list[int]:
    tokenizer = Tokenizer(base_with_template(template, thinks=thinks))
    return [other.message for other in other_prefixes(messages, tools, as_text or {}, tokenizer)]


def test_a_plain_conversation_is_trained_as_it_is_served() -> None:
    for template in ("qwen3", "qwen25", "smollm2", "llama31"):
        assert found(turns("And?", "No.", "Why?", "So."), template) == []
    assert found(called(), tools=[TOOL]) == []


def test_a_thought_that_the_template_drops_later_changes_what_its_turn_is_trained_behind_or_as() -> None:
    # Served, the second answer's prompt has no thought in it either; the first one's own text changes, not its prefix.
    assert found(turns("And?", THOUGHT + "No.", "Why?", "So.")) == []
    within = [*called(), {"role": "user", "content": "And now?"}, {"role": "assistant", "content": "No."}]
    within[1] = {**within[1], "content": THOUGHT}
    # Served, the turn after a result still shows the thought of its own chain.
    (other,) = other_prefixes(within, [TOOL], {}, Tokenizer(base_with_template("qwen3")))
    assert other.message == 4
    assert "<think>" in other.served
    assert "<think>" not in other.trained


def test_a_thought_that_is_closed_in_the_prompt_is_missing_before_earlier_answers() -> None:
    assert found(turns("And?", "No.", "Why?", "So."), thinks=False) == [2]
    assert found(turns("And?", "No."), thinks=False) == []


def test_arguments_that_are_text_change_what_the_next_turn_is_trained_behind() -> None:
    for template in ("qwen3", "qwen25"):
        assert found(called(), template, [TOOL]) == []
    # One template escapes the text's quotes; the other takes it as it is, with whatever spacing it has.
    assert found(called(), "qwen25", [TOOL], {2: {0: '{"city": "Lima"}'}}) == [4]
    assert found(called(), "qwen3", [TOOL], {2: {0: '{"city": "Lima"}'}}) == []
    assert found(called(), "qwen3", [TOOL], {2: {0: '{"city":"Lima"}'}}) == [4]


def test_nulls_that_arrow_adds_change_every_prompt() -> None:
    padded = {
        "type": "function",
        "function": {
            **TOOL["function"],
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "to": None}},
        },
    }
    assert found(called(), tools=[padded]) == [2, 4]


def test_a_template_that_refuses_names_nothing() -> None:
    assert found([{"role": "user", "content": "a"}, *turns("b", "c")], "gemma2") == []


def test_the_audit_names_the_turn_and_both_texts(tmp_path: Path) -> None:
    rows: list[Row] = []
    for number in range(6):
        arguments = '{"city": "Lima"}' if number % 2 else {"city": "Lima"}
        call = {"type": "function", "function": {"name": "weather", "arguments": arguments}}
        rows.append({"messages": called(call), "tools": [TOOL]})
    write_jsonl(tmp_path / "train.jsonl", rows)
    base = recipe(base=str(base_with_template("qwen25")))
    findings = [
        finding
        for finding in audit_dataset([tmp_path], recipe=base).findings
        if finding.check == "trainer.prefix"
    ]
    (finding,) = findings
    assert finding.severity == "warn"
    assert "mlx-lm trains 3 of 12 answers of train behind other tokens" in finding.message
    assert [row.line for row in finding.rows] == [2, 4, 6]
    assert "message 4: trained behind" in finding.rows[0].detail


def test_where_the_template_is_not_here_it_is_said_and_not_judged(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "train.jsonl", [{"messages": turns("a", THOUGHT + "b")}])
    base = recipe(base="/nowhere/at/all")
    (finding,) = [
        finding
        for finding in audit_dataset([tmp_path], recipe=base).findings
        if finding.check == "trainer.prefix"
    ]
    assert (finding.severity, finding.rows) == ("info", ())
    assert "was not checked" in finding.message
