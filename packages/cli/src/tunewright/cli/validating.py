"""The task that measures a model without training one."""

import os
import secrets
import shutil
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from invoke.context import Context
from invoke.exceptions import Exit

from tunewright.cli.inputs import base_note, read_checked
from tunewright.cli.invoke_program import ROOT, command, one_of
from tunewright.cli.local_worker import Told, ask_local_worker
from tunewright.cli.pipeline import RUNS, WORK
from tunewright.cli.runs import find
from tunewright.cli.template_fit import folder_template
from tunewright.contract.console import Progress, say

if TYPE_CHECKING:
    from tunewright.cli.template_fit import BaseTemplate
    from tunewright.contract.recipe import Data, Predict, Recipe
    from tunewright.contract.run import RunFolder
    from tunewright.contract.suite import Subset, Suite
    from tunewright.eval.endpoint_client import Answers, Endpoint
    from tunewright.eval.suite_score import SuiteScore
    from tunewright.eval.validation import ValidationFolder

SUITES = ("suites/navigation.jsonl", "suites/field_access.jsonl")
AS_TEXT = (
    "hermes_json"  # how tools are asked for without a recipe, where the chat template has no place for them
)
WARM = 0.7  # temperature at which several samples of a case differ
PREDICTING = 24 * 3600.0  # seconds
VALIDATIONS = WORK / "validations"


@command(
    iterable=["suite"],
    model="a model's folder on this machine, or a run (its quantized model, wherever that is)",
    endpoint="instead: an OpenAI-compatible endpoint, http://localhost:8080/v1; a key goes into TUNEWRIGHT_API_KEY",
    name="the id of the endpoint's model",
    run="the run whose model should be answering at the endpoint: fixed prompts prove it first, or nothing is scored",
    suite="a suite's name or file; repeatable (default: the run's, or both that are shipped)",
    catalog="the catalog of the suites' tools: a shipped name, or a JSON file (default: the recipe's, or coding)",
    recipe="a recipe whose gates decide, as far as one model's scores can (default: the run's)",
    base="the model is the recipe's base, not fine-tuned: it is told what `train` tells it (predict.tell_base)",
    subset="only the cases of this subset of the suites: quick",
    samples=f"answers a case; more than one are drawn at temperature {WARM}",
    max_tokens="the longest answer, in tokens (default: the recipe's, or 512)",
    temperature=f"0 is greedy (default: the recipe's, or 0, and {WARM} for several samples)",
    concurrency="requests to an endpoint at once",
    timeout="seconds that one answer of an endpoint may take, further attempts included",
    deadline="seconds for all of an endpoint's answers; what has come by then is kept (default: none)",
    resume="go on with a validation that was stopped, or ask again what failed: its folder, or `latest`",
)
def validate(
    c: Context,
    model: str = "",
    endpoint: str = "",
    name: str = "",
    run: str = "",
    suite: list[str] = [],
    catalog: str = "",
    recipe: str = "",
    base: bool = False,
    samples: int = 1,
    subset: str = "",
    max_tokens: int = 0,
    temperature: str = "",
    concurrency: int = 4,
    timeout: int = 300,
    deadline: int = 0,
    resume: str = "",
) -> None:
    """Let a model answer the suites and score it, without training. The gates of a recipe decide."""
    from tunewright.contract.catalog import load_catalog
    from tunewright.contract.errors import UserError
    from tunewright.contract.recipe import load_recipe
    from tunewright.eval.validation import ValidationFolder

    if sum(map(bool, (model, endpoint, resume))) != 1:
        raise UserError(
            "one of --model, --endpoint and --resume is needed",
            "./inv validate --model RUN, or --model FOLDER, or --endpoint http://localhost:8080/v1 --name ID",
        )
    if not endpoint and (name or run):
        raise UserError(
            f"--{'name' if name else 'run'} belongs to --endpoint", "A folder or a run needs none."
        )
    for flag, value, least in (
        ("samples", samples, 1),
        ("max-tokens", max_tokens, 0),
        ("concurrency", concurrency, 1),
        ("timeout", timeout, 1),
        ("deadline", deadline, 0),
    ):
        if value < least:
            raise UserError(f"--{flag} {value} leaves nothing to score", f"Give {max(least, 1)} or more.")
    checked_subset(subset)
    limits = Limits(concurrency, timeout, deadline or None)
    if resume:
        given = any((suite, catalog, recipe, subset, base))
        if given or samples != 1 or max_tokens or temperature:
            raise UserError(
                "--resume goes on with what was asked", "Leave out what says what is asked, and how."
            )
        code = resume_validation(find_validation(resume), limits)
    else:
        asked = None if endpoint or is_folder(model) else find(model)
        named = find(run) if run else asked
        rules = load_recipe(recipe, ROOT) if recipe else named.read_spec().recipe if named else None
        note = note_for(rules, base, model, fine_tuned=named is not None)
        if catalog:
            load_catalog(catalog)  # what is wrong with it is said before anything is answered
        settings = prediction_settings(rules, samples, max_tokens, temperature)
        tools = catalog or (rules.data.catalog if rules else "coding")
        label = name if endpoint else asked.path.name if asked else Path(model).resolve().name
        folder = ValidationFolder(new_folder(label))
        if asked:
            suites = run_suites(asked, suite, rules, folder.path, subset)
        elif endpoint:
            # The server renders: it gets messages and tools as data, and a run's cases as they were asked then.
            kept = sorted(map(str, named.suites.glob("*.jsonl"))) if named else []
            named_there = keep_subsets(named_suites(suite or kept, subset, rules), folder.path)
            suites = fit_suites(named_there, None, rules, folder.path)
        else:
            template = folder_template(Path(model))
            named_here = keep_subsets(named_suites(suite, subset, rules), folder.path)
            suites = fitted(named_here, template, rules, folder.path)
        start_validation(folder, label, suites, settings, tools, endpoint, recipe, named, note)
        with keeping(folder, fresh=True):
            if endpoint:
                predict_at(folder, limits)
            elif asked is None:
                predict_here(Path(model), folder, settings)
            else:
                predict_run(asked, folder, settings, limits)
        code = report(folder, rules)
    if code:
        raise Exit(code=code)


