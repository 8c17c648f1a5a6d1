"""`clean`: what goes, what stays, and that no only copy is ever among what goes. With the real worker."""

import os
import shutil
import time
from pathlib import Path

import pytest

from tests.support.commands import (
    Inv,
    commands_on,
    ended,
    real_environment,
    real_recipe,
    real_run,
    there,
    wait,
)
from tests.support.random_qwen3 import write_model
from tests.support.remote_runs import make_checkout
from tunewright.cli import runs
from tunewright.contract.atomic import sha256_file
from tunewright.contract.manifest import damaged_files, read_manifest
from tunewright.contract.run import STAGES, RunFolder, new_run_id
from tunewright.contract.run_manifest import write_run_manifest
from tunewright.eval.promotion import promote_run
from tunewright.remote import cleanup, follow
from tunewright.remote.holdings import Holdings
from tunewright.remote.host import Host, open_host
from tunewright.remote.job import pull_run, resume_run
from tunewright.remote.worker_client import write_record
from tunewright.train import detach
from tunewright.train.lock import LOCK, acquire, is_held

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def template(model: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that the real worker finished, pulled, in a checkout of its own."""
    checkout = make_checkout(tmp_path_factory.mktemp("template") / "checkout")
    run = real_run(checkout, real_recipe(model))
    wait(lambda: ended(run))
    with open_host("local", checkout) as host:
        pull_run(host, run, print)
    return run


@pytest.fixture
def inv(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Inv:
    monkeypatch.setattr(follow, "POLL", 0.02)
    return commands_on(checkout, monkeypatch)


def at_a_checkpoint(run: RunFolder) -> None:
    wait(lambda: any(there(run).path.glob(".train.partial/checkpoints/step-*/manifest.json")))


def cancelled(inv: Inv, checkout: Path, model: Path) -> RunFolder:
    """A run that was cancelled behind its first checkpoint."""
    run = real_run(checkout, real_recipe(model, steps=5000))
    at_a_checkpoint(run)
    assert inv("cancel", "--run", run.path.name).out == f"{run.path.name}: cancelled\n"
    return run


def finished(template: RunFolder, checkout: Path, *, models: bool = True) -> RunFolder:
    """A run that is done and whose results are home: a copy of the template under an id of its own."""
    spec = template.read_spec()
    spec = spec.model_copy(update={"id": new_run_id("real")})
    run = RunFolder(checkout / "runs" / spec.id)
    shutil.copytree(template.path, run.path)
    shutil.copytree(there(template).path, there(run).path)
    blobs = there(template).path.parents[1] / "blobs"
    shutil.copytree(blobs, there(run).path.parents[1] / "blobs", dirs_exist_ok=True)
    for folder in (run, there(run)):
        folder.write_spec(spec)
    write_run_manifest(there(run))
    shutil.copyfile(there(run).manifest, run.manifest)
    with open_host("local", checkout) as host:
        write_record(run, host, real_environment(checkout / ".real"))
    if not models:
        shutil.rmtree(run.stage("quantize"))
    return run


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): sha256_file(path)
        for path in folder.rglob("*")
        if path.is_file() and path.name != LOCK
    }


def age(checkout: Path) -> None:
    """Everything on the host was last changed two hours ago."""
    then = time.time() - 7200
    for path in [*(checkout / ".tunewright" / "host").rglob("*")]:
        os.utime(path, (then, then), follow_symlinks=False)


def test_what_is_home_and_verified_goes_and_stays_home(inv: Inv, checkout: Path, template: RunFolder) -> None:
    """The positive control of every test below: `clean` does remove."""
    run = finished(template, checkout)
    before = contents(run.path)
    shown = inv("clean", "--keep", "0")
    assert "home and verified" in shown.out
    assert "nothing was removed" in shown.err
    assert there(run).spec.is_file()
    done = inv("clean", "--keep", "0", "--yes")
    assert done.code == 0, done.err
    assert not there(run).path.exists(), shown.out + done.out + done.err
    assert list((checkout / ".tunewright" / "host" / "runs").iterdir()) == []
    assert contents(run.path) == before
    for stage in STAGES:
        if stage != "fuse":
            manifest = read_manifest(run.stage(stage))
            assert manifest is not None
            assert not damaged_files(run.stage(stage), manifest)


def test_a_run_cancelled_pulled_resumed_and_finished_stays_until_it_is_pulled_again(
    inv: Inv, checkout: Path, model: Path
) -> None:
    run = real_run(checkout, real_recipe(model, steps=60))
    at_a_checkpoint(run)
    # In this process: a command might start so slowly that the training is over.
    assert detach.cancel(there(run), patience=120).state == "cancelled"
    assert inv("pull", "--run", run.path.name).code == 0
    with open_host("local", checkout) as host:
        resume_run(host, run)
    wait(lambda: ended(run) and not is_held(there(run).path))  # a worker that is still exiting keeps its run
    assert "not pulled" in inv("runs").out, "the note of the earlier pull is taken back"
    before = contents(there(run).path)
    done = inv("clean", "--keep", "0", "--yes")
    assert f"not home, or damaged there: ./inv pull --run {run.path.name}" in done.out
    assert contents(there(run).path) == before
    # Even with the note of an earlier pull: files count, and not what a note says.
    (run.path / "pulled.json").write_text('{"time": "2026-11-28T10:00:00.000+00:00", "state": "done"}')
    inv("clean", "--keep", "0", "--yes")
    assert contents(there(run).path) == before
    # The control: pulled again, it goes.
    pulled = inv("pull", "--run", run.path.name)
    done = inv("clean", "--keep", "0", "--yes")
    assert not there(run).path.exists(), pulled.out + pulled.err + done.out + done.err


def test_a_cancelled_runs_checkpoint_stays(inv: Inv, checkout: Path, model: Path) -> None:
    run = cancelled(inv, checkout, model)
    inv("pull", "--run", run.path.name)
    before = contents(there(run).path)
    done = inv("clean", "--keep", "0", "--yes")
    assert "stays: a checkpoint at step" in done.out
    assert f"./inv resume --run {run.path.name}" in done.out
    assert contents(there(run).path) == before
    failed = inv("clean", "--keep", "0", "--failed", "--yes")
    assert "a checkpoint at step" in failed.out
    assert contents(there(run).path) == before
    # The control: given up by name, it goes; the results so far stay home.
    given = inv("clean", "--failed", "--run", run.path.name, "--yes")
    assert "given up, as asked: a checkpoint at step" in given.out
    assert not there(run).path.exists()
    assert run.events.is_file()


def test_the_promoted_model_that_is_only_on_the_host_stays_and_what_a_rollback_needs(
    inv: Inv, checkout: Path, template: RunFolder
) -> None:
    first, second = (finished(template, checkout, models=False) for _ in range(2))
    for run in (first, second):
        promote_run(checkout / "models", run, by="ada", force=True, reason="a trial")
    before = {run: contents(there(run).path) for run in (first, second)}
    for flags in ([], ["--float-copies"], ["--failed"], ["--run", second.path.name]):
        done = inv("clean", "--keep", "0", "--yes", *flags)
        assert "its model is in use" in done.out, flags
        assert {run: contents(there(run).path) for run in (first, second)} == before
    assert "a rollback would need it" in inv("clean", "--keep", "0").out
    # The control: nothing promoted; what is home goes, and still not a model that is nowhere else.
    shutil.rmtree(checkout / "models")
    done = inv("clean", "--keep", "0", "--yes")
    assert f"a model that is nowhere else: ./inv pull --models --run {first.path.name}" in done.out
    for run in (first, second):
        assert there(run).spec.is_file()
        assert not there(run).stage("fuse").exists()
        assert read_manifest(there(run).stage("quantize")) is not None
    inv("pull", "--models", "--run", first.path.name)
    inv("clean", "--keep", "0", "--yes")
    assert not there(first).path.exists()
    assert read_manifest(first.stage("quantize")) is not None
    assert there(second).spec.is_file()


def test_nothing_goes_while_the_registry_cannot_be_read(
    inv: Inv, checkout: Path, template: RunFolder
) -> None:
    run = finished(template, checkout)
    (checkout / "models").mkdir()
    (checkout / "models" / "registry.jsonl").write_text("{}\n")
    done = inv("clean", "--keep", "0", "--yes")
    assert done.code == 2
    assert "registry.jsonl:1" in done.err
    assert there(run).spec.is_file()


def test_a_copy_that_is_damaged_at_home_is_none(inv: Inv, checkout: Path, template: RunFolder) -> None:
    run = finished(template, checkout)
    path = run.stage("quantize") / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert "a model that is nowhere else" in inv("clean", "--keep", "0", "--yes").out
    assert (there(run).stage("quantize") / "model.safetensors").read_bytes() == data


@pytest.mark.parametrize("place", ["quantize/notes.txt", "notes.txt", "inputs/data/more.jsonl"])
def test_a_file_of_the_users_own_in_a_runs_folder_stays(
    place: str, inv: Inv, checkout: Path, template: RunFolder
) -> None:
    run = finished(template, checkout)
    (there(run).path / place).write_text("mine")
    inv("clean", "--keep", "0", "--yes")
    assert (there(run).path / place).read_text() == "mine"
    assert there(run).spec.is_file()


def test_a_link_keeps_the_whole_run(inv: Inv, checkout: Path, template: RunFolder) -> None:
    run = finished(template, checkout)
    before = contents(there(run).path)
    (there(run).path / "quantize" / "link").symlink_to(checkout / "data")
    assert "not a plain file" in inv("clean", "--keep", "0", "--yes").out
    assert contents(there(run).path) == before
    assert (checkout / "data" / "train.jsonl").is_file()


def test_a_worker_that_came_back_meanwhile_keeps_its_run(
    inv: Inv, checkout: Path, template: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock that is held, and a status that is another one: both are seen at the last moment."""
    run = finished(template, checkout)
    before = contents(there(run).path)
    lock = acquire(there(run).path)
    assert lock is not None
    assert "was started meanwhile" in inv("clean", "--keep", "0", "--yes").err
    lock.release()
    assert contents(there(run).path) == before

    survey = cleanup.survey_host

    def late(host: Host) -> Holdings:
        found = survey(host)
        there(run).status.write_text(there(run).status.read_text() + " ")
        return found

    monkeypatch.setattr(cleanup, "survey_host", late)
    assert "was started meanwhile" in inv("clean", "--keep", "0", "--yes").err
    assert there(run).stage("quantize").is_dir()
    monkeypatch.undo()


def test_the_latest_stay_and_one_run_can_be_named(inv: Inv, checkout: Path, template: RunFolder) -> None:
    three = sorted((finished(template, checkout) for _ in range(3)), key=lambda run: run.path.name)
    done = inv("clean", "--keep", "2", "--yes")
    assert done.out.count("among the latest 2 (--keep)") == 2
    assert [there(run).path.exists() for run in three] == [False, True, True]
    inv("clean", "--run", three[2].path.name, "--yes")
    assert [there(run).path.exists() for run in three] == [False, True, False]
    assert inv("clean", "--run", three[2].path.name, "--yes").code == 2
    assert inv("clean", "--keep", "-1").code == 2


def test_float_copies_go_alone(inv: Inv, checkout: Path, template: RunFolder) -> None:
    run = finished(template, checkout, models=False)
    shutil.rmtree(run.stage("train"))  # the adapters are on the host alone, and stay there
    inv("clean", "--keep", "0", "--yes")
    assert there(run).stage("fuse").is_dir()
    inv("clean", "--keep", "0", "--float-copies", "--yes")
    left = {path.name for path in there(run).path.iterdir() if path.is_dir()}
    assert left == {"train", "quantize", "inputs"}
    # What is said is true: the fused model is made again, and is the same.
    with open_host("local", checkout) as host:
        resume_run(host, run)
    wait(lambda: ended(run) and there(run).stage("fuse").is_dir())


@pytest.mark.parametrize(("answer", "goes"), [("y\n", True), ("n\n", False), ("\n", False), ("", False)])
def test_on_a_terminal_it_asks(
    answer: str, goes: bool, inv: Inv, checkout: Path, template: RunFolder
) -> None:
    run = finished(template, checkout)
    done = inv("clean", "--keep", "0", answer=answer)
    assert "Remove what goes, " in done.err
    assert there(run).path.exists() != goes


def test_a_run_promoted_while_the_question_stood_there_stays(
    inv: Inv, checkout: Path, template: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finished(template, checkout)

    def promote_and_agree(question: str) -> bool:
        promote_run(checkout / "models", run, by="ada", force=True, reason="a trial")
        return True

    monkeypatch.setattr(runs, "confirmed", promote_and_agree)
    inv("clean", "--keep", "0")
    assert there(run).stage("quantize").is_dir()


def test_what_no_run_uses_goes_and_what_may_be_used_stays(
    inv: Inv, checkout: Path, template: RunFolder
) -> None:
    run = finished(template, checkout)
    root = checkout / ".tunewright" / "host"
    ours = root / "envs" / ("a" * 64)
    strange = root / "envs" / "my-own-env"
    half = root / "blobs" / f".{'b' * 64}.01234567.part"
    hidden = root / "runs" / ".notes"
    for path in (ours / "x", strange / "x", half, hidden):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    blobs = {path for path in (root / "blobs").iterdir() if not path.name.startswith(".")}
    assert len(blobs) == 3
    inv("clean", "--yes")
    assert ours.exists(), "of this hour: it may be in the making"
    age(checkout)
    # A run whose spec nobody can read may use anything.
    broken = root / "runs" / "20261128-000000-other-00000000"
    broken.mkdir()
    inv("clean", "--yes")
    assert ours.exists()
    assert not half.exists()
    broken.rmdir()
    inv("clean", "--yes")
    assert not ours.exists()
    assert all(blob.exists() for blob in blobs), "a run that stays uses them"
    assert strange.exists()
    assert hidden.exists()
    inv("clean", "--keep", "0", "--yes")
    assert not there(run).path.exists()
    assert not any(blob.exists() for blob in blobs)
