"""A suite's predictions judged, and the metrics that follow, each with n and its interval."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tunewright.contract.atomic import sha256_json
from tunewright.contract.catalog import Catalog
from tunewright.contract.errors import UserError
from tunewright.contract.recipe import FORMER_METRICS
from tunewright.contract.suite import Case, Prediction, Suite
from tunewright.eval.call_metrics import (
    CALL_METRICS,
    by_tool,
    call_metric,
    dialects,
    loose_texts,
    perturbed,
    results,
)
from tunewright.eval.clusters import proportion
from tunewright.eval.floor import floor
from tunewright.eval.grade_answer import Outcome, judge
from tunewright.eval.served_calls import handed_on_otherwise, parsers
from tunewright.eval.statistics import Paired, Proportion
from tunewright.eval.trial import Trials, shared_trials

SCHEMA = 1
METRICS = ("overall", "executed", "discrimination", "fields_used", "parses", "stable")
HEADLINE = METRICS[:4]  # what is shown of a suite that is judged by programs
# No suite and no category of one may have these names.
METRIC_NAMES = frozenset({*METRICS, *CALL_METRICS, "beats_base", "not_worse_than", "fidelity"})


@dataclass(frozen=True)
class SuiteScore:
    """All outcomes of one model on one suite, in the suite's order.

    Several samples of one case are not independent, so every metric averages them within the case (pass@1) and counts the
    case once; `all_samples` is the share of cases in which every sample is right (pass^k).
    """

    suite: str
    suite_sha256: str  # of the cases as JSON, so that scores of different suites are not compared
    outcomes: tuple[Outcome, ...]
    expects_fields: frozenset[str]  # ids of the cases that expect fields
    model: str = ""
    clusters: Mapping[str, str] = field(
        default_factory=dict[str, str]
    )  # case -> cluster, or template; without a name none
    copies: tuple[Case, ...] = ()  # cases that are changed copies of others: no metric counts them
    floor: Mapping[str, Proportion] = field(
        default_factory=dict[str, Proportion]
    )  # what models without knowledge reach
    repositories: Mapping[str, str] = field(
        default_factory=dict[str, str]
    )  # case -> repository, where it is known

    @cached_property
    def all_firsts(self) -> tuple[Outcome, ...]:
        """One outcome a case: its first sample."""
        first: dict[str, Outcome] = {}
        for outcome in self.outcomes:
            first.setdefault(outcome.case, outcome)
        return tuple(first.values())

    @cached_property
    def firsts(self) -> tuple[Outcome, ...]:
        """The first sample of each case that is not a changed copy of another."""
        copies = {case.id for case in self.copies}
        return tuple(outcome for outcome in self.all_firsts if outcome.case not in copies)

    @cached_property
    def answers(self) -> tuple[Outcome, ...]:
        """Every sample of each case that is not a changed copy of another."""
        copies = {case.id for case in self.copies}
        return tuple(outcome for outcome in self.outcomes if outcome.case not in copies)

    @cached_property
    def shares(self) -> dict[str, float]:
        """Case -> the share of its samples that are right."""
        found: dict[str, list[bool]] = {}
        for outcome in self.answers:
            found.setdefault(outcome.case, []).append(outcome.passed)
        return {case: sum(passed) / len(passed) for case, passed in found.items()}

    @property
    def samples(self) -> int:
        """Answers a case, at most."""
        counts = Counter(outcome.case for outcome in self.answers)
        return max(counts.values(), default=0)

    @property
    def by_calls(self) -> bool:
        """Whether the suite's cases are judged by comparing calls."""
        return any(outcome.calls for outcome in self.firsts)

    @property
    def headline(self) -> tuple[str, ...]:
        """The metrics that a report shows of this suite, the most important first."""
        if self.by_calls:
            return CALL_METRICS
        both = 0 < self.executed.n < self.overall.n  # else it says what overall says
        return tuple(name for name in HEADLINE if both or name != "executed")

    @cached_property
    def tools(self) -> dict[str, Proportion]:
        """For each tool that is right to call, the share of right cases; only where calls are compared."""
        return by_tool(self.answers, self.share)

    @cached_property
    def changes(self) -> dict[str, Paired]:
        """What each kind of change to the cases costs: a is the case as it is, b the changed copy."""
        return perturbed(self.copies, self.all_firsts)

    @property
    def stable(self) -> Proportion:
        """Share of cases whose samples all came out alike."""
        verdicts: dict[str, set[bool]] = {}
        for outcome in self.outcomes:
            verdicts.setdefault(outcome.case, set()).add(outcome.passed)
        return Proportion(sum(len(found) == 1 for found in verdicts.values()), len(verdicts))

    @property
    def served_differently(self) -> tuple[str, ...]:
        """Cases whose verdict would be another one as mlx-lm's server hands the answer on."""
        return tuple(outcome.case for outcome in self.firsts if outcome.served != outcome.passed)

    @property
    def all_samples(self) -> Proportion:
        """Share of cases in which every sample is right: pass^k of tau-bench (Yao et al. 2024) with k samples a case."""
        cases = list(self.shares)
        return proportion(
            [self.shares[case] == 1 for case in cases],
            [self.clusters.get(case, "") for case in cases],
            [self.repositories.get(case, "") for case in cases],
        )

    @cached_property
    def _right_of_samples(self) -> list[tuple[int, int]]:
        """For each case, how many of its samples are right, and how many there are."""
        counts: dict[str, list[int]] = {}
        for outcome in self.answers:
            seen = counts.setdefault(outcome.case, [0, 0])
            seen[0] += outcome.passed
            seen[1] += 1
        return [(right, samples) for right, samples in counts.values()]

    def pass_k(self, k: int) -> float:
        """The chance that `k` samples of a case, drawn without replacement from its n of which c are right, are all right:
        the mean of C(c, k) / C(n, k). Cases with fewer than `k` samples are left out."""
        found = [math.comb(c, k) / math.comb(n, k) for c, n in self._right_of_samples if n >= k]
        return sum(found) / len(found) if found else 0.0

    def share(self, among: Sequence[Outcome], right: Callable[[Outcome], bool]) -> Proportion:
        """The share of right answers among some, averaged within each case, with its clustered interval."""
        return proportion(
            [right(outcome) for outcome in among],
            [self.clusters.get(outcome.case, "") for outcome in among],
            [self.repositories.get(outcome.case, "") for outcome in among],
            [outcome.case for outcome in among],
        )

    def _share(
        self, right: Callable[[Outcome], bool], of: Callable[[Outcome], bool] = lambda _: True
    ) -> Proportion:
        return self.share([outcome for outcome in self.answers if of(outcome)], right)

    @property
    def overall(self) -> Proportion:
        """Share of cases in which everything asked for is right."""
        return self._share(lambda outcome: outcome.passed)

    @property
    def executed(self) -> Proportion:
        """Share of right cases among those whose right answer is a program: it is run. Answers in words are judged by their
        wording, which wrong ones pass more often."""
        return self._share(lambda outcome: outcome.passed, lambda outcome: "words" not in outcome.checks)

    @property
    def discrimination(self) -> Proportion:
        """Share of cases in which exactly the right tools are called, in the right order."""
        return self._share(lambda outcome: outcome.checks.get("tools", False))

    @property
    def fields_used(self) -> Proportion:
        """Share of the cases that expect result fields in which all of them are used."""
        return self._share(
            lambda outcome: outcome.checks.get("fields", False),
            lambda outcome: outcome.case in self.expects_fields,
        )

    @property
    def parses(self) -> Proportion:
        """Share of answers that can be read at all."""
        return self._share(lambda outcome: outcome.checks.get("parses", False))

    @property
    def categories(self) -> dict[str, Proportion]:
        """Share of right cases in each category, in the suite's order."""
        names = dict.fromkeys(outcome.category for outcome in self.firsts)
        return {
            name: self._share(lambda o: o.passed, lambda o, name=name: o.category == name) for name in names
        }

    def metric(self, name: str) -> Proportion:
        """One of `METRICS` or `CALL_METRICS` by name, or by its former name. Raises KeyError for another name."""
        if name in CALL_METRICS and self.by_calls:
            return call_metric(name, self.answers, self.share)
        if name in CALL_METRICS and name != "overall":
            return Proportion(0, 0)
        return {
            "overall": self.overall,
            "executed": self.executed,
            "discrimination": self.discrimination,
            "fields_used": self.fields_used,
            "parses": self.parses,
            "stable": self.stable,
        }[FORMER_METRICS.get(name, name)]

    @property
    def tokens(self) -> int:
        return sum(outcome.tokens for outcome in self.outcomes)

    @property
    def seconds(self) -> float:
        return sum(outcome.seconds for outcome in self.outcomes)

    def to_json(self) -> dict[str, Any]:
        """What `score --json` writes: docs/formats.md, section score."""
        return {
            "schema": SCHEMA,
            "suite": self.suite,
            "suite_sha256": self.suite_sha256,
            "model": self.model,
            "metrics": {
                name: self.metric(name).to_json()
                for name in (
                    (*CALL_METRICS, "parses", "stable") if self.by_calls else (*METRICS, *FORMER_METRICS)
                )
            },
            **(self._samples_json() if self.samples > 1 else {}),
            "categories": {name: share.to_json() for name, share in self.categories.items()},
            **(self._calls_json() if self.by_calls else {}),
            "floor": {name: share.to_json() for name, share in self.floor.items()},
            "served_differently": list(self.served_differently),
            "tokens": self.tokens,
            "seconds": self.seconds,
            "cases": [outcome.to_json() for outcome in self.outcomes],
        }

    def _samples_json(self) -> dict[str, Any]:
        return {
            "samples": self.samples,
            "all_samples": self.all_samples.to_json(),
            "pass_k": {str(k): self.pass_k(k) for k in range(1, self.samples + 1)},
        }

    def _calls_json(self) -> dict[str, Any]:
        return {
            "tools": {name: share.to_json() for name, share in self.tools.items()},
            "results": results(self.firsts),
            "dialects": dialects(self.firsts),
            "server_parsers": parsers(self.firsts),
            "handed_on_otherwise": list(handed_on_otherwise(self.firsts)),
            "long_texts": loose_texts(self.firsts),
            "changes": {kind: change.to_json() for kind, change in self.changes.items()},
        }


