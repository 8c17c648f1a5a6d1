"""What a client needs to reach a test's server: throw-away keys, a known_hosts file, an ssh config."""

import shutil
import socket
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


def make_key(path: Path, kind: str = "ed25519") -> Path:
    """A key pair without a passphrase at `path` and `path.pub`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "test", "-f", str(path)], check=True, timeout=30
    )
    return path


def public_key(path: Path) -> str:
    """`ssh-ed25519 AAAA…` of the key at `path`."""
    return " ".join(Path(f"{path}.pub").read_text().split()[:2])


def free_port() -> int:
    """A port of loopback that was free a moment ago. Another process may have it by the time that it is used."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextmanager
def refusing_port() -> Generator[int]:
    """A port of loopback that refuses connections: held, so that nobody can listen there."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def uv_cache() -> Path:
    """The machine's uv cache, so that a test's host installs in a second."""
    done = subprocess.run([find_uv(), "cache", "dir"], capture_output=True, text=True, check=True, timeout=30)
    return Path(done.stdout.strip())


def find_uv() -> str:
    """A uv to put onto a test's host."""
    from tunewright.remote.bundle import find_uv

    return find_uv(Path(__file__).parents[2])


@dataclass(frozen=True)
class TestServer:
    """A running SSH server: where it listens, and the home folder of whoever logs in."""

    __test__ = False

    port: int
    home: Path
    host_key: Path
    client_key: Path

    @property
    def root(self) -> Path:
        """The folder that Tunewright uses there."""
        return self.home / "tunewright"


def make_home(folder: Path, uv: bool = True) -> Path:
    """A home folder as an account on a host has it, with uv in ~/.local/bin."""
    home = folder / "home"
    (home / ".local" / "bin").mkdir(parents=True)
    if uv:
        found = shutil.which(find_uv()) or find_uv()
        (home / ".local" / "bin" / "uv").symlink_to(Path(found).resolve())
    return home


class SshClient:
    """A private ssh config and known_hosts below `folder`; hosts are added to it by alias."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.config = folder / "config"
        self.known_hosts = folder / "known_hosts"
        self.config.touch()
        self.known_hosts.touch()

    def add(
        self,
        alias: str,
        server: TestServer,
        *,
        port: int | None = None,
        known: bool = True,
        client_key: Path | None = None,
        options: Mapping[str, str] | None = None,
    ) -> str:
        """Let `alias` lead to the server, at `port` when a proxy is in front of it; return the alias."""
        at = port or server.port
        settings = {
            "HostName": "127.0.0.1",
            "Port": str(at),
            "IdentityFile": str(client_key or server.client_key),
            "IdentityAgent": "none",
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": str(self.known_hosts),
            "GlobalKnownHostsFile": "/dev/null",
            **(options or {}),
        }
        with self.config.open("a") as file:
            file.write(f"Host {alias}\n" + "".join(f"  {key} {value}\n" for key, value in settings.items()))
        if known:
            with self.known_hosts.open("a") as file:
                file.write(f"[127.0.0.1]:{at} {public_key(server.host_key)}\n")
        return alias
