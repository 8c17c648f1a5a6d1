"""What a run is trained and judged on: the dataset in the normal form, and suites out of its held-out rows."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tunewright.cli.base_files import find_template
from tunewright.cli.invoke_program import ROOT
from tunewright.cli.pipeline import WORK
from tunewright.cli.template_fit import fit_dataset, fit_identity, fit_suite, row_fit
from tunewright.contract.console import Progress, say
from tunewright.contract.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tunewright.contract.recipe import Recipe
    from tunewright.contract.suite import Case


@dataclass(frozen=True)
class Inputs:
    """`folder` holds the splits in the normal form; `suites` are those made or changed for this run, by name; `base_note` is
    what the base model is told about the tools."""

    folder: Path
    origin: str
    suites: dict[str, Path] = field(default_factory=dict[str, Path])
    base_note: str = ""


def prepare_inputs(
    recipe: "Recipe", data: Path, host: str = "local", left_out: "Mapping[tuple[str, int], str] | None" = None
) -> Inputs:
    """Prepare a dataset for a run, once for the same rows, and the suites for its base model. `left_out` are rows that are
    not to be trained, as (file, line), each with the reason.

    Raises UserError when nothing in it can be trained, when the base's chat template refuses a case, and when it has tools
    and nobody here or on the host knows that template.
    """
    from tunewright.chat.training_set import prepare_dataset

    base = find_template(recipe, host)
    folder, made = prepare_dataset(
        data,
        WORK / "prepared",
        share=recipe.data.valid,
        seed=recipe.seed,
        limit=recipe.train.max_seq_length,
        fit=row_fit(recipe, base),
        base=fit_identity(recipe, base),
        left_out=left_out,
        report=Progress("prepare"),
    )
    counts = ", ".join(f"{split.examples:,} {name}" for name, split in made.splits.items())
    dropped = made.facts["dropped"]
    if dropped:
        places = made.facts["first_dropped"]
        reasons = "; ".join(
            f"{count:,} {reason} (the first: {one_line(places[reason])})" for reason, count in dropped.items()
        )
        say(f"prepare   {counts}; left out: {reasons}; each with its line in {folder / 'dropped.jsonl'}")
    if made.facts["held_out"] != "the data's own":
        say(
            f"prepare   no validation split: {made.splits['valid'].examples:,} rows held out, whole clusters at a time"
        )
    one_call = base is not None and base.support.one_call
    suites = {
        entry.name: _held_out_suite(folder, entry.held_out, one_call)
        for entry in recipe.suites
        if entry.held_out
    }
    _check_suite_files([ROOT / entry.path for entry in recipe.suites if entry.path], folder)
    if base is None:
        _check_without_tools(folder, recipe, host)
        fitted = folder
    else:
        fitted = fit_dataset(recipe, folder, made, base)
    for entry in recipe.suites:
        path = suites.get(entry.name) or ROOT / entry.path
        if path.is_file():  # a missing one is told when the run is made
            suites[entry.name] = fit_suite(path, fitted, base, recipe.data)
    return Inputs(fitted, str(data), suites, base_note(recipe))


def base_note(recipe: "Recipe") -> str:
    """What the base is told, by `train` and by `validate`, where the recipe asks for it; else nothing. Rows of single calls
    carry their tools themselves."""
    if not recipe.predict.tell_base or recipe.data.syntax != "code_mode":
        return ""
    from tunewright.chat.instructions import instructions
    from tunewright.contract.catalog import recipe_catalog

    return instructions(recipe_catalog(recipe.data), listed=recipe.data.listed)


def _check_without_tools(folder: Path, recipe: "Recipe", host: str) -> None:
    """Raises UserError for rows with tools or calls as data: how the base is given them is in its template."""
    from tunewright.contract.errors import UserError
    from tunewright.contract.example import read_examples

    rows = read_examples(folder / "train.jsonl")
    if any(row.tools or any(message.tool_calls for message in row.messages) for row in rows):
        model = recipe.model
        raise UserError(
            f"the chat template of {model.base} is neither here nor on {host} nor to be had from the hub, and the rows have "
            "tools: how they are given to the model is not known",
            f"Bring the model to {host} first: hf download {model.base} --revision {model.revision}"
            if model.revision
            else f"Put the whole model there, with its tokenizer and chat template: {model.base}",
        )


def _check_suite_files(paths: "Sequence[Path]", folder: Path) -> None:
    """Say which tools of a suite have other parameters than in the training rows. Raises UserError for gold that cannot be
    right, with file and line."""
    from tunewright.chat.training_set import read_places
    from tunewright.contract.example import read_examples
    from tunewright.eval.suite_faults import known_tools

    suites = [(path, read_checked(path)) for path in paths if path.is_file()]
    if not any(case.gold_calls for _, cases in suites for _, case in cases):
        return
    places = [f"{file}:{line}" for file, line in read_places(folder).get("train", ())]
    known = known_tools(zip(places, read_examples(folder / "train.jsonl")))
    for path, cases in suites:
        changed = [(line, *found) for line, case in cases for found in known.changed(case)]
        if changed:
            line, name, has, other = changed[0]
            count = len({line for line, *_ in changed})
            say(
                f"suite     warning: {path}:{line}: {name} takes {has}; no row of train offers it so (see {other}). "
                f"{count:,} cases offer tools that changed: make the suite again, ./inv suite.make"
            )


def read_checked(path: Path) -> "list[tuple[int, Case]]":
    """A suite's cases with their lines. Raises UserError for a case whose gold no schema of its tools allows."""
    from tunewright.contract.errors import UserError
    from tunewright.contract.example import read_jsonl
    from tunewright.contract.suite import read_suite
    from tunewright.eval.suite_faults import case_fault

    lines = [line for line, _ in read_jsonl(path)]
    cases = list(zip(lines, read_suite(path).cases))
    for line, case in cases:
        if fault := case_fault(case):
            raise UserError(
                f"{path}:{line}: case {case.id}: its gold cannot be right: {fault}",
                "A right model would count as wrong: correct the case, or make the suite again: ./inv suite.make",
            )
    return cases


