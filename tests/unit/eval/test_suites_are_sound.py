"""Every case of the shipped suites can be passed, and cannot be passed by what is wrong."""

import re
from collections import Counter
from typing import Any

import pytest

from tests.support.gold import SUITES, answer, suite, trials, whole_suite
from tests.support.wrong_answers import KINDS, Kind, judge_of, let_pass, silent_or_torn
from tunewright.chat.similar import NearDuplicates
from tunewright.contract.suite import Case
from tunewright.eval.suite_check import is_unplaced
from tunewright.eval.suite_score import METRIC_NAMES

# The first right answer of a case makes the calls that the case expects; others may go another way.
FIRST = [(case, str(case.gold[0])) for name in SUITES for case in whole_suite(name).cases]
CATEGORIES = [
    pytest.param(name, category, id=f"{name}/{category}")
    for name in SUITES
    for category in dict.fromkeys(case.category for case in whole_suite(name).cases)
]


def cases_of(name: str, category: str) -> list[Case]:
    found = [case for case in whole_suite(name).cases if case.category == category]
    assert len(found) == 60
    return found


@pytest.mark.parametrize(("name", "category"), CATEGORIES)
def test_each_right_answer_of_each_case_passes(name: str, category: str) -> None:
    refused = [
        (case.id, str(text), outcome.reasons)
        for case in cases_of(name, category)
        for text in case.gold
        if not (outcome := judge_of(case, trials())(str(text))).passed or outcome.reasons
    ]
    assert refused == []


@pytest.mark.parametrize(("name", "category"), CATEGORIES)
def test_nothing_is_passed_by_silence_by_a_torn_answer_or_by_the_prompt_itself(
    name: str, category: str
) -> None:
    for case in cases_of(name, category):
        for text in case.gold:
            assert let_pass(case, str(text), trials(), silent_or_torn) == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("name", SUITES)
def test_wrong_answers_of_each_kind_fail_where_they_are_wrong(name: str, kind: Kind) -> None:
    """On the quick subset, a fifth of the cases; benchmarks/wrong_answers.py takes them all."""
    calling = [case for case in suite(name).cases if case.expect.tools]
    assert sum(1 for case in calling for _ in kind(case, str(case.gold[0]))) >= 3
    assert [passed for case in calling for passed in let_pass(case, str(case.gold[0]), trials(), kind)] == []


@pytest.mark.parametrize("name", SUITES)
def test_a_direct_answer_must_not_call_and_must_say_something(name: str) -> None:
    direct = [(case, str(case.gold[0])) for case in whole_suite(name).cases if not case.expect.tools]
    for case, text in direct:
        judged = judge_of(case, trials())
        for wrong in (answer("pass"), text + answer("print(read_file('a.py'))"), "?!", "<tool_call>" + text):
            assert not judged(wrong).passed, (case.id, wrong)
        assert not judged(text, finish="length").passed, case.id


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_has_three_hundred_cases_sixty_a_category_and_a_fifth_of_them_quick(name: str) -> None:
    cases = whole_suite(name).cases
    assert len(cases) == 300
    assert set(Counter(case.category for case in cases).values()) == {60}
    assert set(Counter(case.category for case in suite(name).cases).values()) == {12}
    assert all(case.gold for case in cases)


def test_no_suite_has_the_name_of_a_metric_and_no_category_that_of_either() -> None:
    assert not METRIC_NAMES & set(SUITES)
    assert not {case.category for name in SUITES for case in whole_suite(name).cases} & (
        METRIC_NAMES | set(SUITES)
    )


@pytest.mark.parametrize("name", SUITES)
def test_a_case_that_names_a_symbol_or_a_file_names_its_repository(name: str) -> None:
    cases = whole_suite(name).cases
    assert [case.id for case in cases if is_unplaced(case)] == []
    assert {case.repository for case in cases} == {"", "attrs", "click", "flask", "httpx", "networkx"}
    modules = {"attr": "attrs", **{name: name for name in ("click", "flask", "httpx", "networkx")}}
    for case in cases:
        folders = {symbol.partition("/")[0] for symbol in case.symbols if symbol.endswith(".py")}
        assert {modules[folder] for folder in folders & modules.keys()} <= {case.repository}, case.id


def test_no_two_cases_share_a_wording_or_a_name_or_ask_nearly_the_same() -> None:
    cases = [case for name in SUITES for case in whole_suite(name).cases]
    assert len({case.template for case in cases}) == len(cases)
    named = [case.symbols[0] for case in cases if case.symbols]
    assert len(set(named)) == len(named)
    near = NearDuplicates()
    assert [case.id for case in cases if not near.add(str(case.messages[-1].content))] == []


def test_a_request_is_its_template_with_names_filled_in() -> None:
    """So that keeping templates out of the training data keeps the wording out."""
    for name in SUITES:
        for case in whole_suite(name).cases:
            parts = [re.escape(part) for part in re.split(r"\{\w+\}", case.template)]
            assert re.fullmatch(".+".join(parts), str(case.messages[-1].content), re.DOTALL), case.id


def test_what_a_request_leaves_out_is_searched_for_with_tools_that_are_listed() -> None:
    searching = [
        case
        for name in SUITES
        for case in whole_suite(name).cases
        if "workspace_symbols" in case.expect.tools or "document_symbols" in case.expect.tools
    ]
    assert len(searching) > 60
    for case in searching:
        for tool in case.expect.tools:
            assert f"- {tool}(" in str(case.messages[0].content), case.id


def literals(wanted: Any) -> list[str]:
    if isinstance(wanted, dict):
        return [text for choice in wanted.get("any", ()) for text in literals(choice)]
    return [] if wanted is True else [str(wanted)]


def test_each_request_says_every_literal_that_is_asked_for() -> None:
    for case, _ in FIRST:
        for arguments in case.expect.arguments.values():
            for value in arguments.values():
                for literal in literals(value):
                    assert literal in case.messages[-1].content, case.id