@dataclass(frozen=True)
class Limits:
    """How an endpoint is asked: requests at once, seconds for one answer, and for all of them."""

    concurrency: int = 4
    timeout: float = 300.0
    deadline: float | None = None


def is_folder(model: str) -> bool:
    """Whether a model is named by its folder. A run's folder, or its id, is a run."""
    path = Path(model)
    return path.is_dir() and not (path / "spec.json").exists() and (path.resolve().parent != RUNS.resolve())


def checked_subset(name: str) -> "Subset | None":
    """A subset's name as a flag gives it; None for the whole suite. Raises UserError for an unknown one."""
    from tunewright.contract.suite import Subset

    return one_of("subset", name, get_args(Subset)) if name else None


def read_suites(names: list[str], subset: str = "") -> "dict[Path, Suite]":
    """Suites by file, or the cases of a subset: names of shipped ones, or paths. Raises UserError for what is neither."""
    from tunewright.contract.suite import read_suite

    part = checked_subset(subset)
    found = {}
    for name in names or SUITES:
        there = suite_file(name)
        found[there.resolve()] = read_suite(there, part)
        read_checked(there)
    return found


def suite_file(name: str) -> Path:
    """The file of a shipped suite's name, or of a path."""
    path = Path(name) if name.endswith(".jsonl") else Path("suites") / f"{name}.jsonl"
    return path if path.is_absolute() or path.is_file() else ROOT / path


def named_suites(names: list[str], subset: str, recipe: "Recipe | None") -> "dict[Path, Suite]":
    """The suites named, else those of the recipe (each in the part that it names), else the shipped ones."""
    if names or not suites_of(recipe) or recipe is None:
        return read_suites(names, subset)
    found: dict[Path, Suite] = {}
    for entry in recipe.suites:
        if entry.path:
            found |= read_suites([entry.path], subset or entry.subset or "")
    return found


