"""What a browser or a terminal would hide or obey is spelled out."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.contract.visible import cut, markdown_cell, one_line, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\n\ttext é 漢字 😀", "plain\n\ttext é 漢字 😀"),
        ("\x00\x1b[31m", "⟦U+0000⟧⟦U+001B⟧[31m"),
        ("a\u202eb\u2066c\u200fd", "a⟦U+202E⟧b⟦U+2066⟧c⟦U+200F⟧d"),
        ("a\u200bb\ufeff\u2028", "a⟦U+200B⟧b⟦U+FEFF⟧⟦U+2028⟧"),
        ("\ud800", "⟦U+D800⟧"),
        ("\r", "⟦U+000D⟧"),
        ("שלום", "שלום"),
    ],
)
def test_hidden_characters_are_spelled_out_and_others_left_alone(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_nothing_invisible_comes_through(text: str) -> None:
    for character in visible(text):
        assert character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def test_what_is_left_out_is_counted() -> None:
    assert visible("x" * 30_000) == "x" * 20_000 + "\n⟦10,000 more characters⟧"
    assert cut("x" * 500) == "x" * 400 + "…"
    assert cut("a\u202e", 2) == "a⟦U+202E⟧"
    assert one_line("a\n b\t" + "c" * 500, 10) == "a b ccccc…"


@given(st.text())
def test_a_cell_stays_a_cell(text: str) -> None:
    cell = markdown_cell(text)
    assert "\n" not in cell
    assert "<" not in cell
    assert "@" not in cell
    assert "|" not in cell.replace("\\|", "")
    assert "](" not in cell.replace("\\]", "")
