"""What a run is trained and judged on: the dataset in the normal form, and suites out of its held-out rows."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tunewright.cli.base_files import find_template
from tunewright.cli.door import ROOT
from tunewright.cli.steps import WORK, Progress, say
from tunewright.cli.template_fit import fit_dataset, fit_identity, fit_suite, row_fit
from tunewright.contract.visible import one_line

if TYPE_CHECKING:
    from tunewright.contract.recipe import Recipe


@dataclass(frozen=True)
class Inputs:
    """`folder` holds the splits in the normal form; `suites` are those made or changed for this run, by name."""

    folder: Path
    origin: str
    suites: dict[str, Path] = field(default_factory=dict[str, Path])


def prepare_inputs(recipe: "Recipe", data: Path, host: str = "local") -> Inputs:
    """Prepare a dataset for a run, once for the same rows, and the suites for its base model.

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
    if base is None:
        _check_without_tools(folder, recipe, host)
        return Inputs(folder, str(data), suites)
    fitted = fit_dataset(recipe, folder, made, base)
    for entry in recipe.suites:
        path = suites.get(entry.name) or ROOT / entry.path
        if path.is_file():  # a missing one is told when the run is made
            suites[entry.name] = fit_suite(path, fitted, base, recipe.data.syntax)
    return Inputs(fitted, str(data), suites)


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


def _held_out_suite(folder: Path, split: str, one_call: bool) -> Path:
    """The split's rows as cases, in a file of the prepared folder. Raises UserError when there is nothing to ask."""
    from tunewright.contract.atomic import write_jsonl
    from tunewright.contract.errors import UserError
    from tunewright.contract.example import read_examples
    from tunewright.eval.held_out import HeldOutRow, case_row, make_cases, same_rows

    def rows_of(name: str) -> list[HeldOutRow]:
        path = folder / f"{name}.jsonl"
        examples = read_examples(path) if path.is_file() else []
        return [HeldOutRow(str(path), line, row) for line, row in enumerate(examples, start=1)]

    rows = rows_of(split)
    leaked = dict(same_rows(rows, rows_of("train")))
    made = make_cases([row for row in rows if row.place not in leaked], one_call=one_call)
    if not made.cases:
        raise UserError(
            f"the {split} split gives no case to judge the model on ({len(rows):,} rows, {len(leaked):,} also in train)",
            "Hold out rows with an answer, or take `from` out of the recipe's [[suites]].",
        )
    for what, places in (
        ("also appear in train", list(leaked)),
        ("are no cases", [p for p, _ in made.left_out]),
    ):
        if places:
            say(f"suite     {len(places):,} {split} rows or answers {what}, the first is {places[0]}")
    if not made.calls_tools:
        say("suite     no held-out row calls a tool: answers in words are not judged right or wrong")
    out = folder / "suites" / f"{split}.jsonl"
    write_jsonl(out, (case_row(case) for case in made.cases))
    say(f"suite     {split}: {len(made.cases):,} cases out of held-out rows")
    return out
