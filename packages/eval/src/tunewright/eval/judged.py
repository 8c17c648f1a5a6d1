"""What `compare` compares: a run, a validation, saved predictions, or another tool's log, each as scores by suite.

Results of other tools are taken as these judged them: a case is right or it is not, and nothing is judged again.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunewright.contract.catalog import load_catalog
from tunewright.contract.errors import UserError
from tunewright.contract.example import Message
from tunewright.contract.run import RunFolder
from tunewright.contract.suite import Case, Suite, read_suite
from tunewright.eval.grade_answer import Outcome
from tunewright.eval.predictions import read_predictions
from tunewright.eval.run_scores import RunScores, judge_run
from tunewright.eval.suite_score import SuiteScore, score_predictions, suite_hash
from tunewright.eval.validation import ValidationFolder

RIGHT = frozenset({"c", "yes", "true", "correct"})
WRONG = frozenset({"i", "p", "n", "no", "false", "incorrect"})  # partly right is not right


@dataclass(frozen=True)
class Judged:
    """One side of a comparison. `elsewhere`: another tool judged it; its cases are matched by id."""

    run: str
    model: str
    tuned: Mapping[str, SuiteScore]
    suites: Mapping[str, Suite]
    elsewhere: bool = False


@dataclass(frozen=True)
class CaseResult:
    """One sample of one case, as another tool judged it. `asked` is what tells that two logs mean the same case."""

    case: str
    category: str
    passed: bool
    asked: Sequence[Message]
    sample: int = 0
    text: str = ""
    reason: str = ""
    cluster: str = ""


@dataclass
class ForeignLog:
    """Results of another tool by suite, while they are read."""

    name: str
    path: Path
    model: str = ""
    results: dict[str, list[CaseResult]] = field(default_factory=lambda: defaultdict(list))
    seen: set[tuple[str, str, int]] = field(default_factory=set[tuple[str, str, int]])

    def add(self, suite: str, result: CaseResult) -> None:
        """Raises UserError for a case that is there twice."""
        key = (suite, result.case, result.sample)
        if key in self.seen:
            raise UserError(
                f"{self.path}: {suite} has case {result.case!r} twice", "Name one log, of one evaluation."
            )
        self.seen.add(key)
        self.results[suite].append(result)

    def judged(self) -> Judged:
        """Raises UserError when there is nothing in it."""
        if not any(self.results.values()):
            raise UserError(f"{self.path}: no case in it was judged", "There is nothing to compare.")
        for results in self.results.values():
            order = {case: place for place, case in enumerate(dict.fromkeys(one.case for one in results))}
            results.sort(key=lambda one, order=order: (order[one.case], one.sample))
        suites = {name: _suite(name, results) for name, results in self.results.items()}
        scores = {
            name: SuiteScore(
                name,
                suite_hash(suites[name]),
                tuple(_outcome(result) for result in results),
                frozenset(),
                self.model,
                {result.case: result.cluster for result in results},
            )
            for name, results in self.results.items()
        }
        return Judged(self.name, self.model, scores, suites, elsewhere=True)


def _suite(name: str, results: Iterable[CaseResult]) -> Suite:
    cases: dict[str, Case] = {}
    for one in results:
        messages = tuple(one.asked)
        cases.setdefault(
            one.case, Case(id=one.case, category=one.category, messages=messages, cluster=one.cluster)
        )
    return Suite(name=name, cases=tuple(cases.values()))


def _outcome(result: CaseResult) -> Outcome:
    return Outcome(
        result.case,
        result.category,
        result.sample,
        result.text,
        {"right": result.passed},
        () if result.passed else (result.reason or "judged wrong",),
        served=result.passed,
        judged="elsewhere",
    )


def right_or_wrong(value: Any) -> bool | None:
    """A score as right or wrong; None for a share, a grade or anything else that is neither."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return None if value not in (0, 1) else bool(value)
    if isinstance(value, str):
        return True if value.lower() in RIGHT else False if value.lower() in WRONG else None
    return None


