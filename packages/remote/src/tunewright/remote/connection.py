"""The one place that opens an SSH connection.

Fabric and paramiko accept any host key, know no Include, and wait for a dead host without end. Here a
connection is resolved by OpenSSH, refuses every key that is not on file (each hop's too), takes keys from
the agent and from files and never a password, and is closed when the host stops answering.
"""

import base64
import logging
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from fabric import Config, Connection
from paramiko import (
    BadHostKeyException,
    MissingHostKeyPolicy,
    PKey,
    ProxyCommand,
    SSHClient,
    SSHConfig,
    SSHException,
    Transport,
)
from paramiko.auth_strategy import AuthFailure
from paramiko.ssh_exception import AuthenticationException, BadAuthenticationType, NoValidConnectionsError

from tunewright.contract.errors import HostError
from tunewright.remote.login_keys import LoginKeys, fingerprint
from tunewright.remote.retry import ConnectionLost, Unreachable
from tunewright.remote.ssh_config import (
    REVOKED,
    KnownKey,
    SshTarget,
    find_known_keys,
    jump_name,
    proxy_command,
    resolve_target,
)

ANSWER = 30.0  # seconds that a server may take for its banner, for a login, for opening a channel
MOST_HOPS = 8
# paramiko makes new keys every 512 MiB, and a channel that closes meanwhile takes the connection with it.
# OpenSSH's own default for these ciphers is 64 GiB.
REKEY_BYTES = 1 << 32
# Its threads log every broken connection with a traceback, which Python prints where nobody handles it.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class _UnknownKey(SSHException):
    """No key of the host is on file."""

    def __init__(self, key: PKey) -> None:
        super().__init__("unknown host key")
        self.key = key


class _Proxy(ProxyCommand):
    """A ProxyCommand whose process is ended once, and waited for."""

    def close(self) -> None:
        # paramiko sends a signal to the number, whoever has it by then.
        process: Any = self.process
        process.terminate()

    def end(self) -> None:
        """Wait for the process and close its pipes; never raises."""
        process: Any = self.process
        with suppress(Exception):
            process.terminate()
            process.communicate(timeout=5)


@dataclass
class SshLink:
    """An open connection, with the hops it goes through."""

    target: SshTarget
    connection: Connection
    gateways: tuple["SshLink", ...] = ()
    proxy: "_Proxy | None" = None
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def transport(self) -> Transport:
        """Raises ConnectionLost when it was never opened, or was closed."""
        transport = self.connection.transport
        if transport is None:
            raise ConnectionLost(f"{self.target.label}: not connected", "Try again.")
        return transport

    @property
    def alive(self) -> bool:
        transport = self.connection.transport
        return transport is not None and transport.is_active()

    def close(self) -> None:
        """Close it and every hop. Never raises."""
        self._stop.set()
        client: Any = self.connection.client
        with suppress(Exception):
            client.close()
        if self.proxy:
            self.proxy.end()
        for gateway in reversed(self.gateways):
            gateway.close()

    def watch(self) -> None:
        """Ask the host now and then whether it is there, and close the connection when it is not.

        paramiko's own keepalive never waits for an answer: a host that vanished would hang a call for an
        hour. Closing wakes every call that waits on the connection.
        """
        patience = self.target.alive_interval * self.target.alive_count

        def ask() -> None:
            while not self._stop.wait(self.target.alive_interval) and self.alive:
                alarm = threading.Timer(patience, self.transport.close)
                alarm.daemon = True
                alarm.start()
                try:
                    self.transport.global_request("keepalive@openssh.com", wait=True)
                except Exception:  # noqa: BLE001 - whatever broke it, the connection's users find out
                    return
                finally:
                    alarm.cancel()

        threading.Thread(target=ask, name=f"alive-{self.target.alias}", daemon=True).start()


