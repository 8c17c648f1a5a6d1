"""When two texts say the same: paths, dates, names, free text. Pure."""

import posixpath
import re
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any, Literal

from tunewright.chat.similar import words_of

LONG = 80  # characters from which a text with spaces in it is free text, which nobody writes twice in the same words
NEAR = 0.6  # Jaccard similarity of words from which a long text says nearly the same
PRESENT = 0.3  # share of the shorter long text's words that the other must have to be about the same thing

Loose = Literal["near", "present"]

_DASHES = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "−": "-"})
# Words whose upper and lower case matters: snake_case, camelCase, paths, versions, mixed letters and digits.
_CODE = re.compile(r"_|[a-z][A-Z]|[A-Za-z]\d|\d[A-Za-z]|[\\/:@#$(){}\[\]<>=]|\w\.\w")
_PATH = re.compile(r"[\w.\-~@+/*]+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_DATE = re.compile(r"(?=.*\d)[\w\s:,./+-]{4,40}")
_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%d %B %Y", "%B %d, %Y", "%B %d %Y", "%d %b %Y", "%b %d, %Y", "%b %d %Y")
_TIMES = ("%I:%M %p", "%I:%M%p", "%I %p", "%I%p")
_FORMATS = frozenset({"date", "date-time", "time"})


def same_text(
    expected: str, actual: str, schema: Mapping[str, Any]
) -> Literal["same", "near", "present"] | None:
    """How far two texts are the same; None: they are not.

    Where the schema lists values or gives a pattern, only the very same text is right. Dates and times are compared as
    such, paths and URLs without what does not change them, and everything else without case, spacing and typographic
    marks; names from code keep their case. Of long texts it is only told whether the words are about the same.
    """
    if expected == actual:
        return "same"
    if schema.keys() & {"enum", "const", "pattern"}:
        return None
    kind = schema.get("format")
    if (moment := _moment(expected)) is not None and moment == _moment(actual):
        return "same" if kind not in _FORMATS or _is_iso(actual, str(kind)) else None
    if kind in _FORMATS:
        return None
    if _as_place(expected) == _as_place(actual) or normalized(expected) == normalized(actual):
        return "same"
    if len(expected) > LONG and " " in expected.strip():
        return _same_long(expected, actual)
    return None


def normalized(text: str) -> str:
    """A text without case, spacing, quotes around it, and punctuation that changes nothing."""
    text = unicodedata.normalize("NFKC", text).translate(_DASHES).strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`":
        text = text[1:-1]
    words = text.rstrip(" .!?;").split()
    return " ".join(
        word if _CODE.search(word) else word.casefold() for word in (word.rstrip(",") for word in words)
    )


def _as_place(text: str) -> str:
    """A path or a URL in its shortest form; any other text as it is."""
    if "://" in text:
        scheme, _, rest = text.partition("://")
        host, slash, path = rest.partition("/")
        return f"{scheme.lower()}://{host.lower()}{slash}{path}".rstrip("/")
    if "/" in text or _PATH.fullmatch(text):
        return posixpath.normpath(text) if _PATH.fullmatch(text) else text
    return text


@lru_cache(20_000)
def _moment(text: str) -> datetime | date | time | None:
    """A date, a time or both, where the text is nothing else and can be read in one way only."""
    text = text.strip()
    if not _DATE.fullmatch(text):
        return None
    for read in (date.fromisoformat, datetime.fromisoformat):
        try:
            return read(text)
        except ValueError:
            pass
    if ":" in text:
        try:
            return time.fromisoformat(text)
        except ValueError:
            pass
    for form in (*_DATES, *_TIMES):
        try:
            found = datetime.strptime(text, form)
        except ValueError:
            continue
        return found.time() if form in _TIMES else found.date()
    return None


def _is_iso(text: str, kind: str) -> bool:
    """Whether a date or time is written as its schema's `format` asks."""
    read = {"date": date, "date-time": datetime, "time": time}[kind]
    try:
        read.fromisoformat(text)
    except ValueError:
        return False
    return True


def _same_long(expected: str, actual: str) -> Literal["near", "present"] | None:
    right, given = set(words_of(expected)), set(words_of(actual))
    shared = len(right & given)
    of_a_length = len(expected) <= 4 * len(actual) and len(actual) <= 4 * len(expected)
    numbers, others = _numbers(expected), _numbers(actual)
    if not (shared and of_a_length and numbers <= others):  # a number is a fact
        return None
    if numbers == others and shared >= NEAR * len(right | given):
        return "near"
    return "present" if shared >= PRESENT * min(len(right), len(given)) else None


def _numbers(text: str) -> set[str]:
    return {found.replace(",", "") for found in _NUMBER.findall(text)}
