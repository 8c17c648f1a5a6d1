"""A model that stays on its host is verified there, when it is promoted and when it is served. With the real worker."""

import shutil
from collections.abc import Callable
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
from tunewright.contract.atomic import write_text
from tunewright.contract.manifest import read_manifest, write_manifest
from tunewright.contract.run import RunFolder
from tunewright.contract.run_manifest import changed_files, model_hash, write_run_manifest
from tunewright.eval.registry import read_registry
from tunewright.remote import follow
from tunewright.remote.host import open_host
from tunewright.remote.job import pull_run
from tunewright.remote.worker_client import write_record
from tunewright.train.lock import is_held

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with one run, whose quantized model was not pulled; nobody may write in it."""
    checkout = make_checkout(tmp_path_factory.mktemp("template") / "checkout")
    run = real_run(checkout, real_recipe(write_model(checkout.parent / "model"), models=False))
    wait(lambda: ended(run) and not is_held(there(run).path))
    status = there(run).read_status()
    assert status is not None
    assert status.state == "done", status
    with open_host("local", checkout) as host:
        pull_run(host, run, print)
    return checkout


@pytest.fixture
def run(template: Path, checkout: Path) -> RunFolder:
    """That run, in a copy of the checkout."""
    shutil.copytree(template, checkout, dirs_exist_ok=True)
    (path,) = (checkout / "runs").iterdir()
    run = RunFolder(path)
    with open_host("local", checkout) as host:
        write_record(run, host, real_environment(checkout / ".real"))
    return run


@pytest.fixture
def inv(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Inv:
    monkeypatch.setattr(follow, "POLL", 0.02)
    return commands_on(checkout, monkeypatch)


def overwrite_weights(run: RunFolder) -> None:
    path = there(run).stage("quantize") / "model.safetensors"
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def overwrite_weights_and_manifest(run: RunFolder) -> None:
    overwrite_weights(run)
    write_manifest(there(run).stage("quantize"), "q" * 64)


def add_weights(run: RunFolder) -> None:
    folder = there(run).stage("quantize")
    shutil.copyfile(folder / "model.safetensors", folder / "model-2.safetensors")


def seal_another_spec(run: RunFolder) -> None:
    """On the laptop alone: the spec is changed, and the run's manifest is written again to agree with it."""
    spec = run.read_spec()
    recipe = spec.recipe.model_copy(update={"gates": ()})
    run.write_spec(spec.model_copy(update={"recipe": recipe, "dataset": "another"}))
    shutil.copytree(there(run).stage("fuse"), run.stage("fuse"))
    shutil.copytree(there(run).stage("quantize"), run.stage("quantize"))
    write_run_manifest(run)
    shutil.rmtree(run.stage("fuse"))
    shutil.rmtree(run.stage("quantize"))
    assert changed_files(run) == []


ATTACKS: dict[Callable[[RunFolder], None], str] = {
    overwrite_weights: "quantize/model.safetensors on local was changed after the run",
    overwrite_weights_and_manifest: "quantize/manifest.json on local was changed after the run",
    add_weights: "quantize/model-2.safetensors on local was added after the run",
    seal_another_spec: "manifest.json is not the one that local wrote",
}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_what_was_changed_on_one_side_is_refused(
    run: RunFolder, inv: Inv, attack: Callable[[RunFolder], None]
) -> None:
    assert changed_files(run) == []
    assert not run.stage("quantize").exists()
    attack(run)
    done = inv("promote")
    assert done.code == 1, done
    assert ATTACKS[attack] in done.err.splitlines()[0]


def test_a_model_that_is_only_on_the_host_is_promoted_and_served_as_it_was(run: RunFolder, inv: Inv) -> None:
    done = inv("promote")
    assert done.code == 0, done
    assert "warning" not in done.err
    entry = read_registry(run.path.parent.parent / "models")[0]
    manifest = read_manifest(there(run).stage("quantize"))
    assert manifest is not None
    assert entry.evidence["model_sha256"] == model_hash(manifest)
    assert entry.evidence["host"] == "local has the same run"
    overwrite_weights_and_manifest(run)
    done = inv("serve")
    assert done.code == 1
    assert "is not the model that was promoted" in done.err
    shutil.rmtree(there(run).stage("quantize"))
    assert inv("serve").code == 2


def test_a_run_that_its_host_lost_is_promoted_with_its_model_here_and_a_warning(
    run: RunFolder, inv: Inv
) -> None:
    shutil.copytree(there(run).stage("quantize"), run.stage("quantize"))
    shutil.rmtree(there(run).path)
    done = inv("promote")
    assert done.code == 0
    assert "local does not have the run any more" in done.err


def test_without_its_model_anywhere_a_run_is_refused(run: RunFolder, inv: Inv) -> None:
    shutil.rmtree(there(run).path)
    done = inv("promote")
    assert done.code == 1
    assert "quantize is not on local, and not here" in done.err


def test_a_run_that_went_on_has_no_manifest_until_it_ended_again(run: RunFolder, checkout: Path) -> None:
    there(run).manifest.unlink()
    with open_host("local", checkout) as host:
        pull_run(host, run, print)
    assert changed_files(run)[0].startswith("manifest.json is missing")
    write_text(there(run).manifest, "{}")
    with open_host("local", checkout) as host:
        pull_run(host, run, print)
    assert changed_files(run)[0].startswith("manifest.json is missing")
