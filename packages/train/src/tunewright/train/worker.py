"""The worker's command line: one JSON line on standard output, whatever happens.

    python -m tunewright.train.worker start|run|cancel|status --run DIR
    python -m tunewright.train.worker queue --root DIR
    python -m tunewright.train.worker facts

Only `run` and `facts` import mlx.
"""

import argparse
import faulthandler
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunewright.contract.errors import ExitCode, UserError
from tunewright.contract.run import RunFolder, Status


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; print its answer; return the exit code."""
    options = _parser().parse_args(arguments)
    commands = {
        "start": _start,
        "run": _run,
        "cancel": _cancel,
        "status": _status,
        "queue": _queue,
        "facts": _facts,
    }
    try:
        answer, code = commands[options.command](options)
    except UserError as error:
        answer, code = {"error": error.message, "hint": error.hint}, error.exit_code
    sys.stdout.write(json.dumps(answer, ensure_ascii=False, allow_nan=False) + "\n")
    sys.stdout.flush()
    return int(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tunewright.train.worker", description="Work on a run.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, about in (
        ("start", "start a detached worker, unless one is at work"),
        ("run", "work on the run in this process"),
        ("cancel", "stop the worker; a later start goes on"),
        ("status", "where the run is"),
    ):
        command = commands.add_parser(name, help=about)
        command.add_argument("--run", type=Path, required=True, help="the run's folder")
        if name in ("start", "run"):
            command.add_argument("--fresh", action="store_true", help="repeat finished stages")
        if name == "run":
            command.add_argument("--lock", type=int, default=None, help=argparse.SUPPRESS)
    queue = commands.add_parser("queue", help="the run at work, and those that wait")
    queue.add_argument("--root", type=Path, required=True, help="the host's folder")
    queue.add_argument("--first", default="", help="a waiting run that is to be the next one")
    commands.add_parser("facts", help="versions and device")
    return parser


def _start(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    from tunewright.train.detach import start

    return start(RunFolder(options.run.resolve()), fresh=options.fresh), ExitCode.DONE


def _status(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    from tunewright.train.detach import status

    return status(RunFolder(options.run.resolve())).model_dump(), ExitCode.DONE


def _cancel(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    from tunewright.train.detach import cancel

    return cancel(RunFolder(options.run.resolve())).model_dump(), ExitCode.DONE


def _queue(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    from tunewright.train.queue import Queue, describe_queue

    queue = Queue(options.root.resolve())
    if options.first:
        queue.put_first(options.first)
    return describe_queue(queue), ExitCode.DONE


def _run(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    from tunewright.train.lock import acquire, adopt
    from tunewright.train.machine import worker_environment

    # The BLAS must be there before the process is: start again with it, the same process id and lock.
    wanted = worker_environment(dict(os.environ))
    if wanted != dict(os.environ):
        module = [sys.executable, "-P", "-m", "tunewright.train.worker"]
        os.execve(sys.executable, [*module, *sys.argv[1:]], wanted)  # noqa: S606
    folder = RunFolder(options.run.resolve())
    folder.read_spec()
    lock = adopt(options.lock) if options.lock is not None else acquire(folder.path)
    if lock is None:
        raise UserError(f"{folder.path.name} has a worker already", "See: ./inv status")
    if options.lock is None:
        lock.write_owner(os.getpid(), leader=False, log_offset=_size(folder.log))
    # Libraries print what they please; standard output holds our one line.
    answer = os.dup(1)
    os.dup2(2, 1)
    try:
        status = work(folder, fresh=options.fresh)
    finally:
        sys.stdout.flush()
        os.dup2(answer, 1)
        os.close(answer)
        lock.release()
    return status.model_dump(), ExitCode.DONE if status.state == "done" else ExitCode.FAILED


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def work(folder: RunFolder, *, fresh: bool) -> Status:
    """Do what is left of a run when it is its turn, and return its final status. A bug keeps its traceback in the log."""
    from tunewright.train.blas import CHOSEN, has_compiler
    from tunewright.train.machine import keep_awake
    from tunewright.train.queue import Turn, wait_for_turn
    from tunewright.train.run_events import Cancelled, Journal

    # A crash in native code names its signal in the log; without a word it was killed from outside.
    faulthandler.enable()
    journal = Journal(folder, os.getpid(), state="queued")

    def stop(*_: object) -> None:
        journal.cancelled.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    turn: Turn | None = None
    with journal.alive():
        try:
            keep_awake()
            turn = wait_for_turn(folder, journal)
            journal.its_turn()
            if not has_compiler():
                slow = " and with mlx's own slow BLAS" if os.environ.get(CHOSEN) == "reference" else ""
                journal.warning(
                    f"no g++ on this host: the CPU trains without compiled kernels{slow}",
                    "Install g++ there (Debian, Ubuntu: sudo apt-get install g++), then start the run again.",
                )
                os.environ["MLX_DISABLE_COMPILE"] = "1"
            _do_stages(folder, journal, fresh=fresh)
        except Cancelled:
            return journal.close("cancelled")
        except BaseException as error:  # noqa: BLE001 - whatever it is, status.json must say that it failed
            return _failed(journal, folder, error)
        else:
            return journal.close("done")
        finally:
            if turn is not None:
                turn.end()


def _do_stages(folder: RunFolder, journal: Any, *, fresh: bool) -> None:
    from tunewright.contract.run_manifest import write_run_manifest
    from tunewright.train.base import find_base
    from tunewright.train.stages import Work, run_stages

    folder.manifest.unlink(missing_ok=True)
    spec = folder.read_spec()
    # Beside the runs: every run on this host shares it.
    base = find_base(spec.recipe.model, folder.path.parent.parent / "bases")
    journal.event("base", base=spec.recipe.model.base, identity=base.identity, **base.record)
    run_stages(Work(folder, spec, base, journal), fresh=fresh)
    write_run_manifest(folder)


def _failed(journal: Any, folder: RunFolder, error: BaseException) -> Status:
    import traceback

    from tunewright.train.failures import explain

    known = explain(error, folder.path)
    if known is not None:
        sys.stderr.write(f"{known.message}\n{known.hint}\n")
        return journal.close("failed", known.message, known.hint)
    traceback.print_exception(error)
    return journal.close(
        "failed", f"{type(error).__name__}: {error}", "This is a bug: worker.log has the traceback."
    )


def _facts(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    from tunewright.train.system_info import facts

    del options
    return facts(), ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
