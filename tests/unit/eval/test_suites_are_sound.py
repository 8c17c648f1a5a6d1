"""Every case of the shipped suites can be passed, and cannot be passed by what is wrong."""

import re
from typing import Any

import pytest

from tests.support.gold import CLOSE, OPEN, SUITES, all_cases, answer, gold, program, suite, trials
from tunewright.contract.catalog import load_catalog
from tunewright.contract.suite import Case, Prediction
from tunewright.eval.outcome import Outcome, judge

CATALOG = load_catalog("coding")
CASES = [pytest.param(case, text, id=f"{case.category}/{case.id}") for case, text in all_cases()]
CALLING = [pytest.param(case, text, id=case.id) for case, text in all_cases() if case.expect.tools]


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
    changed = [re.sub(r'"([^"{}\n]+)"', r'"\1x"', code, count=1)]
    if number := re.search(r"\(\"[^\"]+\", (\d+)", code):
        start, end = number.span(1)
        changed += [
            code[:start] + str(int(number[1]) + 1) + code[end:],
            code[:start] + f'"{number[1]}"' + code[end:],
        ]
    for wrong in changed:
        assert wrong != code
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
    if case.category in ("goto_definition", "find_references", "field_access"):
        assert fields
        assert not verdict(case, answer(unprinted)).passed


@pytest.mark.parametrize(
    ("case", "text"),
    [p for p in CALLING if p.values[0].expect.control],  # type: ignore[union-attr]
)
def test_control_flow_that_depends_on_nothing_fails(case: Case, text: str) -> None:
    code = program(text)
    constant = re.sub(r"\bif [^:\n]+:", "if 1:", re.sub(r"for (\w+) in [^:\n]+:", r"for \1 in [1, 2]:", code))
    constant = re.sub(r'print\((".*?") if .* else (.*)\)', r"print(\2)", constant)
    assert constant != code
    assert not verdict(case, answer(constant)).checks["control"], constant


@pytest.mark.parametrize(
    ("case", "text"), [pytest.param(c, t, id=c.id) for c, t in all_cases() if not c.expect.tools]
)
def test_a_direct_answer_must_not_call_and_must_say_something(case: Case, text: str) -> None:
    for wrong in (answer("pass"), text + answer("print(read_file('a.py'))"), "?!", "<tool_call>" + text):
        assert not verdict(case, wrong).passed
    assert not verdict(case, text, finish="length").passed


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_has_sixty_cases_and_no_wording_or_symbol_twice(name: str) -> None:
    cases = suite(name).cases
    assert len(cases) == 60
    assert {
        len([c for c in cases if c.category == category]) for category in {c.category for c in cases}
    } == {12}
    assert gold(name).keys() == {case.id for case in cases}


def test_no_two_cases_share_a_wording_or_a_name() -> None:
    cases = [case for case, _ in all_cases()]
    assert len({case.template for case in cases}) == len(cases)
    named = [case.symbols[0] for case in cases if case.symbols]
    assert len(set(named)) == len(named)


def literals(wanted: Any) -> list[str]:
    if isinstance(wanted, dict):
        return [text for choice in wanted.get("any", ()) for text in literals(choice)]
    return [] if wanted is True else [str(wanted)]


def test_each_request_says_every_literal_that_is_asked_for() -> None:
    for case, _ in all_cases():
        for arguments in case.expect.arguments.values():
            for value in arguments.values():
                for literal in literals(value):
                    assert literal in case.messages[-1].content, case.id
