"""The steps of the main job that cross packages. Each takes what the step before it gave."""

import getpass
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunewright.cli.invoke_program import ROOT
from tunewright.contract.console import Progress, say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tunewright.contract.manifest import DatasetManifest
    from tunewright.contract.recipe import Recipe
    from tunewright.contract.run import Forced, RunFolder, Status

DEFAULT_RECIPE = "smollm2"  # what a task takes when none is named
DATA = ROOT / "data"
RUNS = ROOT / "runs"
WORK = ROOT / ".tunewright"
PROBES = WORK / "probes"


# What is wrong with one row by itself, and in how large a share of a dataset's rows it may be left out.
ROW_CHECKS = frozenset({"call.arguments", "call.unknown_tool", "call.unparseable"})
FEW = 0.02


@dataclass(frozen=True)
class Audited:
    """An audit that a run may go on after: its JSON, who forced a failed one, and rows to leave out."""

    report: Path
    forced: "Forced | None" = None
    left_out: "Mapping[tuple[str, int], str]" = field(default_factory=dict[tuple[str, int], str])


def choose_dataset(recipe: "Recipe", data: str) -> Path:
    """What the user named, else what the recipe names, else the recipe's own dataset, made when it is not there yet."""
    from tunewright.chat.reading.files import find_files

    if data or recipe.data.path:
        path = Path(data) if data else ROOT / recipe.data.path
        splits = dict.fromkeys(file.split for file in find_files([path]))
        say(f"data      {path} ({', '.join(splits)})")
        return path
    path, made = own_dataset(recipe)
    counts = ", ".join(f"{split.examples} {name}" for name, split in made.splits.items())
    say(f"data      {path} ({counts} examples, seed {made.seed})")
    return path


def own_dataset(
    recipe: "Recipe",
    out: Path | None = None,
    *,
    seed: int | None = None,
    repos: "Sequence[Path]" = (),
    template: str | None = None,
) -> "tuple[Path, DatasetManifest]":
    """The recipe's dataset in `out`; by default in `data/NAME`, or `data/NAME-2` and so on while those hold others.

    A changed recipe or generator makes another dataset; the one that earlier runs were trained on stays. Each row has to
    survive `template`, or else the chat template of the recipe's base model where that is on this machine.
    """
    from tunewright.chat.dataset_folder import MadeFromOtherInputs
    from tunewright.contract.base_tokenizer import chat_template, tokenizer_folder
    from tunewright.datagen.generate import generate_dataset

    if template is None and (folder := tokenizer_folder(recipe.model.base, recipe.model.revision)):
        template = chat_template(folder)
    path, number = out or DATA / recipe.name, 1
    while True:
        try:
            made = generate_dataset(
                recipe, path, seed, Progress("data"), root=ROOT, repos=repos, template=template
            )
        except MadeFromOtherInputs:
            if out:
                raise
            number += 1
            path = DATA / f"{recipe.name}-{number}"
        else:
            return path, made


def audit_gate(data: Path, recipe: "Recipe", force: bool) -> "Audited":
    """Audit the dataset, and decide whether a run may go on.

    It may when the audit does not fail, when a few rows alone fail it, which are left out then, and with `force`. Raises
    CheckFailed otherwise.
    """
    from tunewright.audit.audited import audit_dataset
    from tunewright.audit.terminal_report import terminal_text
    from tunewright.contract.atomic import sha256_json, write_json
    from tunewright.contract.errors import CheckFailed
    from tunewright.contract.run import Forced
    from tunewright.contract.visible import one_line

    report = audit_dataset([data], recipe=recipe, suites=recipe.suite_files(ROOT), probes=PROBES)
    value = report.to_json()
    saved = WORK / "audits" / f"{sha256_json(value)[:16]}.json"
    write_json(saved, value)
    if report.verdict != "fail":
        say(f"audit     {report.verdict}: {summary_of(value)}")
        return Audited(saved)
    failed = [finding for finding in value["findings"] if finding["severity"] == "fail"]
    worst = next((finding for finding in failed if finding["rows"]), failed[0])
    place = "".join(f"{row['file']}:{row['line']}: " for row in worst["rows"][:1])
    first = one_line(f"{place}{worst['check']}: {worst['message']}", 300)
    if force:
        say(terminal_text(report))
        say("audit     FAILED, and forced: the report will say so")
        reasons = tuple(dict.fromkeys(f"{f['check']}: {f['message']}" for f in failed))
        return Audited(saved, Forced(by=getpass.getuser(), reasons=reasons))
    if bad := few_bad_rows(value):
        say(
            f"audit     {summary_of(value)}; it fails by {len(bad)} rows alone, which are left out; the first: {first}"
        )
        return Audited(saved, left_out=bad)
    say(terminal_text(report))
    raise CheckFailed(
        f"the audit of {data} failed; nothing was trained; the first: {first}",
        f"See everything: ./inv audit --data {data} --html audit.html. "
        "Train all the same, on record: --force.",
    )