def as_object(value: Any, where: str) -> Mapping[str, Any]:
    """Raises UserError for what is not a JSON object."""
    if not isinstance(value, dict):
        raise UserError(f"{where}: not a JSON object", "The log is damaged, or of another kind.")
    return value


def read_judged(
    path: Path, suites: Path, catalog: str = "coding", metric: str = "", suite: str = ""
) -> Judged:
    """What is at a path, whatever it is.

    Suites of saved predictions are those of the run that the file is in, or are found by name in `suites`; `suite` names
    one. `metric` chooses among the scores of another tool.

    Raises UserError of one line for what cannot be read.
    """
    from tunewright.eval.bfcl_results import is_bfcl, read_bfcl
    from tunewright.eval.inspect_log import is_inspect, read_inspect
    from tunewright.eval.lm_eval_samples import is_lm_eval, read_lm_eval

    if not path.exists():
        raise UserError(f"{path}: no such file or folder", "Name a run, a validation, predictions or a log.")
    if (path / "spec.json").is_file():
        return judged_run(RunFolder(path))
    if (path / "validation.json").is_file():
        return _validation(ValidationFolder(path))
    for fits, read in ((is_inspect, read_inspect), (is_bfcl, read_bfcl), (is_lm_eval, read_lm_eval)):
        if fits(path):
            return read(path, metric)
    return _predictions(path, suites, catalog, suite)


def judged_run(run: RunFolder) -> Judged:
    """A run's judged model."""
    return judged_scores(judge_run(run))


def judged_scores(scores: RunScores) -> Judged:
    """The judged model of a scored run."""
    return Judged(scores.run, scores.model, scores.tuned, scores.suites)


def _validation(folder: ValidationFolder) -> Judged:
    spec = folder.read_spec()
    tools = load_catalog(spec.catalog)
    suites = {suite.name: suite for suite in folder.read_suites().values()}
    scores: dict[str, SuiteScore] = {}
    for name, suite in suites.items():
        path = folder.predictions(name)
        if not path.is_file():
            raise UserError(
                f"{folder.path}: suite {name} was not answered to its end",
                f"Go on: ./inv validate --resume {folder.path.name}",
            )
        scores[name] = score_predictions(suite, read_predictions(path), tools, spec.model)
    return Judged(folder.path.name, spec.model, scores, suites)


def _predictions(path: Path, suites: Path, catalog: str, suite: str) -> Judged:
    """Saved predictions: a file, or a folder with one for each suite."""
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    if not files:
        raise UserError(
            f"{path}: there is no run, validation, prediction or log in it",
            "What can be compared: docs/formats.md, section compare.",
        )
    if suite and len(files) > 1:
        raise UserError(
            f"{path} holds predictions of {len(files)} suites", "Name the file that --suite belongs to."
        )
    model = (path if path.is_dir() else path.absolute().parent).name
    run = RunFolder(files[0].absolute().parents[2]) if len(files[0].absolute().parents) > 2 else None
    if run is None or not run.spec.is_file():
        run = None
    tools = load_catalog(catalog or (run.read_spec().recipe.data.catalog if run else "coding"))
    found: dict[str, Suite] = {}
    scores: dict[str, SuiteScore] = {}
    for file in files:
        kept = run.suites if run else file.parent / "suites"  # a validation keeps them with its predictions
        places = [Path(suite)] if suite else [kept / file.name]
        one = read_suite(next((place for place in places if place.is_file()), suites / file.name))
        found[one.name] = one
        scores[one.name] = score_predictions(one, read_predictions(file), tools, model)
    return Judged(f"{run.path.name}, {model}" if run else str(path), model, scores, found)


def first_line(path: Path) -> Any:
    """The JSON value of a file's first line, None when that is not JSON or longer than 64 MiB."""
    try:
        with path.open("rb") as file:
            return json.loads(file.readline(64 << 20))
    except (OSError, ValueError, RecursionError):
        return None
