"""What a probe of a dataset trains on, what it asks, and what it makes of the answers. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from tunewright.audit.probe.decisions import NO_TOOL, Decision, ReadDecisions, chosen_tool
from tunewright.audit.probe.flips import (
    Asked,
    Flip,
    Taught,
    flips_of,
    held_out_requests,
    with_polite_words,
)
from tunewright.audit.probe.verdict import LEAST, ProbeResult, judge, nothing_asked
from tunewright.chat.resample_structure import Draw
from tunewright.chat.split import Linked, divide

HELD_OUT = 0.15  # share of the rows, where the data have no split of their own
MOST_ROWS = 6000  # to train on, drawn by their text: more than a small model sees in its steps


@dataclass(frozen=True)
class ProbePlan:
    """Choices to train on, held-out ones, and each of these asked in several structures."""

    train: list[Decision]
    requests: list[Decision]
    taught: Taught
    flips: list[Flip]
    asked: list[Asked]
    why_not: str  # why asking shows nothing; empty when it may
    facts: dict[str, Any]

    def result(self, answers: Sequence[str], facts: Mapping[str, Any]) -> ProbeResult:
        """What the answers to `asked`, in order, show."""
        tools = dict(zip(self.asked, map(chosen_tool, answers), strict=True))
        return judge(self.requests, self.flips, tools, self.taught, {**self.facts, **facts})

    def without_answers(self, why: str) -> ProbeResult:
        """The result where nothing was asked."""
        return nothing_asked(why, len(self.requests), self.facts)


def plan_probe(found: ReadDecisions) -> ProbePlan:
    """Train on the train split and ask what the others hold; without another split a part is held out by cluster."""
    train, others = _held_out(found)
    requests = held_out_requests(train, others)
    taught = Taught(train)
    flips = [flip for decision in requests for flip in flips_of(decision, taught)]
    tools = sorted({decision.tool for decision in train})
    return ProbePlan(
        train=with_polite_words(
            sorted(train, key=lambda d: Draw(d.request + d.tool).share("row"))[:MOST_ROWS]
        ),
        requests=requests,
        taught=taught,
        flips=flips,
        asked=list(dict.fromkeys(side for flip in flips for side in (flip.before, flip.after))),
        why_not=_why_not(tools, len(requests)),
        facts={
            "rows": found.rows,
            "unread": found.unread,
            "trained_on": min(len(train), MOST_ROWS),
            "tools": [tool for tool in tools if tool != NO_TOOL],
        },
    )


def _why_not(tools: Sequence[str], requests: int) -> str:
    if len(tools) < 2:
        only = "no tool" if tools == [NO_TOOL] else f"{tools[0]} alone" if tools else "nothing"
        return f"the rows choose {only}: there is no choice that structure could decide"
    if requests < LEAST:
        return f"{requests} held-out requests are too few, {LEAST} are needed"
    return ""


def _held_out(found: ReadDecisions) -> tuple[list[Decision], list[Decision]]:
    splits = dict(found.splits)
    train = splits.pop("train", [])
    others = [decision for rows in splits.values() for decision in rows]
    if train and others:
        return train, others
    rows = train or others
    linked = [Linked(label=d.tool, request=d.request, first=d.request) for d in rows]
    shares = {"train": 1 - HELD_OUT, "held out": HELD_OUT}
    seeded = Random("probe")  # noqa: S311 - it makes a probe repeatable
    divided = divide(linked, shares, seeded).splits
    return [rows[n] for n in divided["train"]], [rows[n] for n in divided["held out"]]
