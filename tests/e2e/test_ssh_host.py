"""The main job on a host reached over SSH, with nothing there but Python and uv."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.asyncssh_server import start_asyncssh
from tests.support.new_user import Inv, environment
from tests.support.ssh_files import SshClient, TestServer
from tests.support.sshd import start_sshd

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
PASSED_OR_JUDGED = (0, 1, 3)  # the quick recipe's model is not judged here; that it came to a verdict is


@pytest.fixture(scope="module")
def openssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    with start_sshd(tmp_path_factory.mktemp("openssh")) as server:
        yield server


@pytest.fixture(scope="module")
def asyncssh_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    with start_asyncssh(tmp_path_factory.mktemp("asyncssh")) as server:
        yield server


def config_for(folder: Path, server: TestServer) -> str:
    client = SshClient(folder / "ssh")
    client.add("mac", server)
    return str(client.config)


def latest(checkout: Path) -> Path:
    return max((checkout / "runs").glob("*-quick-*"))


def assert_whole(run: Path) -> None:
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["kind"] == "done"
    assert json.loads((run / "status.json").read_text())["state"] == "done"
    assert (run / "train" / "manifest.json").is_file()
    assert (run / "quantize" / "model.safetensors").is_file()
    assert (run / "predictions" / "quantized" / "navigation.jsonl").is_file()
    assert (run / "report.html").is_file()


@pytest.mark.parametrize("kind", [pytest.param("openssh", marks=pytest.mark.sshd), "asyncssh_server"])
def test_the_whole_job_runs_on_a_host_and_comes_back(
    kind: str, inv: Inv, checkout: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server: TestServer = request.getfixturevalue(kind)
    done = inv(
        "train", "--host", "mac", "--recipe", "quick", TUNEWRIGHT_SSH_CONFIG=config_for(tmp_path, server)
    )
    assert done.returncode in PASSED_OR_JUDGED, done.stdout[-2000:] + done.stderr[-3000:]
    assert_whole(latest(checkout))
    # The host got what it needs and nothing else: no Fabric, no DuckDB, no Invoke.
    packages = {path.name for path in server.root.glob("envs/*/venv/lib/python*/site-packages/*")}
    assert {"mlx_lm", "tunewright"} <= packages
    assert not packages & {"fabric", "duckdb", "invoke", "paramiko"}


@pytest.mark.sshd
def test_a_laptop_killed_in_the_middle_of_training_loses_nothing(
    openssh: TestServer, inv: Inv, checkout: Path, home: Path, tmp_path: Path
) -> None:
    config = config_for(tmp_path, openssh)
    before = set((checkout / "runs").glob("*-quick-*"))
    laptop = subprocess.Popen(
        [str(checkout / "inv"), "train", "--host", "mac", "--recipe", "quick", "--fresh"],
        cwd=checkout,
        env={**environment(home), "TUNEWRIGHT_SSH_CONFIG": config},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        run = wait_for_checkpoint(checkout, before)
    finally:
        os.killpg(laptop.pid, signal.SIGKILL)
        laptop.wait()
    assert not (run / "report.html").exists()

    done = inv("attach", "--run", run.name, TUNEWRIGHT_SSH_CONFIG=config)
    assert done.returncode in PASSED_OR_JUDGED, done.stdout[-2000:] + done.stderr[-3000:]
    assert_whole(run)
    kinds = [json.loads(line)["kind"] for line in (run / "events.jsonl").read_text().splitlines()]
    assert kinds.count("stage_start") == 5, "no stage was begun twice"


def wait_for_checkpoint(checkout: Path, before: set[Path]) -> Path:
    """The new run, once the laptop has seen a checkpoint of it."""
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        for run in set((checkout / "runs").glob("*-quick-*")) - before:
            events = run / "events.jsonl"
            if events.is_file() and '"checkpoint"' in events.read_text():
                return run
        time.sleep(0.1)
    raise AssertionError("no checkpoint came")
