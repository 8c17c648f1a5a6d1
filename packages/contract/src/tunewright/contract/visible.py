"""Text from strangers made safe to look at: what a terminal or a browser would hide or obey is spelled out."""

import unicodedata

# Characters that reorder or hide text although their category does not say so.
_HIDDEN = frozenset("\u00ad\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\u2800")
LONGEST = 20_000  # characters of one answer shown in a report


def visible(text: str, longest: int = LONGEST) -> str:
    """`text` with controls, bidirectional marks, invisible characters and lone surrogates as `⟦U+202E⟧`.

    Line ends and tabs stay. Beyond `longest` characters the rest is counted, not shown.
    """
    shown = "".join(_spelled(character) for character in text[:longest])
    left = len(text) - longest
    return f"{shown}\n⟦{left:,} more characters⟧" if left > 0 else shown


def _spelled(character: str) -> str:
    if character in "\n\t" or (character.isascii() and character.isprintable()):
        return character
    # Cc control, Cf format (bidi marks, zero width), Cs surrogate, Co private, Zl and Zp line separators
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") or character in _HIDDEN:
        return f"⟦U+{ord(character):04X}⟧"
    return character


def cut(text: str, longest: int = 400) -> str:
    """The first `longest` characters, made visible, with an ellipsis for the rest."""
    return visible(text[:longest]) + ("…" if len(text) > longest else "")


def one_line(text: str, longest: int = 200) -> str:
    """The same in one line, cut with an ellipsis."""
    shown = " ".join(visible(text, max(longest * 2, longest + 1)).split())
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def markdown_cell(text: str, longest: int = 300) -> str:
    """Text that stays text inside a Markdown table or list: nothing in it is a link, a tag or a column."""
    shown = one_line(text, longest)
    for mark in "\\`*_[]<>|#~!@":
        shown = shown.replace(mark, {"<": "&lt;", ">": "&gt;", "@": "&#64;"}.get(mark, f"\\{mark}"))
    return shown
