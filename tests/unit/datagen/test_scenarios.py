"""Wordings, programs and answers fit together."""

import ast
import re
from string import Template

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.chat.calls.code_mode import calls_in
from tunewright.contract.catalog import SHIPPED, load_catalog
from tunewright.datagen.families.family_file import shipped_families
from tunewright.datagen.families.fields import in_words
from tunewright.datagen.families.scenario import Scenario, fill, literal

SLOTS: dict[str, str | int] = {
    "symbol": "thing",
    "file": "a/b.py",
    "line": 7,
    "at": "a/b.py:7",
    "path": "a/b.py",
    "other": "c/d.py",
    "copy": "c/d.py",
    "text": "word",
    "content": "x = 1",
    "command": "wc -l a/b.py",
    "limit": 3,
    "count": 2,
    "minutes": 60,
    "query": "word",
    "source": "thing = 1",
    "prefix": "self.th",
    "member": "thing",
    "before": "3 a/b.py",
}
CATALOG = load_catalog("+".join(SHIPPED))


@pytest.mark.parametrize("scenario", shipped_families(), ids=lambda scenario: scenario.name)
def test_a_scenario_calls_the_tools_it_names_in_order(scenario: Scenario) -> None:
    calls = calls_in(scenario.fill_program(SLOTS), CATALOG.tool_names)
    assert tuple(dict.fromkeys(call.name for call in calls)) == scenario.tools
    assert scenario.tools[0] == scenario.tool
    for call in calls:
        tool = CATALOG.tool(call.name)
        assert tool is not None
        call.bind(tool.parameter_names)


@pytest.mark.parametrize("scenario", shipped_families(), ids=lambda scenario: scenario.name)
def test_whatever_a_program_is_given_stands_in_every_wording(scenario: Scenario) -> None:
    needed = {name.removeprefix("bare_") for name in Template(scenario.program).get_identifiers()}
    for wording in scenario.requests:
        said = set(re.findall(r"\{(\w+)\}", wording))
        if "at" in said:
            said |= {"file", "line"}
        assert needed - scenario.known_before <= said, wording
        fill(wording, SLOTS)


@pytest.mark.parametrize("scenario", shipped_families(), ids=lambda scenario: scenario.name)
def test_a_program_is_python_and_its_answers_can_be_filled(scenario: Scenario) -> None:
    ast.parse(scenario.fill_program(SLOTS))
    for count in (0, 1, 2):
        for answer in answers(scenario, count):
            assert "{" not in answer


def answers(scenario: Scenario, count: int) -> list[str]:
    """What is said when every number that was asked for or that came out is `count`, in as many lines."""
    slots = SLOTS | {"limit": count, "count": count, "minutes": count}
    outputs = list(scenario.when)
    if any("{out1}" in text for text in (*scenario.answers, scenario.row)):
        outputs.append(" ".join([str(count)] * 3))
    elif scenario.answers:
        outputs.append("\n".join([str(count)] * max(1, count)))
        outputs.append(str(count))
    if scenario.nothing and not count:
        outputs.append("")
    return [answer for output in outputs for answer in every_answer(scenario, slots, output)]


def every_answer(scenario: Scenario, slots: dict[str, str | int], output: str) -> list[str]:
    """What may be said to an output, in each of its wordings."""
    fitting: list[str] = []
    scenario.fill_answer(slots, output, lambda found: fitting.extend(found) or found[0])
    return [scenario.fill_answer(slots, output, lambda _, answer=answer: answer) for answer in fitting]


MANY = (
    *(
        "lines",
        "references",
        "definitions",
        "violations",
        "errors",
        "tests",
        "symbols",
        "files",
        "hunks",
        "commits",
    ),
    *("times", "bytes", "seconds", "positions", "classes", "functions", "places", "codes", "numbers"),
)
ONE = ["use", "class", *(word.removesuffix("s") for word in MANY)]


