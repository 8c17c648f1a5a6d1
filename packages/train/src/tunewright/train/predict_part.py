"""Another process that answers the second half of suites, where a CPU has a core to spare.

    python -m tunewright.train.predict_part --run DIR --model NAME --part N --out FOLDER SUITE…

writes `FOLDER/<suite>.jsonl` for each suite of a run, whole or not at all, and ends when its standard input does. What it
does not finish is answered by who started it, with the same result.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

from tunewright.contract.run import RunFolder
from tunewright.contract.suite import Prediction, read_suite

WORTH_WHILE = 64 << 20  # bytes of a model that answers slowly enough for another process to pay for its start
WAITING = 0.2  # seconds between two looks for another process's answers


class OtherPart:
    """The process that answers the second part. `check` is called while it is waited for."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", out: Path, check: Callable[[], object] = lambda: None
    ) -> None:
        self._process = process
        self._out = out
        self._check = check

    def found(self, suite: str) -> list[Prediction] | None:
        """What it answered of a suite, once that is there; None when it ended without."""
        path = self._out / f"{suite}.jsonl"
        while (found := _read(path)) is None:
            self._check()
            if self._process.poll() is not None:
                return _read(path)  # it may have finished between the two looks
            time.sleep(WAITING)
        return found


def pays(model: Any) -> bool:
    """Whether it pays to let another process answer half: on a CPU with a core and memory to spare."""
    from tunewright.train.models import size_of
    from tunewright.train.predict import parts_here
    from tunewright.train.ranks import COUNT, wanted_ranks

    size = size_of(model)
    return parts_here() > 1 and wanted_ranks(size) > 1 and (size >= WORTH_WHILE or COUNT in os.environ)


@contextlib.contextmanager
def other_part(
    command: Callable[[Path], Sequence[str | Path]],
    check: Callable[[], object] = lambda: None,
    cwd: Path = Path("/"),
    said: int | None = None,
) -> Generator[OtherPart]:
    """Start `python -m` with the arguments that `command` gives for the folder of its answers; kill it after the block.

    `said` is where its standard error goes; None: where ours goes.
    """
    with tempfile.TemporaryDirectory() as out:
        line = [sys.executable, "-P", "-m", *map(str, command(Path(out)))]
        process = subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, cwd=cwd
        )
        try:
            yield OtherPart(process, Path(out), check)
        finally:
            process.kill()
            process.communicate()


def part_of_run(run: RunFolder, model: str, suites: Sequence[str], out: Path) -> list[str | Path]:
    """The command that answers the second part of a run's suites."""
    options = ["--run", run.path, "--model", model, "--part", "1", "--out", out]
    return ["tunewright.train.predict_part", *options, *suites]


def _read(path: Path) -> list[Prediction] | None:
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
