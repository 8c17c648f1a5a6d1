"""Scores as inspect_ai's logs, so that its viewer opens them: one `.eval` file for each model and suite.

Format: inspect_ai 0.3, `log/_log.py` (version 2). The same scores give the same bytes.
"""

import json
import math
from collections.abc import Mapping
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from tunewright.contract.atomic import sha256_json, write_bytes
from tunewright.contract.suite import Case, GoldCalls, Suite
from tunewright.eval.chat_completion import message_rows
from tunewright.eval.grade_answer import Outcome
from tunewright.eval.suite_score import SuiteScore

SCORER = "tunewright"
PROVIDER = "tunewright"  # inspect_ai names a model with its provider


def write_inspect_logs(
    folder: Path,
    run: str,
    created: str,
    scores: Mapping[str, Mapping[str, SuiteScore]],
    suites: Mapping[str, Suite],
) -> list[Path]:
    """One log for each model (name -> suite -> score); their paths. `created` is an ISO time."""
    written: list[Path] = []
    for model, by_suite in scores.items():
        for name, score in by_suite.items():
            task_id = _id(run, model, name)
            stamp = created.replace(":", "-").replace("+00-00", "Z").partition(".")[0].rstrip("Z")
            path = folder / f"{stamp}_{_safe(name)}-{_safe(model)}_{task_id}.eval"
            write_bytes(path, inspect_log(run, model, created, score, suites[name]))
            written.append(path)
    return written


def inspect_log(run: str, model: str, created: str, score: SuiteScore, suite: Suite) -> bytes:
    """One model's score on one suite, as the bytes of a `.eval` file. Pure."""
    name = f"{PROVIDER}/{model}"
    cases = {case.id: case for case in suite.cases}
    samples = [
        _sample(outcome, cases[outcome.case], score.clusters.get(outcome.case, ""), name)
        for outcome in score.outcomes
    ]
    epochs = max((sample["epoch"] for sample in samples), default=1)
    spec = {
        "eval_id": _id(run, model, suite.name, "eval"),
        "run_id": _id(run),
        "created": created,
        "task": suite.name,
        "task_id": _id(run, model, suite.name),
        "task_version": 0,
        "dataset": {
            "name": suite.name,
            "samples": len(suite.cases),
            "sample_ids": [case.id for case in suite.cases],
            "shuffled": False,
        },
        "model": name,
        "config": {"epochs": epochs},
        "packages": {"tunewright": version("tunewright-eval")},
        "metadata": {"run": run, "suite_sha256": score.suite_sha256},
        "scorers": [{"name": SCORER, "metrics": [{"name": "accuracy"}, {"name": "stderr"}]}],
    }
    plan = {"name": "plan", "steps": [], "config": {}}
    usage = _usage(sum(outcome.tokens for outcome in score.outcomes))
    header = {
        "version": 2,
        "status": "success",
        "eval": spec,
        "plan": plan,
        "results": {
            "total_samples": len(samples),
            "completed_samples": len(samples),
            "scores": [_results(score)],
        },
        "stats": {"started_at": created, "completed_at": created, "model_usage": {name: usage}},
    }
    summaries = [_summary(sample) for sample in samples]
    data = BytesIO()
    with ZipFile(data, "w", ZIP_DEFLATED) as archive:
        _add(archive, "_journal/start.json", {"version": 2, "eval": spec, "plan": plan})
        for sample in samples:
            _add(archive, f"samples/{sample['id']}_epoch_{sample['epoch']}.json", sample)
        _add(archive, "_journal/summaries/1.json", summaries)
        _add(archive, "summaries.json", summaries)
        _add(archive, "reductions.json", [_reductions(score)])
        _add(archive, "header.json", header)
    return data.getvalue()


def _add(archive: ZipFile, name: str, value: Any) -> None:
    member = ZipInfo(name)  # its time is fixed
    member.compress_type = ZIP_DEFLATED
    archive.writestr(member, json.dumps(value, ensure_ascii=False, allow_nan=False))


