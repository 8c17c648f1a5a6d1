"""The task that measures a model without training one."""

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke.context import Context
from invoke.exceptions import Exit

from tunewright.cli.door import ROOT, command
from tunewright.cli.inputs import read_checked
from tunewright.cli.runs import find
from tunewright.cli.steps import RUNS, WORK, Progress, say
from tunewright.cli.template_fit import folder_template

if TYPE_CHECKING:
    from tunewright.cli.template_fit import BaseTemplate
    from tunewright.contract.recipe import Predict, Recipe
    from tunewright.contract.run import RunFolder
    from tunewright.contract.suite import Suite
    from tunewright.eval.score import SuiteScore

SUITES = ("suites/navigation.jsonl", "suites/field_access.jsonl")
AS_TEXT = (
    "hermes_json"  # how tools are asked for without a recipe, where the chat template has no place for them
)
WARM = 0.7  # temperature at which several samples of a case differ
PREDICTING = 24 * 3600.0  # seconds


@command(
    iterable=["suite"],
    model="a model's folder on this machine, or a run (its quantized model, wherever that is)",
    endpoint="instead: an OpenAI-compatible endpoint, http://localhost:8080/v1; a key goes into TUNEWRIGHT_API_KEY",
    name="the id of the endpoint's model",
    suite="a suite's name or file; repeatable (default: the run's, or both that are shipped)",
    catalog="the catalog of the suites' tools: a shipped name, or a JSON file (default: the recipe's, or coding)",
    recipe="a recipe whose gates decide, as far as one model's scores can (default: the run's)",
    samples=f"answers a case; more than one are drawn at temperature {WARM}",
)
def validate(
    c: Context,
    model: str = "",
    endpoint: str = "",
    name: str = "",
    suite: list[str] = [],
    catalog: str = "",
    recipe: str = "",
    samples: int = 1,
) -> None:
    """Let a model answer the suites and score it, without training. The gates of a recipe decide."""
    from tunewright.contract.catalog import load_catalog
    from tunewright.contract.errors import UserError
    from tunewright.contract.recipe import load_recipe

    if bool(model) == bool(endpoint):
        raise UserError(
            "one of --model and --endpoint is needed",
            "./inv validate --model RUN, or --model FOLDER, or --endpoint http://localhost:8080/v1 --name ID",
        )
    if name and not endpoint:
        raise UserError("--name belongs to --endpoint", "A folder or a run needs none.")
    if samples < 1:
        raise UserError(f"--samples {samples} leaves nothing to score", "Give 1 or more.")
    run = None if endpoint or is_folder(model) else find(model)
    rules = load_recipe(recipe, ROOT) if recipe else run.read_spec().recipe if run else None
    if catalog:
        load_catalog(catalog)  # what is wrong with it is said before anything is answered
    settings = prediction_settings(rules, samples)
    if endpoint:
        # The server renders: it gets messages and tools as they are.
        suites = read_suites(suite or suites_of(rules))
        label, out = name, predict_at(endpoint, name, suites, settings)
    elif run is None:
        out = new_folder(Path(model).resolve().name)
        suites = fitted(read_suites(suite or suites_of(rules)), folder_template(Path(model)), rules, out)
        label, out = Path(model).resolve().name, predict_here(Path(model), suites, settings, out)
    else:
        out = new_folder(run.path.name)
        suites = run_suites(run, suite, rules, out)
        label, out = run.path.name, predict_run(run, suites, settings, out)
    code = report(label, out, suites, rules, catalog)
    if code:
        raise Exit(code=code)


def is_folder(model: str) -> bool:
    """Whether a model is named by its folder. A run's folder, or its id, is a run."""
    path = Path(model)
    return path.is_dir() and not (path / "spec.json").exists() and (path.resolve().parent != RUNS.resolve())


def read_suites(names: list[str]) -> "dict[Path, Suite]":
    """Suites by file: names of shipped ones, or paths. Raises UserError for what is neither."""
    from tunewright.contract.suite import read_suite

    paths = [Path(name) if name.endswith(".jsonl") else Path("suites") / f"{name}.jsonl" for name in names]
    found = {}
    for path in paths or [Path(name) for name in SUITES]:
        there = path if path.is_absolute() or path.is_file() else ROOT / path
        found[there.resolve()] = read_suite(there)
        read_checked(there)
    return found


