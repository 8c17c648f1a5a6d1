"""A finished run scored: predictions read, judged, gates decided, scores written beside them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunewright.contract.atomic import sha256_file, write_json
from tunewright.contract.catalog import Catalog, load_catalog
from tunewright.contract.errors import ExitCode, UserError
from tunewright.contract.manifest import read_manifest
from tunewright.contract.recipe import Gate
from tunewright.contract.run import RunFolder, RunSpec
from tunewright.contract.suite import Suite, read_suite
from tunewright.eval.gates import GateResult, Verdict, badge, exit_code, judge_gates, overall_verdict
from tunewright.eval.predictions import read_predictions
from tunewright.eval.score import SCHEMA, SuiteScore, score_predictions

VERDICT = "verdict.json"


@dataclass(frozen=True)
class RunScores:
    """Everything that scoring a run brought to light.

    `scores` maps model -> suite -> score, in the recipe's order; `model` is the one under judgement, the
    last of the recipe's; `base` is the control, None when the base was not asked.
    """

    run: str
    model: str
    base: str | None
    scores: Mapping[str, Mapping[str, SuiteScore]]
    gates: tuple[GateResult, ...]
    suites: Mapping[str, Suite]
    fidelity: Mapping[str, Any] | None

    @property
    def exit_code(self) -> ExitCode:
        return exit_code(self.gates)

    @property
    def verdict(self) -> Verdict:
        return overall_verdict(self.gates)

    @property
    def badge(self) -> str:
        """What stands at the top of a page: PASS only when the model may go live."""
        return badge(self.gates, self.suites)

    @property
    def tuned(self) -> Mapping[str, SuiteScore]:
        return self.scores[self.model]

    @property
    def control(self) -> Mapping[str, SuiteScore] | None:
        return self.scores[self.base] if self.base else None

    def verdict_json(self) -> dict[str, Any]:
        """`scores/verdict.json`: docs/formats.md, section score."""
        return {
            "schema": SCHEMA,
            "run": self.run,
            "model": self.model,
            "base": self.base,
            "verdict": self.verdict,
            "badge": self.badge,
            "exit_code": int(self.exit_code),
            "fidelity": dict(self.fidelity) if self.fidelity else None,
            "gates": [result.to_json() for result in self.gates],
        }

    def to_json(self) -> dict[str, Any]:
        """What `score --json` writes for a run."""
        scores = {
            model: {name: s.to_json() for name, s in suites.items()} for model, suites in self.scores.items()
        }
        return {**self.verdict_json(), "scores": scores}


def score_run(run: RunFolder, in_use: str = "") -> RunScores:
    """Score every model of a run on every suite, decide the gates and write `scores/`.

    Raises UserError as `judge_run` does; nothing is written then.
    """
    result = judge_run(run, in_use)
    write_scores(run, result)
    return result


def judge_run(run: RunFolder, in_use: str = "") -> RunScores:
    """The same without writing anything: a run's figures follow from its predictions alone, and its gates from these and
    from the predictions of the run that it must not be worse than; `in_use` is the one whose model is in use.

    Raises UserError when predictions are missing or torn, or when a suite is not the one that was shipped.
    """
    spec = run.read_spec()
    catalog = load_catalog(spec.recipe.data.catalog)
    suites = {name: _read_suite(run, spec, name) for name in (entry.name for entry in spec.recipe.suites)}
    models = tuple(dict.fromkeys(spec.recipe.predict.models))
    scores = {
        model: {name: _score(run, model, suite, catalog) for name, suite in suites.items()}
        for model in models
    }
    model = models[-1]
    base = "base" if "base" in models and model != "base" else None
    fidelity = read_fidelity(run)
    gates = judge_gates(
        spec.recipe.gates,
        scores[model],
        scores[base] if base else None,
        fidelity,
        lambda gate: _earlier_score(run, gate, in_use),
    )
    return RunScores(spec.id, model, base, scores, tuple(gates), suites, fidelity)


def _earlier_score(run: RunFolder, gate: Gate, in_use: str) -> SuiteScore | str:
    """The judged model's score in another run of the same folder, or why there is none."""
    name = gate.than or in_use
    if not name:
        return "no model is in use"
    if name == run.path.name:
        return "the model in use is this run's own"
    other = RunFolder(run.path.parent / name)
    try:
        spec = other.read_spec()
        suite = _read_suite(other, spec, gate.suite or "")
        return _score(other, spec.recipe.predict.models[-1], suite, load_catalog(spec.recipe.data.catalog))
    except UserError as error:
        return error.message


def write_scores(run: RunFolder, result: RunScores) -> None:
    """`scores/<model>/<suite>.json` for each, then `scores/verdict.json`, each atomically."""
    for model, by_suite in result.scores.items():
        for name, score in by_suite.items():
            row = score.to_json()
            row["gates"] = [
                g.to_json() for g in result.gates if model == result.model and g.gate.suite == name
            ]
            write_json(run.scores / model / f"{name}.json", row)
    write_json(run.scores / VERDICT, result.verdict_json())


def _read_suite(run: RunFolder, spec: RunSpec, name: str) -> Suite:
    path = run.suites / f"{name}.jsonl"
    suite = read_suite(path)
    shipped = spec.suites.get(name)
    if shipped is not None and sha256_file(path) != shipped:
        raise UserError(
            f"{path}: the suite is not the one that this run was made with (sha256 {shipped[:12]} in spec.json)",
            "Put the file back, or score the predictions against another suite: invoke score --predictions … --suite …",
        )
    return suite


def _score(run: RunFolder, model: str, suite: Suite, catalog: Catalog) -> SuiteScore:
    path = run.predictions / model / f"{suite.name}.jsonl"
    if not path.is_file():
        raise UserError(
            f"run {run.path.name} has no predictions of model {model} for suite {suite.name} ({path})",
            "The predict stage has not finished, or was not pulled: invoke status, then invoke pull.",
        )
    return score_predictions(suite, read_predictions(path), catalog, model)


def read_fidelity(run: RunFolder) -> Mapping[str, Any] | None:
    """What the fidelity stage found out: its manifest's facts, or `fidelity.json`; None when it did not run."""
    folder = run.stage("fidelity")
    manifest = read_manifest(folder)
    if manifest is not None and manifest.facts:
        return manifest.facts
    return read_json_object(folder / "fidelity.json")


def read_json_object(path: Path) -> dict[str, Any] | None:
    """A JSON object, or None when there is no such file. Raises UserError when it is something else."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: cannot be read as JSON ({error})", "Pull the run again: invoke pull."
        ) from error
    if not isinstance(value, dict):
        raise UserError(f"{path}: not a JSON object", "Pull the run again: invoke pull.")
    return value
