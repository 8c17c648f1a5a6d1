"""A run's folder scored: what is read, what is written, what is refused."""

import json
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.support.made_run import make_run
from tunewright.contract.errors import ExitCode, UserError
from tunewright.eval.run_scores import judge_run, score_run
from tunewright.eval.score_text import scores_text, suite_text


def test_a_good_run_passes_its_own_gates(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    scores = score_run(run)
    assert scores.exit_code == ExitCode.DONE
    assert scores.verdict == "PASS"
    assert [result.gate.metric for result in scores.gates if result.gate.required] == [
        "beats_base",
        "beats_base",
        "fidelity",
    ]
    assert sorted(p.relative_to(run.scores).as_posix() for p in run.scores.rglob("*.json")) == [
        "base/field_access.json",
        "base/navigation.json",
        "quantized/field_access.json",
        "quantized/navigation.json",
        "verdict.json",
    ]
    written = json.loads((run.scores / "quantized" / "navigation.json").read_text(encoding="utf-8"))
    assert written["metrics"]["overall"]["n"] == 60
    assert len(written["cases"]) == 60
    assert written["gates"][0]["metric"] == "beats_base"
    assert json.loads((run.scores / "base" / "navigation.json").read_text(encoding="utf-8"))["gates"] == []
    verdict = json.loads((run.scores / "verdict.json").read_text(encoding="utf-8"))
    assert (verdict["verdict"], verdict["exit_code"], verdict["model"], verdict["base"]) == (
        "PASS",
        0,
        "quantized",
        "base",
    )


def test_the_whole_run_as_json_holds_the_verdict_and_every_models_scores(tmp_path: Path) -> None:
    value = score_run(make_run(tmp_path)).to_json()
    assert value["verdict"] == "PASS"
    assert {model: sorted(suites) for model, suites in value["scores"].items()} == {
        "base": ["field_access", "navigation"],
        "quantized": ["field_access", "navigation"],
    }
    json.dumps(value, allow_nan=False)


def test_a_run_no_better_than_its_base_fails(tmp_path: Path) -> None:
    scores = score_run(make_run(tmp_path, tuned=0.2, base=0.2))
    assert scores.exit_code == ExitCode.FAILED


def test_a_run_a_little_better_is_inconclusive(tmp_path: Path) -> None:
    scores = score_run(make_run(tmp_path, tuned=0.25, base=0.2))
    assert scores.exit_code == ExitCode.INCONCLUSIVE


def test_without_the_base_its_gates_are_inconclusive(tmp_path: Path) -> None:
    scores = score_run(make_run(tmp_path, base=None))
    assert scores.base is None
    assert scores.control is None
    assert scores.exit_code == ExitCode.INCONCLUSIVE
    assert "base" not in scores_text(scores).splitlines()[1]


def test_judging_writes_nothing(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    judge_run(run)
    assert not run.scores.exists()


def test_scoring_again_changes_nothing(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    score_run(run)
    once = {p: p.read_bytes() for p in run.scores.rglob("*.json")}
    score_run(run)
    assert {p: p.read_bytes() for p in run.scores.rglob("*.json")} == once


def test_missing_predictions_are_told_with_what_to_do(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    (run.predictions / "base" / "field_access.jsonl").unlink()
    with pytest.raises(UserError, match="has no predictions of model base for suite field_access") as caught:
        score_run(run)
    assert "pull" in caught.value.hint
    assert not run.scores.exists()


def test_torn_predictions_are_told_with_their_line(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    path = run.predictions / "quantized" / "navigation.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match=r"navigation.jsonl:60: not a JSON document"):
        score_run(run)


def test_a_prediction_without_text_is_told_with_its_line(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    path = run.predictions / "quantized" / "navigation.jsonl"
    path.write_text('\n{"case": "workflow-01"}\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"navigation.jsonl:2: text: "):
        score_run(run)


def test_predictions_that_stop_early_fail_the_cases_they_miss(tmp_path: Path) -> None:
    run = make_run(tmp_path, tuned=1.0)
    path = run.predictions / "quantized" / "navigation.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:30]))
    score = score_run(run).tuned["navigation"]
    assert (score.overall.k, score.overall.n) == (30, 60)


def test_a_suite_that_was_changed_after_shipping_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    path = run.suites / "navigation.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"line": 467', b'"line": 468'))
    with pytest.raises(UserError, match="is not the one that this run was made with"):
        score_run(run)


def test_a_damaged_fidelity_file_is_told(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    (run.stage("fidelity") / "manifest.json").unlink()
    assert score_run(run).fidelity == {"agreement": 0.981, "tokens": 2048}
    (run.stage("fidelity") / "fidelity.json").write_text("[]", encoding="utf-8")
    with pytest.raises(UserError, match="not a JSON object"):
        score_run(run)
    (run.stage("fidelity") / "fidelity.json").unlink()
    assert score_run(run).exit_code == ExitCode.INCONCLUSIVE


def test_the_text_as_a_whole(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    assert scores_text(score_run(make_run(tmp_path))) == snapshot


def test_one_suites_text_names_each_failed_case_and_why(tmp_path: Path) -> None:
    score = score_run(make_run(tmp_path)).tuned["navigation"]
    text = suite_text(score)
    failed = [outcome for outcome in score.outcomes if not outcome.passed]
    assert failed
    for outcome in failed:
        assert outcome.case in text
        assert outcome.reasons[0] in text
