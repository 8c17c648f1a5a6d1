"""A host behind one face: this machine, or another one over SSH.

Everything else in this package is written against `Host` alone, so `--host local` takes the same road as a
Mac in the next room.
"""

import shlex
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from tunewright.contract.errors import HostError

CHUNK = 1 << 18  # bytes read or written at a time
LOCAL = "local"
# What a shell or an activated environment may leave behind that would change the worker's imports.
UNWANTED = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSTARTUP")


@dataclass(frozen=True)
class Completed:
    """A finished command."""

    code: int
    stdout: bytes
    stderr: bytes

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
    def root(self) -> PurePosixPath:
        """The folder that everything of ours is in."""
        ...

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        timeout: float = 120,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run a command to its end; its exit code is the caller's to judge.

        `on_line` gets each line of standard error as it comes. Raises HostError after `timeout` seconds.
        """
        ...

    def size(self, path: PurePosixPath) -> int | None:
        """Bytes of a file; None when there is none."""
        ...

    def stream(self, path: PurePosixPath, offset: int = 0) -> Iterator[bytes]:
        """A file's bytes from `offset` on, in pieces. Raises FileNotFoundError."""
        ...

    def append(self, path: PurePosixPath, offset: int, pieces: Iterable[bytes]) -> None:
        """Write `pieces` from `offset` on, making the file when it is missing and cutting what followed."""
        ...

    def close(self) -> None: ...


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


def read_file(host: Host, path: PurePosixPath, offset: int = 0) -> bytes | None:
    """A small file's bytes from `offset` on; None when there is none."""
    try:
        return b"".join(host.stream(path, offset))
    except FileNotFoundError:
        return None


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
