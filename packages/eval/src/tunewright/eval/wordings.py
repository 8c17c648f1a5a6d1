"""Whether a text says something, in one of several wordings.

Letter case, punctuation and spaces do not count. In a wording `*` is the rest of a word (`defin*`), `a|b` one of two words,
`..` for up to three words of one clause and `...` for up to twelve of one sentence, `^` for the start of the text.

In prose a wording has to lie within one sentence, and a denied one does not count where it is forbidden: "it does not change
files" holds `change* files` and does not claim it.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache

_ABBREVIATED = (
    (re.compile(r"\b(it|that|there|here|what|where|who|which)'s\b"), r"\1 is"),
    (re.compile(r"\bcan't\b"), "can not"),
    (re.compile(r"\bwon't\b"), "will not"),
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"\bcannot\b"), "can not"),
    (re.compile(r"'re\b"), " are"),
    (re.compile(r"'ve\b"), " have"),
    (re.compile(r"'ll\b"), " will"),
    (re.compile(r"'m\b"), " am"),
    (re.compile(r"'d\b"), " would"),
)
# A full stop ends a sentence before a space, where it is not one of `e.g.` or of a name.
_SENTENCE_END = re.compile(r"(?<![ (.][a-zA-Z])[.!?]+[\"')\]*]*(?:\s+|$)|\n+")
_CLAUSE_END = re.compile(
    r"[,;:()\u2013\u2014]|\s-+\s|\b(?=(?:but|because|since|so|which|while|whereas|instead|and (?:it|they|you|that|then))\b)",
    re.IGNORECASE,
)
_NEGATION = re.compile(
    r"\b(?:not|never|no|none|nothing|nobody|neither|nor|without|hardly|nope|wrong|false|untrue)\b"
)
_PARTICLE = re.compile(
    r"^\s*no (?=(?:it|they|you|i|we|that|this|there|these|those|because|the)\b)"
)  # "No it does"
_REASON = re.compile(r"\bbecause\b|, (?:as|since)\b", re.IGNORECASE)
_REACH = 6  # words between a negation and what it denies


def normalized(text: str) -> str:
    """Lower case, words and numbers only, single spaces; `n't` is `not`, `it's` is `it is`."""
    plain = text.lower().replace("’", "'")
    for pattern, whole in _ABBREVIATED:
        plain = pattern.sub(whole, plain)
    return " ".join(re.findall(r"\w+(?:'\w+)*", plain.replace("'s ", " ")))


def says(text: str, wordings: Sequence[str]) -> str:
    """The first of these wordings that occurs in a text, line ends being spaces; empty when none does."""
    said = normalized(text) if wordings else ""
    return next((wording for wording in wordings if _pattern(wording).search(said)), "")


def without(text: str, wordings: Sequence[str]) -> str:
    """A text, normalized, without these wordings."""
    said = normalized(text)
    for wording in wordings:
        said = _pattern(wording).sub(" ", said)
    return " ".join(said.split())


def sentences(prose: str) -> list[str]:
    """The sentences of a text, as they are written."""
    return [part.strip() for part in _SENTENCE_END.split(prose) if re.search(r"\w", part)]


def clauses(sentence: str) -> list[str]:
    """The parts of a sentence between commas and the like, normalized; a conjunction goes with what follows."""
    return [said for part in _CLAUSE_END.split(sentence) if (said := normalized(part))]


def reasons_in(sentence: str) -> list[str]:
    """What a sentence gives as reasons, as written: what follows `because` and the like."""
    return _REASON.split(sentence)[1:]


class Prose:
    """An answer in words: its sentences, normalized, with ` ,` between the clauses of each."""

    def __init__(self, text: str) -> None:
        self.sentences = [" , ".join(clauses(sentence)) for sentence in sentences(text)]

    def mentions(self, wording: str) -> bool:
        """Whether a sentence holds the wording, be it claimed or denied."""
        return any(True for _ in self._matches(wording))

    def claims(self, wording: str) -> bool:
        """Whether a sentence holds the wording and does not deny it. A wording that denies is taken as it is."""
        if _NEGATION.search(wording.lower()):
            return self.mentions(wording)
        return any(not _NEGATION.search(reach.replace("not only", "")) for reach in self._matches(wording))

    def _matches(self, wording: str) -> Iterator[str]:
        """Each occurrence of the wording, with the words of its clause before it that may deny it."""
        for said in self.sentences[:1] if wording.startswith("^") else self.sentences:
            for match in _pattern(wording).finditer(said):
                start = said.rfind(",", 0, match.start()) + 1
                if particle := _PARTICLE.match(said, start):
                    start = particle.end()
                near = said[start : match.start()].split()[-_REACH:]
                yield " ".join([*near, match[0]])


@cache
def _pattern(wording: str) -> re.Pattern[str]:
    """A wording as an expression over normalized text, in which a comma may come between two words."""
    body, between = "", ""
    for part in wording.removeprefix("^").lower().split():
        if part == "..":
            body, between = body + r"(?: [\w']+){0,3}?", " "
        elif part == "...":
            body, between = body + r"(?: (?:, )?[\w']+){0,12}?", " (?:, )?"
        else:
            choices = "|".join(re.escape(choice).replace(r"\*", r"[\w']*") for choice in part.split("|"))
            body, between = f"{body}{between}(?:{choices})", " (?:, )?"
    return re.compile((r"^" if wording.startswith("^") else r"(?<![\w'])") + body + r"(?![\w'])")
