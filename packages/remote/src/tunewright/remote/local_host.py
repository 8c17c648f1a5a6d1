"""This machine as a host: the same face, without SSH."""

import os
import shutil
import stat
import subprocess
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO

from tunewright.contract.errors import HostError
from tunewright.remote.host import CHUNK, LOCAL, MOST_SAID, UNWANTED, Completed, too_much_said


class LocalHost:
    """The machine we run on. What a Mac keeps in `~/tunewright` is in `<checkout>/.tunewright/host`."""

    name = LOCAL
    key = ""

    def __init__(self, checkout: Path) -> None:
        self.root = PurePosixPath(checkout.resolve() / ".tunewright" / "host")
        running = os.environ.get("UV") or shutil.which("uv")  # `uv run` says which uv runs us
        own = checkout.resolve() / ".tools" / "bin" / "uv"
        self.uv_candidates = tuple(path for path in (running, str(own)) if path)

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | Iterable[bytes] = b"",
        env: Mapping[str, str] | None = None,
        timeout: float = 120,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        inherited = {name: value for name, value in os.environ.items() if name not in UNWANTED}
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**inherited, **(env or {})},
                cwd="/",
            )
        except (OSError, ValueError) as error:
            return Completed(127, b"", f"{argv[0]}: {error}".encode())
        with process:
            return _converse(process, argv[0], stdin, timeout, on_line)

    def size(self, path: PurePosixPath) -> int | None:
        try:
            return Path(path).stat().st_size
        except OSError:
            return None

    def stream(self, path: PurePosixPath, offset: int = 0) -> Generator[bytes]:
        # Without O_NONBLOCK a pipe of that name would wait for a writer before it could be looked at.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise HostError(f"{path} is not a regular file", "Remove it from the host.")
            file.seek(offset)
            while piece := file.read(CHUNK):
                yield piece

    def append(
        self,
        path: PurePosixPath,
        offset: int,
        pieces: Iterable[bytes],
        arrived: Callable[[int], object] = lambda _: None,
    ) -> None:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                file.seek(offset)
                file.truncate()
                for piece in pieces:
                    offset += len(piece)
                    while piece:
                        piece = piece[file.write(piece) :]
                    arrived(offset)
                os.fsync(file.fileno())
        except OSError as error:
            raise HostError(
                f"cannot write {path}: {error.strerror}", "Is the disk full, or the folder not yours?"
            ) from error

    def close(self) -> None:
        """Nothing is held open."""


def _converse(
    process: subprocess.Popen[bytes],
    name: str,
    stdin: bytes | Iterable[bytes],
    timeout: float,
    on_line: Callable[[str], None] | None,
) -> Completed:
    errors: list[bytes] = []

    def listen(pipe: IO[bytes]) -> None:
        said = 0
        for line in iter(lambda: pipe.readline(CHUNK), b""):
            said += len(line)
            if said <= MOST_SAID:
                errors.append(line)
            if on_line and (text := line.decode(errors="replace").strip()):
                on_line(text)

    if process.stdin is None or process.stderr is None or process.stdout is None:
        raise AssertionError("the process was started with three pipes")
    listener = threading.Thread(target=listen, args=(process.stderr,), daemon=True)
    listener.start()
    late = threading.Event()

    def stop() -> None:
        late.set()
        process.kill()

    alarm = threading.Timer(timeout, stop)
    alarm.daemon = True
    alarm.start()
    try:
        _feed(process.stdin, stdin)
        output = process.stdout.read(MOST_SAID + 1)
        if len(output) > MOST_SAID:
            raise too_much_said(name)
        code = process.wait()
        listener.join(5)
    except BaseException:
        process.kill()
        raise
    finally:
        alarm.cancel()
    if late.is_set():
        raise HostError(f"{name} did not end in {timeout:g} s", "See what keeps the machine busy.")
    return Completed(code, output, b"".join(errors))


def _feed(pipe: IO[bytes], data: bytes | Iterable[bytes]) -> None:
    """What does not fit into the pipe waits for the command; one that reads nothing just ends."""
    with suppress(BrokenPipeError):
        for piece in [data] if isinstance(data, bytes) else data:
            pipe.write(piece)
            pipe.flush()
    with suppress(BrokenPipeError):
        pipe.close()