def keep_subsets(suites: "dict[Path, Suite]", out: Path) -> "dict[Path, Suite]":
    """The same suites, in files of `out` where they are only a part of their file."""
    from tunewright.contract.atomic import write_jsonl
    from tunewright.contract.suite import read_suite
    from tunewright.eval.held_out import case_row

    kept: dict[Path, Suite] = {}
    for path, suite in suites.items():
        file = path
        if read_suite(path).cases != suite.cases:
            file = out.resolve() / "suites" / path.name
            write_jsonl(file, (case_row(case) for case in suite.cases))
        kept[file] = suite
    return kept


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


def run_suites(
    run: "RunFolder", names: list[str], recipe: "Recipe | None", out: Path, subset: str = ""
) -> "dict[Path, Suite]":
    """The suites that a run was judged on, as it was asked them, or else those named, put into its base's form."""
    from tunewright.cli.base_files import find_template

    asked = {path.stem: path for path in sorted(run.suites.glob("*.jsonl"))}
    if not names and asked:
        return keep_subsets(read_suites([str(path) for path in asked.values()], subset), out)
    base = folder_template(run.stage("quantize")) or (
        find_template(recipe, run.read_spec().host) if recipe else None
    )
    return fitted(keep_subsets(named_suites(names, subset, recipe), out), base, recipe, out)


def fitted(
    suites: "dict[Path, Suite]", base: "BaseTemplate | None", recipe: "Recipe | None", out: Path
) -> "dict[Path, Suite]":
    """The suites as `train` asks them, for a model that is rendered here: in the form of its chat template.

    Raises UserError for a case that the template refuses, and where it is not known and a case needs it.
    """
    from tunewright.contract.errors import UserError

    with_tools = [
        (path, case)
        for path, suite in suites.items()
        for case in suite.cases
        if case.tools or any(message.tool_calls for message in case.messages)
    ]
    if with_tools and base is None:
        path, case = with_tools[0]
        raise UserError(
            f"{path}: case {case.id} offers tools, and the model's chat template is not on this machine",
            "Bring the model's folder or tokenizer here, or measure it where it is served: --endpoint URL",
        )
    if with_tools and base and not base.support.native:
        say(
            "predict   the model's chat template has no place for tools or calls: they are asked for as text "
            f"({_data_of(recipe).syntax})"
        )
    return fit_suites(suites, base, recipe, out)


def fit_suites(
    suites: "Iterable[Path]", base: "BaseTemplate | None", recipe: "Recipe | None", out: Path
) -> "dict[Path, Suite]":
    """The suites by `fit_suite`, in files of `out` where anything changes; without a template for a server that has it."""
    from tunewright.cli.template_fit import fit_suite
    from tunewright.contract.suite import read_suite

    placed = [fit_suite(path, out, base, _data_of(recipe)) for path in suites]
    return {path: read_suite(path) for path in placed}


def _data_of(recipe: "Recipe | None") -> "Data":
    from tunewright.contract.recipe import Data

    return recipe.data if recipe else Data(syntax=AS_TEXT)


def note_for(recipe: "Recipe | None", base: bool, model: str, *, fine_tuned: bool) -> str:
    """What the model is told with every case: where it is the recipe's base, what `train` tells that; else nothing.

    It is the base where the flag says so, or where its folder is the recipe's `model.base`. Raises UserError for a flag
    that cannot be true.
    """
    from tunewright.contract.base_tokenizer import tokenizer_folder
    from tunewright.contract.errors import UserError

    if base and fine_tuned:
        raise UserError(
            "--base does not go with a run: a run's model is fine-tuned",
            "Name the base itself: --model FOLDER --base --recipe NAME, or --endpoint URL --base --recipe NAME",
        )
    if base and recipe is None:
        raise UserError("--base: the base of which recipe?", "Say it: --recipe NAME")
    note = base_note(recipe) if recipe and not fine_tuned else ""
    if not note or recipe is None:
        return ""
    folder = tokenizer_folder(recipe.model.base, recipe.model.revision)
    if base or (model and folder and folder.resolve() == Path(model).resolve()):
        say(
            f"predict   the base is told the tools and the form of a call, as recipe {recipe.name} says (tell_base)"
        )
        return note
    say(
        "predict   asked as a fine-tuned model is; if it is the recipe's base, say --base: `train` tells that the tools"
    )
    return ""


