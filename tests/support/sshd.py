"""A real OpenSSH server on loopback: own port, own keys, own configuration, own home folder."""

import os
import subprocess
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.ssh_files import TestServer, free_port, make_home, make_key, public_key, uv_cache

SSHD = Path("/usr/sbin/sshd")


def require_sshd() -> None:
    """Skip without a server; where CI=true, a missing server is a failure."""
    if SSHD.is_file():
        return
    if os.environ.get("CI") == "true":
        pytest.fail("no /usr/sbin/sshd: install openssh-server")
    pytest.skip("no /usr/sbin/sshd: install openssh-server")


@contextmanager
def start_sshd(
    folder: Path,
    *,
    uv: bool = True,
    environment: Mapping[str, str] | None = None,
    path: str | None = None,
    login_shell: str = "",
    sftp: bool = True,
) -> Generator[TestServer]:
    """Run an sshd for the current user. Sessions get `environment`, and a PATH as bare as a Mac's.

    `login_shell` are lines of sh that do what another login shell would do with the command in `$SSH_ORIGINAL_COMMAND`.
    """
    require_sshd()
    home = make_home(folder, uv)
    host_key, client_key = make_key(folder / "host_key"), make_key(folder / "client_key")
    (folder / "authorized_keys").write_text(public_key(client_key) + "\n")
    session = {
        "HOME": str(home),
        "PATH": path or "/usr/bin:/bin:/usr/sbin:/sbin",
        "UV_CACHE_DIR": str(uv_cache()),
        **(environment or {}),
    }
    settings = [
        "ListenAddress 127.0.0.1",
        f"HostKey {host_key}",
        f"AuthorizedKeysFile {folder / 'authorized_keys'}",
        f"PidFile {folder / 'sshd.pid'}",
        "StrictModes no",
        "UsePAM no",
        "PermitRootLogin yes",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "AllowTcpForwarding yes",
        "MaxStartups 50",
        *(["Subsystem sftp internal-sftp"] if sftp else []),
        # On one line: sshd takes the first SetEnv and passes over the others.
        "SetEnv " + " ".join(f'"{name}={value}"' for name, value in session.items()),
    ]
    if login_shell:
        script = folder / "login_shell"
        subsystem = '[ "$SSH_ORIGINAL_COMMAND" != internal-sftp ] || exec /usr/lib/openssh/sftp-server'
        script.write_text(f"#!/bin/sh\n{subsystem}\n{login_shell}\n")
        script.chmod(0o755)
        settings.append(f"ForceCommand {script}")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    process, port = _start(folder, settings)
    try:
        yield TestServer(port=port, home=home, host_key=host_key, client_key=client_key)
    finally:
        process.terminate()
        process.wait(10)


def _start(folder: Path, settings: list[str]) -> tuple[subprocess.Popen[bytes], int]:
    """An sshd that listens, and its port."""
    config, log = folder / "sshd_config", folder / "sshd.log"
    for _ in range(5):  # another process may take the port first
        port = free_port()
        config.write_text("\n".join([f"Port {port}", *settings]) + "\n")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(SSHD), "-D", "-e", "-f", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if b"Server listening" in log.read_bytes():
                return process, port
            time.sleep(0.02)
        process.kill()
        process.wait()
        if b"Address already in use" not in log.read_bytes():
            break
    raise AssertionError(f"sshd did not start: {log.read_text(errors='replace')}")
