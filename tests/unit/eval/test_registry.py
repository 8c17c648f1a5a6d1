"""Which model is in use, by whom and on which evidence; and nothing of it is ever lost."""

import json
import multiprocessing
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.made_run import make_run
from tunewright.contract.atomic import dump_json, sha256_bytes, sha256_json
from tunewright.contract.errors import CheckFailed, UserError
from tunewright.contract.run import Forced, RunFolder
from tunewright.eval import registry
from tunewright.eval.promotion import promote_run
from tunewright.eval.registry import (
    head_file,
    in_use,
    read_registry,
    registry_file,
    registry_text,
    roll_back,
)

RUNS = [f"2026112{day}-093000-tiny-0000000{day}" for day in range(3, 8)]


def good(tmp_path: Path, number: int = 0) -> RunFolder:
    """A run that passes its gates on a sixth of the cases, which are enough to judge a registry by."""
    return make_run(tmp_path / "runs", run_id=RUNS[number], tuned=1.0, base=0.0, every=6)


@pytest.fixture(scope="module")
def promotions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which three runs were promoted, one after another."""
    folder = tmp_path_factory.mktemp("promotions")
    for number in range(3):
        promote_run(folder / "models", good(folder, number), by="ada")
    return folder


@pytest.fixture
def promoted(promotions: Path, tmp_path: Path) -> Path:
    """A copy of it for one test; the registry's folder."""
    shutil.copytree(promotions, tmp_path, dirs_exist_ok=True)
    return tmp_path / "models"


def test_a_run_whose_gates_passed_is_promoted_with_its_evidence(tmp_path: Path) -> None:
    run = good(tmp_path)
    entry = promote_run(tmp_path / "models", run, by="ada", reason="first")
    assert (entry.run, entry.in_use, entry.by, entry.forced, entry.seq) == (RUNS[0], RUNS[0], "ada", False, 1)
    assert entry.evidence["verdict"] == "PASS"
    assert len(entry.evidence["gates"]) == 9
    assert len(entry.evidence["model_sha256"]) == 64
    assert read_registry(tmp_path / "models") == [entry]
    assert str(entry).startswith(f"{RUNS[0]} promoted (by ada, ")


@pytest.mark.parametrize(("tuned", "word"), [(0.2, "FAIL"), (0.25, "INCONCLUSIVE")])
def test_a_run_whose_gates_did_not_pass_is_refused_unless_forced_on_record(
    tmp_path: Path, tuned: float, word: str
) -> None:
    run = make_run(tmp_path / "runs", tuned=tuned, base=0.2)
    with pytest.raises(CheckFailed, match=f"beats base is {word}"):
        promote_run(tmp_path / "models", run, by="ada")
    assert not registry_file(tmp_path / "models").exists()
    entry = promote_run(tmp_path / "models", run, by="ada", force=True, reason="a trial")
    assert entry.forced
    assert word in entry.evidence["objections"][0]
    assert "although navigation: beats base is" in str(entry)
    assert "promoted, forced" in registry_text(tmp_path / "models")


def test_a_run_that_was_forced_past_its_audit_is_refused(tmp_path: Path) -> None:
    forced = Forced(by="bob", reasons=("leak",))
    run = make_run(tmp_path / "runs", forced=forced, tuned=1.0, base=0.0, every=6)
    with pytest.raises(CheckFailed, match="forced past a failed audit by bob"):
        promote_run(tmp_path / "models", run, by="ada")


def test_forcing_what_needs_no_force_is_not_put_on_record_as_forced(tmp_path: Path) -> None:
    assert not promote_run(tmp_path / "models", good(tmp_path), by="ada", force=True, reason="a trial").forced


def test_a_run_is_judged_by_its_predictions_not_by_a_file_of_scores(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs", tuned=0.2, base=0.2, every=6)
    run.scores.mkdir()
    (run.scores / "verdict.json").write_text('{"verdict": "PASS"}', encoding="utf-8")
    with pytest.raises(CheckFailed):
        promote_run(tmp_path / "models", run, by="ada")


def test_rolling_back_brings_the_one_before_and_then_the_one_before_that(promoted: Path) -> None:
    models = promoted
    assert roll_back(models, by="bob", reason="slow").in_use == RUNS[1]
    assert roll_back(models, by="bob").in_use == RUNS[0]
    with pytest.raises(UserError, match="is the only one promoted"):
        roll_back(models, by="bob")
    promote_run(models, RunFolder(models.parent / "runs" / RUNS[2]), by="ada")
    entries = read_registry(models)
    assert in_use(entries) == RUNS[2]
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5, 6]
    assert registry_text(models).startswith(f"in use: {RUNS[2]}\n")


def test_what_is_in_use_cannot_be_promoted_again(tmp_path: Path) -> None:
    run = good(tmp_path)
    promote_run(tmp_path / "models", run, by="ada")
    with pytest.raises(UserError, match="is in use already"):
        promote_run(tmp_path / "models", run, by="ada")