def open_connection(alias: str) -> SshLink:
    """Connect to a host of the user's ssh config; strict about host keys, on every hop.

    Raises Unreachable for what may pass (asleep, no network) and HostError for what will not (unknown or
    changed key, refused login).
    """
    link = _connect(alias, depth=0)
    link.watch()
    return link


def _connect(alias: str, depth: int, through: SshLink | None = None) -> SshLink:
    if depth > MOST_HOPS:
        raise HostError(f"more than {MOST_HOPS} jumps to reach {alias}", "Look for a loop of ProxyJump.")
    target = resolve_target(alias)
    known = find_known_keys(target)
    # OpenSSH honours a hop's own ProxyJump for the first hop only; the others are reached through it.
    gateways = (through,) if through else _open_gateways(target, depth)
    options: dict[str, Any] = {
        "transport_factory": _transport,
        "auth_strategy": (keys := LoginKeys(target)),
        "banner_timeout": target.connect_timeout,
        "auth_timeout": ANSWER,
        "channel_timeout": ANSWER,
    }
    proxy = _Proxy(proxy_command(target)) if target.proxy_command and not gateways else None
    if proxy:
        options["sock"] = proxy
    connection = Connection(
        target.hostname,
        user=target.user,
        port=target.port,
        # Lazy, and with an empty ssh config: neither fabric.yml nor ~/.ssh/config is read a second time.
        config=Config(lazy=True, ssh_config=SSHConfig()),
        gateway=gateways[-1].connection if gateways else None,
        connect_timeout=int(target.connect_timeout),
        connect_kwargs=options,
    )
    connection.client = client = _strict_client(target, known)
    link = SshLink(target, connection, gateways, proxy)
    try:
        with _explained(target, known, keys, client):
            connection.open()
    except BaseException:
        link.close()
        raise
    finally:
        keys.close()
    link.transport.packetizer.REKEY_BYTES = REKEY_BYTES
    sock: Any = link.transport.sock
    with suppress(OSError, AttributeError):  # a hop's channel and a ProxyCommand have no such option
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def _transport(*arguments: Any, **options: Any) -> Transport:
    """paramiko's transport, with AES-GCM first: it takes half of the time of AES-CTR with an HMAC."""
    transport = Transport(*arguments, **options)
    security = transport.get_security_options()
    security.ciphers = sorted(security.ciphers, key=lambda name: "gcm" not in name)
    return transport


def _open_gateways(target: SshTarget, depth: int) -> tuple[SshLink, ...]:
    links: list[SshLink] = []
    try:
        for hop in target.jumps:
            links.append(_connect(jump_name(hop), depth + 1, links[-1] if links else None))
    except BaseException:
        for link in reversed(links):
            link.close()
        raise
    return tuple(links)


def _strict_client(target: SshTarget, known: list[KnownKey]) -> SSHClient:
    client = SSHClient()
    client.set_missing_host_key_policy(_Refuse())
    revoked = {key.blob for key in known if key.marker == REVOKED}
    name = target.hostname if target.port == 22 else f"[{target.hostname}]:{target.port}"
    for key in known:
        if not key.marker and key.blob not in revoked:
            with suppress(Exception):  # a type that paramiko does not know, or a damaged line
                client.get_host_keys().add(
                    name, key.kind, PKey.from_type_string(key.kind, base64.b64decode(key.blob))
                )
    return client


class _Refuse(MissingHostKeyPolicy):
    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> None:  # noqa: ARG002
        raise _UnknownKey(key)


def ended_during_login(error: AuthenticationException, client: SSHClient) -> bool:
    """Whether the connection broke, and nobody refused anything.

    The transport counts as active for a moment after its end has been seen; then the attempt itself says so.
    """
    transport = client.get_transport()
    if transport is None or not transport.is_active():
        return True
    attempts = error.result if isinstance(error, AuthFailure) else ()
    return any(isinstance(attempt.result, EOFError | OSError) for attempt in attempts)


