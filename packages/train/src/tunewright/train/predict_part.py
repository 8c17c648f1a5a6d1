"""The process that answers the second part of a run's suites.

    python -m tunewright.train.predict_part --run DIR --model NAME --out FOLDER SUITE…

writes `FOLDER/<suite>.jsonl` for each suite of a run.
"""

import argparse
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from tunewright.contract.run import RunFolder
from tunewright.contract.suite import read_suite


def part_of_run(run: RunFolder, model: str, suites: Sequence[str], out: Path) -> list[str | Path]:
    """The command that answers the second part of a run's suites."""
    return ["tunewright.train.predict_part", "--run", run.path, "--model", model, "--out", out, *suites]


def main() -> int:
    """Answer the second part of the suites named."""
    parser = argparse.ArgumentParser(prog="python -m tunewright.train.predict_part")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("suites", nargs="+")
    options = parser.parse_args()
    from tunewright.train.base import find_base
    from tunewright.train.courtesy import Rest
    from tunewright.train.models import open_model
    from tunewright.train.other_process import parts_here
    from tunewright.train.predict import answer_part, asked_of, write_predictions
    from tunewright.train.ranks import live_with_parent

    threading.Thread(target=live_with_parent, daemon=True).start()
    run = RunFolder(options.run)
    spec = run.read_spec()
    recipe = spec.recipe
    base = find_base(recipe.model, run.path.parent.parent / "bases")
    loaded = open_model(options.model, run, recipe, base)
    for name in options.suites:
        suite = asked_of(options.model, read_suite(run.suites / f"{name}.jsonl"), spec)
        found = answer_part(loaded, suite, recipe.predict, recipe.seed, (1, parts_here()), Rest(run))
        write_predictions(options.out / f"{name}.jsonl", found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
