"""Helper processes for work that only Python can do, in parallel: threads would wait for one another.

A helper is this module run as a program. It is told what to do by two lines, the name of the task and its rows as
JSON, and answers each result in a line of JSON. Nothing but JSON goes either way.
"""

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

from tunewright.audit.json_text import dump
from tunewright.chat.reading.settings import Reading, load_reading

FEWEST = 1_000  # rows for which starting a process pays


def _repair_rows(rows: list[Any], reading: Reading) -> list[Any]:
    from tunewright.audit.slow_path import repair_rows

    repaired, faults = repair_rows(rows, reading)
    return [repaired, [(fault.line, fault.kind, fault.detail) for fault in faults]]


def _read_turns(rows: list[Any], _reading: Reading) -> list[Any]:
    from tunewright.audit.turn_columns import read_turns

    return list(read_turns(rows))


TASKS: dict[str, Callable[[list[Any], Reading], list[Any]]] = {"rows": _repair_rows, "turns": _read_turns}


class Helpers:
    """Helper processes, started when there is first enough to do. Use as a context manager; any thread may ask.

    `config` is the TOML file that says how rows are read. `processes` at 0: all is done here. A process needs a third
    of a second of CPU before it does anything.
    """

    def __init__(self, config: Path | None = None, processes: int | None = None) -> None:
        self._config = config
        self.reading = load_reading(config)
        self.count = max(1, min(8, os.cpu_count() or 1)) if processes is None else processes
        self._processes: list[subprocess.Popen[bytes]] = []
        self._idle: SimpleQueue[subprocess.Popen[bytes] | None] = SimpleQueue()
        for _ in range(self.count):
            self._idle.put(None)  # a place that no process has taken yet

    def __enter__(self) -> "Helpers":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()

    @property
    def running(self) -> list[int]:
        """The process ids of the helpers that are alive."""
        return [process.pid for process in self._processes if process.poll() is None]

    def ask(self, task: str, rows: Sequence[Any]) -> list[str]:
        """The task's results as JSON texts. Where a helper fails, the work is done here."""
        if self.count and len(rows) >= FEWEST:
            process = self._idle.get()
            try:
                process = process or self._start()
                return _ask(process, task, dump(rows))
            except (OSError, ValueError):
                if process is not None:
                    process.kill()
                process = None
            finally:
                self._idle.put(process)
        return [dump(result) for result in TASKS[task](list(rows), self.reading)]

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, *([str(self._config)] if self._config else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Ctrl-C goes to a terminal's whole group; who asks decides what becomes of the helpers.
            process_group=0,
        )
        self._processes.append(process)
        return process


def _ask(process: subprocess.Popen[bytes], task: str, rows: str) -> list[str]:
    """One exchange. Raises OSError or ValueError when the helper has ended."""
    if process.stdin is None or process.stdout is None:
        raise ValueError("a helper without pipes")
    process.stdin.write(f"{task}\n{rows}\n".encode())
    process.stdin.flush()
    count = int(process.stdout.readline())
    results = [process.stdout.readline() for _ in range(count)]
    if not all(result.endswith(b"\n") for result in results):
        raise ValueError("a helper stopped in the middle of an answer")
    return [result.decode() for result in results]


def serve(asked: IO[bytes], answered: IO[bytes], reading: Reading) -> None:
    """What a helper does until nobody asks any more."""
    while task := asked.readline().decode().strip():
        results = TASKS[task](json.loads(asked.readline()), reading)
        answered.write(f"{len(results)}\n".encode())
        for result in results:
            answered.write(dump(result).encode() + b"\n")
        answered.flush()


if __name__ == "__main__":
    gc.disable()  # what is made of a part has no cycles
    with suppress(BrokenPipeError):
        serve(sys.stdin.buffer, sys.stdout.buffer, load_reading(Path(sys.argv[1]) if sys.argv[1:] else None))
    os._exit(0)  # nobody may be left to take what is in the buffer
