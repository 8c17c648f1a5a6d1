"""Whether a request in other words still asks for the same thing. When in doubt it does not: the request stays as it was."""

import ast
import re
from collections.abc import Iterator, Sequence

# Words that say which of several things, how many or under which condition. Where a request has one of a row, its new
# wording must have one of the same row.
_ROWS: tuple[tuple[str, ...], ...] = (
    (
        "first",
        "top",
        "head",
        "beginning",
        "begins",
        "begin",
        "starts",
        "start",
        "initial",
        "opening",
        "leading",
    ),
    ("last", "final", "ends", "end", "closing", "latest", "newest", "most recent", "most recently"),
    ("every", "each", "all", "everything", "everywhere", "whole", "complete", "any", "entire", "one by one"),
    (
        "only",
        "just",
        "nothing but",
        "no more than",
        "alone",
        "solely",
        "merely",
        "restrict",
        "limited",
        "exclusively",
    ),
    (
        *(
            "count",
            "counts",
            "number",
            "numbers",
            "how many",
            "how often",
            "how much",
            "how long",
            "how large",
        ),
        *("amount", "total", "times", "tally", "length", "size"),
    ),
    ("once", "distinct", "unique", "duplicates", "repeats", "repetition", "repeated", "different"),
    ("more than", "over", "above", "exceed", "exceeds", "longer than", "greater", "larger", "beyond"),
    ("if", "unless", "when", "whether", "should", "in case", "provided", "otherwise", "else", "or"),
    ("then", "after", "afterwards", "before", "second", "from there", "next", "followed", "and"),
    ("same", "very", "identical"),
    ("other", "others", "another", "outside", "elsewhere", "beyond", "different"),
    ("yes",),
    ("yes or no",),
)
_NEGATIONS = re.compile(
    r"\b(?:not|no|none|nothing|nobody|never|neither|nor|without|cannot|avoid|ignore|refuse|skip|instead|rather than|except|"
    r"forget|leave|fails?|failed|lacks?|lacking|missing|un\w+ed)\b|n[\u2019']t\b",
    re.IGNORECASE,
)
_TALK = re.compile(
    r"^(?:sure|certainly|of course|okay|ok|absolutely|great|got it|no problem|understood|here(?:['\u2019]s| is| are)|"
    r"(?:the |my |your |a |this )?(?:new|reworded|rephrased|revised|alternative) |(?:request|rewording|rephrased|answer):)|"
    r"\brephras|\breword|\bin other words\b|\bas an ai\b|\blet me know\b|\bnote:",
    re.IGNORECASE,
)
_QUOTES = {'"': '"', "'": "'", "\u201c": "\u201d", "\u2018": "\u2019", "\u00ab": "\u00bb"}
_QUOTED = re.compile(r"`([^`]+)`|(?<!\w)'([^']+)'(?!\w)|\"([^\"]+)\"")


def unfaithful(request: str, text: str, values: Sequence[str], program: str = "") -> str | None:
    """Why `text` may not replace `request`, whose work `program` does; None when it may.

    `values` are the parts of the request that a call needs. Besides them have to survive: quoted text, numbers, the
    strings and the fields of the program that the request speaks of, and words such as first, every, only, how many.
    """
    if not 5 <= len(text) <= 2 * len(request) + 80:
        return "the new wording is too short or too long"
    if "<tool_call>" in text or "```" in text or _quoted_whole(text):
        return "the new wording is not a request"
    if _TALK.search(text) and not _TALK.search(request):
        return "the new wording is not a request"
    quoted = ["".join(groups) for groups in _QUOTED.findall(request)]
    # A whole word: 12 must not be found in 120, nor a name inside a longer one.
    if any(not _stands_in(value, text) for value in (*values, *quoted)):
        return "the new wording lost a value"
    before, after = _plain(request, values), _plain(text, values)
    numbers, found = set(re.findall(r"\d+", request)), set(re.findall(r"\d+", text))
    if found - numbers:
        return "the new wording brought a number along"
    if numbers - found:
        return "the new wording lost a number"
    said = (word for word in _words_of(program) if re.search(rf"(?<!\w){re.escape(word)}", before))
    if not all(re.search(rf"(?<!\w){re.escape(word)}", after) for word in said):
        return "the new wording lost what to print"
    for row in _ROWS:
        if _has(row, before) and not _has(row, after):
            return "the new wording lost a condition or a number word"
    denied, denies = len(_NEGATIONS.findall(before)), len(_NEGATIONS.findall(after))
    if denies > denied or (denied and not denies):
        return "the new wording denies more or less than the request"
    return None


def _stands_in(value: str, text: str) -> bool:
    return re.search(rf"(?<![\w]){re.escape(value)}(?![\w])", text) is not None


def _plain(text: str, values: Sequence[str]) -> str:
    """The words around the values, in lower case: a name such as `first_true` says nothing about the request."""
    for value in sorted(values, key=len, reverse=True):
        text = re.sub(rf"(?<![\w]){re.escape(value)}(?![\w])", " ", text)
    return " ".join(text.lower().split())


def _has(row: Sequence[str], text: str) -> bool:
    return any(re.search(rf"\b{word}\b", text) for word in row)


def _quoted_whole(text: str) -> bool:
    closing = _QUOTES.get(text[0])
    return closing is not None and text.endswith(closing) and closing not in text[1:-1]


def _words_of(program: str) -> Iterator[str]:
    """What a request may say of a program: its strings, and the beginnings of its fields' words."""
    try:
        tree = ast.parse(program)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value.lower()
        elif isinstance(node, ast.Attribute):
            # Words in a row, such as count, have others that say the same.
            words = [word for word in node.attr.split("_") if not any(word in row for row in _ROWS)]
            yield from (word.removesuffix("s")[:6] for word in words if len(word) > 2)
