"""A disk that is full, here or on the host: it is told, nothing is lost, and with room the same run goes on."""

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import real_recipe, real_run
from tests.support.fault_trials import CLIENT, REPOSITORY
from tests.support.light_worker import after
from tests.support.ssh_files import SshClient, TestServer
from tests.support.sshd import start_sshd
from tunewright.contract.manifest import damaged_files, read_manifest
from tunewright.contract.run import RunFolder
from tunewright.remote.host import open_host
from tunewright.remote.job import resume_run
from tunewright.remote.pull import PULLED

pytestmark = [pytest.mark.sshd, pytest.mark.slow, pytest.mark.timeout(300)]
STEPS = 12
REPEAT = 70_000  # 4.5 MB a file


@pytest.fixture
def server(tmp_path: Path, ssh: SshClient) -> Iterator[TestServer]:
    with start_sshd(tmp_path / "sshd") as server:
        ssh.add("mac", server)
        server.root.mkdir()
        yield server


def laptop(checkout: Path, run: RunFolder, blocks: int = 0) -> subprocess.CompletedProcess[str]:
    """Ship, follow and pull as the commands do; with `blocks`, no file here may grow beyond so many KiB or half KiB."""
    # Python 3.11 keeps bytecode that it could not write whole, and every later import of that module fails.
    limit = f"ulimit -f {blocks}; export PYTHONDONTWRITEBYTECODE=1; " if blocks else ""
    line = limit + shlex.join(["exec", *CLIENT, str(checkout), str(run.path)])
    return subprocess.run(
        ["/bin/sh", "-c", line], cwd=REPOSITORY, capture_output=True, text=True, check=False, env=os.environ
    )


def assert_home(run: RunFolder) -> None:
    for stage in ("train", "quantize", "fidelity", "predictions"):
        manifest = read_manifest(run.path / stage)
        assert manifest is not None
        assert not damaged_files(run.path / stage, manifest)
    assert (run.path / "train" / "adapters.safetensors").read_text() == after(STEPS) * REPEAT
    assert (run.path / PULLED).is_file()


def test_a_laptop_whose_disk_is_full_goes_on_where_it_was(server: TestServer, checkout: Path) -> None:
    """A limit on the size of files takes the place of a full disk."""
    (server.root / "repeat").write_text(str(REPEAT))
    recipe = real_recipe(Path("/nowhere"), steps=STEPS)
    run = real_run(checkout, recipe, host_name="mac", light=True, start=False)
    said = laptop(checkout, run, blocks=2000)
    assert said.returncode != 0
    assert "cannot write" in said.stderr
    assert "Make room" in said.stderr
    assert "Traceback" not in said.stderr
    (half,) = (run.path / ".train.pull").glob("*.part")
    size = half.stat().st_size
    assert 0 < size < REPEAT * 64, "it was full in the middle of a file"
    assert not (run.path / "train").exists()
    there = RunFolder(server.root / "runs" / run.path.name)
    status = there.read_status()
    assert status is not None
    assert status.state == "done", "what fails here is nothing to the host"
    said = laptop(checkout, run)
    assert said.returncode == 0, said.stderr
    assert f"{(2 * REPEAT * 64 - size) / 1e6:.1f} MB" in said.stderr, "what had come did not come again"
    assert_home(run)


def test_a_host_whose_disk_is_full_says_so_and_with_room_goes_on(server: TestServer, checkout: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(server.root)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("cannot mount a small disk here")
    try:
        (server.root / "repeat").write_text(str(REPEAT))
        recipe = real_recipe(Path("/nowhere"), steps=STEPS)
        run = real_run(checkout, recipe, host_name="mac", light=True, start=False)
        filler = server.root / "of somebody else"
        filler.write_bytes(bytes(9_000_000))
        said = laptop(checkout, run)
        assert said.returncode == 1
        assert "ended as failed: the disk is full: 0.0 MiB free" in said.stderr
        assert "Free some space on the host, then resume." in said.stderr
        there = RunFolder(server.root / "runs" / run.path.name)
        assert [event.kind for event in there.read_events()].count("resumed") == 0, "it would be full again"
        filler.unlink()
        with open_host("mac", checkout) as host:
            resume_run(host, run)
        said = laptop(checkout, run)
        assert said.returncode == 0, said.stderr
        assert_home(run)
    finally:
        subprocess.run(["umount", "-l", str(server.root)], check=True)