def suites_of(recipe: "Recipe | None") -> list[str]:
    """The suites that a recipe names by file. Raises UserError when all of its suites come out of held-out rows."""
    from tunewright.contract.errors import UserError

    named = [entry.path for entry in recipe.suites if entry.path] if recipe else []
    if recipe and recipe.suites and not named:
        raise UserError(
            f"recipe {recipe.name} makes its suites out of held-out rows of its own dataset",
            "Name one: --suite FILE (./inv suite.make makes it), or a run, which has them: --model RUN",
        )
    return named


def run_suites(run: "RunFolder", names: list[str], recipe: "Recipe | None", out: Path) -> "dict[Path, Suite]":
    """The suites that a run was judged on, as it was asked them, or else those named, put into its base's form."""
    from tunewright.cli.base_files import find_template

    asked = {path.stem: path for path in sorted(run.suites.glob("*.jsonl"))}
    if not names and asked:
        return read_suites([str(path) for path in asked.values()])
    base = folder_template(run.stage("quantize")) or (
        find_template(recipe, run.read_spec().host) if recipe else None
    )
    return fitted(read_suites(names or suites_of(recipe)), base, recipe, out)


def fitted(
    suites: "dict[Path, Suite]", base: "BaseTemplate | None", recipe: "Recipe | None", out: Path
) -> "dict[Path, Suite]":
    """The suites as `train` asks them: prompts in the form that the model's chat template renders.

    Raises UserError for a case that the template refuses, and where it is not known and a case needs it.
    """
    from tunewright.cli.template_fit import fit_suite
    from tunewright.contract.errors import UserError
    from tunewright.contract.suite import read_suite

    if base is None:
        for path, suite in suites.items():
            if case := next(
                (c for c in suite.cases if c.tools or any(m.tool_calls for m in c.messages)), None
            ):
                raise UserError(
                    f"{path}: case {case.id} offers tools, and the model's chat template is not on this machine",
                    "Bring the model's folder or tokenizer here, or measure it where it is served: --endpoint URL",
                )
        return suites
    syntax = recipe.data.syntax if recipe else AS_TEXT
    placed = [fit_suite(path, out, base, syntax) for path in suites]
    if any(new != old for new, old in zip(placed, suites)) and not base.support.native:
        say(
            f"predict   the model's chat template has no place for tools or calls: they are asked for as text ({syntax})"
        )
    return {path: read_suite(path) for path in placed}


def prediction_settings(recipe: "Recipe | None", samples: int) -> "Predict":
    """How answers are generated: as the recipe says, greedily for one sample and warm for several."""
    from tunewright.contract.recipe import Predict

    base = recipe.predict if recipe else Predict()
    warm = base.temperature or (WARM if samples > 1 else 0.0)
    return base.model_copy(update={"samples": samples, "temperature": warm})


def new_folder(label: str) -> Path:
    """Where this measurement's predictions are kept."""
    safe = "".join(c if c.isalnum() or c in "-_." else "-" for c in label)[:80].strip(".") or "model"
    return WORK / "validations" / f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{safe}-{os.getpid()}"


def predict_at(
    url: str, name: str, suites: "dict[Path, Suite]", settings: "Predict", out: Path | None = None
) -> Path:
    """Ask an endpoint every suite; the folder with its predictions."""
    from tunewright.contract.atomic import write_jsonl
    from tunewright.eval.endpoint import answer_suite, make_endpoint

    place = make_endpoint(url, name, os.environ)
    out = out or new_folder(name)
    for suite in suites.values():
        bar = Progress("predict")
        answers = answer_suite(
            place,
            suite,
            samples=settings.samples,
            temperature=settings.temperature,
            max_tokens=settings.max_tokens,
            tick=lambda done, total, bar=bar, suite=suite: bar(f"{suite.name}: answer", done, total),
        )
        if answers.rebuilt:
            say(
                f"predict   warning: the server's own parser took {answers.rebuilt} calls out of {suite.name}'s "
                "answers; they were written down again, and what it dropped is lost"
            )
        write_jsonl(out / f"{suite.name}.jsonl", (p.model_dump(mode="json") for p in answers.predictions))
    return out


