"""The further suites: golds pass, mutants and trivial models fail, no request resembles another or a training wording."""

import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.support.gold import ROOT, trials
from tunewright.chat.similar import shingles
from tunewright.contract.suite import Case, Prediction, Suite, read_suite
from tunewright.datagen.corpus import RESERVED
from tunewright.datagen.families.direct import questions
from tunewright.datagen.families.family_file import shipped_families
from tunewright.eval.grade_answer import judge
from tunewright.eval.suite_check import check_suite
from tunewright.eval.suite_score import METRIC_NAMES, score_predictions

CASES = {
    "development": {
        **dict.fromkeys(("goto_definition", "find_references", "workflow", "which_tool"), 11),
        **dict.fromkeys(("conditional", "single_field", "iteration", "multistep"), 11),
        "direct_answer": 12,
    },
    "tools": {"lookup": 24, "symbols": 16, "checks": 24, "git": 24, "files": 16, "shell": 8},
    "failures": {"missing_file": 15, "nothing_found": 15, "failed_command": 15, "reported_failure": 15},
    "irrelevance": {"no_tool_fits": 40, "a_tool_fits": 40},
    "multi_turn": {"result": 20, "correction": 20, "follow_up": 20},
    "parallel": {"same_tool": 25, "several_tools": 25, "same_and_other": 10},
}
SUITES = sorted(CASES)
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
NEAR = 0.4  # share of word pairs that two requests may have in common


@cache
def suite(name: str) -> Suite:
    return read_suite(ROOT / "suites" / f"{name}.jsonl")


def all_cases() -> list[tuple[str, Case]]:
    names = sorted(path.stem for path in Path(ROOT / "suites").glob("*.jsonl"))
    return [(name, case) for name in names for case in suite(name).cases]


@pytest.mark.parametrize("name", SUITES)
def test_every_gold_is_right_and_models_that_know_nothing_get_nothing(name: str) -> None:
    cases = suite(name).cases
    answers = [Prediction(case=case.id, text=str(case.gold[0])) for case in cases]
    score = score_predictions(suite(name), answers, trials().catalog)
    assert [(o.case, o.reasons) for o in score.firsts if not o.passed] == []
    assert {what: share.k for what, share in score.floor.items()} == dict.fromkeys(score.floor, 0)
    assert len(score.floor) == 4
    for case in cases:
        for other in case.gold[1:]:
            assert judge(case, Prediction(case=case.id, text=str(other)), trials()).passed, (case.id, other)
    assert Counter(case.category for case in cases) == CASES[name]


@pytest.mark.parametrize("name", SUITES)
def test_a_case_of_each_category_catches_every_mutant(name: str) -> None:
    """A sample: `suite.check` on every case takes minutes."""
    firsts = {case.category: case for case in reversed(suite(name).cases)}
    check = check_suite(Suite(name=name, cases=tuple(firsts.values())), trials().catalog)
    assert [
        (case.case, case.errors, case.escaped) for case in check.cases if case.errors or case.escaped
    ] == []
    assert all(case.mutants >= 10 for case in check.cases)
    assert check.ambiguous == ()


def test_all_fourteen_tools_have_eight_cases_each() -> None:
    calls = Counter(case.expect.tools for case in suite("tools").cases)
    assert calls == {(tool.name,): 8 for tool in trials().catalog.tools}


def test_each_pair_of_irrelevance_has_one_request_that_a_tool_can_serve() -> None:
    pairs: dict[str, list[Case]] = {}
    for case in suite("irrelevance").cases:
        pairs.setdefault(case.cluster, []).append(case)
    assert len(pairs) == 40
    for pair in pairs.values():
        assert [case.category for case in pair] == ["no_tool_fits", "a_tool_fits"]
        listed = [re.findall(r"^- (\w+)\(", case.messages[0].content, re.MULTILINE) for case in pair]
        needed = pair[1].expect.tools
        assert set(needed) <= set(listed[1])
        assert listed[0] == listed[1] or not set(needed) & set(listed[0])
        assert not pair[0].expect.tools


