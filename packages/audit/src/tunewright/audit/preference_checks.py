"""Preference data: what tells a wanted answer from one that is not, without being better.

`shortcut.preference` looks at length, format and single words; `balance.label` at how many single answers are wanted.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tunewright.audit.checks import Check
from tunewright.audit.context import Context, Offence, PythonCheck
from tunewright.audit.shortcut_statistics import false_discovery_q

SHORTCUT = Check(
    id="shortcut.preference",
    severity="fail",
    reason="What the wanted answers have in common without being better is what preference training teaches.",
    hint="Pair answers of about the same length and format, or balance which of them is preferred.",
    thresholds={"min_support": 50, "warn_effect": 0.4, "fail_effect": 0.7, "q": 0.001},
    origin=__file__,
)
LABELS = Check(
    id="balance.label",
    severity="warn",
    reason="Where nearly all answers have one label, the loss of the other hardly counts.",
    hint="Add answers of the rarer label, or weigh it more.",
    thresholds={"min_examples": 50, "min_share": 0.1},
    origin=__file__,
)
SAMPLE = 5_000  # rows
MOST_WORDS = 2_000
LONGER = "more text"
_FORMATS = {
    "a code block": re.compile(r"```"),
    "a list": re.compile(r"^\s*(?:[-*•]|\d+[.)])\s", re.MULTILINE),
    "a heading": re.compile(r"^#{1,6} ", re.MULTILINE),
    "bold text": re.compile(r"\*\*[^*\n]+\*\*"),
    "several paragraphs": re.compile(r"\S\s*\n\s*\n\s*\S"),
    "an emoji": re.compile("[\U0001f300-\U0001faff☀-➿]"),
    "a question at its end": re.compile(r"[?？]\s*$"),
    "a mark at its end": re.compile(r"[.!。！]\s*$"),
    "a call": re.compile(r'"(?:arguments|parameters)"|<tool_call>'),
    "a small letter at its beginning": re.compile(r"^\s*[a-z]"),
}


@dataclass(frozen=True)
class Difference:
    """Something that answers have: the share of the wanted and of the others that have it, and its p-value."""

    what: str
    wanted: float
    others: float
    p: float

    @property
    def effect(self) -> float:
        return abs(self.wanted - self.others)


def differences(wanted: Sequence[str], others: Sequence[str]) -> list[Difference]:
    """Length, formats and words of both kinds of answers; texts at the same place are a pair where there are as many.

    The length's shares are those of pairs in which an answer is the longer one.
    """
    found = [_length(wanted, others)]
    for name, form in _FORMATS.items():
        having = [sum(1 for text in texts if form.search(text)) for texts in (wanted, others)]
        found.append(_share(name, having[0], len(wanted), having[1], len(others)))
    counts: list[Counter[str]] = []
    for texts in (wanted, others):
        counted: Counter[str] = Counter()
        for text in texts:
            counted.update(set(re.findall(r"[^\W\d_]{2,40}", text[:4000].lower())))
        counts.append(counted)
    likely = (counts[0] + counts[1]).most_common(MOST_WORDS)
    return found + [
        _share(f"the word “{word}”", counts[0][word], len(wanted), counts[1][word], len(others))
        for word, _ in likely
    ]


def _share(what: str, a: int, n: int, b: int, m: int) -> Difference:
    pooled = (a + b) / (n + m)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    p = math.erfc(abs(a / n - b / m) / spread / math.sqrt(2)) if spread else 1.0
    return Difference(what, a / n, b / m, p)


def _length(wanted: Sequence[str], others: Sequence[str]) -> Difference:
    longer = shorter = 0
    for a, b in zip(wanted, others):
        longer += len(a) > len(b)
        shorter += len(a) < len(b)
    pairs = max(1, min(len(wanted), len(others)))
    decided = longer + shorter
    p = math.erfc(abs(longer - shorter) / math.sqrt(2 * decided)) if decided else 1.0
    return Difference(LONGER, longer / pairs, shorter / pairs, p)


def _answers(context: Context) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Wanted answers and others of train, each with its example; pairs are at the same places."""
    rows = context.connection.execute(
        f"""
        SELECT example, chosen, rejected, label FROM preferences JOIN examples e USING (example)
        WHERE e.split = 'train' OR NOT EXISTS (FROM examples WHERE split = 'train')
        ORDER BY hash(example), example LIMIT {SAMPLE}
        """
    ).fetchall()
    pairs = [row for row in rows if row[2] is not None]
    if pairs:
        return [(row[0], row[1]) for row in pairs], [(row[0], row[2]) for row in pairs]
    return [(row[0], row[1]) for row in rows if row[3]], [(row[0], row[1]) for row in rows if row[3] is False]


def find_shortcuts(context: Context, check: Check) -> Iterator[Offence]:
    """What tells both kinds of answers apart; of words and formats the strongest few."""
    limits = check.thresholds
    wanted, others = _answers(context)
    if min(len(wanted), len(others)) < limits["min_support"]:
        return
    tested = differences([text for _, text in wanted], [text for _, text in others])
    found = [
        (difference, q)
        for difference, q in zip(tested, false_discovery_q([difference.p for difference in tested]))
        if q <= limits["q"] and difference.effect >= limits["warn_effect"]
    ]
    words = [entry for entry in found if entry[0].what.startswith("the word")]
    words = sorted(words, key=lambda entry: -entry[0].effect)[:1]  # an answer has many words of one phrase
    for difference, q in [*(entry for entry in found if not entry[0].what.startswith("the word")), *words]:
        message = (
            f"The wanted answer is the longer one in {difference.wanted:.0%} of the pairs, the shorter one in "
            f"{difference.others:.0%}: a model can learn that instead of what is better"
            if difference.what == LONGER
            else f"{difference.wanted:.0%} of the wanted answers have {difference.what}, {difference.others:.0%} of the "
            "others do: a model can learn that instead of what is better"
        )
        yield {
            "split": "train",
            "severity": "fail" if difference.effect >= limits["fail_effect"] else "warn",
            "feature": difference.what,
            "label": "preference",
            "effect": difference.effect,
            "support": len(wanted) + len(others),
            "q": q,
            "message": message,
        }


def find_balance(context: Context, check: Check) -> Iterator[Offence]:
    """How many of the single answers are wanted."""
    rows = context.connection.execute("""
        SELECT count(*), count(*) FILTER (label) FROM preferences JOIN examples USING (example)
        WHERE label IS NOT NULL AND rejected IS NULL AND split = 'train'
    """).fetchone()
    total, wanted = rows or (0, 0)
    if total < check.thresholds["min_examples"]:
        return
    if min(wanted, total - wanted) < check.thresholds["min_share"] * total:
        yield {
            "split": "train",
            "label": "preference",
            "effect": wanted / total,
            "support": total,
            "message": f"{wanted} of {total} answers are labelled as wanted",
        }


PREFERENCE = PythonCheck(SHORTCUT, find_shortcuts)
LABEL_BALANCE = PythonCheck(LABELS, find_balance)
