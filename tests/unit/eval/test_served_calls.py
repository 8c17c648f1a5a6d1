"""What mlx-lm's server handed on is judged next to the raw answer, and never in its place."""

from random import Random
from typing import Any

import pytest

from tests.support.made_calls import case_of, made_call, said
from tunewright.contract.catalog import load_catalog
from tunewright.contract.suite import Case, Prediction, ServedAnswer, Suite
from tunewright.eval.score_text import suite_text
from tunewright.eval.suite_score import SuiteScore, score_predictions

CALL = made_call(Random(5), "get_forecast")
CASE = case_of("c", [CALL])
WORDS = case_of("w", [])
RAW = said("c", [CALL])


def served(
    *calls: tuple[str, dict[str, Any]], content: str = "", failed: tuple[str, ...] = ()
) -> ServedAnswer:
    handed = tuple({"name": name, "arguments": arguments} for name, arguments in calls)
    return ServedAnswer(
        parser="json_tools", version="0.32.2", content=content, tool_calls=handed, failed=failed
    )


def score(prediction: Prediction, case: Case = CASE) -> SuiteScore:
    return score_predictions(Suite(name="s", cases=(case,)), [prediction], load_catalog("coding"))


def with_served(answer: ServedAnswer | None, raw: Prediction = RAW) -> Prediction:
    return raw.model_copy(update={"served": answer})


def test_what_is_handed_on_unchanged_is_the_same_call_and_verdict() -> None:
    found = score(with_served(served(CALL)))
    (outcome,) = found.outcomes
    assert outcome.served_calls
    assert (outcome.passed, outcome.served, outcome.served_calls.same) == (True, True, True)
    assert found.to_json()["server_parsers"] == {"json_tools of mlx-lm 0.32.2": 1}
    assert "other calls in no case; another verdict in no case" in suite_text(found)


@pytest.mark.parametrize(
    ("handed", "result"),
    [
        (served(failed=("JSONDecodeError: no",)), "empty"),
        (served(content="Here you are."), "answered_in_words"),
        (served((CALL[0], {**CALL[1], "city": "Nowhere"})), "wrong_arguments"),
        (served(("book_room", {})), "wrong_tool"),
        (served(CALL, CALL), "extra_call"),
        (ServedAnswer(parser="", version="0.32.2"), "answered_in_words"),
    ],
)
def test_a_server_that_hands_on_another_call_changes_its_own_verdict_alone(
    handed: ServedAnswer, result: str
) -> None:
    found = score(with_served(handed))
    (outcome,) = found.outcomes
    assert outcome.passed
    assert outcome.served_calls
    assert (outcome.served, outcome.served_calls.result, outcome.served_calls.same) == (False, result, False)
    assert found.to_json()["handed_on_otherwise"] == ["c"] == found.to_json()["served_differently"]
    text = suite_text(found)
    assert "other calls in 1 case (c); another verdict in 1 case (c)" in text
    assert all(reason in text for reason in handed.failed)


def test_a_server_that_mends_a_broken_call_does_not_make_the_answer_right() -> None:
    broken = RAW.model_copy(update={"text": RAW.text.replace("</tool_call>", "")})
    found = score(with_served(served(CALL), broken))
    (outcome,) = found.outcomes
    assert (outcome.passed, outcome.served) == (False, True)
    assert found.served_differently == ("c",)


def test_another_wrong_call_differs_although_the_verdict_does_not() -> None:
    wrong = said("c", [("book_room", {"hotel": "a"})])
    found = score(with_served(served(("book_room", {"hotel": "b"})), wrong))
    assert found.to_json()["handed_on_otherwise"] == ["c"]
    assert found.served_differently == ()


def test_values_of_a_dialect_without_types_are_the_same_as_the_server_s_typed_ones() -> None:
    raw = said("c", [CALL], "qwen_xml")
    found = score(with_served(served(CALL), raw))
    assert found.outcomes[0].passed
    assert found.to_json()["handed_on_otherwise"] == []


def test_words_are_handed_on_as_words() -> None:
    raw = Prediction(case="w", text="Nothing to do.", served=served(content="Nothing to do."))
    found = score(raw, WORDS)
    assert found.outcomes[0].served
    assert found.to_json()["handed_on_otherwise"] == []


def test_answers_without_the_server_s_view_say_that_it_is_not_known() -> None:
    found = score(RAW)
    assert found.outcomes[0].served_calls is None
    assert found.served_differently == ()
    assert "not recorded" in suite_text(found)


def test_true_is_not_handed_on_as_one() -> None:
    call = ("get_forecast", {"city": "Porto", "days": 1})
    handed = served(("get_forecast", {"city": "Porto", "days": True}))
    found = score(with_served(handed, said("c", [call])), case_of("c", [call]))
    assert found.to_json()["handed_on_otherwise"] == ["c"] == list(found.served_differently)
