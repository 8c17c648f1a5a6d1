"""What a run is trained and judged on: the dataset in the normal form, and suites out of its held-out rows."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tunewright.cli.steps import WORK, Progress, say

if TYPE_CHECKING:
    from tunewright.contract.recipe import Recipe


@dataclass(frozen=True)
class Inputs:
    """`folder` holds the splits in the normal form; `suites` are those made from held-out rows, by name."""

    folder: Path
    origin: str
    suites: dict[str, Path] = field(default_factory=dict[str, Path])


def prepare_inputs(recipe: "Recipe", data: Path) -> Inputs:
    """Prepare a dataset for a run, once for the same rows. Raises UserError when nothing in it can be trained."""
    from tunewright.chat.training_set import prepare_dataset

    folder, made = prepare_dataset(
        data, WORK / "prepared", share=recipe.data.valid, seed=recipe.seed, report=Progress("prepare")
    )
    counts = ", ".join(f"{split.examples:,} {name}" for name, split in made.splits.items())
    dropped = made.facts["dropped"]
    if dropped:
        reasons = "; ".join(f"{count:,} {reason}" for reason, count in dropped.items())
        say(f"prepare   {counts}; left out: {reasons} (each with its line: {folder / 'dropped.jsonl'})")
    if made.facts["held_out"] != "the data's own":
        say(
            f"prepare   no validation split: {made.splits['valid'].examples:,} rows held out, whole clusters at a time"
        )
    suites = {
        entry.name: _held_out_suite(folder, entry.held_out) for entry in recipe.suites if entry.held_out
    }
    return Inputs(folder, str(data), suites)


def _held_out_suite(folder: Path, split: str) -> Path:
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
    made = make_cases([row for row in rows if row.place not in leaked])
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
