"""What OpenSSH itself would do for a host name: asked of `ssh -G`, never parsed from files by us.

`ssh -G` resolves Include, Match, patterns and defaults, which no library does; `ssh-keygen -F` finds a
host's keys behind hashed names and patterns.
"""

import os
import re
import shlex
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from tunewright.contract.errors import HostError

CONFIG_VARIABLE = "TUNEWRIGHT_SSH_CONFIG"  # another config file than ~/.ssh/config, as `ssh -F` takes it
_WITH_PORT = re.compile(r"^(?:[^@/]+@)?(?:[^:@/\[\]]+|\[[0-9a-fA-F:.]+\]):\d+$")
_NAME = re.compile(r"^(?!-)[^\s\x00-\x1f\x7f]+$")


@dataclass(frozen=True)
class SshTarget:
    """Everything that a connection needs to know, resolved."""

    alias: str  # as the user wrote it
    hostname: str
    port: int
    user: str
    identity_files: tuple[Path, ...] = ()
    identities_only: bool = False
    agent: str | None = None  # path of the agent's socket; None: no agent
    known_hosts: tuple[Path, ...] = ()
    host_key_alias: str | None = None
    revoked: tuple[Path, ...] = ()  # files of keys that no host may show any more
    jumps: tuple[str, ...] = ()  # hops in order, each `[user@]host[:port]`
    proxy_command: str | None = None
    connect_timeout: float = 10.0  # seconds
    alive_interval: float = 15.0  # seconds between questions whether the host is still there
    alive_count: int = 3  # unanswered questions until the connection counts as dead

    @property
    def lookup_names(self) -> tuple[str, ...]:
        """Names under which known_hosts may hold the host's key, best first (the order of OpenSSH)."""
        if self.host_key_alias:
            return (self.host_key_alias,)
        name = self.hostname.lower()
        return (name,) if self.port == 22 else (f"[{name}]:{self.port}", name)

    @property
    def label(self) -> str:
        """For messages: the alias, and where it leads."""
        return f"{self.alias} ({self.user}@{self.hostname}:{self.port})"


def resolve_target(alias: str) -> SshTarget:
    """Ask `ssh -G` where `alias` leads. Raises HostError when the name or the config is not usable."""
    if not _NAME.match(alias):
        raise HostError(
            f"{alias!r} cannot be a host's name", "Give `local`, or a Host of your ~/.ssh/config."
        )
    command = ["ssh", *config_flags(), "-G", "--", jump_name(alias)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=30, check=False
        )
    except FileNotFoundError as error:
        raise HostError("`ssh` is not installed on this machine", "Install the OpenSSH client.") from error
    except subprocess.TimeoutExpired as error:
        raise HostError(
            f"`ssh -G {alias}` gave no answer in 30 s", "A `Match exec` in your ssh config may hang."
        ) from error
    if done.returncode:
        raise HostError(
            f"ssh cannot resolve {alias}: {_last_line(done.stderr)}", "Correct your ~/.ssh/config first."
        )
    return parse_resolved(alias, done.stdout)


def config_flags() -> list[str]:
    """`-F FILE` when the environment names another ssh config."""
    path = os.environ.get(CONFIG_VARIABLE)
    return ["-F", path] if path else []


def parse_resolved(alias: str, text: str) -> SshTarget:
    """Read the output of `ssh -G`. Raises HostError when it lacks what a connection needs."""
    options: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, _, value = line.strip().partition(" ")
        options.setdefault(key.lower(), []).append(value.strip())

    def one(key: str) -> str:
        value = options.get(key, [""])[0]
        return "" if value.lower() == "none" else value

    if not (one("hostname") and one("user") and one("port").isdigit()):
        raise HostError(f"ssh -G {alias} named no host", "Look at it yourself: ssh -G " + shlex.quote(alias))
    files = one("userknownhostsfile").split() + one("globalknownhostsfile").split()
    interval, count, timeout = (
        one(k) for k in ("serveraliveinterval", "serveralivecountmax", "connecttimeout")
    )
    return SshTarget(
        alias=alias,
        hostname=one("hostname"),
        port=int(one("port")),
        user=one("user"),
        identity_files=tuple(_expand(f) for f in options.get("identityfile", []) if f.lower() != "none"),
        identities_only=one("identitiesonly") == "yes",
        agent=_agent(options.get("identityagent", ["SSH_AUTH_SOCK"])[0]),
        known_hosts=tuple(_expand(file) for file in files),
        host_key_alias=one("hostkeyalias") or None,
        revoked=tuple(_expand(file) for file in one("revokedhostkeys").split()),
        jumps=tuple(hop for hop in one("proxyjump").split(",") if hop),
        proxy_command=one("proxycommand") or None,
        connect_timeout=float(timeout) if timeout.isdigit() and int(timeout) else 10.0,
        alive_interval=float(interval) if interval.isdigit() and int(interval) else 15.0,
        alive_count=int(count) if count.isdigit() and int(count) else 3,
    )


