"""Numbers and reasons in an answer that no result it was given accounts for.

A conversation that ends with a tool's output leaves little room. Numbers: those of the conversation, how many lines the
output has, and what two of them make (sum, difference, share in per cent). A reason has a word of the output in it, or
says that something was not found or took too long, or is marked as a guess.
"""

import re
from collections.abc import Sequence
from itertools import permutations

from tunewright.eval.wordings import normalized, reasons_in, sentences

_NUMBER = re.compile(r"\d+(?:\.\d+)*")
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_IN_WORDS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]
_PLACE = re.compile(r"[\w/-]+\.[a-z]\w*[: ](\d+)(?::\d+)?\b")  # a file and a line
_COUNT = re.compile(
    r"\b(\d+) (?:\w+ )?(?:errors?|violations?|findings|problems|references|uses|tests?|failures|commits?|symbols?|matches)\b"
)
_DURATION = re.compile(r"\b\d+(?:\.\d+)? ?(?:seconds?|minutes?|hours?|ms|milliseconds?)\b")
_TIME = re.compile(
    r"\b(?:seconds?|secs?|minutes?|hours?|took|takes?|time|timed|duration|\d+(?:\.\d+)? ?m?s)\b"
)
_FILE_OR_HOST = re.compile(
    r"\b\w[\w.-]*\.(?:org|com|net|io|dev|py|toml|md|txt|json|cfg|ini|ya?ml|html|rst|lock)\b"
)
_FREE = {0.0, 1.0}  # also "one of them"; what has nothing to do with counting
MOST = 30  # numbers of a conversation that are added and compared, the largest first

_GUESS = re.compile(r"\b(?:probably|likely|perhaps|maybe|may|might|seems?|could|apparently|presumably)\b")
_FAILING = re.compile(
    r"\b(?:found|find|such|fail\w*|succe\w+|exist\w*|search\w*|look\w*|time|timeout|limit|seconds|minutes|long|error|path|know|"
    r"match\w*|nothing)\b"
)


def foreign_numbers(prose: str, conversation: Sequence[str], allowed: str = "") -> list[str]:
    """The numbers of an answer, as written, that come from nowhere. `conversation` ends with the tool's output."""
    text = " ".join([*conversation, allowed])
    known = _FREE | {float(count) for count in range(len(conversation[-1].splitlines()) + 1)}
    given = {value for value, _ in _numbers(text)}
    for a, b in permutations(sorted(given, reverse=True)[:MOST], 2):
        known |= {a + b, abs(a - b)}
        if b and re.search(r"%|per ?cent", prose):
            known |= {100 * a / b, 100 * a / (a + b)}
    known |= given
    foreign = [
        written
        for value, written in _numbers(prose)
        if not any(abs(value - other) <= (1e-6 if other == int(other) else 0.51) for other in known)
    ]
    return foreign + [match[0] for match in _VERSION.finditer(prose) if match[0] not in text]


def miscounted(prose: str, conversation: Sequence[str], allowed: str = "") -> list[str]:
    """Counts and durations of an answer, as written, whose number means something else in the results.

    A number that follows a file's path is a line, and counts nothing. Seconds come from a conversation that speaks of time.
    """
    text = " ".join([*conversation, allowed])
    found = [] if _TIME.search(text.lower()) else [match[0] for match in _DURATION.finditer(prose)]
    lines = {match[1] for match in _PLACE.finditer(text)}
    others = set(_NUMBER.findall(_PLACE.sub(" ", text))) | {
        str(n) for n in range(len(conversation[-1].splitlines()) + 1)
    }
    return found + [m[0] for m in _COUNT.finditer(prose) if m[1] in lines - others]


def foreign_names(prose: str, text: str) -> list[str]:
    """Files and hosts that an answer names and `text`, all that came before, does not."""
    return [match[0] for match in _FILE_OR_HOST.finditer(prose) if match[0].lower() not in text.lower()]


def foreign_reasons(prose: str, output: str) -> list[str]:
    """What an answer gives as a reason and the tool's output does not say."""
    known = {
        word for word in normalized(output).replace("_", " ").split() if len(word) > 2 and word.isalpha()
    }
    foreign: list[str] = []
    for sentence in sentences(prose):
        for reason in reasons_in(sentence):
            said = normalized(reason)
            if not (
                known & set(said.replace("_", " ").split())
                or _FAILING.search(said)
                or _GUESS.search(normalized(sentence))
            ):
                foreign.append(reason.strip())
    return foreign


def _numbers(text: str) -> list[tuple[float, str]]:
    """Numbers in digits and in words; a version or a date counts part by part."""
    found: list[tuple[float, str]] = []
    for match in _NUMBER.finditer(text):
        written = match[0]
        parts = [written] if written.count(".") < 2 else written.split(".")
        found += [(float(part), written) for part in parts]
    words = re.findall(r"[a-z]+", text.lower())
    return found + [(float(_IN_WORDS.index(word)), word) for word in words if word in _IN_WORDS]