def predict_run(run: "RunFolder", suites: "dict[Path, Suite]", settings: "Predict", out: Path) -> Path:
    """Let a run's quantized model answer: here when it is here, else served on its host."""
    from tunewright.contract.manifest import read_manifest
    from tunewright.remote.environment import install_environment
    from tunewright.remote.host import LOCAL, open_host
    from tunewright.remote.serving import model_on_host, serve_model

    pulled = read_manifest(run.stage("quantize")) is not None
    host = LOCAL if pulled else run.read_spec().host
    with open_host(host, ROOT) as machine:
        folder = model_on_host(machine, run)
        if host == LOCAL:
            return predict_here(Path(folder), suites, settings, out)
        environment = install_environment(machine, ROOT, say)
        with serve_model(
            machine, environment.python, folder, run.path.name, 0, lambda line: say(f"predict   {line}")
        ) as served:
            return predict_at(served.url, served.model, suites, settings, out)


def predict_here(folder: Path, suites: "dict[Path, Suite]", settings: "Predict", out: Path) -> Path:
    """Let a model folder of this machine answer, in this machine's environment.

    Raises UserError for what is no model, HostError when the environment cannot be had.
    """
    from tunewright.contract.errors import HostError, UserError
    from tunewright.remote.environment import install_environment
    from tunewright.remote.host import LOCAL, open_host

    question = {
        "model": str(folder.resolve()),
        "suites": [str(path) for path in suites],
        "out": str(out),
        "settings": settings.model_dump(mode="json"),
    }
    with open_host(LOCAL, ROOT) as machine:
        environment = install_environment(machine, ROOT, say)
        done = machine.run(
            [environment.python, "-P", "-m", "tunewright.train.predict_folder"],
            stdin=json.dumps(question).encode(),
            env={"PYTHONSAFEPATH": "1", "PYTHONNOUSERSITE": "1"},
            timeout=PREDICTING,
            on_line=Told(),
        )
    try:
        answer: dict[str, Any] = json.loads(done.text.splitlines()[-1])
    except (ValueError, IndexError):
        raise HostError(
            f"predicting ended without an answer: {done.reason}", "Is there memory enough?"
        ) from None
    if "error" in answer:
        raise UserError(answer["error"], answer.get("hint", ""))
    return out


class Told:
    """Progress lines of the predicting process, drawn; everything else it says is passed on."""

    def __init__(self) -> None:
        self._bars: dict[str, Progress] = {}

    def __call__(self, line: str) -> None:
        try:
            value = json.loads(line)
            suite, done, total = str(value["suite"]), int(value["done"]), int(value["total"])
        except (ValueError, KeyError, TypeError):
            say(f"predict   {line}")
            return
        self._bars.setdefault(suite, Progress("predict"))(f"{suite}: answer", done, total)


def report(
    label: str, out: Path, suites: "dict[Path, Suite]", recipe: "Recipe | None", catalog: str = ""
) -> int:
    """Print the scores, and the verdict where a recipe's gates apply; the exit code."""
    from tunewright.contract.atomic import write_json
    from tunewright.contract.catalog import load_catalog
    from tunewright.eval.predictions import read_predictions
    from tunewright.eval.score import score_predictions
    from tunewright.eval.terminal import suite_text

    tools = load_catalog(catalog or (recipe.data.catalog if recipe else "coding"))
    scores: dict[str, SuiteScore] = {}
    for suite in suites.values():
        answers = read_predictions(out / f"{suite.name}.jsonl")
        scores[suite.name] = score_predictions(suite, answers, tools, label)
        write_json(out / "scores" / f"{suite.name}.json", scores[suite.name].to_json())
        print(suite_text(scores[suite.name]))
    say(f"predictions {out}")
    return judge(recipe, scores) if recipe else 0


def judge(recipe: "Recipe", scores: "dict[str, SuiteScore]", quiet: bool = False) -> int:
    """Decide those gates of a recipe that one model's scores alone can decide; print them; the exit code."""
    from tunewright.eval.gates import exit_code, judge_gates, overall_verdict
    from tunewright.eval.terminal import aligned

    gates = [
        gate
        for gate in recipe.gates
        if gate.metric not in ("beats_base", "not_worse_than", "fidelity") and gate.suite in scores
    ]
    if not gates:
        if not quiet:
            print(f"no gate of recipe {recipe.name} is on {', '.join(scores)}")
        return 0
    results = judge_gates(gates, scores, None, None)
    rows = [
        [r.verdict if r.gate.required else "beside", r.name, r.target, r.measured, r.reason] for r in results
    ]
    decides = any(gate.required for gate in gates)
    verdict = (
        f"verdict: {overall_verdict(results)}"
        if decides
        else "verdict: none, no gate decides by one model alone"
    )
    if not quiet:
        print("\n".join(["gates", *aligned(rows), "", verdict]))
    return int(exit_code(results))


TASKS = (validate,)