def test_an_empty_registry_says_so(tmp_path: Path) -> None:
    assert registry_text(tmp_path / "models") == "no model has been promoted yet\n"
    with pytest.raises(UserError, match="no model is in use"):
        roll_back(tmp_path / "models", by="ada")


def test_appending_leaves_the_older_lines_as_they_were(tmp_path: Path) -> None:
    models = tmp_path / "models"
    promote_run(models, good(tmp_path, 0), by="ada")
    before = registry_file(models).read_bytes()
    promote_run(models, good(tmp_path, 1), by="ada")
    assert registry_file(models).read_bytes().startswith(before)


DAMAGES = ["change", "change last", "remove", "truncate", "empty", "cut", "garbage", "add", "no head"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_registry_that_was_tampered_with_is_refused(promoted: Path, damage: str) -> None:
    models = promoted
    assert len(read_registry(models)) == 3
    path = registry_file(models)
    lines = path.read_bytes().splitlines(keepends=True)
    spoiled = {
        "change": [lines[0].replace(b'"ada"', b'"eve"'), *lines[1:]],
        "change last": [*lines[:2], lines[2].replace(b'"ada"', b'"eve"')],
        "remove": [lines[0], lines[2]],
        "truncate": lines[:2],
        "empty": [],
        "cut": [*lines[:2], lines[2][:-10]],
        "add": [*lines, rewritten(lines[2], previous=sha256_bytes(lines[2][:-1]), seq=4)],
        "no head": lines,
        "garbage": [lines[0], b"{}\n", *lines[1:]],
    }[damage]
    path.write_bytes(b"".join(spoiled))
    if damage == "no head":
        head_file(models).unlink()
    with pytest.raises(UserError, match=r"registry\.(jsonl|head)"):
        read_registry(models)
    with pytest.raises(UserError, match=r"registry\.(jsonl|head)"):
        roll_back(models, by="ada")
    assert path.read_bytes() == b"".join(spoiled)


def rewritten(line: bytes, **fields: object) -> bytes:
    """A line with other fields, and the hash that goes with them: what somebody who knows the format writes."""
    row = {**json.loads(line), **fields}
    row.pop("sha256")
    return dump_json({**row, "sha256": sha256_json(row)}).encode() + b"\n"


def test_a_last_line_that_was_rewritten_with_its_hash_is_refused_too(tmp_path: Path) -> None:
    models = tmp_path / "models"
    promote_run(models, good(tmp_path), by="ada")
    path = registry_file(models)
    path.write_bytes(rewritten(path.read_bytes(), by="eve"))
    with pytest.raises(UserError, match="not the file that was last written"):
        read_registry(models)


@pytest.mark.parametrize("written", ["nothing", "head", "both"])
def test_a_crash_between_the_registry_and_its_head_leaves_a_registry_that_can_be_read(
    promoted: Path, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = promoted
    calls: list[Path] = []

    def crash(write: Callable[[Path, Any], None]) -> Callable[[Path, Any], None]:
        def writing(path: Path, value: Any) -> None:
            if len(calls) == {"nothing": 0, "head": 1, "both": 2}[written]:
                raise KeyboardInterrupt
            calls.append(path)
            write(path, value)

        return writing

    monkeypatch.setattr(registry, "write_json", crash(registry.write_json))
    monkeypatch.setattr(registry, "write_bytes", crash(registry.write_bytes))
    with pytest.raises(KeyboardInterrupt):
        roll_back(models, by="ada")
    monkeypatch.undo()
    assert len(read_registry(models)) == (4 if written == "both" else 3)
    assert len(calls) == {"nothing": 0, "head": 1, "both": 2}[written]
    if written != "both":
        roll_back(models, by="ada")
    assert in_use(read_registry(models)) == RUNS[1]


def test_a_registry_of_an_older_version_is_read_and_gone_on_with(tmp_path: Path) -> None:
    models = tmp_path / "models"
    promote_run(models, good(tmp_path, 0), by="ada")
    row = json.loads(registry_file(models).read_bytes())
    del row["sha256"]
    registry_file(models).write_bytes(dump_json(row).encode() + b"\n")
    head_file(models).unlink()
    assert in_use(read_registry(models)) == RUNS[0]
    promote_run(models, good(tmp_path, 1), by="ada")
    assert [bool(entry.sha256) for entry in read_registry(models)] == [False, True]


def _promote(models: Path, run: Path) -> None:
    promote_run(models, RunFolder(run), by="ada")


def test_promotions_at_the_same_time_wait_for_each_other(tmp_path: Path) -> None:
    models = tmp_path / "models"
    context = multiprocessing.get_context("spawn")
    runs = [good(tmp_path, number) for number in range(3)]
    workers = [context.Process(target=_promote, args=(models, run.path)) for run in runs]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    entries = read_registry(models)
    assert sorted(entry.run for entry in entries) == RUNS[:3]
    assert all(json.loads(line) for line in registry_file(models).read_bytes().splitlines())
