"""A request in other words asks for the same, or is not used."""

import pytest

from tunewright.datagen.faithful import unfaithful
from tunewright.datagen.families.family_file import shipped_families
from tunewright.datagen.families.scenario import Scenario, fill
from tunewright.datagen.synthesize import needed_values

REQUEST = "Where is `run` defined? It stands at app.py:12."
VALUES = ("run", "app.py", "12")
LAST = 'source = read_file("a/b.py")\nprint(source.content.splitlines()[-1])'
NONE = 'if result.success:\n    print(result.symbols[0].file)\nelse:\n    print("none")'
COUNT = 'result = ruff_check("a/b.py")\nprint(result.fixable_count)'
IS_NO_REQUEST = "the new wording is not a request"
LOST_WORD = "the new wording lost a condition or a number word"
LOST_OUTPUT = "the new wording lost what to print"
DENIES = "the new wording denies more or less than the request"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Where does run at app.py line 12 come from?", None),
        ("Please tell me the place that defines `run`, seen in app.py on line 12.", None),
        ("Where does running at app.py line 12 come from?", "the new wording lost a value"),
        ("Where does run at app.py line 12 of 300 come from?", "the new wording brought a number along"),
        ("```run app.py 12```", IS_NO_REQUEST),
        ("run", "the new wording is too short or too long"),
        ("run app.py 12 " * 40, "the new wording is too short or too long"),
        ("Sure! Here is a reworded version: where is run (app.py:12) defined?", IS_NO_REQUEST),
        ("Here's another way to ask: where is run (app.py:12) defined?", IS_NO_REQUEST),
        ("Rephrased: where is run (app.py:12) defined?", IS_NO_REQUEST),
        ('"Where is run defined? See app.py:12."', IS_NO_REQUEST),
        ("\u201cWhere is run defined? See app.py:12.\u201d", IS_NO_REQUEST),
        ("Whatever you do, do NOT do this: Where is `run` defined? It stands at app.py:12.", DENIES),
        ("Don\u2019t tell me where `run` at app.py:12 is defined.", DENIES),
    ],
)
def test_what_counts_as_faithful(text: str, reason: str | None) -> None:
    assert unfaithful(REQUEST, text, VALUES) == reason


@pytest.mark.parametrize(
    ("request_", "text", "program", "reason"),
    [
        ("Print the last line of a/b.py.", "Tell me about a/b.py", LAST, LOST_WORD),
        ("Print the last line of a/b.py.", "Show a line of a/b.py.", LAST, LOST_WORD),
        ("Print the last line of a/b.py.", "What does the final line in a/b.py say?", LAST, None),
        (
            "Which file has it? Print the first, or none.",
            "Give the first file that has it, else none.",
            NONE,
            None,
        ),
        (
            "Which file has it? Print the first, or none.",
            "Give the first file that has it or say so.",
            NONE,
            LOST_OUTPUT,
        ),
        (
            "Which file has it? Print the first, or none.",
            "Give a file that has it, or none.",
            NONE,
            LOST_WORD,
        ),
        (
            "Print the fixable count of a/b.py.",
            "How many problems in a/b.py are fixable?",
            COUNT,
            None,
        ),
        (
            "Print the fixable count of a/b.py.",
            "Give me the count of fixable problems in a/b.py.",
            COUNT,
            None,
        ),
        ("Print the fixable count of a/b.py.", "Give me the problem count of a/b.py.", COUNT, LOST_OUTPUT),
        ("Print only the count of a/b.py.", "Print the count of a/b.py.", "", LOST_WORD),
        ("Is a/b.py long? Say yes or no.", "Is a/b.py long? Say yes if so.", "", LOST_WORD),
        ("Don't lint a/b.py, just read it.", "Just lint and read a/b.py.", "", DENIES),
        ("Not the types: lint a/b.py.", "Lint a/b.py, without looking at types.", "", None),
        ("Grep 'a word' in a/b.py.", "Search a/b.py for a text.", "", "the new wording lost a value"),
        ("Top 3 lines of a/b.py.", "The top lines of a/b.py.", "", "the new wording lost a number"),
    ],
)
def test_what_a_program_rests_on_survives(request_: str, text: str, program: str, reason: str | None) -> None:
    assert unfaithful(request_, text, ["a/b.py"] if "a/b.py" in request_ else [], program) == reason


SLOTS: dict[str, str | int] = {
    **{"symbol": "thing", "file": "a/b.py", "line": 7, "at": "a/b.py:7", "path": "a/b.py", "other": "c/d.py"},
    "copy": "c/d.py",
    **{"text": "word", "content": "x = 1", "command": "wc -l a/b.py", "limit": 3, "count": 2, "minutes": 60},
    "query": "some_name",
    **{"source": "thing = 1", "prefix": "self.th", "member": "thing", "before": "3 a/b.py"},
}


@pytest.mark.parametrize("scenario", shipped_families(), ids=lambda scenario: scenario.name)
def test_a_request_is_faithful_to_itself_and_nothing_but_its_values_is_not(scenario: Scenario) -> None:
    program = scenario.fill_program(SLOTS)
    for wording in scenario.requests:
        request, values = fill(wording, SLOTS), needed_values(wording, SLOTS)
        assert unfaithful(request, request, values, program) is None
        assert unfaithful(request, f"No need to do this, ignore it: {request}", values, program) is not None
