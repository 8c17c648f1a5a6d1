"""The pinned environment, installed for real on hosts that have little, or too little."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from tests.support.asyncssh_server import start_asyncssh
from tests.support.mac import BATTERY, make_mac
from tests.support.remote_runs import make_run
from tests.support.ssh_files import SshClient, TestServer
from tests.support.sshd import start_sshd
from tunewright.contract.errors import ExitCode, HostError
from tunewright.remote import environment as environments
from tunewright.remote import follow
from tunewright.remote.environment import Environment, install_environment
from tunewright.remote.host import Host, open_host
from tunewright.remote.host_facts import probe_host
from tunewright.remote.job import follow_run, pull_run, ship_run, start_run
from tunewright.remote.preflight import Need, judge_facts, require_fit

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.sshd, pytest.mark.slow]


def require_room(host: Host) -> None:
    need = Need("the environment", disk=3 << 30)
    require_fit(host.name, judge_facts(probe_host(host), host.root, need, host.name))


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[TestServer]:
    with start_sshd(tmp_path / "sshd") as server:
        yield server


def test_a_host_with_nothing_but_uv_gets_an_environment_that_works(
    ssh: SshClient, fresh: TestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh.add("mac", fresh)
    said: list[str] = []
    with open_host("mac", ROOT) as host:
        first = install_environment(host, ROOT, said.append)
        worker = [first.python, "-m", "tunewright.train.worker", "status", "--run", str(tmp_path)]
        assert "is not a run" in host.run(worker).text
        missing = host.run([first.python, "-c", "import fabric"])
        assert "ModuleNotFoundError" in missing.reason
        assert PurePosixPath(first.python).is_relative_to(fresh.root / "envs" / first.hash)
        assert first.versions["mlx-lm"].startswith("0.32")
        owner = host.run([str(fresh.root / "tunewright-host"), "status"])
        assert owner.text == f"at work   nothing\nquiet     no hours ({fresh.root}/host.toml)"
        said.clear()

        def run(*_: object, **__: object) -> None:
            pytest.fail("a command ran on the host")

        # The second time is fast, as nothing runs on the host: one small file is read.
        monkeypatch.setattr(host, "run", run)
        assert install_environment(host, ROOT, said.append) == first
        assert said == []
    assert sorted(path.name for path in (fresh.root / "envs").iterdir()) == [first.hash]


def test_two_who_install_at_once_get_the_same_one(ssh: SshClient, fresh: TestServer) -> None:
    ssh.add("mac", fresh)
    found: list[Environment] = []

    def install() -> None:
        with open_host("mac", ROOT) as host:
            found.append(install_environment(host, ROOT, lambda _: None))

    threads = [threading.Thread(target=install) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert found[0] == found[1]
    assert [path.name for path in (fresh.root / "envs").iterdir()] == [found[0].hash]


def test_a_damaged_environment_is_built_again(ssh: SshClient, fresh: TestServer) -> None:
    ssh.add("mac", fresh)
    with open_host("mac", ROOT) as host:
        first = install_environment(host, ROOT, lambda _: None)
        (fresh.root / "envs" / first.hash / environments.MARKER).unlink()
        assert install_environment(host, ROOT, lambda _: None) == first
        assert [path.name for path in (fresh.root / "envs").iterdir()] == [first.hash]
        assert host.run([first.python, "-c", "import tunewright.train"]).code == 0


def test_a_host_without_uv_is_told_how_to_get_it(ssh: SshClient, tmp_path: Path) -> None:
    if any(Path(place, "uv").exists() for place in ("/usr/local/bin", "/usr/bin", "/opt/homebrew/bin")):
        pytest.skip("this machine has uv where every account finds it")
    with start_asyncssh(tmp_path / "server", uv=False) as server:
        ssh.add("mac", server)
        with open_host("mac", ROOT) as host:
            attempts = (
                lambda: require_room(host),
                lambda: install_environment(host, ROOT, lambda _: None),
            )
            for attempt in attempts:
                with pytest.raises(HostError, match="no uv") as error:
                    attempt()
                assert "docs.astral.sh/uv" in error.value.hint
                assert error.value.exit_code == ExitCode.HOST
    assert not server.root.exists()


def test_a_host_whose_disk_fills_up_keeps_no_half_environment(ssh: SshClient, fresh: TestServer) -> None:
    fresh.root.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=30m", "tmpfs", str(fresh.root)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("cannot mount a small disk here")
    ssh.add("mac", fresh)
    try:
        with open_host("mac", ROOT) as host:
            with pytest.raises(
                HostError, match=r"30\.0 MiB free at .*, the environment needs 3\.00 GiB"
            ) as error:
                require_room(host)
            assert "clean --host" in error.value.hint
            with pytest.raises(HostError) as error:
                install_environment(host, ROOT, lambda _: None)
            assert "disk is full" in error.value.hint
        assert list((fresh.root / "envs").iterdir()) == []
    finally:
        subprocess.run(["umount", "-l", str(fresh.root)], check=True)


def test_a_host_without_an_index_says_so(
    ssh: SshClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = {
        "UV_CACHE_DIR": str(tmp_path / "cache"),
        "UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple",
        "UV_HTTP_RETRIES": "0",
    }
    with start_sshd(tmp_path / "sshd", environment=nowhere) as server:
        ssh.add("mac", server)
        with open_host("mac", ROOT) as host, pytest.raises(HostError, match="uv pip sync") as error:
            install_environment(host, ROOT, lambda _: None)
    assert "package index" in error.value.hint


def test_a_mac_look_alike_is_known_for_a_mac(
    ssh: SshClient, tmp_path: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "POLL", 0.02)
    mac = make_mac(tmp_path / "mac", power=BATTERY)
    # A Mac before 15 has no sha256sum; a look-alike on Linux lacks shasum only if perl is missing.
    if shutil.which("shasum") is None:
        (mac / "shasum").write_text('#!/bin/sh\n[ "$1 $2" = "-a 256" ] && exec sha256sum\n')
        (mac / "shasum").chmod(0o755)
    with start_sshd(tmp_path / "sshd", path=f"{mac}:/usr/bin:/bin:/usr/sbin:/sbin") as server:
        ssh.add("mac", server)
        with open_host("mac", checkout) as host:
            facts = probe_host(host)
            assert (facts.system, facts.arch, facts.os_version) == ("Darwin", "arm64", "15.6.1")
            assert facts.uv == PurePosixPath(server.home / ".local" / "bin" / "uv")
            findings = {finding.check: finding.severity for finding in judge_facts(facts, host.root)}
            assert findings == {
                **dict.fromkeys(("system", "uv", "disk", "sleep", "display", "filevault", "clock"), "pass"),
                "power": "warn",
            }
            run = make_run(host, checkout, steps=2)
            ship_run(host, run, print)
            start_run(host, run)
            list(follow_run(host, run))
            pull_run(host, run, print)
    assert (run.path / "predictions" / "manifest.json").is_file()
