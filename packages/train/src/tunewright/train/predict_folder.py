"""Answers of any model folder to suites, without a run.

    python -m tunewright.train.predict_folder

reads `{"model": folder, "suites": [files], "out": folder, "settings": {…}, "seed": n, "note": text}` on standard
input (`model` may also be a recipe's `[model]` table, with `converted`, where converted models are kept; `settings` is a
recipe's `[predict]` table, `note` is what the model is told with every case), writes
`<out>/<suite>.jsonl` for each suite, and prints one line of JSON: `{"files": {suite: path}}`, or
`{"error": …, "hint": …}` with exit code 2. On a CPU with two cores another process answers half. Progress goes to standard
error, one JSON object a line:
`{"suite": …, "done": n, "total": n, "worth": n}`.
"""

import contextlib
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Model, Predict
from tunewright.contract.suite import Suite, read_suite
from tunewright.train.base import Loaded
from tunewright.train.one_question import Tick, answer_question
from tunewright.train.other_process import other_process, parts_here, pays

PART = "--second-part-of"  # a file with a question: this process answers half of it, for another one


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
    from tunewright.train.predict import answer_suite, write_predictions

    suites, loaded = _suites(question), _loaded(question)
    files: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        # A question that cannot be answered fails here as well, and is reported once.
        process = other_process(partial(_second_part, question), cwd=Path.cwd(), said=subprocess.DEVNULL)
        other = stack.enter_context(process) if pays(loaded.model) else None
        for suite in suites:
            total = len(suite.cases) * question.settings.drawn

            def one(
                done: int, worth: float | None = None, name: str = suite.name, total: int = total
            ) -> None:
                tick(name, min(done, total), total, worth)

            one(0)
            found = answer_suite(loaded, suite, question.settings, question.seed, one, other)
            path = question.out / f"{suite.name}.jsonl"
            write_predictions(path, found)
            one(total)
            files[suite.name] = str(path)
    return files


def _suites(question: Question) -> list[Suite]:
    return [read_suite(path).told(question.note) for path in question.suites]


def _loaded(question: Question) -> Loaded:
    from tunewright.train.base import expand_on_cpu, find_base, load_base, load_folder, model_files

    if isinstance(question.model, Model):
        return load_base(find_base(question.model, question.converted))
    if not (question.model / "config.json").is_file():
        raise UserError(
            f"no model in {question.model}",
            "Give a run, or a folder with config.json and model*.safetensors.",
        )
    model_files(question.model)
    return expand_on_cpu(load_folder(question.model), "float32")


def _second_part(question: Question, out: Path) -> list[str | Path]:
    """The command of the process that answers the second part; its answers go to `out`, where it finds the question."""
    asked = out / "question.json"
    asked.write_text(question.model_copy(update={"out": out}).model_dump_json(), encoding="utf-8")
    return ["tunewright.train.predict_folder", PART, asked]


def _answer_part(question: Question) -> None:
    """Write the second part of every suite's predictions, and end when standard input does."""
    from tunewright.train.predict import answer_part, write_predictions
    from tunewright.train.ranks import live_with_parent

    threading.Thread(target=live_with_parent, daemon=True).start()
    loaded = _loaded(question)
    for suite in _suites(question):
        part = (1, parts_here())
        found = answer_part(loaded, suite, question.settings, question.seed, part, lambda _n, _w: None)
        write_predictions(question.out / f"{suite.name}.jsonl", found)


def main() -> int:
    """Answer one question on standard input; the exit code is 0, or 2 for one that cannot be answered."""
    if sys.argv[1:2] == [PART]:
        _answer_part(Question.model_validate_json(Path(sys.argv[2]).read_text(encoding="utf-8")))
        return 0
    return answer_question(
        "predict_folder", Question, lambda question, tick: {"files": predict_folder(question, tick)}
    )


if __name__ == "__main__":
    sys.exit(main())
