"""Tasks about datasets: make, normalize, merge, audit, query."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from invoke.context import Context
from invoke.exceptions import Exit

from tunewright.cli.from_log import from_log
from tunewright.cli.invoke_program import ROOT, command, need, one_of
from tunewright.cli.pipeline import DATA, DEFAULT_RECIPE, PROBES, RUNS, own_dataset
from tunewright.contract.console import Progress, say

BALANCES: tuple[Literal["none", "tool", "family"], ...] = ("none", "tool", "family")
DATASET = "a file, a folder with splits, or a glob"
CONFIG = (
    "a TOML file whose [read] and [calls] say how rows of an unknown shape, and calls of your own, are read"
)


@command(
    iterable=["repo"],
    recipe="a recipe's name, or the path of a .toml file",
    out="the folder to make (default: data/NAME; data/NAME-2 when that holds another dataset)",
    seed="another seed than the recipe's",
    repo="a local checkout to take the examples from, instead of the pinned packages; repeatable, two at least",
    template="a chat template file: a row that does not survive it is rejected (default: the base model's own, where "
    "that is on this machine)",
)
def generate(
    c: Context,
    recipe: str = DEFAULT_RECIPE,
    out: str = "",
    seed: int = 0,
    repo: list[str] = [],
    template: str = "",
) -> None:
    """Make a dataset of grounded examples from the recipe's catalog and real repositories."""
    from tunewright.contract.recipe import load_recipe
    from tunewright.datagen.rejections import ledger_table

    repos = [Path(name) for name in repo]
    folder, made = own_dataset(
        load_recipe(recipe, ROOT),
        Path(out) if out else None,
        seed=seed or None,
        repos=repos,
        template=read_named(template) if template else None,
    )
    say(ledger_table(made.facts["ledger"]))
    for name, split in made.splits.items():
        print(f"{folder / split.file}: {split.examples} examples ({name})")


@command(
    iterable=["file"],
    check="make an example of each on a small repository and show it; exit 1 when one makes none",
    file="a TOML file of your own families; repeatable. With --check only these are run",
    recipe="whose catalog and families these are: a recipe's name, or the path of a .toml file",
    repo="a local checkout to run them on, instead of the smallest pinned package",
)
def families(
    c: Context, check: bool = False, file: list[str] = [], recipe: str = DEFAULT_RECIPE, repo: str = ""
) -> None:
    """List the families that requests are made from; --check runs each once and shows an example."""
    from tunewright.contract.recipe import load_recipe
    from tunewright.datagen.check_families import families_of, try_families
    from tunewright.datagen.corpus import checkout_corpus
    from tunewright.datagen.families.family_file import read_families

    data = load_recipe(recipe, ROOT).data
    known = families_of(data, [Path(name) for name in file], ROOT)
    if not check:
        print(f"{'family':<40} {'kind':<15} {'needs':<20} {'wordings':>8}  tools")
        for each in known:
            needs = "an earlier result" if each.after else each.needs
            print(
                f"{each.name:<40} {each.kind:<15} {needs:<20} {len(each.requests):>8}  {', '.join(each.tools)}"
            )
        return
    wanted = {each.name for name in file for each in read_families(Path(name))}
    chosen = [each for each in known if each.name in wanted or not wanted]
    failed = 0
    for tried in try_families(chosen, data, checkout_corpus(Path(repo)) if repo else None, known):
        print(tried.text() + "\n")
        failed += tried.made is None
    say(f"{len(chosen)} families, {failed} without an example")
    if failed:
        raise Exit(code=1)


@command(
    iterable=["data", "accept", "watch"],
    data=DATASET + "; repeatable (default: the default recipe's)",
    recipe="also check truncation and masking as this recipe trains",
    json="write the findings as JSON to this file, or - for standard output",
    html="write a page to this file",
    sarif="write SARIF 2.1.0 to this file",
    baseline="an earlier audit's JSON: report only what is new",
    config="a TOML file that suppresses, re-grades or adds checks",
    format="text, or github: annotations for a forge's log",
    export="a folder for clean.jsonl and rejected.jsonl, the rejected rows with the reasons",
    accept="a check whose warnings are accepted and do not count; repeatable",
    why="the reason for which they are accepted",
    watch=DATASET + ", and audit again after each change, until Ctrl-C; repeatable",
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
    format: str = "text",
    export: str = "",
    accept: list[str] = [],
    why: str = "",
    watch: list[str] = [],
) -> None:
    """Find what a model could learn instead of the request: shortcuts, leaks, broken calls."""
    from tunewright.audit.command import FORMATS, Outputs, audit_files

    plan = None
    if recipe:
        from tunewright.contract.recipe import load_recipe

        plan = load_recipe(recipe, ROOT)
    code = audit_files(
        [Path(name) for name in (*data, *watch)] or [DATA / DEFAULT_RECIPE],
        Outputs(json, html, sarif, one_of("format", format, FORMATS)),
        recipe=plan,
        config=Path(config) if config else None,
        baseline=Path(baseline) if baseline else None,
        suites=plan.suite_files(ROOT) if plan else [],
        named=[Path(recipe)] if recipe else [],
        export=Path(export) if export else None,
        accept=dict.fromkeys(accept, why),
        probes=PROBES,
        watch=bool(watch),
    )
    if code:
        raise Exit(code=code)


