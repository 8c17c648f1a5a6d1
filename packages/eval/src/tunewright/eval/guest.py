"""What runs inside of the isolated process: answers' programs, one a forked child, behind a system-call filter.

Started as a file by `isolated.py` with Python's `-I -S`; imports the standard library only. The parent hands over one
socket a program. The child gives up everything but computing and talking on that socket, proves that it has, and only
then runs the program. A tool's call is a question on the socket; the parent answers it from the world.
"""

import ctypes
import json
import os
import platform
import resource
import socket
import struct
import sys
import types
from typing import Any

# Imported before the filter closes the file system; a program can import these and nothing else.
MODULES = """
    abc argparse array asyncio base64 bisect calendar cmath collections collections.abc concurrent.futures
    concurrent.futures.thread contextlib copy csv dataclasses datetime decimal difflib encodings.ascii encodings.idna
    encodings.utf_8 enum fnmatch fractions functools glob graphlib hashlib heapq html inspect io itertools json keyword
    linecache logging math numbers operator os os.path pathlib pprint queue random re shlex shutil signal statistics
    string struct subprocess sys tempfile textwrap threading time timeit tokenize traceback types typing unicodedata
    uuid warnings weakref zlib
"""
MEMORY = 512 << 20  # bytes of address space
SECONDS = 2  # of processor time

# Linux system calls that a program may make: memory, time, its own signals, its open descriptors, ending.
ALLOWED = {
    "x86_64": (0, 1, 3, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 19, 20, 23, 24, 25, 28, 32, 33, 35, 39, 44, 45, 46, 47, 60, 96,
               131, 186, 201, 202, 228, 229, 230, 231, 232, 233, 270, 271, 281, 291, 292, 318, 334),
    "aarch64": (20, 21, 22, 23, 24, 57, 62, 63, 64, 65, 66, 72, 73, 80, 93, 94, 98, 101, 113, 114, 115, 124, 132, 134,
                135, 139, 169, 172, 178, 206, 207, 211, 212, 214, 215, 216, 222, 226, 233, 278, 293),
}  # fmt: skip
# Call -> values that its second argument may have, under a mask. An event loop makes a pair of stream sockets and
# unblocks them; datagram sockets could reach others, and the other commands of fcntl can send signals.
GUARDED = {
    "x86_64": {53: (0xF, (1,)), 72: (0xFFFFFFFF, (1, 2, 3, 4, 1030)), 16: (0xFFFFFFFF, (0x5421,))},
    "aarch64": {199: (0xF, (1,)), 25: (0xFFFFFFFF, (1, 2, 3, 4, 1030)), 29: (0xFFFFFFFF, (0x5421,))},
}
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
KILL, ERRNO_EPERM, ALLOW = 0x80000000, 0x00050001, 0x7FFF0000


