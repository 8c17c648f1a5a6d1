"""The steps of the main job that cross packages. Each takes what the step before it gave."""

import getpass
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunewright.cli.door import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tunewright.contract.manifest import DatasetManifest
    from tunewright.contract.recipe import Recipe
    from tunewright.contract.run import Forced, RunFolder

DATA = ROOT / "data"
RUNS = ROOT / "runs"
WORK = ROOT / ".tunewright"


# What is wrong with one row by itself, and in how large a share of a dataset's rows it may be left out.
ROW_CHECKS = frozenset({"call.arguments", "call.unknown_tool", "call.unparseable"})
FEW = 0.02


@dataclass(frozen=True)
class Audited:
    """An audit that a run may go on after: its JSON, who forced a failed one, and rows to leave out."""

    report: Path
    forced: "Forced | None" = None
    left_out: "Mapping[tuple[str, int], str]" = field(default_factory=dict[tuple[str, int], str])


def say(text: str) -> None:
    """A line for the person watching. Standard output is kept for results when it carries JSON."""
    print(("\x1b[2K" if sys.stderr.isatty() else "") + text, file=sys.stderr, flush=True)


def choose_dataset(recipe: "Recipe", data: str) -> Path:
    """What the user named, else what the recipe names, else the recipe's own dataset, made when it is not there yet."""
    from tunewright.chat.read.files import find_files

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
    from tunewright.audit.audit import audit_dataset
    from tunewright.audit.report import terminal_text
    from tunewright.contract.atomic import sha256_json, write_json
    from tunewright.contract.errors import CheckFailed
    from tunewright.contract.run import Forced
    from tunewright.contract.visible import one_line

    report = audit_dataset([data], recipe=recipe, suites=recipe.suite_files(ROOT))
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


def attach_to(host: str, run: "RunFolder") -> None:
    """Follow a started run to its end and bring its results home.

    Raises CheckFailed when the run did not finish.
    """
    from tunewright.contract.errors import CheckFailed
    from tunewright.remote.host import open_host
    from tunewright.remote.job import follow_run, pull_run
    from tunewright.remote.progress import show_events

    recipe = run.read_spec().recipe
    with open_host(host, ROOT) as machine:
        try:
            show_events(follow_run(machine, run), recipe)
        except KeyboardInterrupt:
            say(f"the run goes on: {come_back(run)}; stop it: ./inv cancel --run {run.path.name}")
            raise
        pull_run(machine, run, say)
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
    from tunewright.eval.terminal import scores_text

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


class Progress:
    """One step's progress: a line rewritten on a terminal, a line every few seconds otherwise.

    What is over within the first seconds says nothing.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.last = time.monotonic()

    def share(self, what: str, done: float) -> None:
        """Progress of a step that counts in shares of 1."""
        self(f"{what}:", round(done * 100), 100)

    def __call__(self, what: str, done: int, total: int) -> None:
        at = time.monotonic()
        terminal = sys.stderr.isatty()
        if at - self.last < (0.2 if terminal else 2):
            return
        self.last = at
        line = f"{self.name:<9} {what} {done:,} of {total:,}"
        # On a terminal the cursor goes back to the line's start: whatever is said next writes over it.
        print(
            f"\x1b[2K{line}\r" if terminal else line,
            end="" if terminal else "\n",
            file=sys.stderr,
            flush=True,
        )


def check_outputs(*names: str, inputs: "Iterable[Path]" = ()) -> None:
    """Before anything long: every file named can be written, none is an input, and no two are the same file.

    Empty names are flags that were not given; `inputs` are looked at after the outputs' own places. Raises UserError for
    the first that is not so.
    """
    from tunewright.contract.atomic import check_place, is_stream
    from tunewright.contract.errors import UserError

    taken: dict[str, str] = {}
    for name in filter(None, names):
        path = Path(name)
        if not is_stdout(name):
            if path.is_dir():
                raise UserError(f"{name} is a folder", "Name a file in it.")
            check_place(path)
            if is_stream(path):
                continue
        place = "-" if is_stdout(name) else str(path.resolve())
        if place in taken:
            what = "standard output" if place == "-" else name
            raise UserError(f"two outputs go to {what}", "Name a file for each.")
        taken[place] = name
    read = {_identity(path): path for path in inputs if path.exists()}
    for name in filter(None, names):
        path = Path(name)
        if not is_stdout(name) and path.exists() and (source := read.get(_identity(path))):
            same = "" if path == source else f" (it is the same file as {source})"
            raise UserError(
                f"{name} is an input{same}, and would be replaced by the output", "Name another file."
            )


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def is_stdout(target: str) -> bool:
    """Whether an output goes to standard output: `-`, or a path that names it. Then nothing else may go there."""
    from tunewright.contract.atomic import open_descriptor

    return target == "-" or (target != "" and open_descriptor(Path(target)) == 1)


def write_result(target: str, value: "dict[str, object]") -> None:
    """Write JSON to the file named, or to standard output for `-`."""
    import json

    from tunewright.contract.atomic import write_json

    if is_stdout(target):
        print(json.dumps(value, ensure_ascii=False, indent=2))
    else:
        write_json(Path(target), value)


def write_page(target: str, html: str) -> None:
    """Write a page to the file named, or to standard output for `-`."""
    from tunewright.contract.atomic import write_text

    if is_stdout(target):
        print(html)
    else:
        write_text(Path(target), html)