def _waits_for_disk(error: AuthenticationException, client: SSHClient) -> bool:
    """Whether the server offers no login with a key at all.

    From macOS 26 on, that is how a Mac answers until FileVault is unlocked: its files with the keys are on that volume
    (apple_ssh_and_filevault(7)).
    """
    attempts: list[Any] = list(error.result) if isinstance(error, AuthFailure) else []
    offered = [
        attempt.result.allowed_types
        for attempt in attempts
        if isinstance(attempt.result, BadAuthenticationType)
    ]
    transport = client.get_transport()
    banner = transport.get_banner() if transport else None
    if banner and b"system is locked" in banner.lower():
        return True
    return bool(offered) and not any("publickey" in types for types in offered)


@contextmanager
def _explained(
    target: SshTarget, known: list[KnownKey], keys: LoginKeys, client: SSHClient
) -> Generator[None]:
    """Turn what goes wrong on the way in into one line and what to do next."""
    where = target.label
    name = target.lookup_names[0]
    try:
        yield
    except _UnknownKey as error:
        shown = f"{error.key.get_name()} {fingerprint(error.key)}"
        if any(key.blob == error.key.get_base64() and key.marker == REVOKED for key in known):
            raise HostError(
                f"{where}: its key {shown} is marked as revoked",
                "Do not connect; ask whoever runs the host.",
            ) from error
        authority = any(key.marker == "@cert-authority" for key in known)
        raise HostError(
            f"{where}: unknown host, its key {shown} is not in known_hosts",
            f"Compare it with the host's own (`ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub` there), then run "
            f"`ssh {target.alias}` once and say yes."
            + (" Host certificates are not understood: put the plain key on file." if authority else ""),
        ) from error
    except BadHostKeyException as error:
        raise HostError(
            f"{where}: THE HOST'S KEY HAS CHANGED: it shows {fingerprint(error.key)}, on file is "
            f"{fingerprint(error.expected_key)}",
            f"If it was installed anew: `ssh-keygen -R '{name}'`, then `ssh {target.alias}` once. "
            "If not, somebody may be intercepting the connection.",
        ) from error
    except AuthenticationException as error:
        tried = ", ".join(keys.tried) or "no key at all"
        if ended_during_login(error, client):
            raise Unreachable(
                f"{where}: the connection ended during login, tried {tried}",
                f"The network broke, or there were too many keys. Does `ssh {target.alias}` work?",
            ) from error
        if _waits_for_disk(error, client):
            raise Unreachable(
                f"{where}: it takes passwords only, as a Mac does that was restarted and waits for its disk to be unlocked",
                f"Log in once with a password: `ssh {target.alias}`, or unlock it at the machine. "
                "If it is not a Mac with FileVault, its sshd must allow `PubkeyAuthentication`.",
            ) from error
        locked = f" Locked by a passphrase: {', '.join(keys.locked)}; run ssh-add." if keys.locked else ""
        raise HostError(
            f"{where}: login refused, tried {tried}",
            f"Put your public key on the host: `ssh-copy-id {target.alias}`.{locked}",
        ) from error
    except socket.gaierror as error:
        raise Unreachable(
            f"{where}: no such host ({error.strerror})",
            "It is in neither ~/.ssh/config nor DNS, or the network is down.",
        ) from error
    except NoValidConnectionsError as error:
        reasons = "; ".join(sorted({str(getattr(e, "strerror", None) or e) for e in error.errors.values()}))
        raise Unreachable(
            f"{where}: {reasons}",
            "On a Mac: System Settings > General > Sharing > Remote Login. After a restart with FileVault, "
            "nothing answers until somebody unlocks the disk.",
        ) from error
    except TimeoutError as error:
        raise Unreachable(
            f"{where}: no answer in {target.connect_timeout:g} s",
            "It is off, asleep, behind a firewall, or waits for FileVault to be unlocked.",
        ) from error
    except (OSError, EOFError, SSHException) as error:
        raise Unreachable(
            f"{where}: cannot connect ({str(error) or type(error).__name__})",
            f"Does `ssh {target.alias}` work?",
        ) from error
