"""A stage's folder: whole or not there, never continued with other inputs, and found again by its key."""

import errno
import re
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tunewright.contract import stage_code
from tunewright.contract.errors import UserError
from tunewright.contract.manifest import read_manifest
from tunewright.contract.recipe import Recipe
from tunewright.contract.run import STAGES, RunFolder, RunSpec, Stage
from tunewright.contract.stage_code import StageCode
from tunewright.train import fingerprints
from tunewright.train.failures import explain, recognise
from tunewright.train.fingerprints import CODE, prediction_key, stage_keys
from tunewright.train.staging import adopt, finished, open_workspace, publish, siblings, sweep, workspace

BASE = {
    "schema": 1,
    "name": "t",
    "model": {"base": "/m"},
    "predict": {"models": ["base", "quantized"]},
    "suites": [{"path": "s.jsonl"}],
}


def spec(**changes: Any) -> RunSpec:
    recipe = Recipe.model_validate(BASE | changes.pop("recipe", {}))
    values: dict[str, Any] = {"data": {"train": "a", "valid": "b", "test": "c"}, "suites": {"s": "d"}}
    return RunSpec(id="r", created="", recipe=recipe, environment="", **(values | changes))


def made(run: RunFolder, key: str = "key", text: str = "x") -> Path:
    run.path.mkdir(parents=True, exist_ok=True)
    run.spec.write_text("{}")
    folder = open_workspace(run.path, "train", key)
    (folder / "deep").mkdir()
    (folder / "deep" / "file.txt").write_text(text)
    publish(folder, run.stage("train"), key, {"fact": 1})
    return run.stage("train")


def test_a_published_stage_is_whole_and_its_workspace_is_gone(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "a")
    out = made(run)
    manifest = finished(out, "key")
    assert manifest is not None
    assert list(manifest.files) == ["deep/file.txt"]
    assert manifest.facts == {"fact": 1}
    assert not workspace(run.path, "train").exists()
    assert finished(out, "another key") is None


def test_publishing_again_replaces_the_folder(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "a")
    made(run, text="old")
    out = made(run, "new key", "new")
    assert (out / "deep" / "file.txt").read_text() == "new"
    assert sorted(path.name for path in run.path.iterdir()) == ["spec.json", "train"]


def test_unfinished_work_is_kept_for_the_same_inputs_and_dropped_for_others(tmp_path: Path) -> None:
    (open_workspace(tmp_path, "train", "key") / "half").write_text("x")
    assert (open_workspace(tmp_path, "train", "key") / "half").exists()
    assert not (open_workspace(tmp_path, "train", "other") / "half").exists()


def test_a_sibling_is_used_again_only_when_its_bytes_are_those_of_its_manifest(tmp_path: Path) -> None:
    first, second = RunFolder(tmp_path / "a"), RunFolder(tmp_path / "b")
    out = made(first)
    ((other, manifest),) = siblings(second, "train", "key")
    assert other.path == first.path
    adopt(out, second.stage("train"), manifest)
    assert finished(second.stage("train"), "key") == read_manifest(out)
    assert list(siblings(second, "train", "no such key")) == []
    (out / "deep" / "file.txt").unlink()
    (out / "deep" / "file.txt").write_text("y")
    assert list(siblings(second, "train", "key")) == []
    assert finished(second.stage("train"), "key") is not None


def test_what_a_killed_worker_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "a")
    made(run)
    (run.path / ".status.json.x.tmp").write_text("")
    (run.path / ".train.12.removed").mkdir()
    (run.path / ".fuse.adopted").mkdir()
    kept = open_workspace(run.path, "fuse", "key")
    sweep(run.path)
    assert sorted(path.name for path in run.path.iterdir()) == [kept.name, "spec.json", "train"]


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({"data": {"train": "z", "valid": "b"}}, "train"),
        ({"data": {"train": "a", "valid": "z"}}, "train"),
        ({"recipe": {"seed": 9}}, "train"),
        ({"recipe": {"model": {"base": "/m", "dtype": "float32"}}}, "train"),
        ({"recipe": {"train": {"rank": 9}}}, "train"),
        ({"recipe": {"quantize": {"bits": 4}}}, "quantize"),
        ({"recipe": {"predict": {"max_tokens": 9}}}, "predict"),
        ({"suites": {"s": "z"}}, "predict"),
        ({"data": {"train": "a", "valid": "b", "test": "z"}}, "fidelity"),
        ({"host": "mac", "dataset": "elsewhere", "git_commit": "z"}, None),
        ({"recipe": {"gates": [{"metric": "fidelity", "target": 0.5}]}}, None),
    ],
)
def test_a_change_repeats_the_stages_that_depend_on_it_and_no_others(
    changes: dict[str, Any], first: Stage | None
) -> None:
    before, after = stage_keys(spec(), "base"), stage_keys(spec(**changes), "base")
    repeated = list(STAGES[STAGES.index(first) :]) if first else []
    if first in ("fidelity", "predict"):
        repeated = [first]
    assert [stage for stage in STAGES if before[stage] != after[stage]] == repeated