def _held_out_suite(folder: Path, split: str, one_call: bool) -> Path:
    """The split's rows as cases, in a file of the prepared folder. Raises UserError when there is nothing to ask."""
    from tunewright.chat.training_set import read_places
    from tunewright.contract.atomic import write_jsonl
    from tunewright.contract.errors import UserError
    from tunewright.contract.example import read_examples
    from tunewright.eval.held_out import HeldOutRow, case_row, make_cases, same_rows

    places = read_places(folder)

    def rows_of(name: str) -> list[HeldOutRow]:
        path = folder / f"{name}.jsonl"
        examples = read_examples(path) if path.is_file() else []
        return [HeldOutRow(*place, row) for place, row in zip(places.get(name, ()), examples)]

    rows = rows_of(split)
    leaked = dict(same_rows(rows, rows_of("train")))
    made = make_cases([row for row in rows if row.place not in leaked], one_call=one_call)
    if not made.cases:
        why = [f"{a}: {b}" for a, b in made.left_out] or [f"{a} is {b} in train" for a, b in leaked.items()]
        first = f"; the first: {one_line(why[0])}" if why else ""
        raise UserError(
            f"the {split} split gives no case to judge the model on "
            f"({len(rows):,} rows, {len(leaked):,} also in train{first})",
            "Hold out rows with an answer, or take `from` out of the recipe's [[suites]].",
        )
    for count, what, first in (
        (len(leaked), "rows also appear in train", [f"{a} is {b}" for a, b in leaked.items()]),
        (len(made.left_out), "answers cannot be cases", [f"{a}: {b}" for a, b in made.left_out]),
    ):
        if count:
            say(f"suite     {split}: {count:,} {what}; the first: {one_line(first[0])}")
    if not made.calls_tools:
        say("suite     no held-out row calls a tool: answers in words are not judged right or wrong")
    out = folder / "suites" / f"{split}.jsonl"
    write_jsonl(out, (case_row(case) for case in made.cases))
    say(f"suite     {split}: {len(made.cases):,} cases out of held-out rows")
    return out