def prediction_settings(
    recipe: "Recipe | None", samples: int, max_tokens: int = 0, temperature: str = ""
) -> "Predict":
    """How answers are generated: as the flags say, else the recipe; greedily for one sample and warm for several."""
    from tunewright.contract.errors import UserError
    from tunewright.contract.recipe import Predict

    base = recipe.predict if recipe else Predict()
    warm = base.temperature or (WARM if samples > 1 else 0.0)
    if temperature:
        try:
            warm = float(temperature)
        except ValueError:
            warm = -1.0
        if not 0 <= warm <= 10:
            raise UserError(
                f"--temperature {temperature} is not a temperature", "Give 0 for greedy answers, or up to 10."
            )
        if samples > 1 and warm == 0:
            raise UserError(
                "several samples at temperature 0 are all the same", "Give one, or a temperature."
            )
    changes = {
        "samples": samples,
        "temperature": warm,
        **({"max_tokens": max_tokens} if max_tokens else {}),
    }
    return base.model_copy(update=changes)


def new_folder(label: str) -> Path:
    """Where this measurement's predictions are kept."""
    safe = "".join(c if c.isalnum() or c in "-_." else "-" for c in label)[:80].strip(".") or "model"
    return VALIDATIONS / f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{safe}-{secrets.token_hex(4)}"


def start_validation(
    folder: "ValidationFolder",
    label: str,
    suites: "dict[Path, Suite]",
    settings: "Predict",
    catalog: str,
    endpoint: str = "",
    recipe: str = "",
    run: "RunFolder | None" = None,
    note: str = "",
) -> None:
    """Write down what will be asked. What is wrong with an endpoint is said before."""
    from tunewright.contract.atomic import sha256_file
    from tunewright.contract.errors import UserError
    from tunewright.eval.endpoint_client import make_endpoint
    from tunewright.eval.validation import Validation

    if endpoint:
        make_endpoint(endpoint, label, os.environ)
    if len({suite.name for suite in suites.values()}) < len(suites):
        raise UserError("two suites have one name", "A suite's name is its file's: rename one of them.")
    spec = Validation(
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        model=label,
        endpoint=endpoint,
        run=run.path.name if run else "",
        catalog=catalog,
        recipe=recipe,
        suites={suite.name: sha256_file(path) for path, suite in suites.items()},
        samples=settings.samples,
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        base_note=note,
    )
    folder.start(spec, suites)


@contextmanager
def keeping(folder: "ValidationFolder", fresh: bool = False) -> Generator[None]:
    """When answering ends early, say how it goes on; a fresh folder without an answer goes."""
    from tunewright.contract.errors import UserError

    try:
        yield
    except (UserError, KeyboardInterrupt) as error:
        go_on = f"go on: ./inv validate --resume {folder.path.name}"
        if fresh and not folder.has_answers():
            shutil.rmtree(folder.path, ignore_errors=True)
        elif isinstance(error, UserError):
            error.hint = f"{error.hint} To {go_on}".strip()
        else:
            say(f"predict   stopped; to {go_on}")
        raise


def find_validation(name: str) -> "ValidationFolder":
    """A validation by its folder, its folder's name, or `latest`. Raises UserError when there is none."""
    from tunewright.contract.errors import UserError
    from tunewright.eval.validation import ValidationFolder

    made = sorted((p.parent for p in VALIDATIONS.glob("*/validation.json")), key=lambda p: p.name)
    if name == "latest":
        if not made:
            raise UserError(
                f"no validations in {VALIDATIONS}", "Start one: ./inv validate --endpoint URL --name ID"
            )
        return ValidationFolder(made[-1])
    path = Path(name)
    return ValidationFolder(path if path.is_dir() or path.is_absolute() else VALIDATIONS / name)


