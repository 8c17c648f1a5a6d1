"""Answers graded by their calls: each result told apart, and no wrong answer let through."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.made_calls import (
    TOOLS,
    Call,
    case_of,
    harmless_variants,
    made_call,
    made_case,
    said,
    wrong_variants,
)
from tunewright.contract.suite import Case, GoldCalls, Prediction
from tunewright.eval.grade_calls import RESULTS, CallGrade, grade_calls

SEEDS = st.integers(0, 10**6)
FORECAST: Call = ("get_forecast", {"city": "Porto", "days": 3})
LINES: Call = ("read_lines", {"path": "src/a.py", "range": {"start": 1, "end": 2}})


def grade(calls: list[Call], answer: str | list[Call], finish: Any = "stop", dialect: str = "") -> CallGrade:
    text = answer if isinstance(answer, str) else said("x", answer).text
    return grade_calls(case_of("x", calls), Prediction(case="x", text=text, finish=finish), dialect)


@given(SEEDS)
def test_gold_is_right_and_every_wrong_variant_of_it_is_not(seed: int) -> None:
    random = Random(seed)
    case, calls = made_case(random, seed)
    assert grade_calls(case, said(case.id, calls)).right
    for variant in wrong_variants(case, calls, random):
        found = grade_calls(case, variant.prediction, variant.dialect)
        assert not found.right, variant
        assert found.reason


@given(SEEDS)
def test_every_harmless_variant_is_right(seed: int) -> None:
    random = Random(seed)
    case, calls = made_case(random, seed)
    for variant in harmless_variants(case, calls, random):
        found = grade_calls(case, variant.prediction)
        assert found.right, (variant, found.reason)


@pytest.mark.parametrize(
    ("calls", "answer", "result"),
    [
        ([FORECAST], [FORECAST], "right"),
        ([FORECAST], [LINES], "wrong_tool"),
        ([FORECAST], [("get_forecast", {"city": "Porto", "days": 4})], "wrong_arguments"),
        ([FORECAST, LINES], [LINES], "missing_call"),
        ([FORECAST], [FORECAST, LINES], "extra_call"),
        ([FORECAST], [FORECAST, FORECAST], "extra_call"),
        ([FORECAST, LINES], [LINES, FORECAST], "right"),
        ([FORECAST], "It will rain in Porto.", "answered_in_words"),
        ([FORECAST], "I'm sorry, but I can't do that.", "refused"),
        ([FORECAST], "  \n", "empty"),
        ([FORECAST], '<tool_call>\n{"name": "get_forecast", "arg', "unparseable"),
        ([FORECAST], '<tool_call>\n{"name": "get_forecast", "arguments": [1]}\n</tool_call>', "unparseable"),
        ([], [FORECAST], "called_needlessly"),
        ([], "Hello! How can I help?", "right"),
        ([], "I'm sorry, none of my tools can do that.", "right"),
        ([], "...", "empty"),
        ([], "Yes, each " + "entry" * 30, "degenerate"),
        ([], "I see. " + "the file is there, " * 12, "degenerate"),
        ([FORECAST], "and and and and and and and and and and", "degenerate"),
        ([], "Ha ha ha, no. | a | b |\n|-----|-----|-----|-----|\n" + "=" * 80, "right"),
    ],
)
def test_results_are_told_apart(calls: list[Call], answer: str | list[Call], result: str) -> None:
    assert grade(calls, answer).result == result


def test_an_answer_that_never_ended_is_cut_off_unless_something_else_is_wrong_already() -> None:
    assert grade([FORECAST], [FORECAST], "length").result == "cut_off"
    assert grade([FORECAST], '<tool_call>\n{"name": ', "length").result == "cut_off"
    assert grade([], "and so on and so on", "length").result == "cut_off"
    assert grade([FORECAST], [LINES], "length").result == "wrong_tool"


def test_order_counts_where_one_call_uses_anothers_result() -> None:
    mail: Call = ("send_mail", {"to": "kim@example.org", "body": "It says: $lines.text$"})
    assert grade([LINES, mail], [LINES, mail]).right
    assert grade([LINES, mail], [mail, LINES]).result == "wrong_order"


def test_an_id_inside_an_argument_orders_calls_and_a_number_does_not() -> None:
    def ordered(identity: str) -> str:
        row = {
            "id": "x",
            "category": "c",
            "messages": [{"role": "user", "content": "go"}],
            "tools": TOOLS,
            "gold": [
                {
                    "tool_calls": [
                        {"id": identity, "function": {"name": LINES[0], "arguments": LINES[1]}},
                        {
                            "function": {
                                "name": "send_mail",
                                "arguments": {"to": "a", "body": f"See {identity}."},
                            }
                        },
                    ]
                }
            ],
        }
        answer = said("x", [("send_mail", {"to": "a", "body": f"See {identity}."}), LINES])
        return grade_calls(Case.model_validate(row), answer).result

    assert ordered("call_a1") == "wrong_order"
    assert ordered("2") == "right"


def test_the_best_of_several_right_answers_counts() -> None:
    case = case_of("x", [FORECAST])
    both = case.model_copy(update={"gold": (*case.gold, GoldCalls(tool_calls=()))})
    assert grade_calls(both, said("x", [FORECAST])).right
    assert grade_calls(both, Prediction(case="x", text="Rain.")).right
    other = grade_calls(both, said("x", [("get_forecast", {"city": "Faro", "days": 3})]))
    assert other.result == "wrong_arguments"
    assert [difference.path for difference in other.differences] == ["city"]


def test_the_dialect_is_told_and_decides_only_when_it_is_asked_for() -> None:
    text = said("x", [FORECAST], "pythonic").text
    assert grade([FORECAST], text).right
    assert grade([FORECAST], text).dialect == "pythonic"
    assert grade([FORECAST], text, dialect="pythonic").right
    assert grade([FORECAST], text, dialect="hermes_json").result == "other_dialect"


def test_calls_of_an_endpoint_are_judged_as_data_and_malformed_ones_are_not_right() -> None:
    def native(name: Any, arguments: Any, finish: Any = "stop") -> str:
        given = Prediction(
            case="x", text="", tool_calls=({"name": name, "arguments": arguments},), finish=finish
        )
        return grade_calls(case_of("x", [FORECAST]), given).result

    assert native("get_forecast", json.dumps(FORECAST[1])) == "right"
    assert native("get_forecast", FORECAST[1]) == "right"
    assert native("get_forecast", '{"city": "Porto", "days"') == "unparseable"
    assert native("get_forecast", '{"city": "Porto", "days"', "length") == "cut_off"
    assert native("get_forecast", "[1]") == "unparseable"
    assert native(None, "{}") == "unparseable"
    assert native("get_forecast", "[" * 100_000) == "unparseable"


def test_a_missing_prediction_is_a_result_of_its_own() -> None:
    assert grade_calls(case_of("x", [FORECAST]), None).result == "no_prediction"


def test_expected_and_actual_stand_next_to_each_other_with_the_differing_argument_marked() -> None:
    found = grade([FORECAST], [("get_forecast", {"city": "Faro", "days": 3})])
    assert [(row.name, row.expected, row.actual, row.differs) for row in found.rows] == [
        ("tool", "get_forecast", "get_forecast", False),
        ("city", '"Porto"', '"Faro"', True),
        ("days", "3", "3", False),
    ]
    assert found.to_json()["differences"] == [
        {"path": "city", "reason": 'city must be "Porto", is "Faro"', "expected": "Porto", "actual": "Faro"}
    ]


@given(st.text(max_size=200), st.sampled_from(["stop", "length"]))
def test_any_text_gets_one_of_the_results_and_no_text_by_chance_a_right_call(text: str, finish: str) -> None:
    found = grade([FORECAST], text, finish)
    assert found.result in RESULTS
    assert not found.right
    json.dumps(found.to_json())


def test_hostile_answers_cost_one_case_and_little_time() -> None:
    for text in (
        "<tool_call>" * 20_000,
        "[" * 100_000,
        '<tool_call>\n{"name": "get_forecast", "arguments": ' + '{"a": ' * 50_000,
        said("x", [FORECAST] * 2_000).text,
    ):
        assert not grade([FORECAST, FORECAST], text).right


@given(SEEDS)
def test_many_like_calls_are_matched_as_a_set(seed: int) -> None:
    random = Random(seed)
    calls = [made_call(random, "get_forecast") for _ in range(6)]
    shuffled = random.sample(calls, len(calls))
    assert grade(calls, shuffled).right
    assert (
        grade(calls, [*shuffled[:-1], ("get_forecast", {"city": "Faro", "days": 99})]).result
        == "wrong_arguments"
    )
