"""Requests are kept apart from suites and from one another."""

from hypothesis import given
from hypothesis import strategies as st

from tunewright.chat.similar import NearDuplicates, shingles
from tunewright.contract.example import Message
from tunewright.contract.suite import Case, Suite
from tunewright.datagen.decontamination import SuiteGuard

CASE = Case(
    id="1",
    category="x",
    messages=(
        Message(role="user", content="Please tell me on which line of app.py the name Blue is bound."),
    ),
    template="Please tell me on which line of {file} the name {symbol} is bound.",
    symbols=("Blue", "app.py"),
)
GUARD = SuiteGuard([Suite(name="s", cases=(CASE,))])


def test_a_symbol_of_a_suite_is_refused() -> None:
    assert GUARD.reason("Where is Blue?", "Where is {symbol}?", ["Blue"])
    assert GUARD.reason("Where is Red?", "Where is {symbol}?", ["Red"]) is None


def test_a_wording_of_a_suite_is_refused_whatever_its_case_and_marks() -> None:
    wording = "please tell me on which line of {file} the name `{symbol}` is bound"
    assert GUARD.reason("x", wording, []) == "a suite has that wording"


def test_eight_words_in_a_row_are_refused_and_seven_are_not() -> None:
    assert GUARD.reason("So please tell me on which line of app.py it is.", "t", [])
    assert GUARD.reason("So please tell me on which line of b.py it is.", "t", []) is None


def test_every_turn_of_the_user_is_guarded_and_no_result() -> None:
    words = "Please tell me on which line of app.py the name Blue is bound."
    later = (
        *CASE.messages,
        Message(role="assistant", content="On line three."),
        Message(role="tool", content="and here are eight words that no user ever said"),
        Message(role="user", content="And which of the functions there would use it first?"),
    )
    guard = SuiteGuard([Suite(name="s", cases=(CASE.model_copy(update={"messages": later}),))])
    assert guard.reason(words, "t", [])
    assert guard.reason("And which of the functions there would use it first?", "t", [])
    assert guard.reason("and here are eight words that no user ever said", "t", []) is None


def test_nearly_what_a_suite_asks_is_refused() -> None:
    case = CASE.model_copy(
        update={"messages": (Message(role="user", content="Print every use of Blue."),), "template": ""}
    )
    guard = SuiteGuard([Suite(name="s", cases=(case,))])
    assert guard.reason("print EVERY use of blue, blue", "t", []) == "a suite asks nearly the same"
    assert guard.reason("Print every use of Red.", "t", []) is None


def test_nearly_the_same_request_is_found() -> None:
    near = NearDuplicates(0.75)
    assert near.add("print the line of each use of alpha in the file a.py")
    assert not near.add("print the line of each use of alpha in the file b.py")
    assert near.add("something else entirely is asked for here")


@given(st.lists(st.text("abc ", min_size=1, max_size=20), max_size=40), st.sampled_from([0.5, 0.75, 1.0]))
def test_looking_up_rare_pairs_finds_what_comparing_all_finds(texts: list[str], threshold: float) -> None:
    near = NearDuplicates(threshold)
    kept: list[frozenset[tuple[str, ...]]] = []
    for text in texts:
        pairs = shingles(text, 2)
        known = any(len(pairs & other) >= threshold * len(pairs | other) for other in kept)
        assert near.add(text) is not known
        if not known:
            kept.append(pairs)
