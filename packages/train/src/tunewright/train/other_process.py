"""Another process that does the second part of a stage's work, where a CPU has a core to spare.

It writes each of its results to a file, whole or not at all, and ends when its standard input does. What it does not finish
is done by who started it, with the same result: the work is cut in the same parts whoever does them.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

WORTH_WHILE = 64 << 20  # bytes of a model that is slow enough for another process to pay for its start
WAITING = 0.2  # seconds between two looks for another process's results


class OtherProcess:
    """The process that does the second part. `check` is called while it is waited for."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", out: Path, check: Callable[[], object] = lambda: None
    ) -> None:
        self._process = process
        self._out = out
        self._check = check

    def file(self, name: str) -> Path | None:
        """A file of its results, once it is there; None when it ended without."""
        path = self._out / name
        while not path.is_file():
            self._check()
            if self._process.poll() is not None:
                return path if path.is_file() else None  # it may have finished between the two looks
            time.sleep(WAITING)
        return path


def parts_here() -> int:
    """How many parts work is cut in: always two on a CPU, so that two processes may each do one."""
    import mlx.core as mx

    return 2 if mx.default_device() == mx.Device(mx.cpu) else 1


def pays(model: Any) -> bool:
    """Whether it pays to let another process do half: on a CPU with a core and memory to spare."""
    from tunewright.train.models import size_of
    from tunewright.train.ranks import COUNT, wanted_ranks

    size = size_of(model)
    return parts_here() > 1 and wanted_ranks(size) > 1 and (size >= WORTH_WHILE or COUNT in os.environ)


@contextlib.contextmanager
def other_process(
    command: Callable[[Path], Sequence[str | Path]],
    check: Callable[[], object] = lambda: None,
    cwd: Path = Path("/"),
    said: int | None = None,
) -> Generator[OtherProcess]:
    """Start `python -m` with the arguments that `command` gives for the folder of its results; kill it after the block.

    `said` is where its standard error goes; None: where ours goes.
    """
    with tempfile.TemporaryDirectory() as out:
        line = [sys.executable, "-P", "-m", *map(str, command(Path(out)))]
        process = subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, cwd=cwd
        )
        try:
            yield OtherProcess(process, Path(out), check)
        finally:
            process.kill()
            process.communicate()
