"""Hosts to test against: two kinds of real SSH server on loopback, and this machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.asyncssh_server import start_asyncssh
from tests.support.demo_corpus import CORPUS
from tests.support.remote_runs import make_checkout
from tests.support.small_dataset import Shared
from tests.support.ssh_files import SshClient, TestServer
from tests.support.sshd import start_sshd
from tunewright.datagen.toolbox import Toolbox
from tunewright.datagen.workspace import open_workspace
from tunewright.remote.host import Host, open_host


@pytest.fixture(scope="session", autouse=True)
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> None:
    """Where what all workers share is made once: each worker's own folder is in the run's."""
    own = tmp_path_factory.getbasetemp()
    Shared.folder = own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def openssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    """An OpenSSH server that every test may use; what a test puts there has names of its own."""
    with start_sshd(tmp_path_factory.mktemp("openssh")) as server:
        yield server


@pytest.fixture(scope="session")
def asyncssh_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    with start_asyncssh(tmp_path_factory.mktemp("asyncssh")) as server:
        yield server


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SshClient:
    """This test's own ssh config and known_hosts, empty."""
    client = SshClient(tmp_path / "ssh")
    monkeypatch.setenv("TUNEWRIGHT_SSH_CONFIG", str(client.config))
    return client


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return make_checkout(tmp_path / "checkout")


@pytest.fixture(
    params=[
        pytest.param("openssh", marks=pytest.mark.sshd),
        "asyncssh_server",
        "local",
    ]
)
def host_name(request: pytest.FixtureRequest, ssh: SshClient) -> str:
    """A host's name, for each kind of host there is."""
    if request.param == "local":
        return "local"
    return ssh.add("mac", request.getfixturevalue(request.param))


@pytest.fixture
def host(host_name: str, checkout: Path) -> Iterator[Host]:
    with open_host(host_name, checkout) as host:
        yield host


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toolbox]:
    """The tools, in a scratch copy of the small repository."""
    found = Toolbox(open_workspace(CORPUS, tmp_path_factory.mktemp("engines") / "demo"))
    yield found
    found.close()
