"""Tasks that judge models: score, compare, promote."""

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.exceptions import Exit

from tunewright.cli.invoke_program import ROOT, command, one_of
from tunewright.cli.runs import RUN, find
from tunewright.cli.validating import VALIDATIONS, checked_subset, judge, suite_file
from tunewright.contract.console import Progress, say
from tunewright.contract.outputs import check_outputs, is_stdout, write_page, write_result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tunewright.contract.run import RunFolder
    from tunewright.contract.suite import Suite
    from tunewright.eval.judge_model import JudgeReport
    from tunewright.eval.promotion import Elsewhere
    from tunewright.eval.suite_score import SuiteScore

JSON = "write it as JSON to this file, or - for standard output"


@command(
    predictions="a predictions .jsonl file",
    run="instead: everything of a run, or of a validation",
    suite="the suite it answers, by its name or file (default: the run's own, or the shipped one of its name)",
    subset="only the cases of this subset: quick",
    judge_url="also ask a judge model at this endpoint about the answers in words; it is measured, and decides nothing",
    judge_name="the judge's model id; its key, if any, is in TUNEWRIGHT_API_KEY",
    catalog="the catalog of its tools: a shipped name, or a JSON file (default: the recipe's, or coding)",
    recipe="a recipe whose gates decide, as far as one model's scores can",
    dialect="of suites judged by calls: calls in another dialect than this one (hermes_json, qwen_xml, …) are not right",
    json=JSON,
    inspect_logs="write logs that inspect_ai's viewer opens into this folder: inspect view --log-dir FOLDER",
)
def score(
    c: Context,
    predictions: str = "",
    run: str = "",
    suite: str = "",
    subset: str = "",
    catalog: str = "",
    recipe: str = "",
    dialect: str = "",
    judge_url: str = "",
    judge_name: str = "",
    json: str = "",
    inspect_logs: str = "",
) -> None:
    """Score saved predictions again; needs no model and no host."""
    from tunewright.contract.errors import UserError

    if bool(predictions) == bool(run):
        raise UserError(
            "one of --predictions and --run is needed",
            "Say which: ./inv score --predictions runs/RUN/predictions/quantized/navigation.jsonl",
        )
    if run and (suite or subset or catalog or recipe or dialect):
        raise UserError(
            "--suite, --subset, --catalog, --recipe and --dialect belong to --predictions",
            "A run has its own.",
        )
    code = (
        score_place(judged_place(run), json, inspect_logs)
        if run
        else score_file(
            Path(predictions),
            suite,
            subset,
            catalog,
            recipe,
            dialect,
            json,
            inspect_logs,
            (judge_url, judge_name),
        )
    )
    if code:
        raise Exit(code=code)


def score_file(
    path: Path,
    suite: str,
    subset: str,
    catalog: str,
    recipe: str,
    dialect: str,
    json: str,
    inspect_logs: str,
    judge_model: tuple[str, str],
) -> int:
    """Score one suite's predictions; the exit code."""
    from tunewright.contract.catalog import load_catalog
    from tunewright.contract.errors import UserError
    from tunewright.contract.recipe import load_recipe
    from tunewright.contract.suite import read_suite
    from tunewright.eval.predictions import read_predictions
    from tunewright.eval.score_text import suite_text
    from tunewright.eval.suite_score import score_predictions

    if dialect:
        from tunewright.chat.calls import DIALECTS

        one_of("dialect", dialect, tuple(DIALECTS))
    if path.is_dir():
        raise UserError(
            f"{path} is a folder", f"--predictions takes one file; for a whole run: ./inv score --run {path}"
        )
    answered = suite_file(suite) if suite else suite_of(path)
    check_outputs(json, inputs=[path, answered, *map(Path, filter(None, (catalog, recipe)))])
    cases = read_suite(answered, checked_subset(subset))
    rules = load_recipe(recipe, ROOT) if recipe else None
    tools = load_catalog(catalog or (rules.data.catalog if rules else "coding"))
    model = path.absolute().parent.name
    result = score_predictions(cases, read_predictions(path), tools, dialect=dialect)
    opinion = judge_opinion(*judge_model, cases, result) if judge_model[0] else None
    if json:
        value: dict[str, object] = result.to_json()
        if opinion:
            value["judge"] = opinion.to_json()
        write_result(json, value)
    if not is_stdout(json):
        print(suite_text(result))
        if opinion:
            print(opinion)
    export_logs(inspect_logs, model, {model: {cases.name: result}}, {cases.name: cases}, changed_at(path))
    return judge(rules, {cases.name: result}, quiet=is_stdout(json)) if rules else 0


