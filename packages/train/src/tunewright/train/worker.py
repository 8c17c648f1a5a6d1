"""The worker's command line: one JSON line on standard output, whatever happens.

    python -m tunewright.train.worker start|run|cancel|status --run DIR
    python -m tunewright.train.worker queue|recover --root DIR
    python -m tunewright.train.worker facts

Only `work`, which `run` starts, and `facts` import mlx. `status`, `queue` and `recover` start again what died and may go on.
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
        "work": _work,
        "cancel": _cancel,
        "status": _status,
        "queue": _queue,
        "recover": _recover,
        "facts": _facts,
    }
    try:
        answer, code = commands[options.command](options)
    except UserError as error:
        answer, code = {"error": error.message, "hint": error.hint}, error.exit_code
    # A worker's guard answers; a detached guard's output is the log, which is home by the time that it ends.
    logged = options.command == "work" or (options.command == "run" and options.lock is not None)
    if not logged or "error" in answer:
        sys.stdout.write(json.dumps(answer, ensure_ascii=False, allow_nan=False) + "\n")
        sys.stdout.flush()
    return int(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tunewright.train.worker", description="Work on a run.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, about in (
        ("start", "start a detached worker, unless one is at work"),
        ("run", "bring the run to its end: wait for its turn, guard a worker"),
        ("work", "what the guard starts"),
        ("cancel", "stop the worker; a later start goes on"),
        ("status", "where the run is"),
    ):
        command = commands.add_parser(name, help=about)
        command.add_argument("--run", type=Path, required=True, help="the run's folder")
        if name in ("start", "run", "work"):
            command.add_argument("--fresh", action="store_true", help="repeat finished stages")
        if name in ("run", "work"):
            command.add_argument("--lock", type=int, default=None, help=argparse.SUPPRESS)
            command.add_argument("--turn", type=int, default=None, help=argparse.SUPPRESS)
            command.add_argument("--resumed", type=int, default=0, help=argparse.SUPPRESS)
            command.add_argument("--memory-deaths", type=int, default=0, help=argparse.SUPPRESS)
    queue = commands.add_parser("queue", help="the run at work, and those that wait")
    queue.add_argument("--root", type=Path, required=True, help="the host's folder")
    queue.add_argument("--first", default="", help="a waiting run that is to be the next one")
    queue.add_argument("--look", action="store_true", help="start nothing again")
    recover = commands.add_parser("recover", help="start again what a restart of the machine ended")
    recover.add_argument("--root", type=Path, required=True, help="the host's folder")
    commands.add_parser("facts", help="versions and device")
    return parser


def _start(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    from tunewright.train.detach import start

    return start(RunFolder(options.run.resolve()), fresh=options.fresh), ExitCode.DONE


def _status(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    from tunewright.train.detach import recover, status

    run = RunFolder(options.run.resolve())
    recover(run.path.parent.parent)  # all of them, so that they keep their order
    return status(run).model_dump(), ExitCode.DONE


def _cancel(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    from tunewright.train.detach import cancel

    return cancel(RunFolder(options.run.resolve())).model_dump(), ExitCode.DONE


def _queue(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    from tunewright.train.detach import recover
    from tunewright.train.queue import Queue, describe_queue

    if not options.look:
        recover(options.root.resolve())
    queue = Queue(options.root.resolve())
    if options.first:
        queue.put_first(options.first)
    return describe_queue(queue), ExitCode.DONE


def _recover(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    from tunewright.train.detach import recover

    return recover(options.root.resolve()), ExitCode.DONE


def _run(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    from tunewright.train.guard import Guard
    from tunewright.train.lock import acquire, adopt

    folder = RunFolder(options.run.resolve())
    folder.read_spec()
    lock = adopt(options.lock) if options.lock is not None else acquire(folder.path)
    if lock is None:
        raise UserError(f"{folder.path.name} has a worker already", "See: ./inv status")
    try:
        guard = Guard(folder, lock, options.resumed, options.memory_deaths)
        status = guard.work(fresh=options.fresh, handed_down=options.lock is not None)
    finally:
        lock.release()
    return status.model_dump(), ExitCode.DONE if status.state == "done" else ExitCode.FAILED


def _work(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    from tunewright.train.lock import adopt

    # Held to the end of this process, whatever becomes of the guard; not by our own children.
    for descriptor in (options.lock, options.turn):
        adopt(descriptor)
    status = work(RunFolder(options.run.resolve()), fresh=options.fresh)
    return status.model_dump(), ExitCode.DONE if status.state == "done" else ExitCode.FAILED


def work(folder: RunFolder, *, fresh: bool) -> Status:
    """Do what is left of a run, and return its final status. A bug keeps its traceback in the log."""
    from tunewright.train.blas import CHOSEN, has_compiler
    from tunewright.train.courtesy import Courtesy
    from tunewright.train.machine import keep_awake
    from tunewright.train.run_events import Cancelled, Journal

    # A crash in native code names its signal in the log; without a word it was killed from outside.
    faulthandler.enable()
    journal = Journal(folder, os.getpid())

    def stop(*_: object) -> None:
        journal.cancelled.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    with journal.alive():
        try:
            keep_awake()
            journal.obey(Courtesy(folder, os.getpgid(0), journal.warning))
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
        return journal.close("done")


def _do_stages(folder: RunFolder, journal: Any, *, fresh: bool) -> None:
    from tunewright.contract.run_manifest import write_run_manifest
    from tunewright.train.base import find_base
    from tunewright.train.stages import Work, run_stages

    if journal.memory_cap is not None:
        import mlx.core as mx

        mx.set_memory_limit(journal.memory_cap)  # it gives its cache back before it goes beyond
    folder.manifest.unlink(missing_ok=True)
    spec = folder.read_spec()
    # Beside the runs: every run on this host shares it.
    base = find_base(spec.recipe.model, folder.path.parent.parent / "bases")
    journal.event("base", base=spec.recipe.model.base, identity=base.identity, **base.record)
    run_stages(Work(folder, spec, base, journal), fresh=fresh)
    write_run_manifest(folder)


def _failed(journal: Any, folder: RunFolder, error: BaseException) -> Status:
    import traceback

    from tunewright.train.deaths import may_pass
    from tunewright.train.failures import explain

    known = explain(error, folder.path)
    if known is not None:
        sys.stderr.write(f"{known.message}\n{known.hint}\n")
        if may_pass(known.kind):
            return journal.leave(known.message, known.hint)
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
