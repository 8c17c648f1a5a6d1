"""Whether prose says something: within one sentence, and not when it is denied."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.eval.wordings import Prose, normalized, says, sentences

WORD = st.sampled_from(["file", "reads", "changes", "tool", "lines", "often", "quickly", "every", "name"])
SENTENCE = st.lists(WORD, min_size=1, max_size=8).map(" ".join)


@pytest.mark.parametrize(
    ("text", "wording", "claimed"),
    [
        ("It changes your files.", "changes .. files", True),
        ("It doesn't change your files.", "change .. files", False),
        ("It never changes your files.", "changes .. files", False),
        ("No, it changes your files.", "it changes", True),
        ("No it changes your files.", "it changes", True),
        ("It isn't slow, it changes your files.", "it changes", True),
        ("It not only reads, it changes them", "it changes", True),
        ("It not only changes files but runs them", "changes", True),
        ("It reports what it finds. Files are safe.", "finds ... files", False),
        ("It shows what it finds in your files.", "finds ... files", True),
        ("A class is a blueprint, an object is an instance.", "class .. an object", False),
        ("It fixes and writes the file.", "edits|fixes|formats", True),
        ("Use read_file, e.g. on a long file.", "read_file ... long", True),
        ("It has no docstring.", "has no docstring", True),
        ("That is right. Yes, always.", "^yes", False),
        ("Yes, always.", "^yes", True),
    ],
)
def test_what_is_claimed(text: str, wording: str, claimed: bool) -> None:
    assert Prose(text).claims(wording) is claimed


def test_a_denied_wording_is_mentioned_all_the_same() -> None:
    assert Prose("It doesn't change your files.").mentions("change* .. files")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One. Two! Three?", 3),
        ("See rich/cells.py, line 3.4 of it.", 1),
        ("Use a tool, e.g. ruff. It helps.", 2),
        ('He said "done." Then he left.', 2),
        ("first line\nsecond line", 2),
        ("...", 0),
    ],
)
def test_sentences(text: str, count: int) -> None:
    assert len(sentences(text)) == count


@given(SENTENCE, SENTENCE)
def test_a_wording_never_lies_across_two_sentences(first: str, second: str) -> None:
    inside = {f"{a} ... {b}" for words in (first.split(), second.split()) for a in words for b in words}
    wording = f"{first.split()[0]} ... {second.split()[-1]}"

    if wording not in inside:
        assert not Prose(f"{first}. {second}.").mentions(wording)
    assert Prose(f"{first} {second}.").mentions(wording)


@given(SENTENCE)
def test_what_is_said_is_claimed_and_its_denial_is_not(said: str) -> None:
    assert Prose(said).claims(said)
    assert not Prose(f"It does not {said}").claims(said)
    assert says(said.upper(), [said]) == said


def test_short_forms_are_written_out() -> None:
    assert normalized("It’s what I've got, that's all; you'd see we can't") == (
        "it is what i have got that is all you would see we can not"
    )