def test_conversations_of_several_turns_hold_the_results_that_they_show() -> None:
    for case in suite("multi_turn").cases:
        roles = [message.role for message in case.messages]
        assert "tool" in roles
        again = "once more" in case.request  # a repeated call returns something else after a change
        assert bool(case.results) is not again
        assert roles[-1] == ("tool" if case.category == "result" else "user")


def test_parallel_cases_make_two_calls_or_more_and_those_of_one_tool_differ() -> None:
    for case in suite("parallel").cases:
        same = len(set(case.expect.tools)) == 1
        assert len(case.expect.tools) > 1 or "for " in str(case.gold[0])
        assert same == (case.category == "same_tool")


@pytest.mark.parametrize("name", SUITES)
def test_no_name_of_a_suite_or_category_is_a_metric(name: str) -> None:
    assert name not in METRIC_NAMES
    assert not {case.category for case in suite(name).cases} & METRIC_NAMES


def test_no_wording_occurs_twice_in_all_suites_and_no_two_requests_are_nearly_the_same() -> None:
    cases = all_cases()
    plain = Counter(" ".join(re.findall(r"[\w']+", case.template.lower())) for _, case in cases)
    assert [wording for wording, count in plain.items() if count > 1] == []
    asked = [(name, case, shingles(_last_request(case), 2)) for name, case in cases]
    for place, (name, case, pairs) in enumerate(asked):
        for other_name, other, others in asked[:place]:
            if (name in CASES or other_name in CASES) and not (
                case.cluster and case.cluster == other.cluster
            ):
                assert len(pairs & others) <= NEAR * len(pairs | others), (
                    name,
                    case.id,
                    other_name,
                    other.id,
                )


def test_no_request_is_nearly_a_wording_of_training_or_shares_eight_words_with_one() -> None:
    wordings = [wording for scenario in shipped_families() for wording in scenario.requests]
    wordings += [question.text for question in questions(trials().catalog)]
    trained = [re.sub(r"\{[^}]*\}", "qqq", wording) for wording in wordings]
    known = [(wording, shingles(wording, 2)) for wording in trained]
    eights = {gram for wording in trained for gram in shingles(wording, 8) if len(gram) == 8}
    for name in SUITES:
        for case in suite(name).cases:
            asked = re.sub(r"\{[^}]*\}", "qqq", case.template)
            assert not shingles(asked, 8) & eights, (name, case.id)
            pairs = shingles(asked, 2)
            for wording, others in known:
                assert len(pairs & others) <= 0.5 * len(pairs | others), (name, case.id, wording)


def _last_request(case: Case) -> str:
    return [message.content for message in case.messages if message.role == "user"][-1]


def test_symbols_are_of_reserved_repositories() -> None:
    for name in SUITES:
        for case in suite(name).cases:
            for symbol in case.symbols:
                root = symbol.split("/")[0]
                assert "/" not in symbol or root in (*RESERVED, "tests"), (name, case.id, symbol)


def literals(wanted: Any) -> list[str]:
    if isinstance(wanted, dict):
        return [text for choice in wanted.get("any", ()) for text in literals(choice)]
    return [] if isinstance(wanted, bool) or wanted == "" else [str(wanted)]


@pytest.mark.parametrize("name", SUITES)
def test_each_conversation_says_every_literal_that_is_asked_for(name: str) -> None:
    for case in suite(name).cases:
        said = "\n".join(message.content for message in case.messages if message.role != "system")
        latest = re.search(r"\b(latest|newest|most recent|most recently|HEAD)\b", said, re.IGNORECASE)
        for arguments in case.expect.arguments.values():
            for parameter, value in arguments.items():
                for literal in literals(value):
                    in_words = (
                        literal.isdigit() and int(literal) < len(NUMBERS) and NUMBERS[int(literal)] in said
                    )
                    one_commit = (parameter, literal) == ("limit", "1") and latest
                    put_together = parameter == "command" and all(word in said for word in literal.split())
                    assert literal in said or in_words or one_commit or put_together, (case.id, literal)
