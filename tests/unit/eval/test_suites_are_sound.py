"""Every case of the shipped suites can be passed, and cannot be passed by what is wrong."""

import json
import re
from collections import Counter
from typing import Any

import pytest

from tests.support.gold import CLOSE, OPEN, SUITES, answer, program, suite, trials, whole_cases, whole_suite
from tunewright.chat.similar import NearDuplicates
from tunewright.contract.catalog import load_catalog
from tunewright.contract.suite import Case, Prediction
from tunewright.eval.outcome import Outcome, judge
from tunewright.eval.suite_score import METRIC_NAMES

CATALOG = load_catalog("coding")
CASES = [pytest.param(case, text, id=f"{case.category}/{case.id}") for case, text in whole_cases()]
# The first right answer of a case makes the calls that the case expects; others may go another way.
FIRST = [(case, str(case.gold[0])) for name in SUITES for case in whole_suite(name).cases]
CALLING = [pytest.param(case, text, id=case.id) for case, text in FIRST if case.expect.tools]


def verdict(case: Case, text: str, **more: object) -> Outcome:
    return judge(case, Prediction.model_validate({"case": case.id, "text": text, **more}), trials())


@pytest.mark.parametrize(("case", "text"), CASES)
def test_a_right_answer_passes(case: Case, text: str) -> None:
    outcome = verdict(case, text)
    assert outcome.passed, outcome.reasons
    assert outcome.reasons == ()


@pytest.mark.parametrize(("case", "text"), CASES)
def test_nothing_is_passed_by_silence_by_a_torn_answer_or_by_the_prompt_itself(case: Case, text: str) -> None:
    prompt = case.messages[-1].content
    for wrong in ("", " \n", text.replace(CLOSE, "")[:-1] if case.expect.tools else "...", OPEN + prompt):
        assert not verdict(case, wrong).passed
    if case.expect.tools:
        assert not verdict(case, prompt).passed


@pytest.mark.parametrize(("case", "text"), CALLING)
def test_words_that_only_speak_of_the_right_program_fail(case: Case, text: str) -> None:
    """What a substring scorer lets pass."""
    code = program(text)
    commented = "\n".join(f"# {line}" for line in code.splitlines())
    for wrong in (
        code,
        f"I would run:\n```python\n{code}\n```",
        answer(commented),
        answer(f"print({code!r})"),
    ):
        outcome = verdict(case, wrong)
        assert not outcome.passed
        assert not outcome.checks["tools"]


@pytest.mark.parametrize(("case", "text"), CALLING)
def test_another_tool_in_the_place_of_the_right_one_fails(case: Case, text: str) -> None:
    for tool in case.expect.tools:
        other = "hover" if tool != "hover" else "find_references"
        outcome = verdict(case, text.replace(f"{tool}(", f"{other}("))
        assert not outcome.checks["tools"]
        assert any(other in reason for reason in outcome.reasons)


@pytest.mark.parametrize(("case", "text"), CALLING)
def test_a_call_too_many_fails(case: Case, text: str) -> None:
    tool = case.expect.tools[0]
    for extra in ("git_status()", f"{tool}{program(text).split(tool, 1)[1].splitlines()[0]}"):
        line = extra if extra.count("(") == extra.count(")") else "git_status()"
        assert not verdict(case, answer(program(text) + "\n" + line)).checks["tools"]


@pytest.mark.parametrize(("case", "text"), CALLING)
def test_a_wrong_literal_fails(case: Case, text: str) -> None:
    """Each argument that the case asks for, changed by a character or by one."""
    code = program(text)
    said = [v for values in case.expect.arguments.values() for v in values.values() if isinstance(v, str)]
    changed = [code.replace(json.dumps(value), json.dumps(f"{value}x"), 1) for value in said]
    assert code not in changed
    if number := re.search(r"\(\"[^\"]+\", (\d+)", code):
        start, end = number.span(1)
        changed += [
            code[:start] + str(int(number[1]) + 1) + code[end:],
            code[:start] + f'"{number[1]}"' + code[end:],
        ]
    for wrong in changed:
        outcome = verdict(case, answer(wrong))
        assert not outcome.checks["arguments"], wrong


@pytest.mark.parametrize(("case", "text"), [p for p in CALLING if p.values[0].expect.fields])  # type: ignore[union-attr]
def test_a_program_that_prints_something_else_fails(case: Case, text: str) -> None:
    code = program(text)
    unprinted = re.sub(r"\bprint\(", "str(", code)
    bogus = re.sub(r"\.(\w+)\b(?!\()", r".the_\1", code)
    assert not verdict(case, answer(bogus)).checks["runs"]
    for wrong in ("result = 1\nprint(result)", bogus):
        assert not verdict(case, answer(wrong)).checks["fields"]
    # What is tested or passed on is used without a print; nothing else is.
    fields = {entry.split("|")[0] for entry in case.expect.fields}
    if case.category in ("goto_definition", "find_references", "single_field"):
        assert fields
        assert not verdict(case, answer(unprinted)).passed


@pytest.mark.parametrize(
    ("case", "text"),
    [p for p in CALLING if p.values[0].expect.control],  # type: ignore[union-attr]
)
def test_control_flow_that_depends_on_nothing_fails(case: Case, text: str) -> None:
    code = program(text)
    constant = re.sub(r"\bif [^:\n]+:", "if 1:", re.sub(r"for (\w+) in [^:\n]+:", r"for \1 in [1, 2]:", code))
    constant = re.sub(r"print\((.*?) if .* else (.*)\)", r"print(\2)", constant)
    assert constant != code
    assert not verdict(case, answer(constant)).checks["control"], constant


@pytest.mark.parametrize(
    ("case", "text"), [pytest.param(c, t, id=c.id) for c, t in FIRST if not c.expect.tools]
)
def test_a_direct_answer_must_not_call_and_must_say_something(case: Case, text: str) -> None:
    for wrong in (answer("pass"), text + answer("print(read_file('a.py'))"), "?!", "<tool_call>" + text):
        assert not verdict(case, wrong).passed
    assert not verdict(case, text, finish="length").passed


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_has_three_hundred_cases_sixty_a_category_and_a_fifth_of_them_quick(name: str) -> None:
    cases = whole_suite(name).cases
    assert len(cases) == 300
    assert set(Counter(case.category for case in cases).values()) == {60}
    assert set(Counter(case.category for case in suite(name).cases).values()) == {12}
    assert all(case.gold for case in cases)


def test_no_category_has_the_name_of_a_metric_or_a_suite() -> None:
    assert not {case.category for name in SUITES for case in whole_suite(name).cases} & (
        METRIC_NAMES | set(SUITES)
    )


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
