"""The process that compares a run's models on the second part of its rows.

    python -m tunewright.train.fidelity_part --run DIR --out FOLDER

writes what it measured to `FOLDER/compared.json`.
"""

import argparse
import sys
import threading
from pathlib import Path

from tunewright.contract.run import RunFolder


def part_of_run(run: RunFolder, out: Path) -> list[str | Path]:
    """The command that compares a run's models on the second part of its rows."""
    return ["tunewright.train.fidelity_part", "--run", run.path, "--out", out]


def main() -> int:
    """Compare the models on the second part of the rows."""
    parser = argparse.ArgumentParser(prog="python -m tunewright.train.fidelity_part")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    from tunewright.train.base import find_base
    from tunewright.train.courtesy import Rest
    from tunewright.train.fidelity import COMPARED, compare_part
    from tunewright.train.other_process import parts_here
    from tunewright.train.ranks import Silent, live_with_parent
    from tunewright.train.stages import Work

    threading.Thread(target=live_with_parent, daemon=True).start()
    run = RunFolder(options.run)
    spec = run.read_spec()
    base = find_base(spec.recipe.model, run.path.parent.parent / "bases")
    work = Work(run, spec, base, Silent())
    rows = work.valid_rows, work.rehearsed_rows
    compare_part(run, spec.recipe, base, *rows, (1, parts_here()), Rest(run)).write(options.out / COMPARED)
    return 0


if __name__ == "__main__":
    sys.exit(main())