def resume_validation(folder: "ValidationFolder", limits: Limits) -> int:
    """Ask what was not answered, and score; the exit code."""
    from tunewright.contract.errors import UserError
    from tunewright.contract.recipe import load_recipe

    spec = folder.read_spec()
    if not (spec.endpoint or spec.run):
        raise UserError(f"{folder.path} was answered by a folder's model", "Validate that again.")
    run = find(spec.run) if spec.run else None
    rules = load_recipe(spec.recipe, ROOT) if spec.recipe else run.read_spec().recipe if run else None
    with keeping(folder):
        if spec.endpoint or run is None:
            predict_at(folder, limits)
        else:
            settings = prediction_settings(rules, spec.samples, spec.max_tokens, str(spec.temperature))
            predict_run(run, folder, settings, limits)
    return report(folder, rules)


def predict_at(folder: "ValidationFolder", limits: Limits, url: str = "") -> None:
    """Ask an endpoint what a validation still lacks, once it is proven who answers there.

    Raises CheckFailed when another model than the run's answers, and what `answer_suite` raises; what has been answered
    by then is kept.
    """
    from tunewright.eval.endpoint_client import answer_suite, make_endpoint

    spec = folder.read_spec()
    place = make_endpoint(url or spec.endpoint, spec.model, os.environ, limits.timeout, limits.concurrency)
    began = time.monotonic()

    def left() -> float | None:
        return None if limits.deadline is None else max(0.0, began + limits.deadline - time.monotonic())

    if spec.run:  # also when it goes on: the server may be another one by now
        folder.write_spec(spec.model_copy(update={"proof": prove_model(find(spec.run), place, left())}))
    for suite in folder.read_suites().values():
        bar = Progress("predict")
        answers = answer_suite(
            place,
            suite.told(spec.base_note),
            samples=spec.samples,
            temperature=spec.temperature,
            max_tokens=spec.max_tokens,
            deadline=left(),
            known=folder.read_answers(suite.name),
            keep=lambda prediction, suite=suite: folder.append(suite.name, prediction),
            tick=lambda done, total, bar=bar, suite=suite: bar(f"{suite.name}: answer", done, total),
        )
        folder.finish(suite.name, answers.predictions)
        for line in answer_warnings(suite.name, answers):
            say(f"predict   warning: {line}")


def prove_model(run: "RunFolder", place: "Endpoint", deadline: float | None) -> dict[str, Any]:
    """Ask fixed prompts and say who answers. Raises CheckFailed when that is not the run's model."""
    from tunewright.contract.errors import CheckFailed
    from tunewright.eval.adapter_proof import prove
    from tunewright.eval.endpoint_client import answer_suite

    limit = run.read_spec().recipe.predict.max_tokens
    proof = prove(
        run, lambda suite: answer_suite(place, suite, max_tokens=limit, deadline=deadline).predictions
    )
    if proof.who in ("base", "other"):
        raise CheckFailed(
            f"{place.url}: {proof.text}",
            "Nothing was scored. Serve the run's model (./inv serve), or leave out --run to score whatever answers.",
        )
    say(f"proof     {'warning: ' if proof.who != 'run' else ''}{proof.text}")
    return proof.to_json()