def give_up_everything() -> None:
    """Close off files, network and processes for good. Raises OSError where that cannot be done."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    if sys.platform == "darwin":
        library = ctypes.CDLL("/usr/lib/libsandbox.1.dylib")
        reason = ctypes.c_char_p()
        if library.sandbox_init(b"pure-computation", ctypes.c_uint64(1), ctypes.byref(reason)):
            raise OSError("the sandbox of macOS could not be entered")
    else:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        filter_system_calls()
    prove()


def filter_system_calls() -> None:
    """A seccomp filter that allows `ALLOWED` and refuses the rest with EPERM; it cannot be taken off again."""
    machine = platform.machine()
    if not sys.platform.startswith("linux") or machine not in ALLOWED:
        raise OSError(f"no system-call filter for {sys.platform} on {machine}")
    allowed = ALLOWED[machine]
    step = struct.Struct("HBBI")
    program = [
        step.pack(0x20, 0, 0, 4),  # load the architecture
        step.pack(0x15, 1, 0, AUDIT[machine]),
        step.pack(0x06, 0, 0, KILL),
        step.pack(0x20, 0, 0, 0),  # load the call's number
    ]
    for number in allowed:
        program += [step.pack(0x15, 0, 1, number), step.pack(0x06, 0, 0, ALLOW)]
    for number, (mask, values) in GUARDED[machine].items():
        program.append(step.pack(0x15, 0, 3 + 2 * len(values), number))
        program += [step.pack(0x20, 0, 0, 24), step.pack(0x54, 0, 0, mask)]  # the second argument's low half
        for value in values:
            program += [step.pack(0x15, 0, 1, value), step.pack(0x06, 0, 0, ALLOW)]
        program.append(step.pack(0x06, 0, 0, ERRNO_EPERM))
    program.append(step.pack(0x06, 0, 0, ERRNO_EPERM))
    code = b"".join(program)
    held = ctypes.create_string_buffer(code, len(code))
    head = struct.pack(
        "HxxxxxxP" if ctypes.sizeof(ctypes.c_void_p) == 8 else "HP", len(program), ctypes.addressof(held)
    )
    libc = ctypes.CDLL(None, use_errno=True)
    none = ctypes.c_ulong(0)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), none, none, none):
        raise OSError("PR_SET_NO_NEW_PRIVS was refused")
    if libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), ctypes.c_char_p(head), none, none):
        raise OSError("the kernel takes no system-call filter")


def prove() -> None:
    """Try what must not work. Raises OSError when any of it does."""
    for name, attempt in (
        ("open a file", lambda: os.open("/", os.O_RDONLY)),
        ("write a file", lambda: os.open("tunewright-probe", os.O_WRONLY | os.O_CREAT)),
        ("open a socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM)),
        ("start a process", os.fork),
    ):
        try:
            made = attempt()
        except (OSError, PermissionError):
            continue
        if name == "start a process" and made == 0:
            os._exit(0)
        raise OSError(f"a program could {name}")


class Line:
    """JSON lines over the socket."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.rest = b""

    def send(self, value: Any) -> None:
        self.connection.sendall(json.dumps(value).encode() + b"\n")

    def receive(self) -> Any:
        while b"\n" not in self.rest:
            data = self.connection.recv(1 << 16)
            if not data:
                os._exit(0)
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        return json.loads(line)


class Shown:
    """Standard output and error of the program: everything written is shown."""

    encoding = "utf-8"
    errors = "strict"

    def __init__(self, line: Line) -> None:
        self.line = line

    def write(self, text: str) -> int:
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError("write() argument must be str")
        self.line.send({"print": text})
        return len(text)

    def writelines(self, lines: Any) -> None:
        for text in lines:
            self.write(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def isatty(self) -> bool:
        return False


def record(value: Any) -> Any:
    """A JSON value as programs see it: objects have their keys as attributes."""
    if isinstance(value, dict):
        return types.SimpleNamespace(**{key: record(item) for key, item in value.items()})
    return [record(item) for item in value] if isinstance(value, list) else value


def plain(value: Any) -> Any:
    """An argument as JSON; what has no JSON is told by its type."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return {"<object>": type(value).__name__}


def run(line: Line, request: Any) -> None:
    """Run the programs of one answer, one after the other in one namespace."""
    namespace: dict[str, Any] = {"__name__": "__main__", "exit": sys.exit, "quit": sys.exit}

    def offer(name: str) -> Any:
        def tool(*positional: Any, **named: Any) -> Any:
            line.send({"call": name, "positional": plain(list(positional)), "named": plain(named)})
            reply = line.receive()
            if "error" in reply:
                raise TypeError(reply["error"])
            return record(reply["value"])

        tool.__name__ = tool.__qualname__ = name
        return tool

    namespace.update({name: offer(name) for name in request["tools"]})
    sys.stdin = None
    sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = Shown(line)  # type: ignore[assignment,misc]
    try:
        for code in request["programs"]:
            exec(compile(code, "answer.py", "exec", dont_inherit=True), namespace)
    except SystemExit as stop:
        line.send({"exit": str(stop.code)})
    except BaseException as error:  # noqa: BLE001  # whatever a stranger's program raises
        line.send({"error": type(error).__name__, "message": str(error)[:300]})
    line.send({"end": True})


def serve(control: socket.socket) -> None:
    """Fork a child for each socket that comes over `control`; tell its process id; wait for it."""
    while True:
        _, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not descriptors:
            return
        child = os.fork()
        if child == 0:
            control.close()
            line = Line(socket.socket(fileno=descriptors[0]))
            try:
                give_up_everything()
            except OSError as error:
                line.send({"refused": str(error)})
                os._exit(0)
            try:
                request = line.receive()
                run(line, request)
            finally:
                os._exit(0)
        os.close(descriptors[0])
        control.sendall(struct.pack("q", child))
        os.waitpid(child, 0)


if __name__ == "__main__":
    for module in MODULES.split():
        __import__(module)
    import logging

    logging.raiseExceptions = False
    serve(socket.socket(fileno=int(sys.argv[1])))
