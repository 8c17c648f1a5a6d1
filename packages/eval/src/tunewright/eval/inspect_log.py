"""inspect_ai's logs, `.eval` (a zip archive) and `.json`, as results to compare.

Format: inspect_ai 0.3, `log/_log.py` (EvalLog, EvalSample, Score): https://inspect.aisi.org.uk/eval-logs.html. Version 2
of it holds `header.json` and one `samples/<id>_epoch_<n>.json` for each sample and epoch.
"""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tunewright.contract.errors import UserError
from tunewright.contract.example import Message
from tunewright.contract.visible import one_line
from tunewright.eval.bounded_zip import BoundedZip
from tunewright.eval.judged import CaseResult, ForeignLog, Judged, as_object, right_or_wrong

LARGEST = 512 << 20  # bytes of a log in JSON
ROLES = frozenset({"system", "user", "assistant", "tool"})


def is_inspect(path: Path) -> bool:
    """Whether a file, or a folder's files, are such logs."""
    if path.is_dir():
        return any(path.glob("*.eval")) or any(is_inspect(file) for file in path.glob("*.json"))
    if path.suffix == ".eval":
        return True
    if path.suffix != ".json":
        return False
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except OSError:
        return False
    return start.lstrip()[:1] == b"{" and b'"eval"' in start and b'"version"' in start


def read_inspect(path: Path, metric: str = "") -> Judged:
    """One log, or all of a folder. `metric` is a scorer's name, or `scorer.key` where a score has several values.

    Raises UserError of one line.
    """
    files = sorted(file for file in path.iterdir() if is_inspect(file)) if path.is_dir() else [path]
    log = ForeignLog(path.name, path)
    for file in files:
        _read_one(file, metric, log)
    return log.judged()


def _read_one(path: Path, metric: str, log: ForeignLog) -> None:
    samples = _zip_samples(path) if path.suffix == ".eval" else _json_samples(path)
    header = as_object(next(samples), f"{path}: the header")
    spec = as_object(header.get("eval"), f"{path}: eval")
    task = str(spec.get("task") or "task").rpartition("/")[2]
    log.model = log.model or str(spec.get("model") or "")
    if log.model != str(spec.get("model") or ""):
        raise UserError(f"{log.path} holds logs of several models", "Name the logs of one.")
    wanted = metric or _first_scorer(header)
    for number, sample in enumerate(samples, start=1):
        where = f"{path}: sample {number}"
        try:
            result = _result(as_object(sample, where), wanted, where)
        except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
            raise UserError(f"{where}: {one_line(str(error))}", "The log is damaged.") from error
        if result is not None:
            log.add(task, result)


def _zip_samples(path: Path) -> Iterator[Any]:
    """The header, then each sample."""
    with BoundedZip(path) as archive:
        names = archive.names
        if "header.json" not in names and "_journal/start.json" in names:
            raise UserError(f"{path}: the evaluation was not finished", "Compare finished ones.")
        yield _parse(archive.read("header.json"), f"{path}: header.json")
        for name in names:
            if name.startswith("samples/") and name.endswith(".json"):
                yield _parse(archive.read(name), f"{path}: {name}")


def _json_samples(path: Path) -> Iterator[Any]:
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= LARGEST else b""
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}", "Check the path.") from error
    if size > LARGEST:
        raise UserError(f"{path}: more than {LARGEST >> 20} MiB", "Convert it: inspect log convert --to eval")
    header = as_object(_parse(data, str(path)), str(path))
    samples = header.get("samples")
    if not isinstance(samples, list):
        raise UserError(f"{path}: it has no samples", "Evaluate with log_samples on.")
    yield header
    yield from samples


def _parse(data: bytes, where: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not JSON ({one_line(str(error))})", "The log is damaged.") from error


def _first_scorer(header: Mapping[str, Any]) -> str:
    """The scorer whose figure the log itself shows first; empty when it names none."""
    results = header.get("results")
    scores = results.get("scores") if isinstance(results, dict) else None
    first = scores[0] if isinstance(scores, list) and scores else None
    return str(first.get("name") or "") if isinstance(first, dict) else ""


def _result(sample: Mapping[str, Any], metric: str, where: str) -> CaseResult | None:
    """One sample; None when it was not scored, and did not fail either."""
    if "id" not in sample:
        raise UserError(f"{where}: it has no id", "The log is damaged.")
    metadata = sample.get("metadata")
    meta = metadata if isinstance(metadata, dict) else {}
    error = sample.get("error")
    reason = ""
    passed: bool | None = False
    if error:
        reason = f"it failed: {one_line(str(error.get('message') if isinstance(error, dict) else error))}"
    else:
        passed, reason = _passed(sample.get("scores"), metric, where)
    if passed is None:
        return None
    output = sample.get("output")
    return CaseResult(
        case=str(sample["id"]),
        category=str(meta.get("category") or "all"),
        passed=passed,
        asked=_messages(sample.get("input")),
        sample=int(sample.get("epoch") or 1) - 1,
        text=str(output.get("completion") or "") if isinstance(output, dict) else "",
        reason=reason,
        cluster=str(meta.get("cluster") or ""),
    )


def _passed(scores: Any, metric: str, where: str) -> tuple[bool | None, str]:
    if not isinstance(scores, dict) or not scores:
        return None, ""
    name, _, key = metric.partition(".")
    score = scores.get(metric)
    if score is None:
        score = scores.get(name) if metric else next(iter(scores.values()))
    if score is None:
        raise UserError(
            f"{where}: no scorer {name!r} judged it", f"--metric takes {', '.join(map(str, scores))}."
        )
    value = as_object(score, where).get("value")
    if isinstance(value, dict):
        if not key and len(value) == 1:
            key = str(next(iter(value)))
        if key not in value:
            choices = ", ".join(f"{name or next(iter(scores))}.{each}" for each in value)
            raise UserError(f"{where}: its score has several values", f"--metric takes one of {choices}.")
        value = value[key]
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None, ""
    passed = right_or_wrong(value)
    if passed is None:
        raise UserError(
            f"{where}: its score is {one_line(json.dumps(value), 60)}, neither right nor wrong",
            f"Choose a scorer that says right or wrong: --metric, one of {', '.join(map(str, scores))}.",
        )
    return passed, one_line(str(score.get("explanation") or ""), 300)


def _messages(value: Any) -> list[Message]:
    """What a sample asked: text, or a list of messages."""
    if isinstance(value, str):
        return [Message(role="user", content=value)]
    found: list[Message] = []
    for row in value if isinstance(value, list) else []:
        content = row.get("content")
        if isinstance(content, list):
            content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
        role = row.get("role") if row.get("role") in ROLES else "user"
        found.append(Message.model_validate({"role": role, "content": str(content or "")}))
    return found or [Message(role="user", content="")]
