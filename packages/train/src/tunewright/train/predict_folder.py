"""Answers of any model folder to suites, without a run.

    python -m tunewright.train.predict_folder

reads `{"model": folder, "suites": [files], "out": folder, "settings": {…}, "seed": n, "note": text}` on standard
input (`model` may also be a recipe's `[model]` table, with `converted`, where converted models are kept; `settings` is a
recipe's `[predict]` table, `note` is what the model is told with every case), writes
`<out>/<suite>.jsonl` for each suite, and prints one line of JSON: `{"files": {suite: path}}`, or
`{"error": …, "hint": …}` with exit code 2. Progress goes to standard error, one JSON object a line:
`{"suite": …, "done": n, "total": n, "worth": n}`.
"""

import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Model, Predict
from tunewright.contract.suite import read_suite
from tunewright.train.one_question import Tick, answer_question


class Question(BaseModel):
    """What is asked. Paths are of this machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Path | Model
    suites: tuple[Path, ...]
    out: Path
    settings: Predict = Predict()
    seed: int = 1
    note: str = ""  # put at the end of each case's system message
    converted: Path = Path()  # where a base that has to be converted is kept


def predict_folder(question: Question, tick: Tick) -> dict[str, str]:
    """Write every suite's predictions; their paths by suite. `tick` gets suite, answers done, answers in all.

    Raises UserError for what is not a model or not a suite, or where they do not fit each other.
    """
    from tunewright.train.base import expand_on_cpu, find_base, load_base, load_folder, model_files
    from tunewright.train.predict import answer_suite, write_predictions

    suites = [read_suite(path).told(question.note) for path in question.suites]
    if isinstance(question.model, Model):
        loaded = load_base(find_base(question.model, question.converted))
    else:
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

        def one(done: int, worth: float | None = None, name: str = suite.name, total: int = total) -> None:
            tick(name, done, total, worth)

        one(0)
        path = question.out / f"{suite.name}.jsonl"
        write_predictions(path, answer_suite(loaded, suite, question.settings, question.seed, one))
        one(total)
        files[suite.name] = str(path)
    return files


def main() -> int:
    """Answer one question on standard input; the exit code is 0, or 2 for one that cannot be answered."""
    return answer_question(
        "predict_folder", Question, lambda question, tick: {"files": predict_folder(question, tick)}
    )


if __name__ == "__main__":
    sys.exit(main())
