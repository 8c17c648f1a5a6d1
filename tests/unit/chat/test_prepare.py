"""Rows of any shape and dialect become the same conversation, or the reason why they cannot be trained."""

import json
from typing import Any

import pytest

from tests.support.many_shapes import SHAPES, conversations, first_exchange, glaive, without_ids, xlam
from tunewright.chat.conversation import read_conversation
from tunewright.chat.normal_form import normal_form
from tunewright.chat.prepare import Prepared, Untrainable, prepare, with_tools_of_prompt
from tunewright.contract.example import Example


def prepared(value: Any) -> Example:
    return with_tools_of_prompt(prepare(normal_form(read_conversation(value))).example)


def prepare_messages(messages: list[dict[str, Any]]) -> Prepared:
    return prepare(normal_form(read_conversation(messages)))


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_a_conversation_is_the_same_conversation(shape: str) -> None:
    for example in conversations(60, seed=3):
        assert without_ids(prepared(SHAPES[shape](example))) == without_ids(example)


def test_xlam_holds_the_first_exchange() -> None:
    for example in conversations(60, seed=4):
        if example.messages[1].tool_calls:
            first = first_exchange(example)
            assert without_ids(prepared(xlam(first))) == without_ids(first)


def test_glaive_keeps_its_system_message_without_the_tools() -> None:
    for example in conversations(30, seed=5):
        row = without_ids(prepared(glaive(example)))
        assert row["messages"].pop(0) == {"role": "system", "content": "You are a helpful assistant."}
        assert row == without_ids(example)


def test_ids_and_names_link_results_to_their_calls() -> None:
    [example] = [e for e in conversations(6, seed=6) if len(e.messages[1].tool_calls) == 2]
    row = example.row()
    for message in row["messages"]:
        message.pop("name", None)
    results = [m for m in prepared(row).messages if m.role == "tool"]
    assert [m.tool_call_id for m in results] == [call.id for call in example.messages[1].tool_calls]
    assert [m.name for m in results] == ["get_weather", "get_weather"]


def test_a_program_stays_the_text_that_it_is() -> None:
    code = "<tool_call><function=execute_code>\n<parameter=code>\nprint(find('a'))\n</parameter>\n</function></tool_call>"
    system = 'Tools:\n<tools>\n{"name": "find", "parameters": {"type": "object", "properties": {}}}\n</tools>'
    messages = [
        {"role": "system", "content": system},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": code},
    ]
    found = prepare_messages(messages)
    assert found.example.messages[0].content == system
    assert found.example.messages[2].content == code
    assert found.dialects == ("code_mode",)


def ask(*answers: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": "Hi"}, *({"role": "assistant", **answer} for answer in answers)]


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([{"role": "user", "content": "Hi"}], "no answer"),
        (ask({"content": " "}), "every answer is empty"),
        (ask({"content": "Hello", "weight": 0}), "weight 0"),
        (ask({"content": '<tool_call>\n{"name": "f", "argum'}), "cannot be read"),
    ],
)
def test_a_row_that_cannot_be_trained_has_a_reason(messages: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(Untrainable, match=reason):
        prepare_messages(messages)


def test_a_weight_of_0_makes_an_answer_context_and_others_are_trained() -> None:
    found = prepare_messages(ask({"content": "one", "weight": 0}, {"content": "two"})).example
    assert [message.weight for message in found.messages] == [1, 0, 1]


def test_what_follows_the_last_answer_is_left_out() -> None:
    found = prepare_messages([*ask({"content": "one"}), {"role": "user", "content": "and?"}]).example
    assert found.messages[-1].content == "one"


def test_arguments_as_text_and_as_objects_are_the_same() -> None:
    arguments = {"n": 1, "deep": {"a": [True, None, "é"]}}
    rows = [
        prepare_messages(
            ask({"content": None, "tool_calls": [{"function": {"name": "f", "arguments": given}}]})
        )
        for given in (arguments, json.dumps(arguments))
    ]
    assert rows[0] == rows[1]
