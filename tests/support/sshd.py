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
    server = TestServer(
        port=free_port(),
        home=home,
        host_key=make_key(folder / "host_key"),
        client_key=make_key(folder / "client_key"),
    )
    (folder / "authorized_keys").write_text(public_key(server.client_key) + "\n")
    session = {
        "HOME": str(home),
        "PATH": path or "/usr/bin:/bin:/usr/sbin:/sbin",
        "UV_CACHE_DIR": str(uv_cache()),
        **(environment or {}),
    }
    settings = [
        f"Port {server.port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {server.host_key}",
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
    config = folder / "sshd_config"
    config.write_text("\n".join(settings) + "\n")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    log = folder / "sshd.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(SSHD), "-D", "-e", "-f", str(config)], stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        _wait(process, log)
        yield server
    finally:
        process.terminate()
        process.wait(10)


def _wait(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while b"Server listening" not in log.read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"sshd did not start: {log.read_text(errors='replace')}")
        time.sleep(0.02)
