"""What a gate can tell before anything is answered: how likely a model of a known quality passes it, and how many cases it
would take. Pure; the cases are taken for independent, so that where they come in clusters the figures for as many cases as
there are clusters are the other end of what to expect.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from tunewright.contract.recipe import Gate
from tunewright.contract.suite import Case, Suite
from tunewright.eval.gates import GateResult
from tunewright.eval.score_text import aligned
from tunewright.eval.statistics import mcnemar_exact, wilson_interval

TRUTHS = (0.8, 0.9, 0.95, 0.99)  # true shares of right answers
POWER = 0.8  # the chance that `needed` cases give
BASE = 0.5  # what the base is taken to have right, for `beats_base`
MOST = 10_000  # cases that are thought about

Chances = Callable[[int, float], float]  # of n cases and a true share


@dataclass(frozen=True)
class GateChance:
    """`passes` and `needed` map true shares to the chance of PASS, and to the cases that would give `POWER`; None: more than
    `MOST`, or never. `unknown` says why there are none."""

    gate: Gate
    cases: int = 0
    clusters: int = 0
    passes: Mapping[float, float] = field(default_factory=dict[float, float])
    in_clusters: Mapping[float, float] = field(
        default_factory=dict[float, float]
    )  # `passes` of so many clusters
    needed: Mapping[float, int | None] = field(default_factory=dict[float, int | None])
    unknown: str = ""

    @property
    def name(self) -> str:
        """The gate and its target, and what is supposed of the base."""
        result = GateResult(self.gate, "INCONCLUSIVE", "", "")
        base = f" (its base right in {BASE:.0%})" if self.gate.metric == "beats_base" else ""
        return f"{result.name}, {result.target}{base}"

    def to_json(self) -> dict[str, Any]:
        return {
            "gate": self.gate.model_dump(exclude_none=True),
            "cases": self.cases,
            "clusters": self.clusters,
            "passes": {f"{truth:g}": chance for truth, chance in self.passes.items()},
            "passes_in_clusters": {f"{truth:g}": chance for truth, chance in self.in_clusters.items()},
            "needed": {f"{truth:g}": count for truth, count in self.needed.items()},
            "unknown": self.unknown,
        }


def gate_chances(gates: Iterable[Gate], suites: Mapping[str, Suite | None]) -> list[GateChance]:
    """Each gate's chances on the suites of a recipe; None: one that is not here."""
    return [_chance(gate, suites) for gate in gates]


def chances_text(chances: Sequence[GateChance]) -> list[str]:
    """A table, a gate after another; no indent."""
    if not chances:
        return ["no gate"]
    rows = [["passes, when it is truly right in", "", *(f"{truth:.0%}" for truth in TRUTHS)]]
    for chance in chances:
        if chance.unknown:
            continue
        passes = [_percent(chance.passes[truth]) for truth in TRUTHS]
        rows.append([chance.name, f"{chance.cases} cases", *passes])
        if chance.in_clusters:
            alike = [_percent(chance.in_clusters[truth]) for truth in TRUTHS]
            rows.append(["  if a cluster's cases come out alike", f"{chance.clusters} clusters", *alike])
        counts = [
            f"{count:,}" if (count := chance.needed[truth]) else _never(chance, truth) for truth in TRUTHS
        ]
        rows.append([f"  cases for a chance of {POWER:.0%}", "", *counts])
    unknown = [f"{chance.name}: {chance.unknown}" for chance in chances if chance.unknown]
    return [*(aligned(rows, indent="") if len(rows) > 1 else []), *unknown]


def _percent(chance: float) -> str:
    return (
        f"{chance:.0%}" if 0.005 < chance < 0.995 or chance in (0, 1) else "<1%" if chance < 0.5 else ">99%"
    )


def _never(chance: GateChance, truth: float) -> str:
    allowance = chance.gate.allowance
    below = allowance is not None and truth <= round(chance.gate.target - allowance, 9)
    return "never" if below else f">{MOST:,}"


