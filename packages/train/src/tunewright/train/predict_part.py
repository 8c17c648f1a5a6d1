"""One part of a run's answers, in a process of its own.

    python -m tunewright.train.predict_part --run DIR --model NAME --part N --out FOLDER SUITE…

writes `FOLDER/<suite>.jsonl` for each suite, whole or not at all, and ends when its standard input does. What it does
not finish the worker does itself, with the same result.
"""

import argparse
import contextlib
import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from pathlib import Path

from tunewright.contract.run import RunFolder
from tunewright.contract.suite import Prediction, read_suite


@contextlib.contextmanager
def other_part(
    run: RunFolder, model: str, part: int, out: Path, suites: Sequence[str]
) -> Generator["subprocess.Popen[bytes]"]:
    """Start a process that answers one part of some suites; it ends with the block."""
    command = [sys.executable, "-P", "-m", "tunewright.train.predict_part", "--run", str(run.path)]
    command += ["--model", model, "--part", str(part), "--out", str(out), *suites]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd="/")
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read_part(path: Path) -> list[Prediction] | None:
    """The predictions of a finished part; None when it is not there."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return [Prediction.model_validate_json(line) for line in lines]


def main() -> int:
    """Answer one part of the suites named."""
    parser = argparse.ArgumentParser(prog="python -m tunewright.train.predict_part")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--part", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("suites", nargs="+")
    options = parser.parse_args()
    from tunewright.train.base import find_base
    from tunewright.train.courtesy import Rest
    from tunewright.train.models import open_model
    from tunewright.train.predict import answer_part, asked_of, parts_here, write_predictions
    from tunewright.train.ranks import live_with_parent

    threading.Thread(target=live_with_parent, daemon=True).start()
    run = RunFolder(options.run)
    spec = run.read_spec()
    recipe = spec.recipe
    base = find_base(recipe.model, run.path.parent.parent / "bases")
    loaded = open_model(options.model, run, recipe, base)
    for name in options.suites:
        suite = asked_of(options.model, read_suite(run.suites / f"{name}.jsonl"), spec)
        part = (options.part, parts_here())
        found = answer_part(loaded, suite, recipe.predict, recipe.seed, part, Rest(run))
        write_predictions(options.out / f"{name}.jsonl", found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
