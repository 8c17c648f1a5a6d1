"""Wordings, programs and answers fit together."""

import ast
import re
from string import Template

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.contract.catalog import load_catalog
from tunewright.contract.syntax import calls_in
from tunewright.datagen.families import references
from tunewright.datagen.families.direct import questions
from tunewright.datagen.families.fields import in_words
from tunewright.datagen.families.scenario import Scenario, fill, literal
from tunewright.datagen.generate import SCENARIOS

SLOTS: dict[str, str | int] = {
    "symbol": "thing",
    "file": "a/b.py",
    "line": 7,
    "at": "a/b.py:7",
    "path": "a/b.py",
    "other": "c/d.py",
    "text": "word",
    "content": "x = 1",
    "command": "wc -l a/b.py",
    "limit": 3,
    "count": 2,
    "minutes": 60,
    "query": "word",
}
CATALOG = load_catalog("coding")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_scenario_calls_the_tools_it_names_in_order(scenario: Scenario) -> None:
    calls = calls_in(scenario.fill_program(SLOTS), CATALOG.tool_names)
    assert tuple(dict.fromkeys(call.name for call in calls)) == scenario.called
    assert scenario.called[0] == scenario.tool
    for call in calls:
        tool = CATALOG.tool(call.name)
        assert tool is not None
        call.bind(tool.parameter_names)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_whatever_a_program_is_given_stands_in_every_wording(scenario: Scenario) -> None:
    needed = {name.removeprefix("bare_") for name in Template(scenario.program).get_identifiers()}
    for wording in scenario.requests:
        said = set(re.findall(r"\{(\w+)\}", wording))
        if "at" in said:
            said |= {"file", "line"}
        assert needed <= said, wording
        fill(wording, SLOTS)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_program_is_python_and_its_answers_can_be_filled(scenario: Scenario) -> None:
    ast.parse(scenario.fill_program(SLOTS))
    assert "{" not in scenario.fill_answer(SLOTS, "one\ntwo")
    scenario.fill_answer(SLOTS, "")


@pytest.mark.parametrize(
    ("which", "chosen"),
    [
        ("first", "result.commits[-1].date"),
        ("last", "result.commits[0].date"),
    ],
)
def test_the_last_commit_is_the_one_that_the_log_lists_first(which: str, chosen: str) -> None:
    scenario = next(scenario for scenario in SCENARIOS if scenario.name == f"git_log.{which}.date")
    assert all(f"{which} commit" in w.lower() or "final commit" in w for w in scenario.requests)
    assert scenario.fill_program(SLOTS) == f'result = git_log("a/b.py")\nprint({chosen})'


def test_scenario_names_and_wordings_are_unique() -> None:
    names = [scenario.name for scenario in SCENARIOS]
    assert len(names) == len(set(names))
    wordings = [wording for scenario in SCENARIOS for wording in scenario.requests]
    repeated = {wording for wording in wordings if wordings.count(wording) > 1}
    assert not repeated


def test_each_question_has_one_answer() -> None:
    answers: dict[str, set[str]] = {}
    for question in questions(CATALOG):
        answers.setdefault(question.text, set()).add(question.answer)
    assert len(answers) > 300
    assert all(len(found) == 1 for found in answers.values())
    assert all("{" not in text and "{" not in answer for text, found in answers.items() for answer in found)


@given(st.dictionaries(st.sampled_from(["a", "b"]), st.text(), min_size=2))
def test_filling_leaves_the_braces_of_values_alone(slots: dict[str, str | int]) -> None:
    assert fill("{a}-{b}", slots) == f"{slots['a']}-{slots['b']}"


@given(st.text() | st.integers())
def test_a_literal_is_read_back_as_the_value(value: str | int) -> None:
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        return
    assert ast.literal_eval(literal(value)) == value


def test_a_long_list_is_cut_in_the_answer_and_says_so() -> None:
    scenario = references.REFERENCES[0]
    answer = scenario.fill_answer(SLOTS, "\n".join(f"a.py:{n}" for n in range(9)))
    assert answer == "`thing` is used at a.py:0, a.py:1, a.py:2, a.py:3 and 5 more."


def test_names_in_words() -> None:
    assert in_words(["a"]) == "a"
    assert in_words(["a", "b", "c"]) == "a, b and c"
