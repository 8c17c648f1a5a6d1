"""Tasks about datasets: make, mend, merge, audit, ask."""

import sys
from pathlib import Path

from invoke.context import Context
from invoke.exceptions import Exit

from front.door import ROOT, command
from front.steps import DATA, RUNS, Progress, say, write_result

DATASET = "a file, a folder with splits, or a glob"


@command(
    recipe="a recipe's name, or the path of a .toml file",
    out="the folder to make",
    seed="0: the recipe's",
)
def generate(c: Context, recipe: str = "tiny", out: str = "", seed: int = 0) -> None:
    """Make a dataset of grounded examples from the recipe's catalog and real repositories."""
    from tunewright.contract.recipe import load_recipe
    from tunewright.datagen.generate import generate_dataset

    plan = load_recipe(recipe, ROOT)
    folder = Path(out) if out else DATA / plan.name
    made = generate_dataset(plan, folder, seed or None, report=Progress("data"))
    for name, split in made.splits.items():
        print(f"{folder / split.file}: {split.examples} examples ({name})")


@command(
    iterable=["data"],
    data=DATASET + "; repeatable (default: the tiny recipe's)",
    recipe="also check truncation and masking as this recipe trains",
    json="write the findings as JSON to this file, or - for standard output",
    html="write a page to this file",
    sarif="write SARIF 2.1.0 to this file",
    baseline="an earlier audit's JSON: report only what is new",
    config="a TOML file that suppresses, re-grades or adds checks",
)
def audit(
    c: Context,
    data: list[str] = [],
    recipe: str = "",
    json: str = "",
    html: str = "",
    sarif: str = "",
    baseline: str = "",
    config: str = "",
) -> None:
    """Find what a model could learn instead of the request: shortcuts, leaks, broken calls."""
    from tunewright.audit.audit import audit_dataset
    from tunewright.audit.report import terminal_text
    from tunewright.contract.atomic import write_text
    from tunewright.contract.recipe import load_recipe

    report = audit_dataset(
        [Path(name) for name in data] or [DATA / "tiny"],
        recipe=load_recipe(recipe, ROOT) if recipe else None,
        config=Path(config) if config else None,
        baseline=Path(baseline) if baseline else None,
    )
    if json:
        write_result(json, report.to_json())
    if html:
        from tunewright.audit.page import html_report

        write_text(Path(html), html_report(report))
        say(f"page      {html}")
    if sarif:
        from tunewright.audit.sarif import sarif as sarif_log

        write_result(sarif, sarif_log(report))
    if json != "-" and sarif != "-":
        print(terminal_text(report))
    if report.verdict == "fail":
        raise Exit(code=1)


@command(
    iterable=["data"],
    query="SQL over the views examples, messages, calls, tools, features, findings, runs, events, scores",
    data=DATASET + "; repeatable",
    runs="a folder of runs",
    format="table, json, csv or parquet",
)
def sql(c: Context, query: str, data: list[str] = [], runs: str = "", format: str = "table") -> None:
    """Ask a dataset, or finished runs, in SQL."""
    from tunewright.audit.sql import run_query

    folder = Path(runs) if runs else RUNS if RUNS.is_dir() else None
    result = run_query(query, [Path(name) for name in data], folder, format)
    if isinstance(result, bytes):
        sys.stdout.buffer.write(result)
    else:
        print(result)


TASKS = (generate,)