def few_bad_rows(audit: "dict[str, Any]") -> dict[tuple[str, int], str]:
    """Rows whose own calls alone fail an audit, each with the reason; empty where anything else fails it, or too many do."""
    rows: dict[tuple[str, int], str] = {}
    for finding in audit["findings"]:
        if finding["severity"] == "fail":
            if finding["check"] not in ROW_CHECKS or finding["count"] != len(finding["rows"]):
                return {}
            for row in finding["rows"]:
                rows.setdefault(
                    (str(row["file"]), int(row["line"])), f"{finding['check']}: {finding['message']}"
                )
    total = sum(file["examples"] for file in audit["dataset"]["files"])
    return rows if len(rows) <= FEW * total else {}


def summary_of(audit: "dict[str, object]") -> str:
    """The audit's three numbers in a line."""
    headline = audit.get("headline")
    if not isinstance(headline, dict):
        return "no headline"
    return ", ".join(
        f"{str(name).replace('_', ' ')} {value:.0%}" for name, value in headline.items() if value is not None
    )


def come_back(run: "RunFolder") -> str:
    """How to attach to a run that goes on by itself."""
    return f"come back with: ./inv attach --run {run.path.name}"


def stop_it(run: "RunFolder") -> str:
    """How to end a run that goes on by itself."""
    return f"stop it: ./inv cancel --run {run.path.name}"


@contextmanager
def told_when_interrupted(words: Callable[[], str]) -> Generator[None]:
    """When Ctrl-C ends the block, say what became of the work and what to type next."""
    try:
        yield
    except KeyboardInterrupt:
        say(words())
        raise


def say_detached(run: "RunFolder", status: "Status") -> None:
    """A run was started, and nobody waits for it."""
    waits = f"queued, {status.message}; " if status.place else ""
    say(f"detached  {waits}{come_back(run)}")


def left_alone(run: "RunFolder") -> str:
    """What becomes of a run that nobody follows or pulls any more, as far as the laptop has heard."""
    from tunewright.contract.run import FINAL_STATES

    status = run.read_status()
    if status is not None and status.state in FINAL_STATES:
        return f"what has come is kept: {come_back(run)}"
    return f"the run goes on: {come_back(run)}; {stop_it(run)}"


def attach_to(host: str, run: "RunFolder") -> None:
    """Follow a started run to its end and bring its results home.

    Raises CheckFailed when the run did not finish.
    """
    from tunewright.remote.host import open_host
    from tunewright.remote.job import follow_run, pull_run
    from tunewright.remote.progress import show_events

    recipe = run.read_spec().recipe
    with told_when_interrupted(lambda: left_alone(run)), open_host(host, ROOT) as machine:
        show_events(follow_run(machine, run), recipe)
        pull_run(machine, run, say)
    require_done(run)


def require_done(run: "RunFolder") -> None:
    """Raises CheckFailed when the run, as the laptop has heard, did not finish."""
    from tunewright.contract.errors import CheckFailed

    status = run.read_status()
    if status is None or status.state != "done":
        state = status.state if status else "unknown"
        message = status.message if status else ""
        raise CheckFailed(
            f"run {run.path.name} ended as {state}{': ' + message if message else ''}",
            (status.hint if status else "")
            or f"Look at: ./inv logs --run {run.path.name}; go on: ./inv resume --run {run.path.name}",
        )


def finish(run: "RunFolder") -> None:
    """Score, judge and report a pulled run; leave with the gates' exit code.

    Raises CheckFailed when the run is not what its manifest says: its figures would be of something else.
    """
    from invoke.exceptions import Exit

    from tunewright.contract.errors import CheckFailed
    from tunewright.contract.run_manifest import changed_files
    from tunewright.eval.registry import in_use, read_registry
    from tunewright.eval.report import write_report
    from tunewright.eval.run_scores import score_run
    from tunewright.eval.score_text import scores_text

    if run.manifest.is_file() and (changed := changed_files(run)):
        raise CheckFailed(
            f"run {run.path.name} is not scored: {changed[0]}",
            "Put it back. What the host made comes back with ./inv pull.",
        )
    scores = score_run(run, in_use(read_registry(ROOT / "models")))
    write_report(run, scores, ROOT / "models")
    print(scores_text(scores))
    print(f"report    {run.report}")
    print(f"summary   {run.summary}")
    if scores.exit_code:
        raise Exit(code=scores.exit_code)
