"""Answers in words: what must be said, what must not, and what is no text."""

import pytest

from tests.support.gold import all_cases, answer
from tunewright.contract.example import Message
from tunewright.contract.suite import Case, Expectation
from tunewright.eval.answer_alone import said_besides
from tunewright.eval.wordings import normalized
from tunewright.eval.words import wrong_words

CASES = {case.id: case for case, _ in all_cases() if not case.expect.tools}
RIGHT = {
    "direct_answer-01": "That would be find_references.",
    "direct_answer-02": "Use workspace_symbols",
    "direct_answer-03": "It's reference_count.",
    "direct_answer-04": "One",
    "direct_answer-05": "10 commits",
    "direct_answer-06": "Exit code 0.",
    "direct_answer-07": "80.",
    "direct_answer-08": "It **leaves** your files alone",
    "direct_answer-09": '"port"',
    "direct_answer-10": "yield, not return",
    "direct_answer-11": "five.",
    "direct_answer-12": "46 in total",
}
WRONG = {
    "direct_answer-01": "It is not find_references.",
    "direct_answer-02": "workspace_symbols or read_file",
    "direct_answer-03": "reference_count is the same as error_count.",
    "direct_answer-04": "1, which means that the first line is 0.",
    "direct_answer-05": "10 or 20",
    "direct_answer-06": "0 is an error, 1 is not.",
    "direct_answer-07": "Column 41 of line 80.",
    "direct_answer-08": "It leaves nothing as it was: it changes the files.",
    "direct_answer-09": "The key of the port is host.",
    "direct_answer-10": "yield and return",
    "direct_answer-11": "It is 6, no, 5.",
    "direct_answer-12": "44, or 46 with the skipped ones, and the rest of the tests was not run by anybody at all.",
}
EXPLAINED = Case(
    id="explained",
    category="direct_answer",
    messages=(Message(role="user", content="Why might goto_definition give back more than one location?"),),
    gold=("A symbol can be defined more than once, for example by overloads.",),
    expect=Expectation(
        facts=(("overload*", "same name", "multiple places"),), forbidden=("is used .. more than once",)
    ),
)


@pytest.mark.parametrize(("name", "text"), RIGHT.items())
def test_another_wording_of_the_fact_is_right(name: str, text: str) -> None:
    assert wrong_words(CASES[name], text) == []


@pytest.mark.parametrize(("name", "text"), WRONG.items())
def test_a_short_answer_says_nothing_else(name: str, text: str) -> None:
    assert wrong_words(CASES[name], text)


@pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.id)
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("...", "empty"),
        ("null", "does not say"),
        ("I cannot help with that.", "does not say"),
        ("Yes, each entryentryentryentryentryentry of the list.", "not text"),
        ("no no no no", "repeats no"),
        ("{gold} {gold}", "twice"),
        ("{request}", ""),
        ('{gold} <tool_call>{{"name": "f", "arguments": {{}}}}</tool_call>', "writes a call"),
        ('{gold} [TOOL_CALLS] [{{"name": "f", "arguments": {{}}}}]', "writes a call"),
    ],
)
def test_what_is_no_answer_is_wrong(case: Case, text: str, reason: str) -> None:
    said = text.format(gold=case.gold[0], request=case.messages[-1].content) if "{" in text else text
    reasons = wrong_words(case, said)
    assert reasons
    assert reason in reasons[0]


def test_the_opposite_is_wrong() -> None:
    assert wrong_words(CASES["direct_answer-08"], "It changes your files.")
    assert wrong_words(EXPLAINED, "Because a symbol with the same name is used more than once.")


def test_a_cut_answer_and_an_endless_one_are_wrong() -> None:
    right = "By overloads."
    assert wrong_words(EXPLAINED, right) == []
    assert wrong_words(EXPLAINED, right, "length") == ["the answer was cut at the token limit"]
    assert "more than 150" in wrong_words(EXPLAINED, right + " Look at it again some day, word." * 40)[0]
    assert wrong_words(EXPLAINED, answer("print(1)"))


def test_an_answer_in_another_language_is_wrong() -> None:
    said = "Das ist eine Frage auf Deutsch und sie wird in der falschen Sprache beantwortet."
    assert "language" in wrong_words(EXPLAINED, said)[0]


@pytest.mark.parametrize(
    ("said", "more"),
    [
        ("9c2", ""),
        ("**9c2**.", ""),
        ("The oldest one is `9c2`.", ""),
        ("It's the commit 9c2, sure.", ""),
        ("9c2, which is the oldest", "which"),
        ("9c2, because it comes first", "because"),
        ("9c2, the number of the file", "number"),
        ("9c2 by Petra", "petra"),
        ("9c2 when committed", "when"),
        ("9c2 is a commit", "is a c"),
    ],
)
def test_where_the_answer_alone_is_asked_for_nothing_else_is_said(said: str, more: str) -> None:
    request = (
        "Three commits with their times: a1f (10:05), 9c2 (09:40). Which one is the oldest? Its id alone."
    )
    assert said_besides(said, request, [["9c2"]], ["9c2", "It's 9c2."]) == more


def test_what_the_right_answer_says_may_be_said() -> None:
    assert said_besides("It leaves them as they are.", "changes or leaves?", [["leave*"]], ["leaves"]) == "as"
    assert said_besides("It leaves them as they are.", "changes or leaves?", [["leave*"]], ["as it is"]) == ""


def test_numbers_and_letters_are_answers() -> None:
    ask = Expectation(facts=(("09 15 10", "y"),), longest=5)
    case = EXPLAINED.model_copy(update={"expect": ask})
    assert [wrong_words(case, said) for said in ("09:15:10", "(y)", "y")] == [[], [], []]
    assert wrong_words(case, "y y") == ["it says 'y' twice"]
    assert wrong_words(case, "(!)") == ["the answer is empty"]


def test_fluent_prose_that_goes_in_circles_is_wrong() -> None:
    said = (
        "Because it looks at the definition. If the definition is in a file, it finds the same name, and looks at the "
        "file again; and if the definition is in a module, it looks there."
    )

    assert wrong_words(EXPLAINED, said) == ["it says 'if the definition is in' twice"]


def test_prose_that_says_three_words_three_times_is_wrong() -> None:
    said = (
        "The preview is a window that shows the definition's definition, and the reference shows the definition's "
        "definition. The same name is different because it shows the definition's definition."
    )

    assert wrong_words(EXPLAINED, said)[0].startswith("it repeats")


def test_code_may_say_the_same_twice() -> None:
    said = (
        "If the symbol is defined in multiple places, each of them is returned:\n"
        "```python\ndef f(path: str, text: str) -> None: ...\ndef f(path: str, text: str) -> int: ...\n```"
    )

    assert wrong_words(EXPLAINED, said) == []


def test_case_spaces_apostrophes_and_punctuation_do_not_count() -> None:
    assert normalized("It  doesn’t --  CAN'T.") == normalized("it does not can not")


def test_a_tool_that_does_not_exist_is_not_named() -> None:
    case, tools = EXPLAINED, ("ruff_check", "read_file")
    right = "By overloads. Then read_file shows you the file, and my_read_file is a name of yours."
    invented = "By overloads. Use `ruff_check_at` for a single line."
    assert wrong_words(case, right, tools=tools) == []
    assert wrong_words(case, invented, tools=tools) == ["it names ruff_check_at, which is not a tool"]
    assert wrong_words(case, invented) == []
