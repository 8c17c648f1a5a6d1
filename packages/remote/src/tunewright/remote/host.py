"""A host behind one face: this machine, or another one over SSH.

Everything else in this package is written against `Host` alone, so `--host local` takes the same road as a
Mac in the next room.
"""

import re
import shlex
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from tunewright.contract.errors import HostError

CHUNK = 1 << 18  # bytes read or written at a time
# What a host may send at most: whoever owns it could fill this machine's memory or disk otherwise.
MOST_READ = 8 << 20  # bytes of a status, manifest, spec or configuration
MOST_EVENTS = 64 << 20  # bytes of a run's events
MOST_LOG = 16 << 20  # bytes of a log, counted from its end
MOST_SAID = 32 << 20  # bytes that a command prints
MOST_GREETING = 1 << 20  # bytes that a login shell prints before a command begins
LOCAL = "local"
# What a shell or an activated environment may leave behind that would change the worker's imports.
UNWANTED = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSTARTUP")


@dataclass(frozen=True)
class Completed:
    """A finished command."""

    code: int
    stdout: bytes
    stderr: bytes
    greeting: bytes = b""  # what a login shell printed before the command began

    @property
    def text(self) -> str:
        """Standard output, without the end of the last line."""
        return self.stdout.decode(errors="replace").rstrip("\n")

    @property
    def reason(self) -> str:
        """The last thing it said on standard error, for a message."""
        lines = self.stderr.decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else f"exit code {self.code}"


class Host(Protocol):
    """What a host can do. Paths are absolute. Every method raises HostError, and its subclass
    ConnectionLost when the connection broke and the same call may work later."""

    name: str
    uv_candidates: tuple[str, ...]  # where uv may be, before the usual places

    @property
    def key(self) -> str:
        """The fingerprint of the host key that it showed; empty for this machine."""
        ...

    @property
    def root(self) -> PurePosixPath:
        """The folder that everything of ours is in."""
        ...

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | Iterable[bytes] = b"",
        env: Mapping[str, str] | None = None,
        timeout: float = 120,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run a command to its end; its exit code is the caller's to judge.

        `stdin` may be pieces that come while it runs; whoever gives them must end them. `on_line` gets each line of
        standard error as it comes. Raises HostError after `timeout` seconds.
        """
        ...

    def size(self, path: PurePosixPath) -> int | None:
        """Bytes of a file; None when there is none."""
        ...

    def stream(self, path: PurePosixPath, offset: int = 0) -> Generator[bytes]:
        """A regular file's bytes from `offset` on, in pieces. Raises FileNotFoundError."""
        ...

    def append(
        self,
        path: PurePosixPath,
        offset: int,
        pieces: Iterable[bytes],
        arrived: Callable[[int], object] = lambda _: None,
    ) -> None:
        """Write `pieces` from `offset` on, making the file when it is missing and cutting what followed.

        `arrived` gets the place in the file up to which the host has the bytes; what waits to be sent does not count.
        """
        ...

    def close(self) -> None: ...


def too_much_said(command: str) -> HostError:
    """The error of a command that prints without an end."""
    return HostError(
        f"{command} printed more than {MOST_SAID / 1e6:.0f} MB and was stopped",
        "Look at what answers to that name on the host.",
    )


@contextmanager
def open_host(name: str, root: Path) -> Generator[Host]:
    """The host of that name: `local`, or one for ssh. `root` is the checkout.

    Raises HostError when it cannot be reached.
    """
    host: Host
    if name == LOCAL:
        from tunewright.remote.local_host import LocalHost

        host = LocalHost(root)
    else:
        from tunewright.remote.ssh_host import SshHost

        host = SshHost(name)
    try:
        yield host
    finally:
        host.close()


def command_line(argv: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    """The one way a command becomes text for a remote shell: every word quoted, the values of `env` too.

    Raises HostError for what no argument can hold.
    """
    for name in env or {}:
        if not name.isidentifier():
            raise HostError(f"{name!r} cannot be the name of an environment variable")
    words = ["/usr/bin/env", *(f"-u{name}" for name in UNWANTED)]
    words += [f"{name}={value}" for name, value in (env or {}).items()]
    words += [str(word) for word in argv]
    if any("\0" in word for word in words):
        raise HostError("a NUL character cannot be part of a command")
    return shlex.join(words)


BEGIN = "tunewright: the command's output begins"
_UNSAFE = re.compile(rb"[^A-Za-z0-9 @%+=:,./_-]")


def login_command(argv: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    """The command as text that every login shell hands to /bin/sh unchanged, csh and fish among them.

    They agree on nothing but plain characters between single quotes, so all others are written as printf's octal numbers.
    It first prints `BEGIN`: what a start file of the shell says comes before it. What it makes is the account's alone.
    Raises HostError like `command_line`.
    """
    line = f"umask 077; echo {shlex.quote(BEGIN)}; exec {command_line(argv, env)}"
    text = _UNSAFE.sub(
        lambda found: b"\\0%03o" % found.group()[0], line.encode("utf-8", "surrogateescape")
    ).decode()
    return f"""/bin/sh -c 'eval "$(printf %b "{text}")"'"""


def without_greeting(pieces: Iterable[bytes], greeting: bytearray | None = None) -> Generator[bytes]:
    """The output of `login_command` after its `BEGIN`; what comes before it is added to `greeting`.

    Raises GreetingError where `BEGIN` never comes.
    """
    mark, before = BEGIN.encode() + b"\n", b""
    found = False
    for piece in pieces:
        if found:
            yield piece
            continue
        said, mark_found, rest = (before + piece).partition(mark)
        if mark_found:
            found = True
            if greeting is not None:
                greeting += said
            yield rest
            continue
        before = said
        if len(before) > MOST_GREETING:
            break
    if not found:
        raise GreetingError(before)


class GreetingError(Exception):
    """The login shell never came to the command. Its argument is what it said instead, in bytes."""


def read_file(host: Host, path: PurePosixPath, offset: int = 0, most: int = MOST_READ) -> bytes | None:
    """A small file's bytes from `offset` on; None when there is none. Raises HostError when there are more than `most`."""
    pieces: list[bytes] = []
    left = most
    try:
        with closing(host.stream(path, offset)) as stream:
            for piece in stream:
                left -= len(piece)
                if left < 0:
                    raise HostError(
                        f"{host.name}: {path} holds more than {most / 1e6:.0f} MB",
                        "Tunewright writes no such file: look at it on the host.",
                    )
                pieces.append(piece)
    except FileNotFoundError:
        return None
    return b"".join(pieces)


def read_tail(host: Host, path: PurePosixPath, most: int = MOST_LOG) -> bytes | None:
    """The last `most` bytes of a file that may be growing; None when there is none."""
    size = host.size(path)
    if size is None:
        return None
    found = bytearray()
    with suppress(FileNotFoundError), closing(host.stream(path, max(0, size - most))) as stream:
        for piece in stream:
            found += piece
            if len(found) >= most:
                break
    return bytes(found[:most])


def run_script(
    host: Host, script: str, arguments: Iterable[str | PurePosixPath] = (), timeout: float = 120
) -> Completed:
    """Run a POSIX sh script. It goes through standard input, so that only its arguments need quoting and
    whatever shell the user logs in with never sees it."""
    argv = ["/bin/sh", "-s", "--", *(str(argument) for argument in arguments)]
    return host.run(argv, stdin=script.encode(), timeout=timeout)


def must(done: Completed, what: str, hint: str = "") -> Completed:
    """Raises HostError naming `what` when the command failed."""
    if done.code:
        raise HostError(f"{what}: {done.reason}", hint)
    return done