def jump_name(hop: str) -> str:
    """`[user@]host[:port]` as one argument that `ssh -G` takes: a port only fits into an ssh:// address."""
    return f"ssh://{hop}" if _WITH_PORT.match(hop) else hop


def proxy_command(target: SshTarget) -> str:
    """The ProxyCommand with its tokens filled in, run by a shell as OpenSSH does."""
    values = {
        "%": "%",
        "h": target.hostname,
        "n": target.alias,
        "p": str(target.port),
        "r": target.user,
    }
    filled = re.sub(
        r"%(.)", lambda match: values.get(match.group(1), match.group()), target.proxy_command or ""
    )
    return shlex.join(["/bin/sh", "-c", f"exec {filled}"])


REVOKED = "@revoked"


@dataclass(frozen=True)
class KnownKey:
    """A host key on file."""

    kind: str  # `ssh-ed25519`, …
    blob: str  # base64
    marker: str = ""  # `@revoked` or `@cert-authority`


def find_known_keys(target: SshTarget) -> list[KnownKey]:
    """The keys that known_hosts holds for the target, of the first of its names that has any; and those that are revoked,
    under whatever name, or by a file of `RevokedHostKeys`."""
    found: list[KnownKey] = []
    revoked: list[KnownKey] = []
    for name in target.lookup_names:
        of_name: list[KnownKey] = []
        for file in target.known_hosts:
            if file.is_file():
                done = subprocess.run(
                    ["ssh-keygen", "-F", name, "-f", str(file)],
                    capture_output=True,
                    text=True,
                    errors="replace",
                    timeout=30,
                    check=False,
                )
                of_name += parse_known_keys(done.stdout)
        revoked += [key for key in of_name if key.marker == REVOKED]
        found = found or [key for key in of_name if key.marker != REVOKED]
    listed = [
        replace(key, marker=REVOKED) for key in found if any(_is_listed(key, file) for file in target.revoked)
    ]
    return [*found, *revoked, *listed]


def _is_listed(key: KnownKey, file: Path) -> bool:
    """Whether a file of revoked keys has a key: public keys a line, or ssh-keygen's binary form. A file that cannot be read
    has every key, as for OpenSSH."""
    try:
        listed = file.read_bytes()
    except OSError:
        return True
    if not listed.startswith(b"SSHKRL\n\0"):
        return key.blob.encode() in listed.split()
    with tempfile.NamedTemporaryFile("w", suffix=".pub") as public:
        public.write(f"{key.kind} {key.blob}\n")
        public.flush()
        asked = ["ssh-keygen", "-Q", "-f", str(file), public.name]
        return bool(subprocess.run(asked, capture_output=True, timeout=30, check=False).returncode)


def parse_known_keys(text: str) -> list[KnownKey]:
    """Read known_hosts lines as `ssh-keygen -F` prints them; what is not a key line is left out."""
    keys: list[KnownKey] = []
    for line in text.splitlines():
        words = line.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) >= 3 and not line.startswith("#"):
            keys.append(KnownKey(kind=words[1], blob=words[2], marker=marker))
    return keys


def _agent(value: str) -> str | None:
    if value.lower() == "none":
        return None
    if value == "SSH_AUTH_SOCK":
        return os.environ.get("SSH_AUTH_SOCK") or None
    return os.environ.get(value[1:]) or None if value.startswith("$") else str(_expand(value))


def _expand(path: str) -> Path:
    return Path(path).expanduser()


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]