def _sample(outcome: Outcome, case: Case, cluster: str, model: str) -> dict[str, Any]:
    rows = message_rows(case.messages)
    asked = [_message(row, f"{case.id}-{place}") for place, row in enumerate(rows)]
    answer = {
        "id": f"{case.id}-answer-{outcome.sample}",
        "role": "assistant",
        "source": "generate",
        "model": model,
        "content": outcome.text,
    }
    usage = _usage(outcome.tokens)
    sample: dict[str, Any] = {
        "id": case.id,
        "epoch": outcome.sample + 1,
        "input": asked,
        "target": _target(case),
        "messages": [*asked, answer],
        "output": {
            "model": model,
            "choices": [{"message": answer, "stop_reason": "stop"}],
            "completion": outcome.text,
            "usage": usage,
            "time": outcome.seconds,
        },
        "scores": {SCORER: _score(outcome)},
        "metadata": {
            "category": case.category,
            "cluster": cluster,
            "template": case.template,
            "tools": [tool.get("function", tool) for tool in case.tools],
        },
        "store": {},
        "events": [],
        "model_usage": {model: usage},
        "total_time": outcome.seconds,
        "attachments": {},
    }
    if outcome.missing:
        sample["messages"] = asked
        sample["output"] = {"model": model, "choices": [], "completion": ""}
    return sample


def _score(outcome: Outcome) -> dict[str, Any]:
    return {
        "value": "C" if outcome.passed else "I",
        "answer": outcome.text,
        "explanation": "; ".join(outcome.reasons),
        "metadata": {"checks": outcome.checks, "judged": outcome.judged},
    }


def _message(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A message of a request (`message_rows`) as inspect_ai has it."""
    found: dict[str, Any] = {"id": name, "role": row["role"], "source": "input", "content": row["content"]}
    if row["role"] == "tool":
        found |= {"tool_call_id": row.get("tool_call_id", ""), "function": row.get("name", "")}
    if calls := row.get("tool_calls"):
        found["tool_calls"] = [
            {
                "id": call["id"],
                "function": call["function"]["name"],
                "arguments": json.loads(call["function"]["arguments"]),
                "type": "function",
            }
            for call in calls
        ]
    return found


def _target(case: Case) -> list[str]:
    """The right answers; of a case without a gold what it expects."""
    golds = [
        json.dumps(gold.model_dump(mode="json"), ensure_ascii=False) if isinstance(gold, GoldCalls) else gold
        for gold in case.gold
    ]
    return golds or [
        json.dumps(case.expect.model_dump(mode="json", exclude_defaults=True), ensure_ascii=False)
    ]


def _usage(tokens: int) -> dict[str, int]:
    return {"input_tokens": 0, "output_tokens": tokens, "total_tokens": tokens}


def _summary(sample: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("id", "epoch", "input", "target", "metadata", "scores", "model_usage", "total_time")
    return {key: sample[key] for key in kept} | {
        "completed": True,
        "message_count": len(sample["messages"]),
    }


def _results(score: SuiteScore) -> dict[str, Any]:
    share = score.overall
    error = math.sqrt(share.value * (1 - share.value) / share.n) if share.n else 0.0
    metrics = {"accuracy": share.value, "stderr": error}
    return {
        "name": SCORER,
        "scorer": SCORER,
        "params": {},
        "metrics": {name: {"name": name, "value": value, "params": {}} for name, value in metrics.items()},
    }


def _reductions(score: SuiteScore) -> dict[str, Any]:
    """One value for each case: the mean of its samples, which is what our metrics count."""
    passed: dict[str, list[bool]] = {}
    for outcome in score.outcomes:
        passed.setdefault(outcome.case, []).append(outcome.passed)
    return {
        "scorer": SCORER,
        "samples": [
            {"value": sum(values) / len(values), "sample_id": case} for case, values in passed.items()
        ],
    }


def _id(*parts: str) -> str:
    return sha256_json(parts)[:22]


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-." else "-" for c in name)[:60] or "x"
