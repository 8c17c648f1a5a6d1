"""Tasks that judge models: score, compare, promote."""

import getpass
from pathlib import Path

from invoke.context import Context
from invoke.exceptions import Exit

from tunewright.cli.door import ROOT, command, one_of
from tunewright.cli.runs import RUN, find
from tunewright.cli.steps import check_outputs, is_stdout, write_page, write_result
from tunewright.cli.validating import judge

JSON = "write it as JSON to this file, or - for standard output"


@command(
    predictions="a predictions .jsonl file",
    suite="the suite it answers (default: by its name)",
    catalog="the catalog of its tools: a shipped name, or a JSON file (default: the recipe's, or coding)",
    recipe="a recipe whose gates decide, as far as one model's scores can",
    dialect="of suites judged by calls: calls in another dialect than this one (hermes_json, qwen_xml, …) are not right",
    json=JSON,
)
def score(
    c: Context,
    predictions: str = "",
    suite: str = "",
    catalog: str = "",
    recipe: str = "",
    dialect: str = "",
    json: str = "",
) -> None:
    """Score saved predictions again; needs no model and no host."""
    from tunewright.contract.catalog import load_catalog
    from tunewright.contract.errors import UserError
    from tunewright.contract.recipe import load_recipe
    from tunewright.contract.suite import read_suite
    from tunewright.eval.predictions import read_predictions
    from tunewright.eval.score import score_predictions
    from tunewright.eval.terminal import suite_text

    if not predictions:
        raise UserError(
            "no predictions given",
            "Say which: ./inv score --predictions runs/RUN/predictions/quantized/navigation.jsonl",
        )
    if dialect:
        from tunewright.chat.calls import DIALECTS

        one_of("dialect", dialect, tuple(DIALECTS))
    path = Path(predictions)
    answered = Path(suite) if suite else ROOT / "suites" / path.name
    check_outputs(json, inputs=[path, answered, *map(Path, filter(None, (catalog, recipe)))])
    cases = read_suite(answered)
    rules = load_recipe(recipe, ROOT) if recipe else None
    tools = load_catalog(catalog or (rules.data.catalog if rules else "coding"))
    result = score_predictions(cases, read_predictions(path), tools, dialect=dialect)
    if json:
        write_result(json, result.to_json())
    if not is_stdout(json):
        print(suite_text(result))
    code = judge(rules, {cases.name: result}, quiet=is_stdout(json)) if rules else 0
    if code:
        raise Exit(code=code)


@command(
    a="the old run",
    b="the new run",
    json=JSON,
    html="write a page to this file",
)
def compare(c: Context, a: str = "", b: str = "", json: str = "", html: str = "") -> None:
    """May run B replace run A? A paired comparison, per category, with a verdict."""
    from tunewright.contract.errors import UserError
    from tunewright.eval.compare import compare_runs

    if not (a and b):
        raise UserError(
            "two runs are needed", "./inv compare --a RUN --b RUN; see the runs there are: ./inv runs"
        )
    runs = find(a), find(b)
    read = [
        file
        for run in runs
        for kept in ("spec.json", "predictions/*/*", "scores/**/*")
        for file in run.path.glob(kept)
    ]
    check_outputs(json, html, inputs=read)
    result = compare_runs(*runs)
    if json:
        write_result(json, result.to_json())
    if html:
        write_page(html, result.to_html())
    if not (is_stdout(json) or is_stdout(html)):
        print(result.to_text())
    if result.exit_code:
        raise Exit(code=result.exit_code)


@command(
    run=RUN,
    force="promote although its gates did not pass; the registry says so",
)
def promote(c: Context, run: str = "", force: bool = False) -> None:
    """Make a run's model the one that is live; refused unless its gates passed."""
    from tunewright.eval.registry import promote_run

    print(promote_run(ROOT / "models", find(run), by=getpass.getuser(), force=force))


@command()
def rollback(c: Context) -> None:
    """Make the model live that was before."""
    from tunewright.eval.registry import roll_back

    print(roll_back(ROOT / "models", by=getpass.getuser()))


@command()
def models(c: Context) -> None:
    """List what was promoted and rolled back, by whom, on which evidence."""
    from tunewright.eval.registry import registry_text

    print(registry_text(ROOT / "models"))


TASKS = (score, compare, promote, rollback, models)
