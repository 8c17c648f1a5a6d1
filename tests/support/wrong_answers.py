"""Wrong answers made of a case's right one, by the kinds of mistake that models make; what of them a judge lets pass."""

import json
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.support.gold import CLOSE, OPEN, answer, program
from tunewright.contract.suite import Case, Prediction
from tunewright.eval.grade_answer import Outcome, judge
from tunewright.eval.trial import Trials

Judge = Callable[..., Outcome]


class Wrong(NamedTuple):
    """An answer that is wrong, the check that has to see it (empty: any), and what a reason has to say."""

    text: str
    check: str = ""
    said: str = ""


Kind = Callable[[Case, str], Iterator[Wrong]]


def judge_of(case: Case, trials: Trials) -> Judge:
    """Judges a text as an answer to the case."""

    def judged(text: str, **more: object) -> Outcome:
        return judge(case, Prediction.model_validate({"case": case.id, "text": text, **more}), trials)

    return judged


def silent_or_torn(case: Case, text: str) -> Iterator[Wrong]:
    """Nothing, an answer that is cut off, and the prompt itself."""
    prompt = case.messages[-1].content
    torn = text.replace(CLOSE, "")[:-1] if case.expect.tools else "..."
    yield from (Wrong(wrong) for wrong in ("", " \n", torn, OPEN + prompt))
    if case.expect.tools:
        yield Wrong(prompt)


def only_words(case: Case, text: str) -> Iterator[Wrong]:
    """Words that speak of the right program: what a substring scorer lets pass."""
    code = program(text)
    commented = "\n".join(f"# {line}" for line in code.splitlines())
    for wrong in (
        code,
        f"I would run:\n```python\n{code}\n```",
        answer(commented),
        answer(f"print({code!r})"),
    ):
        yield Wrong(wrong, "tools")


def another_tool(case: Case, text: str) -> Iterator[Wrong]:
    """Another tool in the place of the right one."""
    for tool in case.expect.tools:
        other = "hover" if tool != "hover" else "find_references"
        yield Wrong(text.replace(f"{tool}(", f"{other}("), "tools", other)


def a_call_too_many(case: Case, text: str) -> Iterator[Wrong]:
    """The right program and one more call: of another tool, and of the same."""
    tool = case.expect.tools[0]
    for extra in ("git_status()", f"{tool}{program(text).split(tool, 1)[1].splitlines()[0]}"):
        line = extra if extra.count("(") == extra.count(")") else "git_status()"
        yield Wrong(answer(program(text) + "\n" + line), "tools")


def a_wrong_literal(case: Case, text: str) -> Iterator[Wrong]:
    """Each argument that the case asks for, changed by a character, by one, or in its type."""
    code = program(text)
    said = [v for values in case.expect.arguments.values() for v in values.values() if isinstance(v, str)]
    for value in said:
        changed = code.replace(json.dumps(value), json.dumps(f"{value}x"), 1)
        assert changed != code
        yield Wrong(answer(changed), "arguments")
    if number := re.search(r"\(\"[^\"]+\", (\d+)", code):
        start, end = number.span(1)
        for other in (str(int(number[1]) + 1), f'"{number[1]}"'):
            yield Wrong(answer(code[:start] + other + code[end:]), "arguments")


def another_output(case: Case, text: str) -> Iterator[Wrong]:
    """A program that prints something else than the case asks for, or nothing."""
    if not case.expect.fields:
        return
    code = program(text)
    bogus = re.sub(r"\.(\w+)\b(?!\()", r".the_\1", code)
    yield Wrong(answer(bogus), "runs")
    yield Wrong(answer(bogus), "fields")
    yield Wrong(answer("result = 1\nprint(result)"), "fields")
    # What is tested or passed on is used without a print; nothing else is.
    if case.category in ("goto_definition", "find_references", "single_field"):
        yield Wrong(answer(re.sub(r"\bprint\(", "str(", code)))


def constant_control(case: Case, text: str) -> Iterator[Wrong]:
    """Loops and conditions that depend on no result."""
    if not case.expect.control:
        return
    code = program(text)
    constant = re.sub(r"\bif [^:\n]+:", "if 1:", re.sub(r"for (\w+) in [^:\n]+:", r"for \1 in [1, 2]:", code))
    constant = re.sub(r"print\((.*?) if .* else (.*)\)", r"print(\2)", constant)
    assert constant != code
    yield Wrong(answer(constant), "control")


# Of a case whose first right answer calls tools.
KINDS = (only_words, another_tool, a_call_too_many, a_wrong_literal, another_output, constant_control)


def let_pass(case: Case, text: str, trials: Trials, *kinds: Kind) -> list[str]:
    """The wrong answers of these kinds that are not seen as wrong, or not by the check and in the words that they need."""
    judged = judge_of(case, trials)
    found: list[str] = []
    for kind in kinds:
        for wrong in kind(case, text):
            outcome = judged(wrong.text)
            seen = not outcome.passed and (not wrong.check or not outcome.checks[wrong.check])
            if not seen or not any(wrong.said in reason for reason in outcome.reasons):
                found.append(f"{case.id}: {kind.__name__}: {wrong.text}")
    return found
