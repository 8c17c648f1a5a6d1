"""The commands themselves, in this process, on a checkout of a test's own; and runs that the real worker works on."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.conversations import conversation
from tests.support.remote_runs import write_program
from tunewright.contract.atomic import write_jsonl
from tunewright.contract.recipe import Recipe
from tunewright.contract.run import FINAL_STATES, RunFolder
from tunewright.remote.environment import Environment
from tunewright.remote.host import open_host
from tunewright.remote.job import ship_run, start_run
from tunewright.remote.new_run import new_run
from tunewright.train.lock import is_held, read_owner


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


Inv = Callable[..., Said]


class Terminal(io.StringIO):
    """What says that it is one."""

    def isatty(self) -> bool:
        return True


@contextlib.contextmanager
def help_kept() -> Generator[None]:
    """Parsing takes the help texts out of the tasks, and a second time in the same process finds none."""
    from invoke.collection import Collection

    from tunewright.cli.tasks import ns

    def tasks(collection: Collection) -> list[Any]:
        inner = [task for sub in collection.collections.values() for task in tasks(sub)]
        return [*collection.tasks.values(), *inner]

    texts = [(task, dict(task.help)) for task in tasks(ns)]
    try:
        yield
    finally:
        for task, text in texts:
            task.help = text


def front(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """What `./inv …` says and its exit code, in this process, which has loaded the code already.

    A process of its own takes half a second to start. A file has one where the process itself is the subject.
    """
    from tunewright.cli.invoke_program import ROOT, Front

    argv = ["inv", *map(str, arguments)]
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
    code = 0
    with contextlib.chdir(ROOT), redirect_stdout(streams[0]), redirect_stderr(streams[1]), help_kept():
        try:
            Front().run(argv)
        except SystemExit as ended_with:
            code = ended_with.code if isinstance(ended_with.code, int) else 1
    out, err = (stream.buffer.getvalue().decode() for stream in streams)  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(argv, code, out, err)


def commands_on(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Inv:
    """Run `./inv …` as if it stood in `checkout`; with `answer`, on a terminal where somebody types that."""
    from tunewright.cli import judge, pipeline, runs, serve_task
    from tunewright.cli.invoke_program import Front

    for module in (judge, pipeline, runs, serve_task):
        monkeypatch.setattr(module, "ROOT", checkout)
    for module in (pipeline, runs):
        monkeypatch.setattr(module, "RUNS", checkout / "runs")

    def inv(*arguments: str, answer: str | None = None) -> Said:
        out, err = io.StringIO(), io.StringIO() if answer is None else Terminal()
        code = 0
        monkeypatch.setattr(sys, "stdin", io.StringIO() if answer is None else Terminal(answer))
        with redirect_stdout(out), redirect_stderr(err), help_kept():
            try:
                Front().run(["inv", *arguments])
            except SystemExit as exit_:
                code = exit_.code if isinstance(exit_.code, int) else 1
        return Said(code, out.getvalue(), err.getvalue())

    return inv


def real_environment(folder: Path, limit: int = 0) -> Environment:
    """An environment whose Python is the one that the tests run in: its worker is the real one.

    `limit`: no file that it writes may grow beyond so many blocks of 512 bytes or 1 KiB.
    """
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "python"
    # Python 3.11 keeps bytecode that it could not write whole, and every later import of that module fails.
    limited = f"ulimit -f {limit}\nexport PYTHONDONTWRITEBYTECODE=1\n" if limit else ""
    write_program(python, f'#!/bin/sh\n{limited}exec "{sys.executable}" "$@"\n')
    return Environment("1" * 64, str(python), {"python": "3.11"})


def light_environment(folder: Path) -> Environment:
    """An environment whose worker is the real one but for the stages, which compute nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "python"
    script = Path(__file__).with_name("light_worker.py")
    write_program(
        python,
        f'#!/bin/sh\n[ "$2 $3" = "-m tunewright.train.worker" ] || exec "{sys.executable}" "$@"\nshift 3\n'
        f'exec "{sys.executable}" -P "{script}" "{python}" "$@"\n',
    )
    return Environment("2" * 64, str(python), {"python": "3.11"})


def real_recipe(model: Path, *, steps: int = 6, models: bool = True, checkpoint_every: int = 2) -> Recipe:
    """A recipe that the real worker trains in about a second."""
    return Recipe.model_validate(
        {
            "schema": 1,
            "name": "real",
            "model": {"base": str(model), "dtype": "float32"},
            "train": {
                "steps": steps,
                "batch_size": 2,
                "max_seq_length": 256,
                "rank": 4,
                "layers": -1,
                "warmup": 1,
                "learning_rate": 5e-3,
                "checkpoint_every": checkpoint_every,
                "validate_every": max(2, steps // 2),
            },
            "predict": {"models": ["quantized"], "max_tokens": 4},
            "suites": [{"path": "suites/small.jsonl"}],
            "pull": {"models": models},
        }
    )


def real_run(
    checkout: Path,
    recipe: Recipe,
    *,
    start: bool = True,
    limit: int = 0,
    host_name: str = "local",
    light: bool = False,
) -> RunFolder:
    """A run of the checkout on a host on this machine, shipped and begun; a light one computes nothing."""
    data = checkout / "data" / "real"
    if not data.exists():
        for split, numbers in (("train", range(20)), ("valid", range(20, 26))):
            write_jsonl(data / f"{split}.jsonl", (conversation(number).row() for number in numbers))
    environment = (
        light_environment(checkout / ".light") if light else real_environment(checkout / ".real", limit)
    )
    with open_host(host_name, checkout) as host:
        run = new_run(checkout, recipe, data, None, None, host, environment)
        if start:
            ship_run(host, run, print)
            start_run(host, run)
    return run


def there(run: RunFolder) -> RunFolder:
    """The run on the local host."""
    return RunFolder(run.path.parent.parent / ".tunewright" / "host" / "runs" / run.path.name)


def end_worker(folder: Path) -> None:
    """Kill worker and guard of the run in that folder, as a power cut does; they may be ending by themselves."""

    def gone() -> bool:
        if not is_held(folder):
            return True
        if (owner := read_owner(folder)) is not None:
            with contextlib.suppress(ProcessLookupError):
                if owner.leader:
                    os.killpg(os.getpgid(owner.pid), signal.SIGKILL)
                else:
                    os.kill(owner.pid, signal.SIGKILL)
        return False

    wait(gone)


def wait(until: Callable[[], bool]) -> None:
    """Wait up to two minutes."""
    end = time.monotonic() + 120
    while not until():
        assert time.monotonic() < end
        time.sleep(0.02)


def ended(run: RunFolder) -> bool:
    """Whether the run has ended on the local host."""
    status = there(run).read_status()
    return status is not None and status.state in FINAL_STATES
