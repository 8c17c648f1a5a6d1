"""Does a model trained on the data of now answer better than one trained on an earlier version's, and forget less?

    python benchmarks/earlier_data.py --before RUN [RUN ...] --now RUN [RUN ...]

Each RUN is the folder of a finished run. Those of an arm differ in their seed, which drew their dataset too; all are of one
recipe and one set of suites. To make them, for each seed: `./inv data.generate` with that seed in the recipe, here and in a
checkout of the earlier version; the same answers of the base (`./inv data.rehearse`) as `test.jsonl` of both datasets, so
that a run measures what it forgets; here `./inv train --recipe RECIPE --data FOLDER` with each of them.

The runs of an arm are taken as several answers to the same cases, averaged within a case. The arms are paired by case, with
intervals clustered as in `./inv compare`. Claimed: in no suite is the difference below zero beyond chance (95 %), and the
mean perplexity of the base's own answers is lower after training on the data of now.
"""

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tunewright.contract.manifest import read_manifest
from tunewright.contract.run import RunFolder
from tunewright.eval.comparison import compare_judged
from tunewright.eval.forgetting import Forgetting, read_forgetting
from tunewright.eval.judged import Judged, judged_run
from tunewright.eval.statistics import Paired
from tunewright.eval.suite_score import SuiteScore


def pooled(name: str, runs: Sequence[RunFolder]) -> Judged:
    """The runs as one model that answered each case once for each of them."""
    judged = [judged_run(run) for run in runs]

    def together(suite: str) -> SuiteScore:
        scores = [one.tuned[suite] for one in judged]
        outcomes = [replace(o, sample=n) for n, score in enumerate(scores) for o in score.outcomes]
        order = {outcome.case: place for place, outcome in enumerate(scores[0].outcomes)}
        return replace(
            scores[0], outcomes=tuple(sorted(outcomes, key=lambda o: (order[o.case], o.sample))), model=name
        )

    return Judged(name, name, {suite: together(suite) for suite in judged[0].tuned}, judged[0].suites)


def forgotten(run: RunFolder) -> Forgetting | None:
    manifest = read_manifest(run.stage("fidelity"))
    return read_forgetting(manifest.facts) if manifest else None


def tell_suites(suites: Mapping[str, Paired]) -> bool:
    """Print the difference in each suite; whether none is below zero beyond chance."""
    kept = True
    for name, paired in suites.items():
        low, high = paired.interval
        worse = high < 0
        kept = kept and not worse
        print(
            f"  {name:<13} {paired.a.value:5.1%} -> {paired.b.value:5.1%} of {paired.n}: {paired.difference:+.1%} "
            f"[{low:+.1%}, {high:+.1%}], p {paired.p:.2g}{'  WORSE' if worse else ''}"
        )
    return kept


def tell_forgetting(arms: Mapping[str, Sequence[RunFolder]]) -> bool | None:
    """Print the perplexities; whether the data of now forget less. None where a run did not measure it."""
    means: dict[str, float] = {}
    for arm, runs in arms.items():
        found = [lost for run in runs if (lost := forgotten(run))]
        if len(found) < len(runs):
            print(f"  {arm}: not measured in {len(runs) - len(found)} of {len(runs)} runs")
            return None
        means[arm] = math.exp(sum(math.log(lost.after) for lost in found) / len(found))
        each = ", ".join(f"{lost.before:.2f} -> {lost.after:.2f}" for lost in found)
        print(f"  {arm:<7} {each}; after, in the mean {means[arm]:.2f}")
    return means["now"] < means["before"]


def main() -> int:
    """Print both comparisons; exit 1 when one of the claims is broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for arm in ("before", "now"):
        parser.add_argument(f"--{arm}", nargs="+", type=Path, required=True, metavar="RUN")
    options = parser.parse_args()
    arms = {arm: [RunFolder(path) for path in getattr(options, arm)] for arm in ("before", "now")}
    comparison = compare_judged(*(pooled(arm, runs) for arm, runs in arms.items()))
    counts = " and ".join(str(len(runs)) for runs in arms.values())
    print(f"right answers, data of before -> of now, {counts} runs")
    not_worse = tell_suites({**comparison.suites, "all": comparison.total})
    print(f"  over all cases: {comparison.verdict}; {comparison.said_detectable}")
    print("perplexity of the base's own answers, before training -> after")
    less = tell_forgetting(arms)
    print(f"worse in no suite: {'kept' if not_worse else 'BROKEN'}")
    print(f"forgets less: {'not measured' if less is None else 'kept' if less else 'BROKEN'}")
    return 0 if not_worse and less is not False else 1


if __name__ == "__main__":
    sys.exit(main())