def score_predictions(
    suite: Suite, predictions: Sequence[Prediction], catalog: Catalog, model: str = "", dialect: str = ""
) -> SuiteScore:
    """Judge a model's answers to a suite.

    Every sample of a case is an outcome of its own; a case without a prediction is a failed outcome, never
    skipped. Raises UserError for a prediction of an unknown case, or two of the same case and sample: such a
    file does not belong to this suite. `dialect`: calls that are written in another one are not right.
    """
    known = {case.id for case in suite.cases}
    by_case: dict[str, dict[int, Prediction]] = {}
    for prediction in predictions:
        if prediction.case not in known:
            raise UserError(
                f"suite {suite.name} has no case {prediction.case!r}, but there is a prediction for it",
                "Score predictions against the suite that they were made for.",
            )
        samples = by_case.setdefault(prediction.case, {})
        if prediction.sample in samples:
            raise UserError(
                f"suite {suite.name}, case {prediction.case}: sample {prediction.sample} is there twice",
                "Each case and sample must stand in one line.",
            )
        samples[prediction.sample] = prediction
    trials = shared_trials(catalog)
    outcomes = [
        outcome
        for case in suite.cases
        for outcome in _outcomes(case, by_case.get(case.id, {}), trials, dialect)
    ]
    return SuiteScore(
        suite.name,
        suite_hash(suite),
        tuple(outcomes),
        frozenset(case.id for case in suite.cases if case.expect.fields),
        model,
        {case.id: case.cluster or case.template for case in suite.cases},
        tuple(case for case in suite.cases if case.perturbs),
        floor(suite, trials, dialect),
        {case.id: case.repository for case in suite.cases},
    )


def _outcomes(case: Case, samples: dict[int, Prediction], trials: Trials, dialect: str) -> list[Outcome]:
    if not samples:
        return [judge(case, None, trials, dialect)]
    return [judge(case, samples[sample], trials, dialect) for sample in sorted(samples)]


def suite_hash(suite: Suite) -> str:
    """SHA-256 of the cases, whatever the file's whitespace and the labels that cases are reported and chosen by.

    Fields that were added later are hashed only where a case has them, so that older scores stay comparable; which
    repository a case is about says how wide an interval is, and not what is asked.
    """
    return sha256_json([_hashed(case) for case in suite.cases])


def _hashed(case: Case) -> dict[str, Any]:
    row = case.model_dump(mode="json", exclude={"category", "quick", "repository"})
    if not row["results"]:
        del row["results"]
    if not row["expect"]["notices"]:
        del row["expect"]["notices"]
    return row
