"""Runs the functions of a user's file, one JSON line each way: `python -m` in a process of its own, with the file's path.

They may take for ever, end the process, print, or return what they did not promise; none of that may harm the data.
"""

import json
import os
import sys
import typing
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tunewright.datagen.catalogs import ROOT, Function, load_functions, takes_root


def answer(functions: Mapping[str, Function], question: Mapping[str, Any]) -> dict[str, Any]:
    """`result`, as plain values, or `failed`: why there is none, in a few words, and `detail` with more of them."""
    name = question["tool"]
    function = functions[name]
    more = {ROOT: Path(question["root"])} if takes_root(function) else {}
    try:
        result = function(**question["arguments"], **more)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a user's function raises is its answer
        return _failed(f"{name} raised {type(error).__name__}", error)
    model: type[BaseModel] = typing.get_type_hints(function)["return"]
    if not isinstance(result, model):
        return _failed(f"{name} returned {type(result).__name__}, not {model.__name__}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            given = result.model_dump(round_trip=True)
        made = model.model_validate(given, by_alias=True, by_name=True)
        value = made.model_dump(mode="json")
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:
        return _failed(f"{name} returned a {model.__name__} with wrong values", error)
    return {"result": value}


def _failed(reason: str, error: BaseException | None = None) -> dict[str, Any]:
    lines = str(error).strip().splitlines() if error is not None else []
    return {"failed": reason, "detail": " ".join(line.strip() for line in lines[:3])[:200]}


def main() -> None:
    """Answer until the input ends. What the functions read and print is not ours."""
    questions = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    functions = load_functions(Path(sys.argv[1]))
    answers.write("{}\n")
    answers.flush()
    for line in questions:
        answers.write(json.dumps(answer(functions, json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
