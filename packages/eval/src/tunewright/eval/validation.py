"""A validation: one model's answers to suites, without a run, in a folder of its own.

Answers of an endpoint are appended to a journal the moment they come, so that an interrupted validation goes on where it
was. The suites are kept with them: the folder can be scored and compared again by itself.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from tunewright.contract.atomic import sha256_file, write_bytes, write_json, write_jsonl
from tunewright.contract.errors import UserError
from tunewright.contract.suite import Prediction, Suite, read_suite
from tunewright.eval.predictions import read_predictions


class Validation(BaseModel):
    """`validation.json`: what was asked, of whom, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 1
    created: str
    model: str  # a run, a folder's name, or an endpoint's id
    endpoint: str = ""  # its URL
    run: str = ""  # the run whose model should be answering
    catalog: str = "coding"
    recipe: str = ""
    suites: dict[str, str]  # name -> sha256 of suites/<name>.jsonl
    samples: int = 1
    temperature: float = 0.0
    max_tokens: int = 512
    base_note: str = ""  # what a base is told with every case, by its recipe's predict.tell_base
    proof: dict[str, Any] | None = None  # what came of comparing fixed prompts with the run's own answers


class ValidationFolder:
    """Where things are in a validation's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spec = path / "validation.json"
        self.suites = path / "suites"
        self.scores = path / "scores"

    def predictions(self, suite: str) -> Path:
        return self.path / f"{suite}.jsonl"

    def journal(self, suite: str) -> Path:
        return self.path / f"{suite}.answers.jsonl"

    def start(self, spec: Validation, suites: Mapping[Path, Suite]) -> None:
        """Write down what will be asked."""
        for path, suite in suites.items():
            write_bytes(self.suites / f"{suite.name}.jsonl", path.read_bytes())
        self.write_spec(spec)

    def write_spec(self, spec: Validation) -> None:
        write_json(self.spec, spec.model_dump(mode="json"))

    def read_spec(self) -> Validation:
        """Raises UserError when its spec cannot be read."""
        try:
            return Validation.model_validate_json(self.spec.read_bytes())
        except OSError as error:
            raise UserError(
                f"{self.path} is not a validation: it has no validation.json",
                "`validate` prints the folder of each one; they are in .tunewright/validations.",
            ) from error
        except ValidationError as error:
            raise UserError(
                f"{self.spec}: {error.errors()[0]['msg']}", "The file was changed or is of another version."
            ) from error

    def read_suites(self) -> dict[Path, Suite]:
        """The suites as they were asked. Raises UserError when one was changed since."""
        found: dict[Path, Suite] = {}
        for name, digest in self.read_spec().suites.items():
            path = self.suites / f"{name}.jsonl"
            if path.is_file() and sha256_file(path) != digest:
                raise UserError(
                    f"{path}: the suite is not the one that was asked (sha256 {digest[:12]} in validation.json)",
                    "Put the file back, or validate again.",
                )
            found[path] = read_suite(path)
        return found

    def read_answers(self, suite: str) -> list[Prediction]:
        """What is known of a suite's answers: all, or those that an interrupted validation left."""
        if self.predictions(suite).is_file():
            return read_predictions(self.predictions(suite))
        _drop_torn_line(self.journal(suite))
        return read_predictions(self.journal(suite)) if self.journal(suite).is_file() else []

    def has_answers(self) -> bool:
        """Whether anything was answered, so that there is something to go on with."""
        return any(self.path.glob("*.jsonl"))

    def append(self, suite: str, prediction: Prediction) -> None:
        """Keep one answer; it survives a crash of this process or machine."""
        line = json.dumps(prediction.model_dump(mode="json", exclude_none=True), ensure_ascii=False)
        with self.journal(suite).open("ab") as file:
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def finish(self, suite: str, predictions: "tuple[Prediction, ...]") -> None:
        """All answers of a suite, in its order; the journal has served."""
        rows = (one.model_dump(mode="json", exclude_none=True) for one in predictions)
        write_jsonl(self.predictions(suite), rows)
        self.journal(suite).unlink(missing_ok=True)


def _drop_torn_line(journal: Path) -> None:
    """A line that a crash left unfinished goes, so that the next one does not begin in its middle."""
    if not journal.is_file():
        return
    with journal.open("r+b") as file:
        data = file.read()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            file.truncate(whole)
