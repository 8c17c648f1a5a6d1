"""A base fetched from a look-alike of the hub: resumed, checked, and nothing taken that is not data."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.hub import COMMIT, REPOSITORY, Hub, model_files, open_hub
from tunewright.contract.base_lock import BaseLock
from tunewright.contract.errors import UserError
from tunewright.contract.hub import resolve_base
from tunewright.contract.recipe import Model
from tunewright.train import fetch
from tunewright.train.base import find_base
from tunewright.train.fetch import Place, fetch_base

TAKEN = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(fetch, "EVERY", 0.01)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HUGGINGFACE_HUB_VERBOSITY", "error")
    with open_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        yield hub


def fetched(lock: BaseLock) -> dict[str, bytes]:
    folder = fetch_base(lock.repository, lock.revision, lock.files)
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_only_data_is_taken_and_the_second_time_nothing_is_asked(hub: Hub) -> None:
    seen: list[tuple[int, int]] = []
    lock = resolve_base(REPOSITORY)
    folder = fetch_base(REPOSITORY, COMMIT, lock.files, lambda done, total: seen.append((done, total)))
    assert {path.name for path in folder.iterdir()} == TAKEN
    assert all((folder / name).read_bytes() == model_files()[name] for name in TAKEN)
    assert seen == sorted(seen), "progress never goes back"
    assert seen[-1] == (lock.size, lock.size)
    hub.status = 500
    before = len(hub.requests)
    assert fetch_base(REPOSITORY, COMMIT, lock.files) == folder
    assert fetch_base(REPOSITORY, COMMIT) == folder
    assert len(hub.requests) == before


def test_without_a_list_of_files_the_hub_is_asked_for_it(hub: Hub) -> None:
    folder = fetch_base(REPOSITORY, COMMIT)
    assert {path.name for path in folder.iterdir()} == TAKEN
    assert f"GET /api/models/{REPOSITORY}/tree/{COMMIT}" in hub.requests


def test_a_cut_connection_goes_on_where_it_was(hub: Hub) -> None:
    lock = resolve_base(REPOSITORY)
    hub.cuts = [200_000]
    assert fetched(lock)["model.safetensors"] == model_files()["model.safetensors"]
    asked = [request for request in hub.requests if "model.safetensors" in request]
    assert len(asked) == 2
    assert asked[1].endswith("bytes=200000-")


def test_a_hub_that_cuts_again_and_again_is_given_up_only_when_nothing_comes(hub: Hub) -> None:
    lock = resolve_base(REPOSITORY)
    hub.cuts = [30_000] * 9  # far more often than attempts that bring nothing are made
    assert fetched(lock)["model.safetensors"] == model_files()["model.safetensors"]
    assert not hub.cuts


def test_a_hub_without_ranges_begins_the_file_again(hub: Hub) -> None:
    lock = resolve_base(REPOSITORY)
    hub.cuts, hub.ranges = [200_000], False
    assert fetched(lock)["model.safetensors"] == model_files()["model.safetensors"]


def test_a_killed_fetch_is_gone_on_with_by_the_next(hub: Hub, tmp_path: Path) -> None:
    lock = resolve_base(REPOSITORY)
    hub.cuts, hub.hold = [200_000], threading.Event()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "tunewright.train.fetch"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HF_HOME": str(tmp_path)},
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps({"lock": lock.model_dump(by_alias=True)}).encode())
    process.stdin.close()
    assert hub.reached.wait(60)
    part = Place(REPOSITORY, COMMIT).work / "model.safetensors.part"
    while not part.is_file() or part.stat().st_size == 0:
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    hub.hold.set()
    here = part.stat().st_size
    assert fetched(lock)["model.safetensors"] == hub.files["model.safetensors"]
    assert any(request.endswith(f"bytes={here}-") for request in hub.requests)


WRONG: dict[str, Callable[[bytes], bytes]] = {
    "another content": lambda data: b"!" + data[1:],
    "too short": lambda data: data[:-1],
    "too long": lambda data: data + b"!" * 1000,
    "empty": lambda data: b"",
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_what_is_not_the_locked_file_is_never_taken(hub: Hub, wrong: str, name: str) -> None:
    lock = resolve_base(REPOSITORY)
    hub.served[name] = WRONG[wrong](hub.files[name])
    with pytest.raises(UserError, match=name):
        fetch_base(lock.repository, lock.revision, lock.files)
    place = Place(REPOSITORY, COMMIT)
    assert not (place.snapshot / name).exists()
    assert not place.is_whole(lock.files)
    del hub.served[name]
    assert set(fetched(lock)) == TAKEN, "afterwards an honest hub is believed"


def test_a_file_that_was_changed_on_the_disk_is_fetched_again(hub: Hub) -> None:
    lock = resolve_base(REPOSITORY)
    folder = fetch_base(lock.repository, lock.revision, lock.files)
    (folder / "model.safetensors").write_bytes(b"\0" * 300_000)
    assert fetched(lock)["model.safetensors"] == model_files()["model.safetensors"]


def test_a_part_that_is_longer_than_its_file_is_begun_again(hub: Hub) -> None:
    lock = resolve_base(REPOSITORY)
    place = Place(REPOSITORY, COMMIT)
    place.work.mkdir(parents=True)
    (place.work / "model.safetensors.part").write_bytes(b"\1" * 400_000)
    assert fetched(lock)["model.safetensors"] == model_files()["model.safetensors"]


def test_a_part_of_another_content_is_found_out_and_removed(hub: Hub) -> None:
    lock = resolve_base(REPOSITORY)
    place = Place(REPOSITORY, COMMIT)
    place.work.mkdir(parents=True)
    (place.work / "model.safetensors.part").write_bytes(b"\1" * 1000)
    with pytest.raises(UserError, match="not the file that was locked"):
        fetch_base(lock.repository, lock.revision, lock.files)
    assert set(fetched(lock)) == TAKEN


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (401, "", "HTTP 401"),
        (401, "RepoNotFound", "no such model"),
        (403, "GatedRepo", "accepted licence"),
        (403, "", "HTTP 403"),
        (404, "RevisionNotFound", "no such revision"),
        (404, "EntryNotFound", "no such file"),
        (500, "", "HTTP 500"),
    ],
)
def test_a_hub_that_refuses_is_told_in_a_line(hub: Hub, status: int, code: str, words: str) -> None:
    lock = resolve_base(REPOSITORY)
    hub.status, hub.error_code = status, code
    with pytest.raises(UserError, match=words) as caught:
        fetch_base(lock.repository, lock.revision, lock.files)
    assert "\n" not in caught.value.message
    assert caught.value.hint
    assert not any(Place(REPOSITORY, COMMIT).snapshot.iterdir())


def test_a_hub_that_is_not_there_is_told(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = resolve_base(REPOSITORY)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(fetch, "EVERY", 0.0)
    with pytest.raises(UserError, match="could not be reached"):
        fetch_base(lock.repository, lock.revision, lock.files)


def test_a_full_disk_is_told_before_anything_is_fetched(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = resolve_base(REPOSITORY)
    monkeypatch.setattr(fetch, "SPARE", 1 << 60)
    before = len(hub.requests)
    with pytest.raises(UserError, match="GiB of disk are free"):
        fetch_base(lock.repository, lock.revision, lock.files)
    assert len(hub.requests) == before


def test_a_run_finds_its_base_there_and_knows_it_by_its_commit(hub: Hub, tmp_path: Path) -> None:
    base = find_base(Model(base=REPOSITORY, revision=COMMIT), tmp_path / "bases")
    assert base.folder == Place(REPOSITORY, COMMIT).snapshot
    hub.status = 500
    assert find_base(Model(base=REPOSITORY, revision=COMMIT), tmp_path / "bases") == base
    with pytest.raises(UserError):
        find_base(Model(base=REPOSITORY, revision="e" * 40), tmp_path / "bases")


def test_two_at_once_fetch_every_file_once(hub: Hub) -> None:
    lock = resolve_base(REPOSITORY)
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(fetch_base(lock.repository, lock.revision, lock.files)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert len([request for request in hub.requests if "model.safetensors" in request]) == 1
