"""The keys we log in with: the agent's and those in files, in OpenSSH's order. Never a password."""

import base64
import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from paramiko import PasswordRequiredException, PKey, SSHConfig, SSHException
from paramiko.agent import Agent
from paramiko.auth_strategy import AuthSource, AuthStrategy, InMemoryPrivateKey

from tunewright.remote.ssh_config import SshTarget


class LoginKeys(AuthStrategy):
    """Keys in OpenSSH's order: the agent's that the config names, the agent's others, then files."""

    def __init__(self, target: SshTarget) -> None:
        super().__init__(ssh_config=SSHConfig())
        self.target = target
        self.agent: Agent | None = None
        self.tried: list[str] = []
        self.locked: list[str] = []  # files that need a passphrase, which we never ask for

    def get_sources(self) -> Iterator[AuthSource]:
        named = {blob for path in self.target.identity_files if (blob := _public_blob(path))}
        offered = self._agent_keys()
        first = [key for key in offered if key.asbytes() in named]
        rest = [] if self.target.identities_only else [key for key in offered if key not in first]
        for key in first + rest:
            self.tried.append(f"agent key {fingerprint(key)}")
            yield InMemoryPrivateKey(username=self.target.user, pkey=key)
        in_agent = {key.asbytes() for key in offered}
        for path in self.target.identity_files:
            if not path.is_file() or _public_blob(path) in in_agent:
                continue
            try:
                key = PKey.from_path(path)
            except (PasswordRequiredException, TypeError):  # from_path lets cryptography's TypeError out
                self.locked.append(str(path))
            except Exception:  # noqa: BLE001 - a file that is not a key of a known type is skipped, as ssh does
                self.tried.append(f"{path} (unreadable)")
            else:
                self.tried.append(str(path))
                yield InMemoryPrivateKey(username=self.target.user, pkey=key)

    def _agent_keys(self) -> list[Any]:
        if not self.target.agent:
            return []
        with _AGENT_LOCK:
            before = os.environ.get("SSH_AUTH_SOCK")
            # paramiko knows no other way to be told of an agent.
            os.environ["SSH_AUTH_SOCK"] = self.target.agent
            try:
                self.agent = Agent()
            except SSHException:
                return []
            finally:
                if before is None:
                    del os.environ["SSH_AUTH_SOCK"]
                else:
                    os.environ["SSH_AUTH_SOCK"] = before
        return list(self.agent.get_keys())

    def close(self) -> None:
        if self.agent:
            self.agent.close()


_AGENT_LOCK = threading.Lock()


def _public_blob(path: Path) -> bytes | None:
    try:
        return base64.b64decode(Path(f"{path}.pub").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None


def fingerprint(key: PKey) -> str:
    """`SHA256:…`, as ssh-keygen -l prints it."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"SHA256:{digest}"