@pytest.mark.parametrize("scenario", shipped_families(), ids=lambda scenario: scenario.name)
def test_an_answer_about_one_thing_is_in_the_singular_and_about_others_in_the_plural(
    scenario: Scenario,
) -> None:
    for answer in answers(scenario, 1):
        assert not re.search(rf"\b1 (?:[a-z]+ )?(?:{'|'.join(MANY)})\b", answer), answer
        assert not re.search(r"\b(?:are|have) 1\b|\b1 (?:\w+ )?(?:are|have)\b", answer), answer
    for count in (0, 2):
        for answer in answers(scenario, count):
            assert not re.search(rf"\b{count} (?:[a-z]+ )?(?:{'|'.join(ONE)})\b", answer), answer


@pytest.mark.parametrize("scenario", shipped_families(), ids=lambda scenario: scenario.name)
def test_an_answer_is_a_sentence_whatever_came_out(scenario: Scenario) -> None:
    values = ["class Unused(Message):", "Is it?", "It is.", "wc: x: No such file;", "3 3 3"]
    fits = values[-1:] if re.search(r"\{out(?::|\d)", " ".join([*scenario.answers, scenario.row])) else values
    fits = fits if scenario.answers else []
    outputs = [*scenario.when, *fits, *([""] if scenario.nothing else [])]
    for output, answer in ((out, said) for out in outputs for said in every_answer(scenario, SLOTS, out)):
        assert not re.search(r"[.:;,!?][.:;,]", answer), answer
        assert re.match(r"[A-Z`'\d]|[ac]/", answer) or answer.startswith(output), answer
        assert answer.strip() == answer
        assert answer.endswith((".", "`", ":", "?", ";", "!")) or answer.endswith(ends(scenario, output)), (
            answer
        )


def ends(scenario: Scenario, output: str) -> tuple[str, ...]:
    """What an answer that repeats the output may end with."""
    return (output, *scenario.rows(output)[-1:])


@pytest.mark.parametrize("scenario", shipped_families(), ids=lambda scenario: scenario.name)
def test_a_request_speaks_of_one_thing_in_the_singular(scenario: Scenario) -> None:
    for wording in scenario.requests:
        request = fill(wording, SLOTS | {"limit": 1})
        assert not re.search(rf"\b1 (?:{'|'.join(MANY)})\b", request), request


@pytest.mark.parametrize(
    ("name", "words", "chosen"),
    [
        ("log.one.first_date", "very first commit", "result.commits[-1]"),
        ("log.one.last_date", "most recent commit", "result.commits[0]"),
    ],
)
def test_the_last_commit_is_the_one_that_the_log_lists_first(name: str, words: str, chosen: str) -> None:
    scenario = next(scenario for scenario in shipped_families() if scenario.name == name)
    assert sum(words in wording for wording in scenario.requests) > 5
    program = f'result = git_log("a/b.py")\ncommit = {chosen}\nprint(commit.date)'
    assert scenario.fill_program(SLOTS) == program


def test_a_family_has_a_dozen_wordings_and_several_answers() -> None:
    for scenario in shipped_families():
        assert len(scenario.requests) >= 12, scenario.name
        said = [*scenario.answers, *(each for answers in scenario.when.values() for each in answers)]
        assert len(said) >= 2 or scenario.volatile, scenario.name


def test_no_wording_is_another_with_its_words_in_another_order() -> None:
    seen: dict[tuple[str, ...], str] = {}
    for scenario in shipped_families():
        for wording in scenario.requests:
            words = tuple(sorted(re.findall(r"[\w{}:|]+", wording.lower())))
            assert words not in seen, (wording, seen[words])
            seen[words] = wording


def test_scenario_names_and_wordings_are_unique() -> None:
    names = [scenario.name for scenario in shipped_families()]
    assert len(names) == len(set(names))
    wordings = [wording for scenario in shipped_families() for wording in scenario.requests]
    repeated = {wording for wording in wordings if wordings.count(wording) > 1}
    assert not repeated


