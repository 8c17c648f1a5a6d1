"""What a run's output says: which of the world's values it shows, in which order, and under which labels."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tunewright.eval.execution import WorldCall, WorldRun

# `fi482913`, a whole number, a decimal one; a word's digits are its own.
_TOKEN = re.compile(
    r"(?P<word>[a-z_]{2}\d{6,7})(?!\d)|(?P<number>\d+(?:\.\d+)?(?!\d))|(?P<label>[A-Za-z]{2,})", re.IGNORECASE
)
_THOUSANDS = re.compile(r"(?<![\d,.])\d{1,3}(?:,\d{3})+(?![\d,])")
_NUMBERED = re.compile(r"^[ \t]*[(\[#]?(\d+)[.):\]][ \t]", re.MULTILINE)
_STEM = 4  # letters by which a label is known: error, errors
_SHORT = {"col": "colu", "cols": "colu", "ln": "line", "msg": "mess"}  # labels that people shorten
_NO_LABEL = frozenset({"coun", "numb", "tota"})


@dataclass(frozen=True)
class Shown:
    """A value in the output: `key` is the same for equal values however they are written; `line` from 0."""

    key: str
    line: int


@dataclass(frozen=True)
class Source:
    """Where a value of the world comes from: its field, and the entry it is part of."""

    field: str
    entry: str  # `0.locations.2`: the call's place, the list, the entry
    small: bool  # a count or the like, which other numbers may equal by chance


class Output:
    """A run's output, read with the world's values in mind."""

    def __init__(self, run: WorldRun) -> None:
        self.run = run
        self.text = _unnumbered(run.output)

    @cached_property
    def sources(self) -> Mapping[str, list[Source]]:
        """Key -> where that value comes from, over all results of the run."""
        found: dict[str, list[Source]] = {}
        for place, call in enumerate(self.run.calls):
            for key, source in _sources(call.result, str(place), ""):
                found.setdefault(key, []).append(source)
        return found

    @cached_property
    def lines(self) -> list[list[tuple[str, str]]]:
        """Tokens by line: (`value`, key) and (`label`, stem)."""
        text = _THOUSANDS.sub(self._joined, self.text)
        return [_tokens(line) for line in text.splitlines()]

    def _joined(self, match: re.Match[str]) -> str:
        number = match.group().replace(",", "")
        return number if _number(number) in self.sources else match.group()

    @cached_property
    def values(self) -> list[Shown]:
        return [
            Shown(key, number)
            for number, line in enumerate(self.lines)
            for kind, key in line
            if kind == "value"
        ]

    @cached_property
    def keys(self) -> frozenset[str]:
        return frozenset(shown.key for shown in self.values)

    @cached_property
    def words(self) -> str:
        """The output in lower case, blanks single: for texts that a request asks to print."""
        return " ".join(self.text.lower().split())

    @cached_property
    def plain_lines(self) -> list[str]:
        """Lines that hold no value, in lower case, without punctuation around."""
        found: list[str] = []
        for tokens, line in zip(self.lines, self.text.splitlines(), strict=False):
            said = _plain(line)
            if said and not any(kind == "value" for kind, _ in tokens):
                found.append(said)
        return found

    @cached_property
    def statements(self) -> list[str]:
        """Those of `plain_lines` that are no headings, which end in a colon."""
        headings = {_plain(line) for line in self.text.splitlines() if line.rstrip().endswith(":")}
        return [line for line in self.plain_lines if line not in headings]

    @cached_property
    def valued_lines(self) -> list[str]:
        """Lines that hold a value, in lower case, blanks single."""
        return [
            " ".join(line.lower().split())
            for tokens, line in zip(self.lines, self.text.splitlines(), strict=False)
            if any(kind == "value" for kind, _ in tokens)
        ]

    @cached_property
    def own(self) -> Mapping[str, str]:
        """Key -> the one field that it can come from; a value that two fields hold is left out."""
        fields = {key: {source.field for source in found} for key, found in self.sources.items()}
        return {key: next(iter(names)) for key, names in fields.items() if len(names) == 1}

    def order(self, field: str) -> list[str]:
        """The entries whose `field` is shown, in the order in which it is; a value that several have tells none."""
        places = (
            [s.entry for s in self.sources.get(shown.key, ()) if s.field == field and not s.small]
            for shown in self.values
        )
        return list(dict.fromkeys(entries[0] for entries in places if len(entries) == 1))

    def fields(self, own: Mapping[str, str]) -> list[str]:
        """The fields whose values are shown, in the order in which each comes first; `own`: key -> field."""
        return list(dict.fromkeys(own[shown.key] for shown in self.values if shown.key in own))

    def mislabelled(self) -> tuple[str, str] | None:
        """A field whose value, the only one on its line, follows the name of another field of its entry; and that name."""
        for tokens in self.lines:
            values = [text for kind, text in tokens if kind == "value"]
            if len(values) != 1 or values[0] not in self.own:
                continue
            named = {text for _, text in tokens[: tokens.index(("value", values[0]))]}
            field, entry = self.own[values[0]], self.sources[values[0]][0].entry
            others = {s.field for found in self.sources.values() for s in found if s.entry == entry} - {field}
            if entry.count(".") and not named & stems(field):
                for other in sorted(others):
                    if named & stems(other):
                        return field, other
        return None

    def labels(self) -> dict[str, set[str]]:
        """Field -> the labels that its values stand under, where the output makes that clear."""
        found: dict[str, set[str]] = {}
        for tokens in self.lines:
            known = [(kind, text) for kind, text in tokens if kind == "label" or text in self.own]
            for key, label in _paired(known):
                found.setdefault(self.own[key], set()).add(label)
        return found


def _plain(line: str) -> str:
    """A line in lower case, blanks single, without punctuation around it."""
    return " ".join(line.lower().split()).strip(" .!:'\"")


def stems(field: str) -> frozenset[str]:
    """The labels of a field: `error_count` is known by `erro`."""
    return frozenset(part[:_STEM] for part in field.split("_")) - _NO_LABEL


def contains(words: str, phrase: str) -> bool:
    """Whether a phrase occurs in a text as whole words; both in lower case."""
    return re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", words) is not None


def _paired(tokens: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """(value, label) pairs of a line: runs of labels and of values that alternate and are equally long."""
    runs: list[tuple[str, list[str]]] = []
    for kind, text in tokens:
        if runs and runs[-1][0] == kind:
            runs[-1][1].append(text)
        else:
            runs.append((kind, [text]))
    if len(runs) % 2 and len(runs) > 1:
        runs = runs[1:] if runs[0][0] == "label" else runs[:-1]
    for (kind, first), (_, second) in zip(runs[::2], runs[1::2], strict=False):
        values, labels = (first, second) if kind == "value" else (second, first)
        if len(values) == 1:
            for label in labels:
                yield values[0], label
        elif len(values) == len(labels):
            yield from zip(values, labels)


def _tokens(line: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for match in _TOKEN.finditer(line):
        if match["word"]:
            found.append(("value", match["word"].lower()))
        elif match["number"]:
            found.append(("value", _number(match["number"])))
        else:
            label = match["label"].lower()[:_STEM]
            found.append(("label", _SHORT.get(label, label)))
    return found


def _number(text: str) -> str:
    value = float(text)
    return str(int(value)) if value.is_integer() and "." not in text else repr(value)


def keys_of(value: Any) -> list[str]:
    """The keys of a value of the world."""
    if isinstance(value, bool) or value is None:
        return []
    if isinstance(value, int | float):
        return [_number(repr(value))]
    return [key for line in str(value).splitlines() for kind, key in _tokens(line) if kind == "value"]


def _sources(value: Any, entry: str, field: str) -> Iterator[tuple[str, Source]]:
    if isinstance(value, dict):
        for name, item in value.items():  # pyright: ignore[reportUnknownVariableType]
            yield from _sources(item, f"{entry}.{name}" if isinstance(item, list) else entry, str(name))  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, list):
        for index, item in enumerate(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            yield from _sources(item, f"{entry}.{index}", field)
    else:
        small = isinstance(value, int) and value < 1_000
        for key in keys_of(value):
            yield key, Source(field, entry, small)


def _unnumbered(text: str) -> str:
    """Without the numbers of a numbered list."""
    numbers = [int(found) for found in _NUMBERED.findall(text) if len(found) < 5]
    start = numbers[0] if numbers else -1
    if (
        start in (0, 1)
        and numbers == list(range(start, start + len(numbers)))
        and (start or len(numbers) > 1)
    ):
        return _NUMBERED.sub("", text)
    return text


def failed(call: WorldCall) -> bool:
    """Whether a call found nothing or did not work, as far as its result says; a list of problems is not a failure."""
    result = call.result
    if not isinstance(result, dict) or result.get("success") is not False:
        return False
    lists = [value for value in result.values() if isinstance(value, list)]  # pyright: ignore[reportUnknownVariableType]
    return "exit_code" not in result and not any(lists)