def judge_opinion(url: str, name: str, suite: "Suite", score: "SuiteScore") -> "JudgeReport":
    """What a judge model says of the answers in words."""
    import os

    from tunewright.eval.endpoint_client import make_endpoint
    from tunewright.eval.judge_model import ask_judge

    bar = Progress("judge")
    place = make_endpoint(url, name, os.environ)
    return ask_judge(place, suite, score.outcomes, lambda done, total: bar("answer", done, total))


def score_place(place: Path, json: str, inspect_logs: str) -> int:
    """Score a run's models, or a validation's, without changing its files; the exit code of a run's gates."""
    from tunewright.contract.run import RunFolder
    from tunewright.eval.judged import read_judged
    from tunewright.eval.run_scores import judge_run
    from tunewright.eval.score_text import scores_text, suite_text

    check_outputs(json, inputs=files_of(place))
    if (place / "spec.json").is_file():
        run = judge_run(RunFolder(place))
        value: dict[str, object] = run.to_json()
        text, code = scores_text(run), int(run.exit_code)
        export_logs(inspect_logs, run.run, run.scores, run.suites, RunFolder(place).read_spec().created)
    else:
        found = read_judged(place, ROOT / "suites")
        scores = {name: score.to_json() for name, score in found.tuned.items()}
        value = {"schema": 1, "run": found.run, "scores": {found.model: scores}}
        text, code = "\n".join(map(suite_text, found.tuned.values())), 0
        export_logs(inspect_logs, found.run, {found.model: found.tuned}, found.suites, changed_at(place))
    if json:
        write_result(json, value)
    if not is_stdout(json):
        print(text)
    return code


def changed_at(path: Path) -> str:
    """When a file or folder was changed last, as an ISO time."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")


def export_logs(
    folder: str,
    run: str,
    scores: "Mapping[str, Mapping[str, SuiteScore]]",
    suites: "Mapping[str, Suite]",
    created: str,
) -> None:
    """Write inspect_ai's logs into the folder, if one is wanted."""
    from tunewright.contract.atomic import check_place
    from tunewright.eval.inspect_export import write_inspect_logs

    if not folder:
        return
    check_place(Path(folder))
    for path in write_inspect_logs(Path(folder), run, created, scores, suites):
        say(f"log       {path}")


def suite_of(predictions: Path) -> Path:
    """The suite that was answered: the copy that a run or a validation keeps with its predictions, else the shipped one."""
    folder = predictions.resolve().parent
    kept = (folder.parent.parent / "inputs" / "suites", folder / "suites", ROOT / "suites")
    return next(
        (place / predictions.name for place in kept if (place / predictions.name).is_file()),
        kept[-1] / predictions.name,
    )


