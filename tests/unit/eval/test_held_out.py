"""Cases out of held-out rows, and changed copies of them."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.made_calls import TOOLS, said
from tunewright.chat.calls import write
from tunewright.contract.atomic import write_jsonl
from tunewright.contract.example import Example
from tunewright.contract.suite import Case, GoldCalls, Prediction, read_suite
from tunewright.eval.grade_calls import grade_calls
from tunewright.eval.held_out import HeldOutRow, case_row, clusters_of, make_cases, same_rows
from tunewright.eval.perturb import LOOKALIKE, MASKED, ORDER, REMOVED, name_of, perturb
from tunewright.eval.suite_faults import case_fault


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def calling(*calls: tuple[str, dict[str, Any]], content: str = "") -> dict[str, Any]:
    return {
        "role": "assistant",
        "content": content,
        "tool_calls": [{"function": {"name": name, "arguments": arguments}} for name, arguments in calls],
    }


def row(*messages: dict[str, Any], line: int = 1, tools: Sequence[Any] = TOOLS, **meta: str) -> HeldOutRow:
    example = Example.model_validate({"messages": messages, "tools": tools, "meta": meta})
    return HeldOutRow("valid.jsonl", line, example)


FORECAST = ("get_forecast", {"city": "Porto", "days": 3})
CONVERSATION = row(
    user("How is the weather in Porto for three days?"),
    calling(FORECAST),
    {"role": "tool", "content": "rain", "name": "get_forecast"},
    {"role": "assistant", "content": "Rain, all three days."},
    user("Then read line 1 of a.py and b.py."),
    calling(
        ("read_lines", {"path": "a.py", "range": {"start": 1, "end": 1}}),
        ("read_lines", {"path": "b.py", "range": {"start": 1, "end": 1}}),
    ),
    line=7,
)


def test_each_answer_is_a_case_with_what_came_before_it_and_the_calls_it_makes() -> None:
    made = make_cases([CONVERSATION])
    assert not made.left_out
    assert [(case.id, case.category, len(case.messages)) for case in made.cases] == [
        ("7-1", "one call, first turn", 1),
        ("7-3", "no call, after a result", 3),
        ("7-5", "several calls, later turn", 5),
    ]
    assert [[call.function.name for call in case.gold_calls[0].tool_calls] for case in made.cases] == [
        ["get_forecast"],
        [],
        ["read_lines", "read_lines"],
    ]
    assert {case.cluster for case in made.cases} == {"valid.jsonl:7"}


@pytest.mark.parametrize("dialect", ["hermes_json", "qwen_xml", "pythonic", "mistral"])
def test_calls_written_in_any_dialect_make_the_same_case_as_calls_that_are_data(dialect: str) -> None:
    data = make_cases([row(user("Porto?"), calling(FORECAST))])
    text = write([FORECAST], dialect)
    written = make_cases([row(user("Porto?"), {"role": "assistant", "content": text})])
    assert written.cases[0].gold[0] == data.cases[0].gold[0]


def test_a_suite_survives_its_file_and_its_gold_is_right(tmp_path: Any) -> None:
    made = make_cases([CONVERSATION])
    cases = [*made.cases, *perturb(made.cases)]
    write_jsonl(tmp_path / "mine.jsonl", map(case_row, cases))
    read = read_suite(tmp_path / "mine.jsonl").cases
    assert list(read) == cases
    for case in read:
        calls = case.gold_calls[0].tool_calls
        answer = write(calls, "hermes_json") if calls else "It is done."
        assert grade_calls(case, Prediction(case=case.id, text=answer)).right


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"city": "Porto"}, "'days' is a required property"),
        ({"city": "Porto", "days": "3"}, "days: '3' is not of type 'integer'"),
        ({"city": "Porto", "days": 3, "unit": "kelvin"}, "unit: 'kelvin' is not one of"),
        ({"city": "Porto", "days": 3, "verbose": True}, "'verbose' was unexpected"),
        ({"city": None, "days": 3}, "city: None is not of type 'string'"),
        ({"city": "Porto", "days": 3, "hourly": json.loads("[" * 150 + "]" * 150)}, "nested too deeply"),
    ],
)
def test_gold_that_breaks_its_own_schema_is_left_out_and_said(arguments: dict[str, Any], reason: str) -> None:
    made = make_cases([row(user("Porto?"), calling(("get_forecast", arguments)), line=3)])
    assert not made.cases
    ((place, said_why),) = made.left_out
    assert place == "valid.jsonl:3"
    assert reason in said_why


def test_other_answers_that_cannot_be_cases_are_left_out_and_said() -> None:
    made = make_cases(
        [
            row({"role": "assistant", "content": "Hello!"}, line=1),
            row(user("a"), {"role": "assistant", "content": ""}, line=2),
            row(user("a"), calling(("fly", {})), line=3),
            row(user("a"), {"role": "assistant", "content": '<tool_call>\n{"name": "fly", '}, line=4),
            row(
                user("a"),
                {"role": "assistant", "content": "b"},
                {"role": "assistant", "content": "c"},
                line=5,
            ),
            row(user("a"), {"role": "assistant", "content": "b", "weight": 0}, line=6),
        ]
    )
    assert [case.id for case in made.cases] == ["5-1"]
    reasons = [reason for _, reason in made.left_out]
    for words, reason in zip(
        ("nothing is asked", "is empty", "not offered", "cannot be read", "follows a turn"),
        reasons,
        strict=True,
    ):
        assert words in reason


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"$ref": "https://example.org/never-fetched.json"}}},
        {"type": "object", "properties": {"a": {"type": "string", "pattern": "(a+)+$"}}},
        {"type": "dict", "properties": {"a": {"type": "str, optional"}}},
        {"a": {"type": "str", "description": "as xLAM writes it"}},
        {"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "required": None},
        {"properties": {"a": {"anyOf": [{"$ref": "#/properties/a"}]}}},
        {},
    ],
)
def test_schemas_as_people_write_them_do_no_harm(schema: dict[str, Any]) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    made = make_cases([row(user("a"), calling(("f", {"a": "a" * 40 + "!"})), tools=[tool])])
    assert len(made.cases) + len(made.left_out) == 1
    if made.left_out:
        assert "schema" in made.left_out[0][1]
    else:
        assert grade_calls(made.cases[0], said(made.cases[0].id, [("f", {"a": "a" * 40 + "!"})])).right


def test_rows_that_ask_for_nearly_the_same_share_a_cluster_and_a_named_cluster_is_kept() -> None:
    text = "please tell me what the weather in {} will be like over the next three days of my trip"
    rows = [
        row(user(text.format("Porto")), line=1),
        row(user("something else entirely, about a mail to the board"), line=2),
        row(user(text.format("Faro")), line=3),
        row(user(text.format("Faro")), line=4, cluster="named"),
    ]
    assert clusters_of(rows) == ["valid.jsonl:1", "valid.jsonl:2", "valid.jsonl:1", "named"]


def test_rows_that_are_in_train_too_are_found_whatever_their_spacing_and_system_message() -> None:
    held = [row(user("How is  Porto?"), calling(FORECAST), line=1), row(user("x"), calling(FORECAST), line=2)]
    train = [
        HeldOutRow("train.jsonl", 9, row(user("how is porto?"), calling(FORECAST)).example),
        HeldOutRow(
            "train.jsonl", 10, row(user("x"), calling(("get_forecast", {"city": "Faro", "days": 3}))).example
        ),
    ]
    assert same_rows(held, train) == [("valid.jsonl:1", "train.jsonl:9")]


def copies(case: Case) -> dict[str, Case]:
    return {copy.category: copy for copy in perturb([case])}


FIRST = make_cases([CONVERSATION]).cases[0]


def test_changed_copies_keep_the_request_and_change_one_thing() -> None:
    found = copies(FIRST)
    assert set(found) == {ORDER, MASKED, REMOVED}
    assert len({copy.id for copy in found.values()}) == 3
    for copy in found.values():
        assert copy.perturbs == FIRST.id
        assert copy.messages == FIRST.messages
        assert copy.cluster == FIRST.cluster
    order = found[ORDER]
    assert order.tools != FIRST.tools
    assert sorted(map(name_of, order.tools)) == sorted(map(name_of, FIRST.tools))
    assert order.gold == FIRST.gold
    assert "get_forecast" not in map(name_of, found[REMOVED].tools)
    assert found[REMOVED].gold_calls[0].tool_calls == ()
    masked = found[MASKED]
    assert not {name_of(tool) for tool in masked.tools} & {name_of(tool) for tool in FIRST.tools}
    (call,) = masked.gold_calls[0].tool_calls
    assert call.function.arguments == FORECAST[1]
    place = [name_of(tool) for tool in FIRST.tools].index("get_forecast")
    assert name_of(masked.tools[place]) == call.function.name


def test_the_lookalike_takes_the_same_parameters_and_is_for_something_else() -> None:
    donor = {
        "type": "function",
        "function": {"name": "paint_wall", "description": "Give a wall colour.", "parameters": {}},
    }
    other = make_cases(
        [row(user("Paint it."), {"role": "assistant", "content": "Which?"}, tools=[donor], line=9)]
    )
    copy = next(c for c in perturb([FIRST, *other.cases]) if c.category == LOOKALIKE)
    assert copy.perturbs == FIRST.id
    assert [name_of(tool) for tool in copy.tools].count("paint_wall") == 1
    assert "get_forecast" not in map(name_of, copy.tools)
    lookalike = next(tool for tool in copy.tools if name_of(tool) == "paint_wall")
    assert lookalike["function"]["parameters"] == TOOLS[0]["function"]["parameters"]
    assert copy.gold_calls[0].tool_calls == ()


def test_a_tool_that_the_conversation_has_used_is_not_taken_away() -> None:
    again = row(
        user("Porto?"),
        calling(FORECAST),
        {"role": "tool", "content": "rain"},
        user("Faro?"),
        calling(FORECAST),
    )
    case = make_cases([again]).cases[1]
    assert set(copies(case)) == {ORDER, MASKED}
    masked = copies(case)[MASKED]
    assert masked.messages[1].tool_calls[0].function.name == masked.gold_calls[0].tool_calls[0].function.name


@given(st.integers(0, 1000))
def test_changes_are_the_same_each_time(seed: int) -> None:
    case = FIRST.model_copy(update={"id": str(seed)})
    assert perturb([case]) == perturb([case])


def test_gold_of_made_and_of_changed_cases_can_be_right() -> None:
    made = make_cases([CONVERSATION]).cases
    assert [case_fault(case) for case in (*made, *perturb(made))] == [""] * (len(made) + len(perturb(made)))
    assert len(perturb(made)) > 3
    broken = GoldCalls.model_validate(
        {"tool_calls": [{"name": "get_forecast", "arguments": {"days": "three"}}]}
    )
    assert "breaks its own schema" in case_fault(made[0].model_copy(update={"gold": (broken,)}))
    assert not case_fault(made[0].model_copy(update={"gold": (broken, *made[0].gold)})), (
        "another one is right"
    )