def test_another_base_model_repeats_everything() -> None:
    before, after = stage_keys(spec(), "base"), stage_keys(spec(), "other")
    assert all(before[stage] != after[stage] for stage in before)


def test_the_base_models_answers_do_not_depend_on_training() -> None:
    def key(model: str, made_spec: RunSpec) -> str:
        return prediction_key(made_spec, "base", stage_keys(made_spec, "base"), model, "s")

    trained = spec(recipe={"train": {"rank": 9}})
    assert key("base", spec()) == key("base", trained)
    for model in ("adapter", "fused", "quantized"):
        assert key(model, spec()) != key(model, trained)
    assert len({key(model, spec()) for model in ("base", "adapter", "fused", "quantized")}) == 4


def test_only_drawn_answers_depend_on_the_seed() -> None:
    def key(**recipe: Any) -> str:
        made_spec = spec(recipe=recipe)
        return prediction_key(made_spec, "base", stage_keys(made_spec, "base"), "base", "s")

    assert key(seed=1) == key(seed=2)
    assert key(seed=1, predict={"temperature": 0.7}) != key(seed=2, predict={"temperature": 0.7})


def raised(stage: Stage) -> dict[Stage, StageCode]:
    """The stages' code with another number of one stage."""
    changed = dict(CODE)
    changed[stage] = replace(CODE[stage], number=CODE[stage].number + 1)
    return changed


def test_a_raised_number_repeats_the_stage_and_what_is_made_from_its_results(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    repeated: dict[Stage, list[Stage]] = {}
    before = stage_keys(spec(), "base")
    for stage in STAGES:
        monkeypatch.setattr(fingerprints, "CODE", raised(stage))
        after = stage_keys(spec(), "base")
        repeated[stage] = [each for each in STAGES if before[each] != after[each]]
    assert repeated == {
        "train": list(STAGES),
        "fuse": ["fuse", "quantize", "fidelity", "predict"],
        "quantize": ["quantize", "fidelity", "predict"],
        "fidelity": ["fidelity"],
        "predict": ["predict"],
    }


def test_answers_are_generated_again_when_the_number_of_predict_is_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def keys() -> list[str]:
        made = stage_keys(spec(), "base")
        return [
            prediction_key(spec(), "base", made, model, "s") for model in ("base", "adapter", "quantized")
        ]

    before = keys()
    monkeypatch.setattr(fingerprints, "CODE", raised("train"))
    assert [old == new for old, new in zip(before, keys())] == [True, False, False]
    monkeypatch.setattr(fingerprints, "CODE", raised("predict"))
    assert [old == new for old, new in zip(before, keys())] == [False, False, False]


def test_another_version_of_a_library_that_decides_repeats_the_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_another(library: str) -> dict[Stage, str]:
        def installed(name: str) -> str:
            return "9.9" if name == library else version(name)

        monkeypatch.setattr(stage_code, "version", installed)
        return stage_keys(spec(), "base")

    before = stage_keys(spec(), "base")
    assert with_another("numpy")["train"] != before["train"]
    assert with_another("pydantic") == before


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_explained_with_what_is_free_and_where(code: int, tmp_path: Path) -> None:
    failure = explain(OSError(code, "whatever", "/big/file"), tmp_path)
    assert failure is not None
    assert re.fullmatch(rf"the disk is full: [\d,.]+ MiB free in {tmp_path}", failure.message)


def test_a_full_disk_met_by_mlx_is_explained(tmp_path: Path) -> None:
    failure = explain(RuntimeError("[write] Unable to write 2097248 bytes to file."), tmp_path)
    assert failure is not None
    assert f"MiB free in {tmp_path}" in failure.message


def test_a_users_mistake_keeps_its_words_and_a_bug_has_none(tmp_path: Path) -> None:
    failure = explain(UserError("wrong", "right"), tmp_path)
    assert failure is not None
    assert (failure.message, failure.hint) == ("wrong", "right")
    assert explain(ValueError("No space left on device"), tmp_path) is None
    assert explain(KeyError("x"), tmp_path) is None
    assert recognise("all is well") is None