@command(
    iterable=["data"],
    query="SQL over the views examples, messages, calls, tools, features, findings, runs, events, scores",
    data=DATASET + "; repeatable",
    runs="a folder of runs",
    format="table, json, csv or parquet",
    config=CONFIG,
    stats="balance or structure: that view instead of a query",
)
def sql(
    c: Context,
    query: str,
    data: list[str] = [],
    runs: str = "",
    format: str = "table",
    config: str = "",
    stats: str = "",
) -> None:
    """Ask a dataset, or finished runs, in SQL."""
    from tunewright.audit.command import print_query
    from tunewright.audit.sql import STATS

    if stats:
        query = f"FROM {one_of('stats', stats, STATS)}"
    folder = Path(runs) if runs else RUNS if RUNS.is_dir() else None
    print_query(query, [Path(name) for name in data], folder, format, Path(config) if config else None)


@command(
    data="the dataset: a file, or a folder with splits",
    out="the folder to make",
    recipe="take the rates of this recipe's [data.structure], and its data.system where the data have no common system "
    "message",
    config=CONFIG,
)
def normalize(c: Context, data: str = "", out: str = "", recipe: str = "", config: str = "") -> None:
    """Give every slice of a dataset the same structure; calls stay byte for byte."""
    from tunewright.chat.normalize import normalize_dataset
    from tunewright.chat.reading.settings import load_reading
    from tunewright.contract.recipe import load_recipe

    need(data=data, out=out)
    check_folder(out, [Path(data)])
    wanted = load_recipe(recipe, ROOT).data if recipe else None
    # The default of data.system is meant for coding tools; only a text that the recipe gives is meant for these data.
    system = wanted.system if wanted and "system" in wanted.model_fields_set else ""
    reading = load_reading(Path(config) if config else None)
    print(normalize_dataset(Path(data), Path(out), wanted and wanted.structure, system, reading).text())


@command(
    iterable=["data"],
    data=DATASET + ", in any form that `audit` reads; repeatable",
    out="the folder to make",
    valid="share of examples held out, whole clusters at a time",
    balance="none, tool or family: what no one value may dominate",
    seed="decides which rows of too common a kind are left out",
    config=CONFIG,
)
def merge(
    c: Context,
    data: list[str] = [],
    out: str = "",
    valid: float = 0.1,
    balance: str = "tool",
    seed: int = 1,
    config: str = "",
) -> None:
    """Merge datasets of any shape, balanced, and split so that nothing leaks."""
    from tunewright.chat.merge import merge_datasets
    from tunewright.chat.reading.settings import load_reading

    need(data=data, out=out)
    check_folder(out, [Path(name) for name in data])
    made = merge_datasets(
        [Path(name) for name in data],
        Path(out),
        valid=valid,
        balance=one_of("balance", balance, BALANCES),
        seed=seed,
        report=Progress("merge"),
        reading=load_reading(Path(config) if config else None),
    )
    if straddling := made.facts.get("repositories_in_several_splits"):
        say(
            f"note      rows of {', '.join(straddling)} are in more than one split: they could not be held apart"
        )
    if unwanted := made.facts.get("unwanted_dropped"):
        say(
            f"note      {unwanted:,} rows were left out: they are labelled as not wanted, or come from a served log "
            "and are not marked keep"
        )
    for name, split in made.splits.items():
        print(f"{Path(out) / split.file}: {split.examples} examples ({name})")


def data_files(paths: "list[Path]") -> "Iterator[Path]":
    """The files that a dataset's files, folders and globs stand for. Raises UserError when there are none."""
    from tunewright.chat.reading.files import find_files

    for file in find_files(paths):
        yield file.path


def check_folder(out: str, data: "list[Path]") -> None:
    """Raises UserError when the folder cannot be made, or is an input."""
    from tunewright.contract.atomic import check_place
    from tunewright.contract.errors import UserError

    check_place(Path(out))

    for path in (*data, *data_files(data)):
        if path.exists() and Path(out).exists() and path.samefile(out):
            raise UserError(f"--out {out} is an input", "Name a folder that is not there yet.")


def read_named(name: str) -> str:
    """The text of a file that a flag names. Raises UserError when it cannot be read."""
    from tunewright.contract.errors import UserError

    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{name}: cannot be read ({error})", "Check the path, and that it is text."
        ) from error


TASKS = (generate, families, from_log, normalize, merge)
