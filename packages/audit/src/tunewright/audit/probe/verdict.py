"""What a probe found: how often the chosen tool changes with the structure alone, and whether structure decides it. Pure.

A feature decides when the changes that the training rows lead to are more than the noise: the lower end of their interval is
above the upper end of the control's. A change that the rows do not lead to (a structure that no row has, or that goes with
every tool alike) says that the model is shaken, not what the data taught it, and does not count.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tunewright.audit.probe.decisions import NO_TOOL, Decision
from tunewright.audit.probe.flips import CONTROL, FEATURES, Asked, Flip, Taught
from tunewright.audit.probe.saved import SCHEMA
from tunewright.contract.intervals import wilson_interval
from tunewright.contract.visible import one_line

Verdict = Literal["pass", "fail", "inconclusive"]
LEAST = 20  # requests; of fewer nothing is concluded
SURE = 0.99  # confidence that the model chooses better than chance
NOISY = 0.5  # of requests that a polite word may change; with more, no feature can be told from noise
EXIT_CODES: dict[Verdict, int] = {"pass": 0, "fail": 1, "inconclusive": 3}


@dataclass(frozen=True)
class FlipResult:
    """Of `n` requests asked in two structures: in how many the tool changed, in how many of these as the training rows lead
    to, how many were right in each, and one request that changed, as (request, tool before, tool after)."""

    feature: str
    n: int
    changed: int
    led: int = 0
    right: tuple[int, int] = (0, 0)
    share: float | None = None  # of training rows that have the part
    example: tuple[str, str, str] | None = None

    @property
    def interval(self) -> tuple[float, float]:
        """Of the share of requests that changed, 95 %."""
        return wilson_interval(self.changed, self.n)

    @property
    def led_interval(self) -> tuple[float, float]:
        return wilson_interval(self.led, self.n)

    def to_json(self) -> dict[str, Any]:
        low, high = self.interval
        led_low, led_high = self.led_interval
        return {
            "feature": self.feature,
            "changed": self.changed / self.n if self.n else 0.0,
            "low": low,
            "high": high,
            "n": self.n,
            "led": self.led / self.n if self.n else 0.0,
            "led_low": led_low,
            "led_high": led_high,
            "right_before": self.right[0],
            "right_after": self.right[1],
            "share_of_rows": self.share,
            "example": dict(zip(("request", "before", "after"), self.example)) if self.example else None,
        }


@dataclass(frozen=True)
class ProbeResult:
    """A finished probe. `control` is the noise; `facts` say what was trained, on what, and how long it took."""

    requests: int
    right: int
    chance: float  # agreement of the model's choices with the right ones if the two were independent
    control: FlipResult
    flips: tuple[FlipResult, ...]
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    stopped: str = ""  # why nothing was asked

    @property
    def doubt(self) -> str:
        """Why nothing can be concluded; empty when something can."""
        if self.stopped:
            return self.stopped
        if wilson_interval(self.right, self.requests, SURE)[0] <= self.chance:
            return (
                f"the small model has not learned to choose tools: {_of(self.right, self.requests)} held-out requests "
                f"right, where {self.chance:.0%} is chance"
            )
        if self.control.interval[1] > NOISY:
            shaken = _of(self.control.changed, self.control.n)
            return f"the small model's choices are noise: a polite word alone changes {shaken}"
        return ""

    @property
    def deciding(self) -> list[FlipResult]:
        """The features that decide the tool, the strongest first."""
        if self.doubt:
            return []
        noise = self.control.interval[1]
        found = [flip for flip in self.flips if flip.n >= LEAST and flip.led_interval[0] > noise]
        return sorted(found, key=lambda flip: -flip.led / flip.n)

    @property
    def verdict(self) -> Verdict:
        return "inconclusive" if self.doubt else "fail" if self.deciding else "pass"

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.verdict]

    def to_json(self) -> dict[str, Any]:
        """The value that `probe --json` writes (docs/formats.md, section probe)."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "reason": self.sentence(),
            "decides": [flip.feature for flip in self.deciding],
            "requests": self.requests,
            "right": self.right,
            "chance": self.chance,
            "control": self.control.to_json(),
            "flips": [flip.to_json() for flip in self.flips],
            **self.facts,
        }

    def sentence(self) -> str:
        """The verdict and its reason."""
        if self.doubt:
            return f"INCONCLUSIVE: {self.doubt}"
        if not self.deciding:
            noise = self.control.interval[1]
            moved = [FEATURES[f.feature] for f in self.flips if f.n >= LEAST and f.interval[0] > noise]
            also = f"; {', '.join(moved)} changed the tool, but not as the rows lead it" if moved else ""
            return f"PASS: no part of the structure changes the tool as the rows lead it by more than the noise{also}"
        found = [
            f"{FEATURES[flip.feature]} changed the tool in {_of(flip.changed, flip.n)} requests "
            f"({flip.interval[0]:.0%} to {flip.interval[1]:.0%})"
            for flip in self.deciding
        ]
        noise = self.control.changed / self.control.n
        return f"FAIL: structure decides the tool: {', '.join(found)}; a polite word changed {noise:.0%}"


def nothing_asked(why: str, requests: int, facts: Mapping[str, Any]) -> ProbeResult:
    """The result of a probe that could not ask."""
    return ProbeResult(requests, 0, 0.0, FlipResult(CONTROL, 0, 0), (), facts, why)


def judge(
    requests: Sequence[Decision],
    flips: Sequence[Flip],
    tools: Mapping[Asked, str],
    taught: Taught,
    facts: Mapping[str, Any],
) -> ProbeResult:
    """The result of a probe. `tools` are the model's choices."""
    chosen = [tools[Asked(decision)] for decision in requests]
    wanted = Counter(decision.tool for decision in requests)
    chance = sum(wanted[tool] * count for tool, count in Counter(chosen).items()) / max(1, len(requests)) ** 2
    found = {name: _counted(name, flips, tools, taught) for name in (CONTROL, *FEATURES)}
    return ProbeResult(
        requests=len(requests),
        right=sum(decision.tool == tool for decision, tool in zip(requests, chosen)),
        chance=chance,
        control=found[CONTROL],
        flips=tuple(found[name] for name in FEATURES if found[name].n),
        facts=facts,
    )


def _counted(name: str, flips: Sequence[Flip], tools: Mapping[Asked, str], taught: Taught) -> FlipResult:
    pairs = [(flip, (tools[flip.before], tools[flip.after])) for flip in flips if flip.feature == name]
    changed = [(flip, pair) for flip, pair in pairs if pair[0] != pair[1]]
    led = [(flip, pair) for flip, pair in changed if name != CONTROL and taught.leads(flip, pair)]
    shown = next(iter(led or changed), None)
    return FlipResult(
        feature=name,
        n=len(pairs),
        changed=len(changed),
        led=len(led),
        right=(
            sum(before == flip.before.decision.tool for flip, (before, _) in pairs),
            sum(after == flip.before.decision.tool for flip, (_, after) in pairs),
        ),
        share=taught.share(name) if name != CONTROL else None,
        example=_example(*shown) if shown else None,
    )


def _example(flip: Flip, pair: tuple[str, str]) -> tuple[str, str, str]:
    return one_line(flip.before.decision.request, 80), _shown(pair[0]), _shown(pair[1])


def _shown(tool: str) -> str:
    return "no tool" if tool == NO_TOOL else one_line(tool, 60)


def _of(count: int, n: int) -> str:
    return f"{count} of {n}"
