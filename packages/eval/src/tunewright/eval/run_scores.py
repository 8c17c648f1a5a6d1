"""A finished run scored: predictions read, judged, gates decided, scores written next to them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunewright.contract.atomic import sha256_file, write_json
from tunewright.contract.catalog import Catalog, load_catalog
from tunewright.contract.errors import ExitCode, UserError
from tunewright.contract.manifest import read_manifest
from tunewright.contract.recipe import FORMER_METRICS, Gate
from tunewright.contract.run import RunFolder, RunSpec
from tunewright.contract.suite import Suite, read_suite
from tunewright.eval.gains import gains
from tunewright.eval.gates import GateResult, Verdict, badge, exit_code, judge_gates, overall_verdict
from tunewright.eval.predictions import read_predictions
from tunewright.eval.suite_score import SCHEMA, SuiteScore, score_predictions

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
    forced: bool = False  # the run went on although its audit failed

    @property
    def exit_code(self) -> ExitCode:
        return exit_code(self.gates)

    @property
    def verdict(self) -> Verdict:
        return overall_verdict(self.gates)

    @property
    def badge(self) -> str:
        """What is at the top of a page: PASS only when the model may go live."""
        return badge(self.gates, self.suites, self.forced)

    @property
    def tuned(self) -> Mapping[str, SuiteScore]:
        return self.scores[self.model]

    @property
    def control(self) -> Mapping[str, SuiteScore] | None:
        return self.scores[self.base] if self.base else None

    def gained(self, suite: str) -> dict[str, int]:
        """What the base's answers lacked in the cases of a suite that only the judged model has right."""
        return gains(self.control[suite], self.tuned[suite], self.suites[suite]) if self.control else {}

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
            "gained": {name: self.gained(name) for name in self.suites} if self.control else None,
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
    return RunScores(spec.id, model, base, scores, tuple(gates), suites, fidelity, spec.forced is not None)


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


def changed_scores(run: RunFolder, result: RunScores) -> list[str]:
    """Where the saved scores say something else than the predictions, one line each; scores that were not saved say
    nothing. Times, texts and reasons are not compared, nor are gates that depend on the model in use."""
    found: list[str] = []
    for model, by_suite in result.scores.items():
        for name, score in by_suite.items():
            path = run.scores / model / f"{name}.json"
            saved = read_json_object(path)
            if saved is None:
                continue
            if _case_verdicts(saved) != _case_verdicts(score.to_json()):
                found.append(f"scores/{model}/{name}.json does not follow from the predictions")
            # Earlier versions saved fewer metrics.
            elif not _shares(saved).items() <= _shares(score.to_json()).items():
                found.append(f"scores/{model}/{name}.json has other figures than its cases")
    saved = read_json_object(run.scores / VERDICT)
    if saved is None:
        return found
    now = result.verdict_json()
    found += [
        f"scores/{VERDICT}: {key} is {saved.get(key)!r}, and {now[key]!r} when judged again"
        for key in ("run", "model", "base")
        if saved.get(key) != now[key]
    ]
    return found + _changed_gates(saved, result)


def _changed_gates(saved: Mapping[str, Any], result: RunScores) -> list[str]:
    then, gates = saved.get("gates"), [gate.to_json() for gate in result.gates]
    if not isinstance(then, list) or len(then) != len(gates):
        return [f"scores/{VERDICT} has other gates than spec.json"]
    found: list[str] = []
    for old, new, gate in zip(then, gates, result.gates):
        keys = ("metric", "suite", "target", "required", "category", "tool", "than", "margin")
        if gate.gate.metric != "not_worse_than":
            keys += ("verdict", "n", "value")
        found += [
            f"scores/{VERDICT}: gate {gate.name}: {key} is {old.get(key)!r}, and {new.get(key)!r} when judged again"
            for key in keys
            if not isinstance(old, dict) or (key in old and old[key] != new.get(key))
        ][:1]
    if not found and not any(g.gate.metric == "not_worse_than" for g in result.gates):
        found += [
            f"scores/{VERDICT}: {key} is {saved.get(key)!r}, and {now!r} when judged again"
            for key, now in (("verdict", result.verdict), ("exit_code", int(result.exit_code)))
            if saved.get(key) != now
        ]
    return found


def _case_verdicts(score: Mapping[str, Any]) -> Any:
    cases = score.get("cases")
    if not isinstance(cases, list):
        return None
    return [(c.get("case"), c.get("sample"), c.get("passed")) for c in cases if isinstance(c, dict)]


def _shares(score: Mapping[str, Any]) -> dict[str, Any]:
    """How many of how many, of every metric, by its present name, and category."""
    found: dict[str, Any] = {}
    for kind in ("metrics", "categories"):
        shares = score.get(kind)
        for name, share in shares.items() if isinstance(shares, dict) else ():
            present = FORMER_METRICS.get(name, name) if kind == "metrics" else name
            found[f"{kind}.{present}"] = (share.get("k"), share.get("n")) if isinstance(share, dict) else None
    return found


def _read_suite(run: RunFolder, spec: RunSpec, name: str) -> Suite:
    path = run.suites / f"{name}.jsonl"
    suite = read_suite(path)
    shipped = spec.suites.get(name)
    if shipped is not None and sha256_file(path) != shipped:
        raise UserError(
            f"{path}: the suite is not the one that this run was made with (sha256 {shipped[:12]} in spec.json)",
            "Put the file back, or score the predictions against another suite: ./inv score --predictions … --suite …",
        )
    return suite


def _score(run: RunFolder, model: str, suite: Suite, catalog: Catalog) -> SuiteScore:
    path = run.predictions / model / f"{suite.name}.jsonl"
    if not path.is_file():
        raise UserError(
            f"run {run.path.name} has no predictions of model {model} for suite {suite.name} ({path})",
            "The predict stage has not finished, or was not pulled: ./inv status, then ./inv pull.",
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
    """A JSON object, or None when the file is missing. Raises UserError when it is something else."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: cannot be read as JSON ({error})", "Pull the run again: ./inv pull."
        ) from error
    if not isinstance(value, dict):
        raise UserError(f"{path}: not a JSON object", "Pull the run again: ./inv pull.")
    return value
