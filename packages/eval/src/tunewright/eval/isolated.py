"""Programs in a real Python without files, network or processes: the parent's side of `guest.py`.

One process waits with the standard library imported; each program runs in a child that it forks. The child talks over
a socket of its own and is killed at the deadline or when it says too much, so a hostile program costs its own case only.
"""

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

SECONDS = 4.0  # from the start of a program to its end
LONGEST = 1 << 20  # bytes that a program may print, and the longest message
CALLS = 2_000

Answer = Callable[[str, list[Any], dict[str, Any]], Any]


class NotIsolated(Exception):
    """This machine cannot isolate a program; the text says why."""


class Stopped(Exception):
    """The program was killed: it ran too long, used too much, or said what it may not say."""


class Isolated:
    """A waiting process, started at the first program. Use as a context manager, or call `close`."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def __enter__(self) -> "Isolated":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def run(
        self, programs: Sequence[str], tools: Sequence[str], answer: Answer, show: Callable[[str], None]
    ) -> tuple[str, str]:
        """Run programs in one namespace; `answer` is asked for each tool's call, `show` gets what is printed.

        Returns the name and text of the exception that ended it, both empty when none did. An exception that `answer`
        raises as TypeError is raised inside the program. Raises NotIsolated and Stopped.
        """
        control = self._start()
        ours, theirs = socket.socketpair()
        with ours:
            try:
                with theirs:
                    socket.send_fds(control, [b"x"], [theirs.fileno()])
                control.settimeout(SECONDS)
                child: int = struct.unpack("q", _exactly(control, 8))[0]
            except OSError as error:
                self.close()
                raise NotIsolated(f"the process for programs does not answer ({error})") from error
            try:
                return _converse(ours, programs, tools, answer, show)
            finally:
                _kill(child)

    def _start(self) -> socket.socket:
        if self._process is not None and self._process.poll() is None and self._control is not None:
            return self._control
        self.close()
        if sys.platform not in ("linux", "darwin"):
            raise NotIsolated(f"programs cannot be isolated on {sys.platform}")
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(__file__).with_name("guest.py")), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={"LC_ALL": "C.UTF-8"},
                cwd="/",
                start_new_session=True,
            )
        ours.settimeout(60)  # the first answer waits for its imports
        self._control = ours
        return ours


def _kill(child: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise OSError("it has ended")
        data += more
    return data


def _converse(
    ours: socket.socket,
    programs: Sequence[str],
    tools: Sequence[str],
    answer: Answer,
    show: Callable[[str], None],
) -> tuple[str, str]:
    deadline = time.monotonic() + SECONDS
    ended = ("", "")
    rest = b""
    calls = said = 0
    request = json.dumps({"programs": list(programs), "tools": list(tools)}).encode() + b"\n"
    try:
        ours.settimeout(SECONDS)
        ours.sendall(request)
        while True:
            while b"\n" not in rest:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Stopped(f"it did not end within {SECONDS:g} seconds")
                ours.settimeout(left)
                data = ours.recv(1 << 16)
                if not data:
                    raise Stopped("it was stopped: too much time or memory")
                rest += data
                if len(rest) > 2 * LONGEST:
                    raise Stopped("it prints without end")
            line, rest = rest.split(b"\n", 1)
            said += len(line)
            if said > LONGEST:
                raise Stopped("it prints without end")
            message = json.loads(line)
            if not isinstance(message, dict):
                raise Stopped("it wrote over its connection")
            if "refused" in message:
                raise NotIsolated(str(message["refused"]))
            if "end" in message:
                return ended
            if "print" in message:
                show(str(message["print"]))
            elif "error" in message:
                ended = (str(message["error"]), str(message.get("message", "")))
            elif "exit" in message:
                ended = ("", "")
            elif "call" in message:
                calls += 1
                if calls > CALLS:
                    raise Stopped(f"it calls tools more than {CALLS:,} times")
                _reply(ours, message, answer)
    except TimeoutError as error:
        raise Stopped(f"it did not end within {SECONDS:g} seconds") from error
    except (OSError, ValueError, RecursionError) as error:
        raise Stopped("it was stopped: it wrote over its connection, or used too much") from error


def _reply(ours: socket.socket, message: dict[str, Any], answer: Answer) -> None:
    positional, named = message.get("positional"), message.get("named")
    if not isinstance(positional, list) or not isinstance(named, dict):
        raise Stopped("it wrote over its connection")
    try:
        value = answer(str(message["call"]), list(positional), dict(named))  # pyright: ignore[reportUnknownArgumentType]
    except TypeError as error:
        ours.sendall(json.dumps({"error": str(error)}).encode() + b"\n")
    else:
        ours.sendall(json.dumps({"value": value}).encode() + b"\n")
