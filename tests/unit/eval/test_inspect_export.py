"""Scores as inspect_ai's logs: their structure, what our own reader makes of them, and inspect_ai where it is installed."""

import importlib.util
import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from tests.support.made_run import make_run
from tunewright.contract.catalog import load_catalog
from tunewright.contract.example import Function, Message, ToolCall
from tunewright.contract.suite import Case, GoldCalls, Prediction, Suite
from tunewright.eval.comparison import Comparison, compare_judged, compare_runs
from tunewright.eval.inspect_export import inspect_log, write_inspect_logs
from tunewright.eval.judged import read_judged
from tunewright.eval.run_scores import judge_run
from tunewright.eval.suite_score import score_predictions

CREATED = "2026-11-23T09:30:00.000+00:00"
NOWHERE = Path("/nowhere")


def mixed() -> tuple[Suite, list[Prediction]]:
    """A case with calls and results before the answer, one without an answer, one in two samples."""
    look = ToolCall(function=Function(name="look", arguments={"a": "é"}))
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    asked = (
        Message(role="system", content="s"),
        Message(role="user", content="Rain?"),
        Message(role="assistant", content="", tool_calls=(look,)),
        Message(role="tool", content="no", name="look"),
    )
    suite = Suite(
        name="mixed",
        cases=(
            Case(
                id="a",
                category="x",
                messages=asked,
                tools=(tool,),
                gold=(GoldCalls(tool_calls=(look,)),),
                cluster="k",
            ),
            Case(id="b/c", category="y", messages=(Message(role="user", content="Hm?"),), gold=("No.",)),
            Case(id="d", category="y", messages=(Message(role="user", content="Ha?"),)),
        ),
    )
    answers = [
        Prediction(
            case="a", text="", tool_calls=({"name": "look", "arguments": {"a": "é"}},), tokens=3, seconds=0.5
        ),
        Prediction(case="d", text="It is not so.\n\u2028"),
        Prediction(case="d", sample=1, text=""),
        Prediction(case="b/c", text="", error="reset"),
    ]
    return suite, answers


def exported(folder: Path) -> Path:
    suite, answers = mixed()
    score = score_predictions(suite, answers, load_catalog("coding"), "m")
    (path,) = write_inspect_logs(folder, "run", CREATED, {"m": {"mixed": score}}, {"mixed": suite})
    return path


def test_a_log_holds_what_the_viewer_reads(tmp_path: Path) -> None:
    with ZipFile(exported(tmp_path)) as archive:
        assert archive.testzip() is None
        members: dict[str, Any] = {name: json.loads(archive.read(name)) for name in archive.namelist()}
    assert set(members) == {
        "_journal/start.json",
        "_journal/summaries/1.json",
        "summaries.json",
        "reductions.json",
        "header.json",
        "samples/a_epoch_1.json",
        "samples/b/c_epoch_1.json",
        "samples/d_epoch_1.json",
        "samples/d_epoch_2.json",
    }
    header = members["header.json"]
    assert (header["version"], header["status"]) == (2, "success")
    assert header["eval"]["model"] == "tunewright/m"
    assert header["eval"]["dataset"]["sample_ids"] == ["a", "b/c", "d"]
    accuracy = header["results"]["scores"][0]["metrics"]["accuracy"]["value"]
    sample = members["samples/a_epoch_1.json"]
    assert sample["scores"]["tunewright"]["value"] == "C"
    call = sample["input"][2]["tool_calls"][0]
    assert (call["function"], call["arguments"]) == ("look", {"a": "é"})
    assert call["id"] == sample["input"][3]["tool_call_id"] != ""
    lost = members["samples/b/c_epoch_1.json"]
    assert lost["scores"]["tunewright"]["value"] == "I"
    assert lost["scores"]["tunewright"]["explanation"] == "the endpoint gave no answer: reset"
    assert lost["output"]["choices"] == []
    rights = {one["sample_id"]: one["value"] for one in members["reductions.json"][0]["samples"]}
    assert accuracy == pytest.approx(sum(rights.values()) / 3)
    assert [one["id"] for one in members["summaries.json"]] == ["a", "b/c", "d", "d"]


def test_the_same_scores_give_the_same_bytes_under_the_same_name(tmp_path: Path) -> None:
    first, again = exported(tmp_path / "1"), exported(tmp_path / "2")
    assert first.name == again.name
    assert first.read_bytes() == again.read_bytes()


def by_name(comparison: Comparison) -> dict[tuple[str, str], Any]:
    return {(c.suite, c.category): c.to_json() for c in comparison.categories}


@pytest.mark.slow
def test_what_is_exported_compares_as_the_runs_do(tmp_path: Path) -> None:
    old = make_run(tmp_path, run_id="20261123-093000-tiny-0a1b2c3d", tuned=0.6, seed=3)
    new = make_run(tmp_path, run_id="20261124-093000-tiny-ffffffff", tuned=0.9, seed=8)
    folders: list[Path] = []
    for run in (old, new):
        scores = judge_run(run)
        folders.append(tmp_path / "logs" / run.path.name)
        write_inspect_logs(folders[-1], scores.run, CREATED, {"quantized": scores.tuned}, scores.suites)
    direct = compare_runs(old, new)
    logs = [read_judged(folder, NOWHERE) for folder in folders]
    for a, b in ((logs[0], logs[1]), (read_judged(old.path, NOWHERE), logs[1])):
        found = compare_judged(a, b)
        assert found.verdict == direct.verdict == "BETTER"
        assert found.total == direct.total
        assert {f.case.id for f in found.flips} == {f.case.id for f in direct.flips}
        assert by_name(found) == by_name(direct)


@pytest.mark.skipif(importlib.util.find_spec("inspect_ai") is None, reason="inspect_ai is not installed")
def test_inspect_ai_itself_reads_it(tmp_path: Path) -> None:
    log_module = importlib.import_module("inspect_ai.log")
    log = log_module.read_eval_log(str(exported(tmp_path)))
    assert log.status == "success"
    assert [(sample.id, sample.epoch) for sample in log.samples] == [("a", 1), ("b/c", 1), ("d", 1), ("d", 2)]
    assert log.samples[0].scores["tunewright"].value == "C"
    assert len(log_module.read_eval_log_sample_summaries(log.location)) == 4


def test_an_empty_suite_of_answers_is_a_log_too() -> None:
    suite, _ = mixed()
    score = score_predictions(suite, [], load_catalog("coding"), "m")
    assert inspect_log("run", "m", CREATED, score, suite)
