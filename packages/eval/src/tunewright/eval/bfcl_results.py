"""Results of the Berkeley Function-Calling Leaderboard as results to compare.

Format: bfcl-eval, `eval_checker/eval_runner_helper.py`: `score/<model>/…/BFCL_v<n>_<category>_score.json` holds JSON Lines,
first the accuracy and its counts, then the cases that failed; which passed follows from
`result/<model>/…/BFCL_v<n>_<category>_result.json`, which holds them all.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunewright.contract.errors import UserError
from tunewright.contract.example import Message, read_jsonl
from tunewright.contract.visible import one_line
from tunewright.eval.judged import CaseResult, ForeignLog, Judged, as_object, first_line

SUITE = "bfcl"
_NAME = re.compile(r"BFCL_v\w+?_(?P<category>\w+)_score\.json")


def is_bfcl(path: Path) -> bool:
    """Whether a file holds such scores, or a folder such files."""
    if path.is_dir():
        return any(path.rglob("BFCL_v*_score.json"))
    row = first_line(path) if path.suffix == ".json" else None
    return isinstance(row, dict) and {"accuracy", "total_count"} <= row.keys()


def read_bfcl(path: Path, metric: str = "") -> Judged:
    """A score file, or all of one model's folder. Raises UserError with `file:line`."""
    if metric:
        raise UserError("BFCL's results have one metric", "Leave out --metric.")
    files = sorted(path.rglob("BFCL_v*_score.json")) if path.is_dir() else [path]
    log = ForeignLog(path.name, path)
    for file in files:
        _read_one(file, log)
    log.model = log.model or path.name
    return log.judged()


def _read_one(path: Path, log: ForeignLog) -> None:
    named = _NAME.fullmatch(path.name)
    category = named["category"] if named else path.stem
    rows = read_jsonl(path)
    head = as_object(next(rows, (1, None))[1], f"{path}:1")
    failed: dict[str, Mapping[str, Any]] = {}
    for number, value in rows:
        row = as_object(value, f"{path}:{number}")
        if not isinstance(row.get("id"), str) or row.get("valid") is not False:
            raise UserError(
                f"{path}:{number}: not a case that failed", "Every line but the first must be one."
            )
        model = str(row.get("model_name") or "")
        if log.model and model and model != log.model:
            raise UserError(
                f"{log.path} holds results of several models", "Name one model's folder: score/MODEL"
            )
        log.model = log.model or model
        failed[row["id"]] = row
    answers = _answers(path)
    if unknown := failed.keys() - answers.keys():
        raise UserError(f"{path}: {min(unknown)} is not among the results", "Score these results again.")
    if (head.get("total_count"), head.get("correct_count")) != (len(answers), len(answers) - len(failed)):
        raise UserError(
            f"{path}:1: it counts {head.get('correct_count')} right of {head.get('total_count')}, and the files hold "
            f"{len(answers) - len(failed)} of {len(answers)}",
            "Score these results again.",
        )
    for case, text in answers.items():
        row = failed.get(case)
        log.add(
            SUITE,
            CaseResult(
                case=case,
                category=category,
                passed=row is None,
                # The question is in the score file for failed cases alone; an id says which one it was.
                asked=[Message(role="user", content=case)],
                text=text,
                reason=one_line(_error(row.get("error")), 300) if row else "",
            ),
        )


def _answers(score: Path) -> dict[str, str]:
    """Every case that was answered, and the answer."""
    parts = list(score.absolute().parts)
    places = [place for place, part in enumerate(parts[:-1]) if part.startswith("score")]
    name = score.name.replace("_score.json", "_result.json")
    found = [score.with_name(name)]
    if places:
        place = places[-1]
        other = parts[place].replace("score", "result", 1)
        found.append(Path(*parts[:place], other, *parts[place + 1 : -1], name))
    path = next((each for each in found if each.is_file()), None)
    if path is None:
        raise UserError(
            f"{score}: which cases passed is in {name}, which is missing",
            "Keep the folders result/ and score/ next to each other, as bfcl writes them.",
        )
    answers: dict[str, str] = {}
    for number, value in read_jsonl(path):
        row = as_object(value, f"{path}:{number}")
        if not isinstance(row.get("id"), str) or row["id"] in answers:
            raise UserError(
                f"{path}:{number}: no id, or one that is there twice", "Every line must be a case."
            )
        said = row.get("result")
        answers[row["id"]] = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    return answers


def _error(error: Any) -> str:
    """Why a case failed: text, a list of texts, or an object with a message."""
    if isinstance(error, dict):
        error = error.get("error_message") or error.get("error") or error
    if isinstance(error, list):
        error = "; ".join(map(str, error))
    return str(error or "")
