"""Promotion that cannot be fooled: each attack through the commands, and the same run promoted without it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import Inv, commands_on
from tests.support.gold import answer, gold
from tests.support.made_run import audit_report, make_run
from tunewright.contract.atomic import sha256_file, write_json, write_jsonl
from tunewright.contract.manifest import write_manifest
from tunewright.contract.run import Forced, RunFolder
from tunewright.eval.registry import in_use, read_registry, registry_file
from tunewright.eval.report import write_report
from tunewright.eval.run_scores import score_run

OLD, NEW = "20261123-093000-tiny-0a1b2c3d", "20261124-093000-tiny-ffffffff"
EVERY = 4  # of 60 cases a suite


@pytest.fixture
def inv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inv:
    return commands_on(tmp_path, monkeypatch)


def finished(folder: Path, run_id: str = NEW, tuned: float = 0.9, seed: int = 5) -> RunFolder:
    """A run that was pulled, scored and reported."""
    run = make_run(
        folder / "runs", run_id=run_id, tuned=tuned, seed=seed, every=EVERY, audit=audit_report("warn")
    )
    write_report(run, score_run(run))
    return run


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    value = json.loads(path.read_bytes())
    change(value)
    write_json(path, value)


def exchange_predictions(run: RunFolder) -> None:
    """All answers become right."""
    path = run.predictions / "quantized" / "navigation.jsonl"
    cases = [json.loads(line)["case"] for line in path.read_text().splitlines()]
    write_jsonl(path, ({"case": case, "text": gold("navigation")[case]} for case in cases))


def exchange_predictions_and_manifest(run: RunFolder) -> None:
    exchange_predictions(run)
    write_manifest(run.predictions, "p" * 64)


def overwrite_weights(run: RunFolder) -> None:
    (run.stage("quantize") / "model.safetensors").write_bytes(
        b"quantize of " + b"another-run-that-is-as-long!!"[:29]
    )


def add_weights(run: RunFolder) -> None:
    """mlx-lm loads every `model*.safetensors` of a folder."""
    (run.stage("quantize") / "model-2.safetensors").write_bytes(b"more")


def exchange_adapters(run: RunFolder) -> None:
    (run.stage("train") / "adapters.safetensors").write_bytes(b"other")


def lower_gate(run: RunFolder) -> None:
    edit(run.spec, lambda spec: spec["recipe"]["gates"][0].update(target=0.9))


def drop_gate(run: RunFolder) -> None:
    edit(run.spec, lambda spec: spec["recipe"]["gates"].pop(0))


def unforce(run: RunFolder) -> None:
    edit(run.spec, lambda spec: spec.update(forced=None, created="2026-11-23T09:30:00+00:00"))


def edit_score(run: RunFolder) -> None:
    edit(run.scores / "quantized" / "navigation.json", lambda score: score["metrics"]["overall"].update(k=15))


def edit_case(run: RunFolder) -> None:
    edit(run.scores / "quantized" / "navigation.json", lambda score: score["cases"][0].update(passed="maybe"))


def edit_verdict(run: RunFolder) -> None:
    edit(run.scores / "verdict.json", lambda verdict: verdict["gates"][0].update(target=0.5))


def edit_suite(run: RunFolder) -> None:
    path = run.suites / "navigation.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:10]))


def edit_suite_and_spec(run: RunFolder) -> None:
    edit_suite(run)
    digest = sha256_file(run.suites / "navigation.jsonl")
    edit(run.spec, lambda spec: spec["suites"].update(navigation=digest))


def edit_fidelity(run: RunFolder) -> None:
    edit(run.stage("fidelity") / "manifest.json", lambda manifest: manifest["facts"].update(agreement=0.999))


def edit_audit(run: RunFolder) -> None:
    edit(run.audit, lambda audit: audit.update(verdict="pass", findings=[]))


def remove_manifest(run: RunFolder) -> None:
    run.manifest.unlink()


ATTACKS: dict[Callable[[RunFolder], None], str] = {
    exchange_predictions: "predictions/quantized/navigation.jsonl was changed after the run",
    exchange_predictions_and_manifest: "predictions/manifest.json was changed after the run",
    overwrite_weights: "quantize/model.safetensors was changed after the run",
    add_weights: "quantize/model-2.safetensors was added after the run",
    exchange_adapters: "train/adapters.safetensors was changed after the run",
    lower_gate: "spec.json was changed after the run",
    drop_gate: "spec.json was changed after the run",
    unforce: "spec.json was changed after the run",
    edit_score: "scores/quantized/navigation.json has other figures than its cases",
    edit_case: "scores/quantized/navigation.json does not follow from the predictions",
    edit_verdict: "scores/verdict.json: gate navigation: beats base: target is 0.5, and 0.01 when judged again",
    edit_suite: "inputs/suites/navigation.jsonl was changed after the run began",
    edit_suite_and_spec: "spec.json was changed after the run",
    edit_fidelity: "fidelity/manifest.json was changed after the run",
    edit_audit: "inputs/audit.json was changed after the run began",
    remove_manifest: "manifest.json is missing",
}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_a_run_that_was_changed_is_refused_and_promoted_when_the_change_is_undone(
    tmp_path: Path, inv: Inv, attack: Callable[[RunFolder], None]
) -> None:
    run = finished(tmp_path)
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    attack(run)
    done = inv("promote", "--run", NEW)
    assert done.code == 1, done
    first = done.err.splitlines()[0]
    assert first.startswith(f"error: run {NEW} is not promoted: {ATTACKS[attack]}")
    assert not registry_file(tmp_path / "models").exists()
    for path in [path for path in run.path.rglob("*") if path.is_file()]:
        path.unlink()
    for path, data in before.items():
        path.write_bytes(data)
    assert inv("promote", "--run", NEW).code == 0
    assert in_use(read_registry(tmp_path / "models")) == NEW


def test_a_gate_that_was_lowered_cannot_be_scored_again_either(tmp_path: Path, inv: Inv) -> None:
    """`attach` ends in scoring: it must not turn a lowered gate into a verdict."""
    from tunewright.cli.pipeline import finish
    from tunewright.contract.errors import CheckFailed

    run = finished(tmp_path)
    verdict = (run.scores / "verdict.json").read_bytes()
    finish(run)
    lower_gate(run)
    with pytest.raises(CheckFailed, match=r"is not scored: spec\.json was changed"):
        finish(run)
    assert (run.scores / "verdict.json").read_bytes() == verdict


def all_right(run: RunFolder, wrong: int) -> None:
    """Every answer right but those of the first cases of each suite."""
    from tests.support.made_run import seal

    for name in ("navigation", "field_access"):
        path = run.predictions / "quantized" / f"{name}.jsonl"
        cases = [json.loads(line)["case"] for line in path.read_text().splitlines()]
        texts = [answer("hover()") if i < wrong else gold(name)[case] for i, case in enumerate(cases)]
        write_jsonl(path, ({"case": case, "text": text} for case, text in zip(cases, texts)))
    seal(run)


def test_a_run_that_is_worse_than_the_model_in_use_is_refused_and_one_that_is_not_is_promoted(
    tmp_path: Path, inv: Inv
) -> None:
    old, worse = (make_run(tmp_path / "runs", run_id=name, base=0.0, every=EVERY) for name in (OLD, NEW))
    all_right(old, 0)
    all_right(worse, 6)
    assert inv("promote", "--run", OLD).code == 0
    done = inv("promote", "--run", NEW)
    assert done.code == 1
    assert f"it is WORSE than the model in use, {OLD}: 0 cases gained, 12 lost" in done.err
    all_right(worse, 1)
    assert inv("promote", "--run", NEW).code == 0
    entry = read_registry(tmp_path / "models")[-1]
    assert entry.evidence["compared"]["with"] == OLD
    assert entry.evidence["compared"]["total"]["only_a"] == 2


def test_the_model_in_use_cannot_be_made_worse_to_let_another_one_in(tmp_path: Path, inv: Inv) -> None:
    old, new = (make_run(tmp_path / "runs", run_id=name, base=0.0, every=EVERY) for name in (OLD, NEW))
    all_right(old, 0)
    all_right(new, 6)
    assert inv("promote", "--run", OLD).code == 0
    all_right(old, 10)  # sealed again, as the worker would
    done = inv("promote", "--run", NEW)
    assert done.code == 1
    assert "the model in use" in done.err
    assert "manifest.json is not the one that was promoted" in done.err


def test_what_cannot_be_compared_with_the_model_in_use_is_refused(tmp_path: Path, inv: Inv) -> None:
    finished(tmp_path, OLD)
    assert inv("promote", "--run", OLD).code == 0
    make_run(tmp_path / "runs", run_id=NEW, base=0.0, every=5)  # the same suite's name, other cases
    done = inv("promote", "--run", NEW)
    assert done.code == 1
    assert "cannot be compared with the model in use" in done.err
    assert "holds other cases" in done.err


def test_force_needs_a_reason_and_is_on_record_in_registry_and_summary(tmp_path: Path, inv: Inv) -> None:
    run = make_run(tmp_path / "runs", run_id=NEW, every=EVERY, forced=Forced(by="bob", reasons=("leak",)))
    assert inv("promote", "--run", NEW).code == 1
    for flags in (["--force"], ["--force", "--why", " "]):
        done = inv("promote", "--run", NEW, *flags)
        assert done.code == 2
        assert "--force needs a reason" in done.err
    assert not registry_file(tmp_path / "models").exists()
    done = inv("promote", "--run", NEW, "--force", "--why", "the demo is | today")
    assert done.code == 0, done
    entry = read_registry(tmp_path / "models")[0]
    assert (entry.forced, entry.reason) == (True, "the demo is | today")
    assert entry.evidence["objections"] == ["the run was forced past a failed audit by bob"]
    summary = run.summary.read_text()
    assert "**Promoted, forced** by " in summary
    assert r"the demo is \| today" in summary
    assert "- although the run was forced past a failed audit by bob" in summary
    assert "the demo is | today" in inv("models").out


def test_a_registry_that_was_cut_stops_promotion_rollback_models_and_serve(tmp_path: Path, inv: Inv) -> None:
    for name in (OLD, NEW):
        make_run(tmp_path / "runs", run_id=name, every=EVERY)
        assert inv("promote", "--run", name).code == 0
    whole = registry_file(tmp_path / "models").read_bytes()
    registry_file(tmp_path / "models").write_bytes(whole.splitlines(keepends=True)[0])
    make_run(tmp_path / "runs", run_id=NEW + "1", every=EVERY)
    for command in (["promote", "--run", NEW + "1"], ["rollback"], ["models"], ["serve"]):
        done = inv(*command)
        assert done.code == 2, command
        assert "has 1 lines, and 2 were written" in done.err
    registry_file(tmp_path / "models").write_bytes(whole)
    assert f"in use: {NEW}" in inv("models").out
    assert inv("rollback", "--why", "slow").code == 0
    assert "slow" in inv("models").out


def test_serve_takes_the_promoted_run_then_the_one_that_a_rollback_brings_back(
    tmp_path: Path, inv: Inv, capsys: pytest.CaptureFixture[str]
) -> None:
    from tunewright.cli.serve_task import choose

    latest = "20261125-093000-tiny-99999999"
    for name in (OLD, NEW, latest):
        make_run(tmp_path / "runs", run_id=name, every=EVERY)
    chosen, promotion = choose("")
    assert (chosen.path.name, promotion) == (latest, None)
    assert "no model has been promoted" in capsys.readouterr().err
    for name in (OLD, NEW):
        assert inv("promote", "--run", name).code == 0
    assert choose("")[0].path.name == NEW
    assert choose(latest)[0].path.name == latest
    assert choose(latest)[1] is None
    assert inv("rollback").code == 0
    chosen, promotion = choose("")
    assert chosen.path.name == OLD
    assert promotion is not None
    assert promotion.run == OLD


def test_a_promoted_model_whose_weights_changed_since_is_not_served(tmp_path: Path, inv: Inv) -> None:
    run = make_run(tmp_path / "runs", run_id=NEW, every=EVERY)
    assert inv("promote", "--run", NEW).code == 0
    overwrite_weights(run)
    done = inv("serve")
    assert done.code == 1
    assert "quantize/model.safetensors on local was changed after the run" in done.err
    write_manifest(run.stage("quantize"), "q" * 64)
    done = inv("serve")
    assert done.code == 1
    assert "is not the model that was promoted" in done.err
