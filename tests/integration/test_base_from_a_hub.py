"""A base from a look-alike of the hub: its commit locked once, and its files brought to every kind of host."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hub import COMMIT, REPOSITORY, Hub, entry, model_files, open_hub
from tests.support.random_qwen3 import write_model
from tunewright.cli import base_model, planning
from tunewright.cli.base_model import lock_base, pinned_recipe
from tunewright.contract.atomic import write_jsonl
from tunewright.contract.base_lock import lock_path, write_lock
from tunewright.contract.errors import HostError, UserError
from tunewright.contract.hub import resolve_base
from tunewright.contract.recipe import load_recipe
from tunewright.remote.environment import Environment
from tunewright.remote.fetch import fetch_base
from tunewright.remote.host import Host
from tunewright.remote.local_host import LocalHost

TAKEN = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
RECIPE = f'schema = 1\nname = "mine"\n[model]\nbase = "{REPOSITORY}"\n'


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with open_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        yield hub


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe without a revision, in a checkout of its own."""
    path = tmp_path / "recipes" / "mine.toml"
    path.parent.mkdir()
    path.write_text(RECIPE)
    monkeypatch.setattr(base_model, "ROOT", tmp_path)
    return path


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "a home" / "huggingface"


@pytest.fixture
def environment(tmp_path: Path, cache: Path) -> Environment:
    """This Python as a host's, with a cache of its own."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nHF_HOME='{cache}' exec {sys.executable} \"$@\"\n")
    python.chmod(0o755)
    return Environment("none", str(python))


def nobody_looks(done: int, total: int) -> None:
    """No progress is wanted."""
    del done, total


def test_a_repository_is_resolved_once_and_its_lock_is_used_from_then_on(
    hub: Hub, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, lock = pinned_recipe("mine")
    assert lock is not None
    assert found.model.revision == lock.revision == COMMIT
    assert str(lock_path(recipe)) in capsys.readouterr().err
    hub.commit = "f" * 40  # somebody pushed
    asked = len(hub.requests)
    assert pinned_recipe("mine") == (found, lock)
    assert pinned_recipe(str(recipe)) == (found, lock)
    assert len(hub.requests) == asked
    lock_path(recipe).unlink()
    moved, _ = pinned_recipe("mine")
    assert moved.model.revision == "f" * 40, "deleting the lock takes the present commit"


def test_without_network_and_lock_one_line_says_what_to_do(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError) as caught:
        pinned_recipe("mine")
    assert "\n" not in caught.value.message
    assert str(lock_path(recipe)) in caught.value.message
    assert "could not be reached" in caught.value.message
    assert "model.revision" in caught.value.hint
    assert not lock_path(recipe).exists()


def test_a_recipe_that_names_a_commit_asks_nobody(hub: Hub, recipe: Path) -> None:
    recipe.write_text(RECIPE + f'revision = "{COMMIT}"\n')
    found, lock = pinned_recipe("mine")
    assert lock is not None
    assert (found.model.revision, lock.files) == (COMMIT, ())
    assert hub.requests == []


def test_a_hub_that_lies_leaves_no_lock(hub: Hub, recipe: Path) -> None:
    hub.listed = [entry("../../.bashrc.json", b"{}")]
    with pytest.raises(UserError, match="outside the repository"):
        pinned_recipe("mine")
    assert not lock_path(recipe).exists()


def test_the_host_fetches_it_with_progress_and_the_second_time_nothing(
    host: Host, environment: Environment, cache: Path, hub: Hub
) -> None:
    lock = resolve_base(REPOSITORY)
    said: list[str] = []
    seen: list[tuple[int, int]] = []
    assert (
        fetch_base(host, environment, lock, said.append, lambda done, total: seen.append((done, total)))
        == lock.size
    )
    folder = cache / "hub" / f"models--{REPOSITORY.replace('/', '--')}" / "snapshots" / COMMIT
    assert {path.name for path in folder.iterdir()} == TAKEN
    assert all((folder / name).read_bytes() == model_files()[name] for name in TAKEN)
    assert not list(cache.rglob("*.py"))
    assert not list(cache.rglob("*.bin"))
    assert seen[-1] == (lock.size, lock.size)
    asked = len(hub.requests)
    assert (
        fetch_base(host, environment, lock, said.append, lambda done, total: seen.append((done, total))) == 0
    )
    assert len(hub.requests) == asked


def test_a_cut_connection_to_the_hub_is_gone_on_with(host: Host, environment: Environment, hub: Hub) -> None:
    lock = resolve_base(REPOSITORY)
    hub.cuts = [100_000]
    assert fetch_base(host, environment, lock, print, nobody_looks) == lock.size
    assert any(request.endswith("bytes=100000-") for request in hub.requests)


@pytest.mark.parametrize(
    ("status", "code", "words"), [(401, "RepoNotFound", "no such model"), (404, "", "HTTP 404")]
)
def test_what_the_hub_refuses_is_told_with_the_hosts_name(
    host: Host, environment: Environment, hub: Hub, status: int, code: str, words: str
) -> None:
    lock = resolve_base(REPOSITORY)
    hub.status, hub.error_code = status, code
    with pytest.raises(HostError, match=words) as caught:
        fetch_base(host, environment, lock, print, nobody_looks)
    assert caught.value.message.startswith(f"{host.name}: ")
    assert "\n" not in caught.value.message


def test_another_file_than_the_locked_one_is_refused(host: Host, environment: Environment, hub: Hub) -> None:
    lock = resolve_base(REPOSITORY)
    hub.served["config.json"] = b'{"model_file": "x.py" }  '[: len(hub.files["config.json"])]
    with pytest.raises(HostError, match=r"config\.json: what came is not the file that was locked"):
        fetch_base(host, environment, lock, print, nobody_looks)


def test_a_host_without_the_trainer_is_told(host: Host, hub: Hub) -> None:
    with pytest.raises(HostError, match="fetching somebody/a-model failed"):
        fetch_base(host, Environment("none", "/bin/false"), resolve_base(REPOSITORY), print, nobody_looks)


def test_a_plan_knows_the_bytes_of_a_locked_base(
    hub: Hub, recipe: Path, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "count", None)  # there is no config to count
    found, lock = pinned_recipe("mine")
    hub.status = 404  # the config cannot be had
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "no cache"))
    plan = planning.make_plan(found, LocalHost(checkout), lock)
    assert lock is not None
    assert next(cargo for cargo in plan.cargo if cargo.name == "base model").fetched == lock.size


def test_a_lock_is_replaced_whole(hub: Hub, recipe: Path) -> None:
    path = lock_path(recipe)
    write_lock(path, resolve_base(REPOSITORY))
    before = path.read_bytes()
    hub.status = 500
    with pytest.raises(UserError):
        lock_base(REPOSITORY, path)
    assert path.read_bytes() == before


def said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


@pytest.mark.slow
def test_a_new_recipe_names_the_repository_and_has_its_lock(hub: Hub, tmp_path: Path) -> None:
    rows = [
        {"messages": [said("user", f"What is {n}?"), said("assistant", f"It is {n}.")]} for n in range(30)
    ]
    write_jsonl(tmp_path / "mine.jsonl", rows)
    hub.files = {path.name: path.read_bytes() for path in write_model(tmp_path / "model").iterdir()}
    out = tmp_path / "made.toml"
    words = ["recipe.new", "--data", str(tmp_path / "mine.jsonl"), "--model", REPOSITORY, "--out", str(out)]
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home")}

    def inv() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tunewright.cli", *words],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )

    hub.status = 404
    refused = inv()
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert str(lock_path(out)) in refused.stderr
    assert not out.exists()
    hub.status = 0
    done = inv()
    assert done.returncode == 0, done.stderr
    assert "revision" not in out.read_text()
    assert "in the model's tokens" in out.read_text()
    assert load_recipe(str(out)).model.revision == COMMIT
