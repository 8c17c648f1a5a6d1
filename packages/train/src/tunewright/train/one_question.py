"""A module that answers one question: JSON on standard input, one line of JSON on standard output, progress between.

The answer is an object, or `{"error": …, "hint": …}` with exit code 2. Progress goes to standard error, one JSON object
a line: `{"suite": …, "done": n, "total": n}`, with `"worth": n` where what has not ended counts as work too.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from tunewright.contract.errors import ExitCode, UserError

TOLD = 0.5  # seconds between two words about progress


class Tick(Protocol):
    """Gets what is counted, how many are done, of how many, and how many's work is done where that is more."""

    def __call__(self, suite: str, done: int, total: int, worth: float | None = None, /) -> None: ...


Question = TypeVar("Question", bound=BaseModel)


def answer_question(
    module: str, kind: type[Question], answer: Callable[[Question, Tick], dict[str, Any]]
) -> int:
    """Answer the question on standard input as `python -m tunewright.train.MODULE`; the exit code is 0, or 2 for one that
    cannot be answered."""
    from tunewright.train.machine import worker_environment

    # The BLAS must be there before the process is.
    wanted = worker_environment({**os.environ, "HF_HUB_OFFLINE": "1"})
    if wanted != dict(os.environ):
        os.execve(sys.executable, [sys.executable, "-P", "-m", f"tunewright.train.{module}"], wanted)  # noqa: S606
    # Libraries print what they please; standard output holds our one line.
    line = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        found, code = answer(_read(module, kind, sys.stdin.buffer.read()), _Teller()), ExitCode.DONE
    except UserError as error:
        found, code = {"error": error.message, "hint": error.hint}, ExitCode.USAGE
    with line:
        line.write(json.dumps(found, ensure_ascii=False) + "\n")
    return code


def _read(module: str, kind: type[Question], data: bytes) -> Question:
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "question"
        raise UserError(
            f"{where}: {first['msg']}", f"See `python -m pydoc tunewright.train.{module}`."
        ) from error


class _Teller:
    """Progress on standard error, not too often."""

    def __init__(self) -> None:
        self._last = 0.0
        self._said: tuple[str, int, float | None] | None = None

    def __call__(self, suite: str, done: int, total: int, worth: float | None = None, /) -> None:
        at = time.monotonic()
        if (suite, done, worth) == self._said or (0 < done < total and at - self._last < TOLD):
            return
        self._last, self._said = at, (suite, done, worth)
        told = {"suite": suite, "done": done, "total": total}
        sys.stderr.write(json.dumps(told | ({} if worth is None else {"worth": round(worth, 2)})) + "\n")
        sys.stderr.flush()
