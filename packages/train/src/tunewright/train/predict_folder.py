"""Answers of any model folder to suites, without a run.

    python -m tunewright.train.predict_folder

reads `{"model": folder, "suites": [files], "out": folder, "settings": {…}, "seed": n, "note": text}` on standard
input (`settings` is a recipe's `[predict]` table, `note` is what the model is told with every case), writes
`<out>/<suite>.jsonl` for each suite, and prints one line of JSON: `{"files": {suite: path}}`, or
`{"error": …, "hint": …}` with exit code 2. Progress goes to standard error, one JSON object a line:
`{"suite": …, "done": n, "total": n}`.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from tunewright.contract.errors import ExitCode, UserError
from tunewright.contract.recipe import Predict
from tunewright.contract.suite import read_suite

TOLD = 0.5  # seconds between two words about progress


class Question(BaseModel):
    """What is asked. Paths are of this machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Path
    suites: tuple[Path, ...]
    out: Path
    settings: Predict = Predict()
    seed: int = 1
    note: str = ""  # put at the end of each case's system message


def predict_folder(question: Question, tick: Callable[[str, int, int], None]) -> dict[str, str]:
    """Write every suite's predictions; their paths by suite. `tick` gets suite, answers done, answers in all.

    Raises UserError for what is not a model or not a suite, or where they do not fit each other.
    """
    from tunewright.train.base import expand_on_cpu, load_folder, model_files
    from tunewright.train.predict import answer_suite, write_predictions

    suites = [read_suite(path).told(question.note) for path in question.suites]
    if not (question.model / "config.json").is_file():
        raise UserError(
            f"no model in {question.model}",
            "Give a run, or a folder with config.json and model*.safetensors.",
        )
    model_files(question.model)
    loaded = expand_on_cpu(load_folder(question.model), "float32")
    drawn = question.settings.samples if question.settings.temperature > 0 else 1
    files: dict[str, str] = {}
    for suite in suites:
        total = len(suite.cases) * drawn

        def one(done: int, name: str = suite.name, total: int = total) -> None:
            tick(name, done, total)

        one(0)
        path = question.out / f"{suite.name}.jsonl"
        write_predictions(path, answer_suite(loaded, suite, question.settings, question.seed, one))
        one(total)
        files[suite.name] = str(path)
    return files


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer one question on standard input; the exit code is 0, or 2 for one that cannot be answered."""
    del arguments
    from tunewright.train.machine import worker_environment

    # The BLAS must be there before the process is.
    wanted = worker_environment({**os.environ, "HF_HUB_OFFLINE": "1"})
    if wanted != dict(os.environ):
        os.execve(sys.executable, [sys.executable, "-P", "-m", "tunewright.train.predict_folder"], wanted)  # noqa: S606
    # Libraries print what they please; standard output holds our one line.
    line = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        answer: dict[str, Any] = {"files": predict_folder(_read(sys.stdin.buffer.read()), _Teller())}
        code = ExitCode.DONE
    except UserError as error:
        answer, code = {"error": error.message, "hint": error.hint}, ExitCode.USAGE
    with line:
        line.write(json.dumps(answer, ensure_ascii=False) + "\n")
    return code


def _read(data: bytes) -> Question:
    try:
        return Question.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "question"
        raise UserError(
            f"{where}: {first['msg']}", "See `python -m pydoc tunewright.train.predict_folder`."
        ) from error


class _Teller:
    """Progress on standard error, not too often."""

    def __init__(self) -> None:
        self._last = 0.0
        self._said: tuple[str, int] | None = None

    def __call__(self, suite: str, done: int, total: int) -> None:
        at = time.monotonic()
        if (suite, done) == self._said or (0 < done < total and at - self._last < TOLD):
            return
        self._last, self._said = at, (suite, done)
        sys.stderr.write(json.dumps({"suite": suite, "done": done, "total": total}) + "\n")
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
