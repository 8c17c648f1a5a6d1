"""lm-evaluation-harness's `samples_<task>_<date>.jsonl` (`--log_samples`) as results to compare.

Format: lm_eval 0.4, `evaluator.py`: one line for each document and filter, with `doc_id`, `doc_hash`, `filter`, `metrics`
(names) and one key for each metric.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunewright.contract.errors import UserError
from tunewright.contract.example import Message, read_jsonl
from tunewright.eval.judged import CaseResult, ForeignLog, Judged, as_object, first_line, right_or_wrong

_NAME = re.compile(r"samples_(?P<task>.+?)(_\d{4}-\d\d-\d\dT[\d.:-]+)?")
_ASKED = ("question", "query", "prompt", "input", "text", "goal", "instruction")


def is_lm_eval(path: Path) -> bool:
    """Whether a file holds such samples, or a folder such files."""
    if path.is_dir():
        return any(path.glob("samples_*.jsonl"))
    row = first_line(path) if path.suffix == ".jsonl" else None
    return isinstance(row, dict) and "doc_id" in row


def read_lm_eval(path: Path, metric: str = "") -> Judged:
    """A file, or a folder's. `metric` is a name (`exact_match`), or a name and a filter (`exact_match,strict-match`).

    Raises UserError with `file:line`.
    """
    files = sorted(path.glob("samples_*.jsonl")) if path.is_dir() else [path]
    log = ForeignLog(path.name, path, model=(path if path.is_dir() else path.parent).name)
    for file in files:
        _read_one(file, metric, log)
    return log.judged()


def _read_one(path: Path, metric: str, log: ForeignLog) -> None:
    named = _NAME.fullmatch(path.stem)
    task = named["task"] if named else path.stem
    name, _, chosen = metric.partition(",")
    for number, value in read_jsonl(path):
        where = f"{path}:{number}"
        row = as_object(value, where)
        if "doc_id" not in row:
            raise UserError(f"{where}: no doc_id", "Every line must be a sample of lm-evaluation-harness.")
        chosen = chosen or str(row.get("filter") or "none")
        if str(row.get("filter") or "none") != chosen:
            continue
        names = _metrics(row, where)
        name = name or names[0]
        if name not in names:
            raise UserError(f"{where}: it has no metric {name}", f"--metric takes {', '.join(names)}.")
        passed = right_or_wrong(row.get(name))
        if passed is None:
            raise UserError(
                f"{where}: {name} is {json.dumps(row.get(name))[:60]}, neither right nor wrong",
                f"Choose one that is 0 or 1: --metric, one of {', '.join(names)}.",
            )
        doc = row.get("doc")
        log.add(
            task,
            CaseResult(
                case=str(row["doc_id"]),
                category=_category(doc, task),
                passed=passed,
                asked=[Message(role="user", content=_asked(row, doc))],
                text=_said(row),
                reason=f"{name} is {json.dumps(row.get(name))}",
            ),
        )


def _metrics(row: Mapping[str, Any], where: str) -> list[str]:
    """The names of a sample's metrics; logs of before 0.4.4 do not list them."""
    listed = row.get("metrics")
    if isinstance(listed, list) and listed:
        return [str(each) for each in listed]
    found = [
        key
        for key, value in row.items()
        if isinstance(value, int | float) and key != "doc_id" and not key.endswith("_hash")
    ]
    if not found:
        raise UserError(f"{where}: it has no metric", "Was it written with --log_samples?")
    return found


def _category(doc: Any, task: str) -> str:
    found = (doc.get("category") or doc.get("subject")) if isinstance(doc, dict) else None
    return found if isinstance(found, str) else task


def _asked(row: Mapping[str, Any], doc: Any) -> str:
    """The document: the prompt around it depends on the model's chat template."""
    if isinstance(doc, dict):
        for key in _ASKED:
            if isinstance(text := doc.get(key), str) and text:
                return text
    return json.dumps(doc, ensure_ascii=False, sort_keys=True) if doc else str(row.get("doc_hash") or "")


def _said(row: Mapping[str, Any]) -> str:
    said = row.get("filtered_resps")
    while isinstance(said, list) and said:
        said = said[0]
    return said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
