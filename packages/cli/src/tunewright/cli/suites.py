"""Tasks about suites: made out of held-out rows, and checked before they are used."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.exceptions import Exit

from tunewright.cli.invoke_program import ROOT, command, need
from tunewright.cli.validating import read_suites
from tunewright.contract.console import Progress, say
from tunewright.contract.outputs import check_outputs, is_stdout, write_result

if TYPE_CHECKING:
    from tunewright.contract.recipe import Gate
    from tunewright.eval.held_out import HeldOutRow, HeldOutSuite

SHOWN = 10  # answers that are not cases, and rows in both splits, that are named


@dataclass(frozen=True)
class MadeSuite:
    """What came of the rows: cases as they are, how many changed copies of them, and what was left out."""

    made: "HeldOutSuite"
    copies: int

    def text(self, out: Path) -> str:
        """What somebody should know of the suite before using it."""
        cases = self.made.cases
        kinds = Counter(case.category for case in cases)
        tools = Counter(
            name
            for case in cases
            for answer in case.gold_calls
            for name in dict.fromkeys(call.function.name for call in answer.tool_calls)
        )
        clusters = len({case.cluster for case in cases})
        lines = [f"{out}: {len(cases)} cases in {clusters} clusters, and {self.copies} changed copies"]
        lines += [f"  {count:>6}  {kind}" for kind, count in kinds.most_common()]
        words = sum(
            not case.expect.tools and not any(answer.tool_calls for answer in case.gold_calls)
            for case in cases
        )
        lines.append(f"  a model that never calls would have {words / len(cases):.0%} right")
        if tools:
            listed = ", ".join(f"{name} ({count})" for name, count in tools.most_common(12))
            more = f", and {len(tools) - 12} others" if len(tools) > 12 else ""
            lines.append(f"  {len(tools)} tools are right to call somewhere: {listed}{more}")
        if not self.made.calls_tools:
            lines.append(
                "  no row calls a tool: this suite can only tell whether answers can be read and call nothing"
            )
        if self.made.left_out:
            lines.append(f"  left out: {len(self.made.left_out)} answers")
            lines += [f"    {place}: {reason}" for place, reason in self.made.left_out[:SHOWN]]
            if len(self.made.left_out) > SHOWN:
                lines.append(f"    … and {len(self.made.left_out) - SHOWN} more")
        return "\n".join(lines)


def make_suite(
    data: Sequence[Path], out: Path, *, train: Sequence[Path] = (), perturb: bool = False
) -> MadeSuite:
    """Write a suite of the rows in `data`.

    Raises UserError for rows that cannot be read, rows that also appear in `train`, a name that a metric has, and when
    there is nothing to make a case of; then nothing is written.
    """
    from tunewright.chat.reading.files import find_files
    from tunewright.contract.atomic import write_jsonl
    from tunewright.contract.errors import UserError
    from tunewright.eval.held_out import case_row, make_cases, same_rows
    from tunewright.eval.perturb import perturb as changed_copies

    check_suite_name(out)
    rows, unread = read_rows_of(data)
    trained = [*train, *(path for path in data if len({file.split for file in find_files([path])}) > 1)]
    if trained and (both := same_rows(rows, read_rows_of(trained, trained=True)[0])):
        listed = "; ".join(f"{a} is {b}" for a, b in both[:SHOWN])
        raise UserError(
            f"{len(both)} of {len(rows)} held-out rows also appear in train: {listed}"
            + (f"; and {len(both) - SHOWN} more" if len(both) > SHOWN else ""),
            "Split the data again, whole clusters at a time: ./inv data.merge --data FILE --out FOLDER",
        )
    made = make_cases(rows)
    made = replace(made, left_out=(*unread, *made.left_out))
    if not made.cases:
        first = f"; the first: {made.left_out[0][0]}: {made.left_out[0][1]}" if made.left_out else ""
        raise UserError(
            f"no answer of {len(rows)} rows can be a case{first}",
            "A row needs a request and an answer of the assistant after it.",
        )
    copies = changed_copies(made.cases) if perturb else []
    write_jsonl(out, (case_row(case) for case in (*made.cases, *copies)))
    return MadeSuite(made, len(copies))


def check_suite_name(out: Path) -> None:
    """Raises UserError for a file that is not JSONL, and for a name that a metric has."""
    from tunewright.contract.errors import UserError
    from tunewright.eval.suite_score import METRIC_NAMES

    if out.suffix != ".jsonl":
        raise UserError(f"{out}: a suite is a .jsonl file", "Name it suites/mine.jsonl, for example.")
    if out.stem in METRIC_NAMES:
        raise UserError(
            f"{out}: {out.stem} is the name of a metric",
            "Name the suite otherwise, so that gates are unambiguous.",
        )


def read_rows_of(
    paths: Sequence[Path], *, trained: bool = False
) -> "tuple[list[HeldOutRow], list[tuple[str, str]]]":
    """Every conversation of these files, folders or globs as training reads it, and the places and reasons of the rows that
    training would drop. Of what has several splits, the train split is taken with `trained`, and the others without.

    Raises UserError when no row is left.
    """
    from tunewright.chat.training_set import read_training_set
    from tunewright.eval.held_out import HeldOutRow

    rows: list[HeldOutRow] = []
    dropped: list[tuple[str, str]] = []
    for path in paths:
        made = read_training_set(path)
        splits = [split for split in made.rows if len(made.rows) == 1 or (split == "train") == trained]
        for split in splits:
            places = zip(made.rows[split], made.places[split])
            rows += [HeldOutRow(file, line, row) for row, (file, line) in places]
        dropped += [
            (f"{row.file}:{row.line}", f"{row.reason}{f' ({row.detail})' if row.detail else ''}")
            for row in made.dropped
            if row.split in splits
        ]
    return rows, dropped


@command(
    iterable=["data", "train"],
    data="held-out rows: a file, a glob, or a folder with splits, of which valid and test are taken; in any form that "
    "`audit` reads; repeatable",
    out="the suite's file, suites/NAME.jsonl",
    perturb="add copies of the cases with their tools in another order, under masked names, without the right one, and "
    "with one that only takes the same parameters",
    train="rows that were trained on: refuse held-out rows that also appear there; repeatable",
)
def make(
    c: Context, data: list[str] = [], out: str = "", perturb: bool = False, train: list[str] = []
) -> None:
    """Make a suite out of held-out rows: every answer becomes a case, judged by the calls it makes."""
    need(data=data, out=out)
    rows, trained = [Path(name) for name in data], [Path(name) for name in train]
    check_outputs(out, inputs=[*rows, *trained])
    made = make_suite(rows, Path(out), train=trained, perturb=perturb)
    print(made.text(Path(out)))
    say(f"answer it   ./inv validate --model RUN --suite {out}")


@command(
    iterable=["suite"],
    suite="a suite's name or file; repeatable (default: both that are shipped)",
    subset="only the cases of this subset: quick",
    catalog="the catalog of its tools: a shipped name, or a JSON file (default: coding)",
    mutants="wrong answers made by each operator from each case's gold",
    json="write it as JSON to this file, or - for standard output",
    recipe="a recipe whose gates on the suite are looked at (default: targets of 80, 90 and 100 %)",
)
def check(
    c: Context,
    suite: list[str] = [],
    catalog: str = "coding",
    mutants: int = 1,
    json: str = "",
    subset: str = "",
    recipe: str = "",
) -> None:
    """Can the suite tell right from wrong? Golds must score as right, mutants of them as wrong."""
    from tunewright.contract.catalog import load_catalog
    from tunewright.contract.errors import ExitCode, UserError
    from tunewright.contract.recipe import load_recipe
    from tunewright.eval.gate_chances import chances_text, gate_chances
    from tunewright.eval.suite_check import check_suite

    if mutants < 1:
        raise UserError(f"--mutants {mutants} leaves nothing to catch", "Give 1 or more.")
    suites = read_suites(suite, subset)
    check_outputs(json, inputs=list(suites))
    tools = load_catalog(catalog)
    rules = load_recipe(recipe, ROOT) if recipe else None
    checks, chances = [], []
    for read in suites.values():
        bar = Progress("check")
        checks.append(
            check_suite(
                read,
                tools,
                mutants,
                lambda done, total, bar=bar, name=read.name: bar(f"{name}: case", done, total),
            )
        )
        gates = [gate for gate in rules.gates if gate.suite == read.name] if rules else usual_gates(read.name)
        chances.append(gate_chances(gates, {read.name: read}))
    if json:
        value: list[dict[str, object]] = [
            {**found.to_json(), "gates": [chance.to_json() for chance in those]}
            for found, those in zip(checks, chances, strict=True)
        ]
        write_result(json, value[0] if len(value) == 1 else {"schema": 1, "suites": value})
    if not is_stdout(json):
        for found, those in zip(checks, chances, strict=True):
            print("\n".join([found.to_text(), "gates", *(f"  {line}" for line in chances_text(those)), ""]))
    if not all(found.sound for found in checks):
        raise Exit(code=int(ExitCode.FAILED))


def usual_gates(suite: str) -> "list[Gate]":
    """Gates to look at where no recipe says which."""
    from tunewright.contract.recipe import Gate

    return [Gate(metric="overall", suite=suite, target=target) for target in (0.8, 0.9, 1.0)]


TASKS = (make, check)
