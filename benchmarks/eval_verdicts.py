"""How often verdicts and intervals are wrong, computed exactly or simulated with a fixed seed.

The claims: Wilson's interval covers the truth about as often as it says; a gate on a proportion passes a model that
is below the target at most 2.5 times in 100 (a comparison of point estimates: up to 59 in 100); `beats_base` passes
a model that is no better at most as often as its p says; Newcombe's paired interval covers the difference.
"""

import math
from random import Random

from tunewright.eval.gates import judge_better, judge_proportion
from tunewright.eval.statistics import Paired, Proportion, wilson_interval

ROUNDS = 20_000


def binomial(k: int, n: int, p: float) -> float:
    return math.comb(n, k) * p**k * (1 - p) ** (n - k)


def coverage(n: int, p: float) -> float:
    """Exactly: the probability that the interval holds p."""
    inside = (wilson_interval(k, n) for k in range(n + 1))
    return sum(binomial(k, n, p) for k, (low, high) in enumerate(inside) if low <= p <= high)


def passes(n: int, p: float, target: float) -> tuple[float, float]:
    """Exactly: how often a model of true share p passes the gate, and how often its point estimate does."""
    gate = sum(
        binomial(k, n, p) for k in range(n + 1) if judge_proportion(Proportion(k, n), target)[0] == "PASS"
    )
    return gate, sum(binomial(k, n, p) for k in range(n + 1) if k / n >= target)


def draw(random: Random, n: int, both: float, only_a: float, only_b: float) -> Paired:
    draws = random.choices(range(4), (both, only_a, only_b, 1 - both - only_a - only_b), k=n)
    return Paired(*(draws.count(kind) for kind in range(4)))


def main() -> None:
    print("Wilson's 95 % interval covers the truth (exact)")
    for n in (12, 25, 60):
        cells = "  ".join(f"p={p:g}: {coverage(n, p):.3f}" for p in (0.5, 0.8, 0.92, 0.98))
        print(f"  n={n:<3} {cells}")
    print("a gate of 80 % passes a model that is truly (exact; in brackets the point estimate alone)")
    for n in (20, 60, 120):
        cells = "  ".join(
            "{:.0%}: {:.1%} ({:.1%})".format(p, *passes(n, p, 0.8)) for p in (0.75, 0.79, 0.9, 0.95)
        )
        print(f"  n={n:<3} {cells}")
    random = Random(20261123)
    print(f"beats_base at p < 0.01 passes, n=60 (simulated, {ROUNDS:,} rounds)")
    for said, shares in (
        ("no better", (0.3, 0.15, 0.15)),
        ("+20 points", (0.3, 0.1, 0.3)),
        ("+50 points", (0.2, 0.05, 0.55)),
    ):
        passed = sum(judge_better(draw(random, 60, *shares), 0.01)[0] == "PASS" for _ in range(ROUNDS))
        print(f"  {said:<11} {passed / ROUNDS:.4f}")
    print("Newcombe's paired interval covers the difference (simulated)")
    for n in (12, 60, 120):
        inside = 0
        for _ in range(ROUNDS // 4):
            low, high = draw(random, n, 0.6, 0.05, 0.2).interval
            inside += low <= 0.15 <= high
        print(f"  n={n:<3} {inside / (ROUNDS // 4):.3f}")


if __name__ == "__main__":
    main()
