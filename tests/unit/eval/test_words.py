"""Answers in words: what must be said, what must not, and what is no text."""

import pytest

from tests.support.gold import all_cases, answer
from tunewright.contract.suite import Case
from tunewright.eval.wordings import normalized
from tunewright.eval.words import wrong_words

CASES = {case.id: case for case, _ in all_cases() if not case.expect.tools}
RIGHT = {
    "direct_answer-01": "Use find_references to see where a symbol is used, goto_definition for where it's defined.",
    "direct_answer-02": "It takes you to the line where a name was declared.",
    "direct_answer-03": "They are the same number.",
    "direct_answer-04": "If the symbol is defined in multiple places, each of them is returned.",
    "direct_answer-05": "A class is a blueprint, and an instance is a concrete object created from that blueprint.",
    "direct_answer-06": "Generators yield values lazily, which saves memory.",
    "direct_answer-07": "It tells you the position within the line.",
    "direct_answer-08": "It doesn’t modify anything; it only reports problems.",
    "direct_answer-09": "It controls whether the declaration itself is returned among the references.",
    "direct_answer-10": "Because one module sees the other in a half-initialised state, names may be missing.",
    "direct_answer-11": "It means that nothing in the code refers to the symbol.",
    "direct_answer-12": "It finds arguments of the wrong type, missing attributes and incompatible return values.",
}


@pytest.mark.parametrize(("name", "text"), RIGHT.items())
def test_another_wording_of_the_fact_is_right(name: str, text: str) -> None:
    assert wrong_words(CASES[name], text) == []


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
        (
            "The preview is a window that shows the definition's definition, and the reference shows the definition's "
            "definition. The name is the same, but it is different because it shows the definition's definition.",
            "it repeats",
        ),
        ("{gold} {gold}", "same sentence twice"),
        ("{request}", ""),
        ('{gold} <tool_call>{{"name": "f", "arguments": {{}}}}</tool_call>', "writes a call"),
        ('{gold} [TOOL_CALLS] [{{"name": "f", "arguments": {{}}}}]', "writes a call"),
        ("Das ist eine Frage auf Deutsch und sie wird in der falschen Sprache beantwortet.", "language"),
    ],
)
def test_what_is_no_answer_is_wrong(case: Case, text: str, reason: str) -> None:
    said = text.format(gold=case.gold[0], request=case.messages[-1].content) if "{" in text else text
    reasons = wrong_words(case, said)
    assert reasons
    assert reason in reasons[0]


def test_the_opposite_is_wrong() -> None:
    assert wrong_words(CASES["direct_answer-08"], "Yes, it changes your files.")
    assert wrong_words(CASES["direct_answer-03"], "No, they are not the same.")


def test_a_cut_answer_and_an_endless_one_are_wrong() -> None:
    case = CASES["direct_answer-08"]
    assert wrong_words(case, "No, it only reports.", "length") == ["the answer was cut at the token limit"]
    assert (
        "more than 150"
        in wrong_words(case, "No, it only reports. " + "Look at it again some day, word. " * 40)[0]
    )
    assert wrong_words(case, answer("print(1)"))


def test_fluent_prose_that_goes_in_circles_is_wrong() -> None:
    said = (
        "Because it looks at the definition. If the definition is in a file, it finds the same name, and looks at the "
        "file again; and if the definition is in a module, it looks there."
    )

    assert wrong_words(CASES["direct_answer-04"], said) == ["it says 'if the definition is in' twice"]


def test_code_may_say_the_same_twice() -> None:
    said = (
        "If the symbol is defined in multiple places, each of them is returned:\n"
        "```python\ndef f(path: str, text: str) -> None: ...\ndef f(path: str, text: str) -> int: ...\n```"
    )

    assert wrong_words(CASES["direct_answer-04"], said) == []


def test_case_spaces_apostrophes_and_punctuation_do_not_count() -> None:
    assert normalized("It  doesn’t --  CAN'T.") == normalized("it does not can not")


def test_a_tool_that_does_not_exist_is_not_named() -> None:
    case, tools = CASES["direct_answer-08"], ("ruff_check", "read_file")
    right = "It only reports. Then read_file shows you the file, and my_read_file is a name of yours."
    invented = "It only reports. Use `ruff_check_at` for a single line."
    assert wrong_words(case, right, tools=tools) == []
    assert wrong_words(case, invented, tools=tools) == ["it names ruff_check_at, which is not a tool"]
    assert wrong_words(case, invented) == []
