"""Any row is read as one conversation and written again without losing anything."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.chat_shapes import ASKED, BAD_ANSWER, CALL, GOOD_ANSWER, ROWS, TURNS, WEATHER
from tests.unit.chat.test_shapes import ROWS as HOSTILE
from tunewright.chat.conversation import Conversation, UnknownShapeError, read_conversation
from tunewright.chat.message import called_by
from tunewright.chat.normal_form import normal_form
from tunewright.chat.reading.turns import plain_messages
from tunewright.contract.example import Example

Row = dict[str, Any]
SHAPES = pytest.mark.parametrize("shape", ROWS)


def meaning(found: Conversation) -> Any:
    rejected = None if found.rejected is None else plain_messages(found.rejected)
    return [found.plain, found.tools or None, rejected, found.label]


def leaves(value: Any) -> set[str]:
    """Every text in a value, that of JSON texts too."""
    if isinstance(value, dict):
        return {str(key) for key in value} | {leaf for inner in value.values() for leaf in leaves(inner)}
    if isinstance(value, list):
        return {leaf for inner in value for leaf in leaves(inner)}
    return {json.dumps(value)}


@SHAPES
def test_every_shape_is_read_written_and_read_back_equal(shape: str) -> None:
    row, calls = ROWS[shape]
    before = json.dumps(row)
    found = read_conversation(row)
    written = found.row()
    assert json.dumps(row) == before
    again = read_conversation(json.loads(json.dumps(written)))
    assert meaning(again) == meaning(found)
    assert again.row() == written  # the form of messages stays as it is
    assert [name for message in found.plain for name in called_by(message)] == calls
    assert found.plain[-1]["role"] == "assistant"


@SHAPES
def test_every_shape_has_a_normal_form_with_arguments_as_objects(shape: str) -> None:
    row, calls = ROWS[shape]
    example = normal_form(read_conversation(row))
    made = [call.function for message in example.messages for call in message.tool_calls]
    if "[INST]" not in shape:  # its calls are text and stay text
        assert [(call.name, call.arguments) for call in made] == [("weather", {"city": "Lima"})] * len(calls)
    assert Example.model_validate(example.row()) == example
    assert normal_form(read_conversation(example.row())) == example


def test_the_normal_form_has_ids_names_reasoning_weights_and_tools() -> None:
    example = normal_form(
        read_conversation({"messages": TURNS, "tools": [WEATHER], "meta": {"source": "s", "x": 1}})
    )
    call, result = example.messages[2], example.messages[3]
    assert call.reasoning_content == "I look."
    assert (call.content, call.tool_calls[0].id) == ("", "c1")
    assert (result.tool_call_id, result.name) == ("c1", "weather")
    assert example.tools == ({"type": "function", "function": WEATHER},)
    assert example.meta.source == "s"
    weighed = [{**TURNS[1]}, {**TURNS[4], "weight": 0}]
    assert normal_form(read_conversation({"messages": weighed})).messages[1].weight == 0


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ({"name": "f", "arguments": "{"}, "message 1, call 1: arguments are not JSON"),
        ({"name": "f", "arguments": "[1]"}, "message 1, call 1: arguments are a list, not an object"),
        ({"name": "", "arguments": {}}, "message 1, call 1 has no name"),
        ({"arguments": {}}, "message 1, call 1 has no name"),
    ],
)
def test_a_call_that_has_no_normal_form_is_named(function: Row, reason: str) -> None:
    found = read_conversation({"messages": [{"role": "assistant", "tool_calls": [{"function": function}]}]})
    assert found.plain  # an audit still reads it
    with pytest.raises(UnknownShapeError, match=reason):
        normal_form(found)


@SHAPES
def test_no_text_and_no_key_of_the_users_is_lost(shape: str) -> None:
    row = {**ROWS[shape][0], "mine": {"deep": ["kept", None]}}
    written = read_conversation(row).row()
    assert written["mine"] == row["mine"]
    # Texts that are taken apart are compared by their words.
    said = json.dumps(written).replace("\\", "").replace("\\n", " ")
    for word in ("warm?", "Yes", "No.", "Lima", "19", "I look.", "Be brief.", "margin", "score_chosen"):
        if word in json.dumps(row):
            assert word in said, word


def test_what_is_chosen_ends_the_conversation_and_what_is_rejected_takes_its_place() -> None:
    pairs = {
        "prompt/chosen/rejected": "Yes.",
        "chosen/rejected, whole": "Yes, it is.",
        "Human and Assistant, pairs": "Yes.",
        "messages with chosen": "Yes, it is.",
        "messages with rejected": "Yes, it is.",
        "LLaMA-Factory's ranking": "Yes.",
        "LLaMA-Factory's older ranking": "Yes.",
    }
    for shape, chosen in pairs.items():
        found = read_conversation(ROWS[shape][0])
        assert found.is_preference, shape
        assert found.plain[-1]["content"] == chosen, shape
        assert [m["content"] for m in plain_messages(found.rejected or [])] == ["No."], shape
        assert found.plain[-2]["content"] == "Is it warm?", shape


def test_rows_that_have_the_chosen_answer_in_their_messages_already_have_it_once() -> None:
    whole = [*ASKED, GOOD_ANSWER]
    row = {"prompt": "Is it warm?", "chosen": whole, "rejected": [*ASKED, BAD_ANSWER], "messages": whole}
    found = read_conversation(row)
    assert found.messages == whole
    assert found.rejected == [BAD_ANSWER]
    assert found.row() == row


def test_a_row_of_messages_with_a_rival_answer_stays_as_it_is() -> None:
    row = ROWS["messages with chosen"][0]
    assert read_conversation(row).row() == row


def test_what_would_be_lost_is_refused() -> None:
    for row in (
        {"text": "Mind this.<|im_start|>user\nq<|im_end|>"},
        {"text": "<s>[AVAILABLE_TOOLS] [{[/AVAILABLE_TOOLS][INST] q [/INST] a</s>"},
        {"prompt": "q", "completion": "a", "messages": "not a list"},
        {"input": {"messages": ASKED, "id": 1}, "preferred_output": [GOOD_ANSWER], "id": 2},
    ):
        found = read_conversation(row)
        with pytest.raises(UnknownShapeError):
            found.row()


def test_a_turn_that_calls_keeps_its_call_next_to_arrow_s_null() -> None:
    turn = {"role": "function_call", "content": json.dumps(CALL), "tool_calls": None}
    [message] = read_conversation({"messages": [turn]}).row()["messages"]
    assert message["tool_calls"] == [{"function": CALL}]


def test_nulls_of_other_shapes_do_not_hide_a_conversation() -> None:
    row = {
        "messages": None,
        "conversations": None,
        "chosen": None,
        "prompt": "q",
        "completion": "a",
        "text": None,
    }
    assert [m["content"] for m in read_conversation(row).plain] == ["q", "a"]
    turns = ROWS["conversations (ShareGPT)"][0]["conversations"]
    assert len(read_conversation({"messages": [], "conversations": turns}).plain) == 5


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    HOSTILE,
    st.dictionaries(st.sampled_from(["mine", "n", "kto_tag"]), st.none() | st.booleans() | st.integers()),
)
def test_any_row_is_written_whole_or_refused(row: Row, more: Row) -> None:
    row = {**row, **more}
    before = json.dumps(row)
    try:
        found = read_conversation(row)
        written = found.row()
    except UnknownShapeError:
        return
    assert json.dumps(row) == before
    for key in more:
        assert written[key] == row[key]
    for key, value in row.items():
        assert key in written or key in found.read_from, key
        assert key in found.read_from or key == "messages" or written[key] == value
    again = read_conversation(written)
    assert again.plain == found.plain
    assert (again.tools or None) == (found.tools or None)
    if isinstance(row.get("messages"), list) and found.read_from == ("messages",):
        for old, new in zip(row["messages"], written["messages"], strict=True):
            assert leaves(old) - {"from", "value"} <= leaves(new) | leaves(old.get("role")) | leaves(
                old.get("from")
            )


def test_calls_that_are_no_list_next_to_a_call_are_refused() -> None:
    row: dict[str, Any] = {
        "messages": [{"role": "function_call", "content": json.dumps(CALL), "tool_calls": False}]
    }
    with pytest.raises(UnknownShapeError, match="tool_calls is a boolean, not a list"):
        read_conversation(row)
    row["messages"][0]["tool_calls"] = None
    assert called_by(read_conversation(row).messages[0]) == ["weather"]


def test_calls_in_blocks_and_in_text_are_both_calls() -> None:
    for block in (
        {"type": "tool_call", "value": json.dumps(CALL)},
        {"type": "tool_call", "content": CALL},
        {"type": "tool_call", "tool_call": CALL},
        {"type": "function_call", "name": "weather", "arguments": '{"city": "Lima"}', "call_id": "c1"},
        {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Lima"}},
    ):
        example = normal_form(read_conversation({"messages": [{"role": "assistant", "content": [block]}]}))
        assert [call.function.model_dump() for call in example.messages[0].tool_calls] == [CALL], block
