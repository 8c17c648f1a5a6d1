"""Held-out requests asked twice: as they are, and with one part of their structure changed. Pure.

The features have the names that the audit gives them. A `word` is the control: a polite word, which a third of the training
rows get whatever their tool is. It varies and means nothing, so that the changes it causes are the noise of this model.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from tunewright.audit.probe.decisions import NO_TOOL, Decision, begun
from tunewright.chat.resample_structure import PREAMBLES, Draw

CONTROL = "word"
POLITE = ("{} Thanks.", "Hello. {}", "{} Please.")
POLITE_SHARE = 1 / 3  # of the training rows
# What each flip changes, in plain words.
FEATURES = {
    "has_system": "a system message or none",
    "system_text": "another system message",
    "earlier_turns": "earlier turns or none",
    "has_preamble": "words before the call",
    "tool_order": "another order of the tools",
}
PLAIN_SYSTEM = ("You are a helpful assistant.", "Answer the user.")
MOST_REQUESTS = 120
PLACES: tuple[str, ...] = ("first", "last", "between")  # in the list of offered tools
PRIOR = 5.0  # rows that each tool's share of all rows counts as, in every part of the data
TWICE = math.log(2)
LEAST_ROWS = 10  # of a side, as the audit's features need them: fewer show nothing


@dataclass(frozen=True)
class Asked:
    """What the model sees, and the text that its answer is made to begin with."""

    decision: Decision
    begun: str = ""

    def row(self) -> dict[str, Any]:
        return {"messages": self.decision.messages(), "begun": self.begun}


@dataclass(frozen=True)
class Flip:
    """One request asked in two structures. `sides` name them as `Taught` counts them."""

    feature: str
    before: Asked
    after: Asked
    sides: tuple[Any, Any] = (None, None)


def with_polite_words(train: Sequence[Decision]) -> list[Decision]:
    """The training rows, a third of them with a polite word, drawn by their requests alone."""
    return [
        replace(decision, request=Draw(decision.request).pick("polite", POLITE).format(decision.request))
        if Draw(decision.request).share("word") < POLITE_SHARE
        else decision
        for decision in train
    ]


def held_out_requests(train: Sequence[Decision], held_out: Sequence[Decision]) -> list[Decision]:
    """Requests of other wording than any in train, each once; at most MOST_REQUESTS, the same ones every time."""
    known = {decision.request.lower() for decision in train}
    new = {d.request.lower(): d for d in held_out if d.request.lower() not in known}
    return sorted(new.values(), key=lambda d: Draw(d.request).share("request"))[:MOST_REQUESTS]


def flips_of(decision: Decision, taught: "Taught") -> list[Flip]:
    """Every change of structure that a request allows, and those of the control."""

    def changed(feature: str, sides: tuple[Any, Any], **changes: Any) -> Flip:
        return Flip(feature, Asked(decision), Asked(replace(decision, **changes)), sides)

    made = [changed(CONTROL, (None, None), request=words.format(decision.request)) for words in POLITE]
    system = decision.system or taught.system
    if system:
        other = "" if decision.system else system
        made.append(changed("has_system", (bool(decision.system), bool(other)), system=other))
    if decision.system:
        other = next(text for text in (*taught.systems, *PLAIN_SYSTEM) if text != decision.system)
        made.append(changed("system_text", (decision.system, other), system=other))
    other_turns = () if decision.earlier else taught.donor(decision)
    if decision.earlier or other_turns:
        made.append(
            changed("earlier_turns", (bool(decision.earlier), bool(other_turns)), earlier=other_turns)
        )
    if decision.tool != NO_TOOL:
        # Both ask for a call, so that what is compared is the tool alone.
        asked = Asked(decision, begun("")), Asked(decision, begun(taught.preamble))
        made.append(Flip("has_preamble", *asked, (False, True)))
    if len(decision.tools) > 1:
        other_order = decision.tools[::-1]
        made.append(changed("tool_order", (decision.tools, other_order), tools=other_order))
    return made


class Taught:
    """What the training rows show of structure: which parts there are, and which tools each part goes with."""

    def __init__(self, train: Sequence[Decision]) -> None:
        self._train = train
        self._tools = Counter(decision.tool for decision in train)
        self.systems = [text for text, _ in Counter(d.system for d in train if d.system).most_common()]
        self.system = self.systems[0] if self.systems else ""
        # Words that name a tool are not structure: whoever is made to say them has been told the tool.
        named = [tool for tool in self._tools if tool != NO_TOOL]
        plain = (d.preamble for d in train if d.preamble and not any(tool in d.preamble for tool in named))
        self.preamble = next((text for text, _ in Counter(plain).most_common(1)), PREAMBLES[0])
        self._donors = sorted({d.earlier for d in train if d.earlier})

    def donor(self, decision: Decision) -> tuple[tuple[str, str], ...]:
        """Earlier turns of another row; an exchange in words where no row has any, and none where there is none."""
        own = [turns for turns in self._donors or self._exchanges if turns[0][1] != decision.request]
        return Draw(decision.request).pick("turns", own) if own else ()

    @cached_property
    def _exchanges(self) -> list[tuple[tuple[str, str], ...]]:
        words = {(d.request, d.said) for d in self._train if d.tool == NO_TOOL}
        return [(("user", request), ("assistant", said)) for request, said in sorted(words)]

    def share(self, feature: str) -> float | None:
        """The share of training rows that have the part; None for a feature that is not one part."""
        parts: dict[str, Callable[[Decision], bool]] = {
            "has_system": lambda d: bool(d.system),
            "earlier_turns": lambda d: bool(d.earlier),
            "has_preamble": lambda d: bool(d.preamble),
        }
        if feature not in parts:
            return None
        rows = [d for d in self._train if d.tool != NO_TOOL] if feature == "has_preamble" else self._train
        return sum(map(parts[feature], rows)) / max(1, len(rows))

    def leads(self, flip: Flip, tools: tuple[str, str]) -> bool:
        """Whether the training rows show this change: the second tool against the first at least twice as often on the
        side that was flipped to as on the other side (an odds ratio of 2, with a prior)."""
        if any(tool not in self._tools for tool in tools):
            return False  # a name that no row calls
        if flip.feature != "tool_order" and any(
            self._sides[flip.feature].get(side, Counter()).total() < LEAST_ROWS for side in flip.sides
        ):
            return False
        first, second = (
            self._lean(flip.feature, side, tools[1]) - self._lean(flip.feature, side, tools[0])
            for side in flip.sides
        )
        return second - first >= TWICE

    def _lean(self, feature: str, side: Any, tool: str) -> float:
        """The logarithm of how often a tool goes with a side of a feature, up to a term that is the same for all tools."""
        if feature == "tool_order":
            place = _place(side, tool)
            called, expected = self._places[place] if place else (0.0, 0.0)
            return math.log((called + PRIOR) / (expected + PRIOR))
        counts = self._sides[feature]
        share = (self._tools[tool] + 0.5) / (len(self._train) + 0.5 * len(self._tools))
        return math.log(counts.get(side, Counter())[tool] + PRIOR * share)

    @cached_property
    def _sides(self) -> dict[str, dict[Any, Counter[str]]]:
        found: dict[str, dict[Any, Counter[str]]] = {name: {} for name in FEATURES}
        for d in self._train:
            sides: dict[str, Any] = {"has_system": bool(d.system), "earlier_turns": bool(d.earlier)}
            if d.system:
                sides["system_text"] = d.system
            if d.tool != NO_TOOL:
                sides["has_preamble"] = bool(d.preamble)
            for name, side in sides.items():
                found[name].setdefault(side, Counter())[d.tool] += 1
        return found

    @cached_property
    def _places(self) -> dict[str, tuple[float, float]]:
        """For each place in the list of offered tools how often it was called, and how often it would be by chance."""
        called, expected = Counter[str](), dict[str, float].fromkeys(PLACES, 0.0)
        for d in self._train:
            if len(d.tools) > 1 and d.tool in d.tools:
                called[_place(d.tools, d.tool)] += 1
                for tool in d.tools:
                    expected[_place(d.tools, tool)] += 1 / len(d.tools)
        return {place: (called[place], expected[place]) for place in PLACES}


def _place(order: Sequence[str], tool: str) -> str:
    """Where a tool is in a list: first, last or between; empty when it is not there."""
    if tool not in order:
        return ""
    return "first" if tool == order[0] else "last" if tool == order[-1] else "between"