def answer_warnings(suite: str, answers: "Answers") -> list[str]:
    """What somebody has to know about a suite's answers before believing their score."""
    found = answers.predictions
    failed = [one for one in found if one.error]
    empty = [one for one in found if not (one.error or one.text.strip() or one.tool_calls)]
    thought = sum(bool(one.reasoning) for one in empty)
    cut = sum(one.finish == "length" for one in found)
    lines: list[str] = []
    if failed:
        lines.append(
            f"{len(failed)} of {len(found)} cases of {suite} got no answer and count as wrong "
            f"({failed[0].case}: {failed[0].error})"
        )
    if empty:
        why = f"; {thought} of them hold thoughts alone, raise --max-tokens" if thought else ""
        lines.append(f"{len(empty)} of {len(found)} answers of {suite} are empty{why}")
    if cut:
        lines.append(f"{cut} of {len(found)} answers of {suite} were cut at the token limit (--max-tokens)")
    if answers.rebuilt:
        lines.append(
            f"the server's own parser took the calls out of {answers.rebuilt} answers of {suite}; they were written "
            "down again, and what it dropped is lost"
        )
    lines += [f"the server does not take {name}; {_INSTEAD[name]}" for name in answers.not_taken]
    return lines


_INSTEAD = {
    "max_tokens": "it got max_completion_tokens",
    "temperature": "its own was used, so that answers may differ from time to time",
    "seed": "samples cannot be repeated",
}


def predict_run(run: "RunFolder", folder: "ValidationFolder", settings: "Predict", limits: Limits) -> None:
    """Let a run's quantized model answer: here when it is here, else served on its host."""
    from tunewright.contract.manifest import read_manifest
    from tunewright.remote.environment import install_environment
    from tunewright.remote.host import LOCAL, open_host
    from tunewright.remote.serving import model_on_host, serve_model

    pulled = read_manifest(run.stage("quantize")) is not None
    host = LOCAL if pulled else run.read_spec().host
    with open_host(host, ROOT) as machine:
        model = model_on_host(machine, run)
        if host == LOCAL:
            predict_here(Path(model), folder, settings)
            return
        environment = install_environment(machine, ROOT, say)
        with serve_model(
            machine, environment.python, model, run.path.name, 0, lambda line: say(f"predict   {line}")
        ) as served:
            predict_at(folder, limits, served.url)


def folder_question(model: Path, folder: "ValidationFolder", settings: "Predict") -> dict[str, Any]:
    """What `tunewright.train.predict_folder` is asked for a validation of a model folder."""
    return {
        "model": str(model.resolve()),
        "suites": [str(path.resolve()) for path in folder.read_suites()],
        "out": str(folder.path),
        "settings": settings.model_dump(mode="json"),
        "note": folder.read_spec().base_note,
    }


def predict_here(model: Path, folder: "ValidationFolder", settings: "Predict") -> None:
    """Let a model folder of this machine answer, in this machine's environment.

    Raises UserError for what is not a model, HostError when the environment cannot be had.
    """
    question = folder_question(model, folder, settings)
    ask_local_worker("predict_folder", question, Told("predict", "{}: answer"), PREDICTING)


def report(folder: "ValidationFolder", recipe: "Recipe | None") -> int:
    """Print the scores, and the verdict where a recipe's gates apply; the exit code."""
    from tunewright.contract.atomic import write_json
    from tunewright.contract.catalog import load_catalog
    from tunewright.eval.predictions import read_predictions
    from tunewright.eval.score_text import suite_text
    from tunewright.eval.suite_score import score_predictions

    spec = folder.read_spec()
    tools = load_catalog(spec.catalog)
    scores: dict[str, SuiteScore] = {}
    for suite in folder.read_suites().values():
        answers = read_predictions(folder.predictions(suite.name))
        scores[suite.name] = score_predictions(suite, answers, tools, spec.model)
        write_json(folder.scores / f"{suite.name}.json", scores[suite.name].to_json())
        print(suite_text(scores[suite.name]))
    say(f"predictions {folder.path}")
    return judge(recipe, scores) if recipe else 0


def judge(recipe: "Recipe", scores: "dict[str, SuiteScore]", quiet: bool = False) -> int:
    """Decide those gates of a recipe that one model's scores alone can decide; print them; the exit code."""
    from tunewright.eval.gates import exit_code, judge_gates, overall_verdict
    from tunewright.eval.score_text import aligned

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
        [r.verdict if r.gate.required else "optional", r.name, r.target, r.measured, r.reason]
        for r in results
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