def _chance(gate: Gate, suites: Mapping[str, Suite | None]) -> GateChance:
    if gate.metric == "fidelity":
        return GateChance(gate, unknown="counts tokens, which are known after the run")
    if gate.metric == "not_worse_than":
        return GateChance(gate, unknown="depends on how many answers differ from the other run's")
    asked = {name: suites.get(name) for name in ([gate.suite] if gate.suite else suites)}
    known = {name: suite for name, suite in asked.items() if suite}
    if not asked or len(known) < len(asked):
        return GateChance(gate, unknown="its cases are not known before the data are prepared")
    cases = [
        (name, case)
        for name, suite in known.items()
        for case in suite.cases
        if not case.perturbs and _counts(gate, case)
    ]
    clusters = len({(name, case.cluster or case.template or case.id) for name, case in cases})
    chances = _better_chance(gate.target) if gate.metric == "beats_base" else _share_chance(gate)
    return GateChance(
        gate,
        len(cases),
        clusters,
        {truth: chances(len(cases), truth) for truth in TRUTHS},
        {truth: chances(clusters, truth) for truth in TRUTHS} if clusters < len(cases) else {},
        {truth: fewest_cases(chances, truth) for truth in TRUTHS},
    )


def _counts(gate: Gate, case: Case) -> bool:
    """Whether the gate's metric is about the case. What the answers decide (`arguments`, `no_call_precision`) is taken as
    if all of them were right."""
    silent = not any(answer.tool_calls for answer in case.gold_calls)
    if gate.category:
        return case.category == gate.category
    if gate.tool:
        return any(
            call.function.name == gate.tool for answer in case.gold_calls for call in answer.tool_calls
        )
    return {
        "executed": bool(case.expect.tools),
        "fields_used": bool(case.expect.fields),
        "arguments": not silent,
        "no_call_precision": silent,
        "no_call_recall": silent,
    }.get(gate.measures, True)


def _share_chance(gate: Gate) -> Chances:
    least = round(max(0.0, gate.target - (gate.allowance or 0.0)), 9)
    return lambda n, truth: upper_tail(fewest_right(n, least), n, truth)


@lru_cache(10_000)
def fewest_right(n: int, least: float) -> int:
    """How many of `n` must be right so that Wilson's interval begins at `least` or above; n + 1 when not even all."""
    low, high = 0, n + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if n and wilson_interval(middle, n)[0] >= least else (middle + 1, high)
    return low


def upper_tail(k: int, n: int, p: float) -> float:
    """P(X >= k) of a binomial with n draws of chance p."""
    if k <= 0 or p >= 1:
        return 1.0 if k <= n else 0.0
    if p <= 0:
        return 0.0
    return min(1.0, sum(_mass(i, n, p) for i in range(k, n + 1)))


def _mass(k: int, n: int, p: float) -> float:
    logarithm = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(logarithm + k * math.log(p) + (n - k) * math.log1p(-p))


def _better_chance(alpha: float) -> Chances:
    """Of the exact paired test, against a base that has `BASE` right, in other cases than the model by chance."""

    def chance(n: int, truth: float) -> float:
        gained, lost = truth * (1 - BASE), (1 - truth) * BASE
        differ = gained + lost
        return sum(
            _mass(d, n, differ) * upper_tail(_fewest_gained(d, alpha), d, gained / differ)
            for d in range(n + 1)
        )

    return chance


@lru_cache(10_000)
def _fewest_gained(differ: int, alpha: float) -> int:
    """How many of the cases that differ must be gained for p < alpha; one more than there are when not even all."""
    low, high = differ // 2 + 1, differ + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if mcnemar_exact(differ - middle, middle) < alpha else (middle + 1, high)
    return low


def fewest_cases(chances: Chances, truth: float, power: float = POWER) -> int | None:
    """The number of cases from which on a model of that true share passes with `power`; None: more than `MOST`."""
    high = 4
    while chances(high, truth) < power:
        high *= 2
        if high > MOST:
            return None
    low = high // 2
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if chances(middle, truth) >= power else (middle + 1, high)
    # Chances go up in teeth: take the count after which the next ones hold too.
    while any(chances(low + more, truth) < power for more in range(6)):
        low += 1
    return low