@command(
    a="the old model: a run, a validation, saved predictions, or a log of inspect_ai, lm-evaluation-harness or BFCL",
    b="the new model, likewise",
    metric="of other tools' logs: which score counts, as `exact` or `exact_match,strict-match` (default: the first)",
    suite="of saved predictions: the suite they answer (default: their run's, or by the file's name)",
    catalog="of saved predictions: the catalog of the suite's tools: a shipped name, or a JSON file (default: the run's)",
    json=JSON,
    html="write a page to this file",
)
def compare(
    c: Context,
    a: str = "",
    b: str = "",
    metric: str = "",
    suite: str = "",
    catalog: str = "",
    json: str = "",
    html: str = "",
) -> None:
    """May B replace A? A paired comparison of runs, validations or other tools' logs, per category, with a verdict."""
    from tunewright.contract.errors import UserError
    from tunewright.eval.comparison import compare_judged
    from tunewright.eval.judged import read_judged

    if not (a and b):
        raise UserError(
            "two models are needed", "./inv compare --a RUN --b RUN; see the runs there are: ./inv runs"
        )
    places = judged_place(a), judged_place(b)
    check_outputs(json, html, inputs=[file for place in places for file in files_of(place)])
    result = compare_judged(
        *(read_judged(place, ROOT / "suites", catalog, metric, suite) for place in places)
    )
    if json:
        write_result(json, result.to_json())
    if html:
        write_page(html, result.to_html())
    if not (is_stdout(json) or is_stdout(html)):
        print(result.to_text())
    if result.exit_code:
        raise Exit(code=result.exit_code)


def judged_place(name: str) -> Path:
    """The file or folder that is meant: a path, a validation's name, or a run's id.

    Raises UserError when there is none.
    """
    path = Path(name)
    if path.exists():
        return path
    if (VALIDATIONS / name).is_dir():
        return VALIDATIONS / name
    return find(name).path


def files_of(place: Path) -> list[Path]:
    """What is read there, so that no output replaces it."""
    if place.is_file():
        return [place]
    kept = (
        "*.json",
        "*.jsonl",
        "*.eval",
        "suites/*",
        "predictions/*/*",
        "scores/**/*",
        "score/**/*",
        "result/**/*",
    )
    return [file for pattern in kept for file in place.glob(pattern)]


@command(
    run=RUN,
    force="promote it whatever speaks against it; needs --why, and the registry and the summary say so",
    why="the reason, for the record",
)
def promote(c: Context, run: str = "", force: bool = False, why: str = "") -> None:
    """Make a run's model live; refused unless it is what was judged, its gates pass, and it is not worse."""
    from tunewright.contract.errors import UserError
    from tunewright.eval.promotion import promote_run

    if force and not why.strip():
        raise UserError("--force needs a reason", 'Say it for the record: ./inv promote --force --why "…"')
    folder = find(run)
    entry = promote_run(
        ROOT / "models",
        folder,
        by=getpass.getuser(),
        force=force,
        reason=why,
        elsewhere=ask_host(folder),
    )
    print(entry)
    print(f"summary   {folder.summary}")
    if not entry.evidence["host"].endswith("has the same run"):
        say(f"warning: the run was verified here alone: {entry.evidence['host']}")


def ask_host(run: "RunFolder") -> "Elsewhere":
    """What a run's host says of it. A host that cannot be asked is an objection only where the model is there alone."""
    from tunewright.contract.errors import UserError
    from tunewright.eval.promotion import Elsewhere
    from tunewright.remote.confirm import confirm_run
    from tunewright.remote.host import open_host

    try:
        with open_host(run.read_spec().host, ROOT) as machine:
            found = confirm_run(machine, run)
    except UserError as error:
        away = not run.stage("quantize").exists()
        problem = f"its model is not here, and cannot be verified where it is: {error.message}"
        return Elsewhere(f"not asked: {error.message}", (problem,) if away else ())
    return Elsewhere(found.said, found.problems, found.model_sha256)


@command(
    why="the reason, for the record",
)
def rollback(c: Context, why: str = "") -> None:
    """Make the model live that was before."""
    from tunewright.eval.registry import roll_back

    print(roll_back(ROOT / "models", by=getpass.getuser(), reason=why))


@command()
def models(c: Context) -> None:
    """List what was promoted and rolled back, by whom, on which evidence."""
    from tunewright.eval.registry import registry_text

    print(registry_text(ROOT / "models"))


TASKS = (score, compare, promote, rollback, models)
