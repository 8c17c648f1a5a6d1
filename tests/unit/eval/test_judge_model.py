"""A judge model is measured: one that knows nothing is seen, and no verdict changes."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.endpoint import Reply, completion, look_alike, ok
from tests.support.gold import gold_predictions, suite
from tunewright.contract.catalog import load_catalog
from tunewright.contract.errors import UserError
from tunewright.contract.suite import Suite
from tunewright.eval.endpoint_client import make_endpoint
from tunewright.eval.judge_model import JudgeReport, ask_judge
from tunewright.eval.suite_score import score_predictions

NAVIGATION = suite("navigation")
WORDS = [case for case in NAVIGATION.cases if not case.expect.tools]
GOLD = {case.request: [gold for gold in case.gold if isinstance(gold, str)] for case in WORDS}


def reads(body: dict[str, Any]) -> Reply:
    """A judge that knows the golds."""
    asked = body["messages"][-1]["content"]
    question = asked.partition("<question>\n")[2].partition("\n</question>")[0]
    answer = asked.partition("<answer>\n")[2].partition("\n</answer>")[0]
    return ok(completion("RIGHT" if answer in GOLD[question] else "It is wrong.\nWRONG"))


def always(word: str) -> Callable[[dict[str, Any]], Reply]:
    """A judge that says the same of everything."""
    return lambda _: ok(completion(word))


def report(behave: Callable[[dict[str, Any]], Reply], *, broken: int = 0) -> JudgeReport:
    """What a judge says of the golds as a model's answers, of which the first `broken` in words are gibberish."""
    first = {case.id for case in WORDS[:broken]}
    answers = [
        answer.model_copy(update={"text": "entry entry"}) if answer.case in first else answer
        for answer in gold_predictions("navigation")
    ]
    score = score_predictions(NAVIGATION, answers, load_catalog("coding"))
    before = json.dumps(score.to_json())
    with look_alike() as server:
        server.behave = behave
        found = ask_judge(make_endpoint(server.url, "ours", {}), NAVIGATION, score.outcomes)
    assert json.dumps(score.to_json()) == before
    return found


def test_a_judge_that_knows_agrees_with_the_facts() -> None:
    found = report(reads, broken=3)
    n = len(WORDS)
    assert (found.golds.k, found.exchanged.k, found.agrees.k, found.unclear) == (n, n, n, 0)
    assert "agrees with the facts        100%" in str(found)


@pytest.mark.parametrize(("word", "golds", "exchanged"), [("RIGHT", 1.0, 0.0), ("WRONG", 0.0, 1.0)])
def test_a_judge_that_always_says_the_same_is_seen(word: str, golds: float, exchanged: float) -> None:
    found = report(always(word), broken=3)
    assert (found.golds.value, found.exchanged.value) == (golds, exchanged)
    named = found.lenient if word == "RIGHT" else found.strict
    assert len(named) == (3 if word == "RIGHT" else len(WORDS) - 3)


@pytest.mark.parametrize("reply", ["", "Perhaps.", "RIGHT or WRONG?"])
def test_a_reply_without_a_verdict_agrees_with_nothing(reply: str) -> None:
    found = report(always(reply or " "))
    assert found.unclear == 3 * len(WORDS)
    assert (found.golds.k, found.exchanged.k, found.agrees.k) == (0, 0, 0)


def test_a_suite_of_programs_needs_no_judge() -> None:
    programs = Suite(name="p", cases=tuple(case for case in NAVIGATION.cases if case.expect.tools))
    with pytest.raises(UserError, match="has 0 answered cases in words"):
        ask_judge(make_endpoint("http://localhost:1/v1", "ours", {}), programs, ())