@given(st.dictionaries(st.sampled_from(["a", "b"]), st.text(), min_size=2))
def test_filling_leaves_the_braces_of_values_alone(slots: dict[str, str | int]) -> None:
    assert fill("{a}-{b}", slots) == f"{slots['a']}-{slots['b']}"


@given(st.text() | st.integers())
def test_a_literal_is_read_back_as_the_value(value: str | int) -> None:
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        return
    assert ast.literal_eval(literal(value)) == value


def test_a_long_list_is_cut_in_the_answer_and_says_so() -> None:
    scenario = next(s for s in shipped_families() if s.name == "references.places")
    output = "\n".join(f"a.py:{n}" for n in range(9))
    answer = scenario.fill_answer(SLOTS, output, lambda _: "`{symbol}` is used at {items}.")
    assert answer == "`thing` is used at a.py:0, a.py:1, a.py:2, a.py:3 and 5 more."
    assert "in 1 file:" in every_answer(scenario, SLOTS, "a.py:1\na.py:2")[2]
    assert "in 2 files:" in every_answer(scenario, SLOTS, "a.py:1\nb.py:2")[2]


def test_an_answer_may_have_every_line_and_say_columns_in_words() -> None:
    scenario = next(s for s in shipped_families() if s.name == "ruff.each.line_code")
    output = "\n".join(f"{n} E50{n}" for n in range(1, 7))
    said = scenario.fill_answer(SLOTS, output, lambda _: "{n} violations{list}")
    assert said.splitlines() == ["6 violations:", *(f"- E50{n} (line {n})" for n in range(1, 7))]
    assert (
        scenario.fill_answer(SLOTS, "3 E501", lambda _: "1 violation{list}") == "1 violation: E501 (line 3)"
    )
    assert scenario.fill_answer(SLOTS, output, lambda _: "{all}.").endswith(
        "E505 (line 5) and E506 (line 6)."
    )
    message = next(s for s in shipped_families() if s.name == "ruff.each.line_message")
    assert message.rows("7 Line too long\n\n9 `x` unused") == [
        "Line too long (line 7)",
        "`x` unused (line 9)",
    ]


def test_an_answer_shows_what_a_command_printed() -> None:
    scenario = next(s for s in shipped_families() if s.name == "command.stdout")

    def shown(output: str) -> str:
        return scenario.fill_answer(SLOTS, output, lambda _: "It prints{shown}")

    assert shown("  3 a.py") == "It prints `3 a.py`"
    assert shown("a\n  b") == "It prints:\n```\na\n  b\n```"
    assert shown("a `b`") == "It prints:\n```\na `b`\n```"
    assert scenario.fill_answer(SLOTS, "0", lambda _: "{out1}, and{rest_shown}") == "0, and nothing."


def test_names_in_words() -> None:
    assert in_words(["a"]) == "a"
    assert in_words(["a", "b", "c"]) == "a, b and c"


def test_a_list_that_was_asked_for_has_every_line() -> None:
    places = next(s for s in shipped_families() if s.name == "references.places")
    output = "\n".join(f"a.py:{n}" for n in range(5))
    said = every_answer(places, SLOTS, output)
    assert said[0] == "`thing` is used at a.py:0, a.py:1, a.py:2, a.py:3 and a.py:4."
    assert said[1].splitlines() == ["It's used in 5 places:", *(f"- a.py:{n}" for n in range(5))]
    assert every_answer(places, SLOTS, "a.py:1")[1] == "It's used in 1 place: a.py:1"
    checks = next(s for s in shipped_families() if s.name == "references.check_each.lint")
    assert checks.fill_answer(SLOTS, "a.py 1\nb.py 0", lambda _: "{all}.") == (
        "a.py has 1 lint violation and b.py has 0 lint violations."
    )
