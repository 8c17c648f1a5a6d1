"""A process on a host that lives as long as somebody here holds it.

It is held by its standard input: a sign of life goes there every few seconds, and it must end when that
stops. So it ends with a key press, with a killed terminal, and with a cut connection alike.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import dropwhile, islice
from queue import Empty, Full, Queue
from typing import IO, Protocol

from paramiko import Channel, SSHException

from tunewright.contract.errors import HostError
from tunewright.remote.connection import SshLink, open_connection
from tunewright.remote.host import BEGIN, LOCAL, UNWANTED, Host, login_command

BEAT = 10.0  # seconds between two signs of life
MOST_LINES = 1000  # that wait to be read
LONGEST_LINE = 1 << 20  # bytes; a longer one comes in pieces
FAREWELL = 10.0  # seconds that it may take to end by itself


def _lines(pipe: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: pipe.readline(LONGEST_LINE), b"")


class Pipes(Protocol):
    """The three pipes of a process, wherever it runs."""

    def write(self, data: bytes) -> None: ...
    def lines(self) -> Iterator[bytes]: ...
    def errors(self) -> IO[bytes]: ...
    def wait(self, timeout: float) -> int | None: ...
    def end_input(self) -> None: ...
    def kill(self) -> None: ...
    def close(self) -> None: ...


class HeldProcess:
    """A running process. `on_line` gets each line of its standard error."""

    def __init__(self, pipes: Pipes, on_line: Callable[[str], None]) -> None:
        self._pipes = pipes
        self._lines: Queue[str | None] = Queue(MOST_LINES)
        self.ended = threading.Event()
        self._released = threading.Event()
        self._output = threading.Thread(target=self._read_output, daemon=True)
        self._errors = threading.Thread(target=self._read_errors, args=(on_line,), daemon=True)
        for thread in (self._output, self._errors, threading.Thread(target=self._beat, daemon=True)):
            thread.start()

    def next_line(self, timeout: float) -> str | None:
        """The next line of its standard output; None when there is none yet. Raises EOFError at the end."""
        try:
            line = self._lines.get(timeout=timeout)
        except Empty:
            return None
        if line is None:
            self._lines.put(None)
            raise EOFError
        return line

    def release(self) -> int | None:
        """Let it end, and make it end when it does not; its exit code where that is known."""
        self._released.set()
        with suppress(OSError, SSHException):
            self._pipes.end_input()
        code = self._pipes.wait(FAREWELL)
        self._pipes.kill()
        for thread in (self._output, self._errors):
            thread.join(1)
        self._pipes.close()
        return code

    def _read_output(self) -> None:
        with suppress(OSError, ValueError):
            for line in self._pipes.lines():
                self._put(line.decode(errors="replace").rstrip("\r\n"))
        self._put(None)
        self.ended.set()

    def _put(self, line: str | None) -> None:
        """What nobody has read yet stays on the host, when there is much of it."""
        while not self._released.is_set():
            with suppress(Full):
                self._lines.put(line, timeout=1)
                return

    def _read_errors(self, on_line: Callable[[str], None]) -> None:
        with suppress(OSError, ValueError):
            for line in _lines(self._pipes.errors()):
                if text := line.decode(errors="replace").rstrip():
                    on_line(text)

    def _beat(self) -> None:
        while not self._released.wait(BEAT):
            try:
                self._pipes.write(b"\n")
            except (OSError, ValueError, SSHException):
                self.ended.set()
                return


def hold_process(
    host: Host, argv: Sequence[str], env: Mapping[str, str], on_line: Callable[[str], None]
) -> tuple[HeldProcess, SshLink | None]:
    """Start a process on a host and hold it; with the connection of its own that it runs over.

    Raises HostError when the host cannot be reached or the program is not there.
    """
    if host.name == LOCAL:
        return HeldProcess(_LocalPipes(argv, env), on_line), None
    link = open_connection(host.name)
    try:
        return HeldProcess(_SshPipes(link, login_command(argv, env)), on_line), link
    except BaseException:
        link.close()
        raise


class _LocalPipes:
    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        inherited = {name: value for name, value in os.environ.items() if name not in UNWANTED}
        try:
            # A session of its own: Ctrl-C is for us, and we tell it in our own way.
            self._process = subprocess.Popen(
                list(argv),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**inherited, **env},
                cwd="/",
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            raise HostError(f"{argv[0]} cannot be started: {error.strerror}") from error

    def write(self, data: bytes) -> None:
        _must(self._process.stdin).write(data)

    def lines(self) -> Iterator[bytes]:
        return _lines(_must(self._process.stdout))

    def errors(self) -> IO[bytes]:
        return _must(self._process.stderr)

    def wait(self, timeout: float) -> int | None:
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def end_input(self) -> None:
        _must(self._process.stdin).close()

    def kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        for pipe in (self._process.stdout, self._process.stderr):
            _must(pipe).close()


def _must(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise AssertionError("the process was started with three pipes")
    return pipe


class _SshPipes:
    def __init__(self, link: SshLink, command: str) -> None:
        try:
            self._channel: Channel = link.transport.open_session(timeout=30)
            self._channel.exec_command(command)
        except (OSError, EOFError, SSHException) as error:
            raise HostError(f"{link.target.label}: no session could be opened ({error})") from error

    def write(self, data: bytes) -> None:
        self._channel.sendall(data)

    def lines(self) -> Iterator[bytes]:
        lines = _lines(self._channel.makefile("rb"))  # pyright: ignore[reportArgumentType] - readline is all we use
        return islice(dropwhile(lambda line: not line.rstrip().endswith(BEGIN.encode()), lines), 1, None)

    def errors(self) -> IO[bytes]:
        return self._channel.makefile_stderr("rb")  # pyright: ignore[reportReturnType]

    def wait(self, timeout: float) -> int | None:
        deadline = time.monotonic() + timeout
        while not self._channel.exit_status_ready():
            if self._channel.closed or time.monotonic() > deadline:
                return None
            time.sleep(0.02)
        return self._channel.recv_exit_status()

    def end_input(self) -> None:
        self._channel.shutdown_write()

    def kill(self) -> None:
        # No signal reaches a process without a terminal: it finds its input closed, and ends.
        self._channel.close()

    def close(self) -> None:
        """The channel is all there is."""
