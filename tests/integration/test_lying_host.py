"""A host whose files are not what its manifests say: that is told, nothing of it is kept, and the truth is pulled later."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import Inv, commands_on, real_recipe, real_run, wait
from tests.support.remote_runs import assert_whole, begin
from tests.support.ssh_files import SshClient, TestServer
from tunewright.contract.errors import HostError
from tunewright.contract.run import RunFolder
from tunewright.remote import follow, retry
from tunewright.remote.host import Host, open_host
from tunewright.remote.job import follow_run, pull_run

pytestmark = [pytest.mark.sshd, pytest.mark.timeout(300)]
ADAPTERS = "adapters.safetensors"
Lie = Callable[[Path], None]


@pytest.fixture
def host(
    ssh: SshClient, openssh: TestServer, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Host]:
    monkeypatch.setattr(follow, "POLL", 0.02)
    monkeypatch.setattr(retry, "WAITS", (0.01,))
    with open_host(ssh.add("mac", openssh), checkout) as host:
        yield host


def edit(stage: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change a stage's manifest on the host."""
    path = stage / "manifest.json"
    value = json.loads(path.read_bytes())
    path.write_text(json.dumps(change(value) or value))


def claim(**entry: Any) -> Lie:
    return lambda stage: edit(stage, lambda value: value["files"][ADAPTERS].update(entry))


def manifest_is(text: str) -> Lie:
    def write(stage: Path) -> None:
        (stage / "manifest.json").write_text(text)

    return write


def content(change: Callable[[bytes], bytes]) -> Lie:
    def write(stage: Path) -> None:
        path = stage / ADAPTERS
        path.write_bytes(change(path.read_bytes()))

    return write


def instead(make: Callable[[Path], None]) -> Lie:
    def replace(stage: Path) -> None:
        (stage / ADAPTERS).unlink()
        make(stage / ADAPTERS)

    return replace


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def nothing(path: Path) -> None:
    del path


LIES: dict[str, tuple[Lie, str]] = {
    "another hash": (claim(sha256="0" * 64), "is not what its manifest says"),
    "a smaller size": (claim(size=5), "is not what its manifest says"),
    "a size below zero": (claim(size=-5), r"is not what its manifest says|is not a manifest"),
    "more than any disk": (claim(size=1 << 60), "are free here, the results need 1,073,741,824 GiB"),
    "one byte is another": (content(lambda data: b"X" + data[1:]), "is not what its manifest says"),
    "the end is missing": (content(lambda data: data[:-1]), "is not what its manifest says"),
    "more than was said": (content(lambda data: data * 50), "is not what its manifest says"),
    "a file without an end": (instead(endless), "is not a regular file"),
    "a pipe": (instead(os.mkfifo), "is not a regular file"),
    "a folder": (instead(Path.mkdir), "is not a regular file"),
    "no file": (instead(nothing), "is gone, and the manifest names it"),
    "no JSON": (manifest_is("{torn"), "is not a manifest"),
    "another form": (manifest_is('{"files": []}'), "is not a manifest"),
    "no manifest but a list": (manifest_is("[1, 2]"), "is not a manifest"),
    "files without hashes": (manifest_is('{"key": "k", "files": {"a": {"size": 1}}}'), "is not a manifest"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_named_costs_nothing_and_the_truth_is_pulled_afterwards(
    lie: str, host: Host, checkout: Path, tmp_path: Path
) -> None:
    tell, words = LIES[lie]
    run = begin(host, checkout, steps=1)
    list(follow_run(host, run))
    stage = Path(host.root / "runs" / run.path.name / "train")
    kept = {path: path.read_bytes() for path in stage.iterdir()}
    for path in kept:
        path.chmod(0o644)
    tell(stage)
    elsewhere = {path for path in tmp_path.rglob("*") if run.path not in path.parents}
    with pytest.raises(HostError, match=words):
        pull_run(host, run, lambda _: None)
    assert not (run.path / "train").exists()
    assert not (run.path / "pulled.json").exists()
    assert {path for path in tmp_path.rglob("*") if run.path not in path.parents} == elsewhere
    assert sum(path.stat().st_size for path in run.path.rglob("*") if path.is_file()) < 5_000_000
    if (stage / ADAPTERS).is_dir():
        (stage / ADAPTERS).rmdir()
    else:
        (stage / ADAPTERS).unlink(missing_ok=True)
    for path, data in kept.items():
        path.write_bytes(data)
    pull_run(host, run, lambda _: None)
    assert_whole(run, "train", "quantize", "fidelity", "predictions")


@pytest.fixture
def inv(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Inv:
    return commands_on(checkout, monkeypatch)


def finished(checkout: Path, openssh: TestServer) -> tuple[RunFolder, Path]:
    """A run of the real worker's journal that has ended, and its folder on the host."""
    run = real_run(checkout, real_recipe(Path("/nowhere"), steps=4), host_name="mac", light=True)
    there = openssh.root / "runs" / run.path.name
    wait(lambda: (RunFolder(there).read_status() or None) is not None)
    wait(lambda: getattr(RunFolder(there).read_status(), "state", "") == "done")
    return run, there


def empty(there: Path) -> str:
    """A stage that is said to hold nothing: its manifest agrees with itself, and not with the run's."""
    edit(there / "train", lambda value: {**value, "files": {}})
    return "is not scored: train"


def another_runs(there: Path) -> str:
    edit(there / "train", lambda value: {**value, "key": "of another run"})
    return "is not scored: train"


def gone(there: Path) -> str:
    """It says that it is done, and has nothing to show."""
    (there / "train" / "manifest.json").unlink()
    return "is not scored: train"


def another_spec(there: Path) -> str:
    path = there / "manifest.json"
    path.write_text(path.read_text().replace(json.loads(path.read_text())["key"], "0" * 64))
    return "is not scored: "


@pytest.mark.parametrize("lie", [empty, another_runs, gone, another_spec])
def test_what_is_not_what_the_runs_manifest_says_is_not_scored(
    lie: Callable[[Path], str], inv: Inv, host: Host, checkout: Path, openssh: TestServer
) -> None:
    run, there = finished(checkout, openssh)
    for path in there.rglob("manifest.json"):
        path.chmod(0o644)
    words = lie(there)
    said = inv("attach", "--run", run.path.name)
    assert said.code == 1, said.err
    assert words in said.err
    assert "Traceback" not in said.err
    assert not run.report.exists()
    assert not list(run.scores.glob("*/*"))
