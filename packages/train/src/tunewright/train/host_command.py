"""`tunewright-host`: what runs on this machine, for its owner, at the machine itself.

tunewright-host status    what is at work, what waits, how long, and how much memory it holds
tunewright-host pause     let the runs pause within a step; they keep their memory
tunewright-host resume    let them go on
tunewright-host stop      end them all; each saves a checkpoint first and may be resumed from its laptop
"""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from tunewright.contract.errors import UserError
from tunewright.contract.run import RunFolder
from tunewright.contract.visible import one_line
from tunewright.train.courtesy import go_on, pause, processes, why_paused
from tunewright.train.detach import cancel
from tunewright.train.host_config import FILE, read_config
from tunewright.train.lock import is_held, read_owner
from tunewright.train.queue import Queue, describe_queue

_OURS = re.compile(r" -m (tunewright\.train\.[a-z_.]+)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="tunewright-host",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=list(_COMMANDS))
    parser.add_argument("--root", type=Path, default=own_root(), help="the folder with `runs` and `envs`")
    options = parser.parse_args(arguments)
    root: Path = options.root.resolve()
    try:
        _COMMANDS[options.command](root)
        sys.stdout.write(status_text(root) + "\n")
    except UserError as error:
        sys.stderr.write(f"error: {error.message}\n  {error.hint}\n")
        return int(error.exit_code)
    except OSError as error:
        sys.stderr.write(f"error: {error.filename or root}: {error.strerror or error}\n")
        return 2
    return 0


def own_root() -> Path:
    """The host's folder that this environment is in: `ROOT/envs/HASH/venv`; else `~/tunewright`."""
    venv = Path(sys.prefix)
    if len(venv.parents) > 2 and venv.parents[1].name == "envs":
        return venv.parents[2]
    return Path.home() / "tunewright"


def status_text(root: Path) -> str:
    """What is at work, what waits, whatever else of ours runs, and what the owner has asked for. Raises UserError."""
    found = describe_queue(Queue(root))
    alive = processes()
    lines: list[str] = []
    queued: set[int] = set()  # process groups of what the queue knows

    def group_of(run: str) -> int:
        owner = read_owner(root / "runs" / run) if run else None
        found = next((process.group for process in alive if owner and process.pid == owner.pid), 0)
        queued.add(found)
        return found

    if row := found["at_work"]:
        where = f" in {row['stage']}" if row["stage"] else ""
        where += f", step {row['step']} of {row['steps']}" if row["steps"] else ""
        lines.append(f"at work   {row['run']}{where}; {_left(row['left'])}")
        group = group_of(row["run"])
        held = sum(process.held for process in alive if process.group == group)
        lines.append(f"memory    {held / 1e9:.1f} GB held by it")
    else:
        lines.append("at work   nothing")
    for row in found["waiting"]:
        lines.append(f"waiting   {row['run']}; {row['left']}")
        group_of(row["run"])
    for process in alive:
        ours = _OURS.search(process.command)
        if (
            ours
            and process.group not in queued
            and process.pid != os.getpid()
            and str(root) in process.command
        ):
            what = f"{ours[1]}, process {process.pid}, {process.held / 1e9:.1f} GB"
            lines.append(f"also      {one_line(what)}")
    if why := why_paused(root, datetime.now()):
        lines.append(f"paused    {why}; no run goes on or starts")
    config = read_config(root)
    lines.append(f"quiet     {', '.join(config.quiet) or 'no hours'} ({root / FILE})")
    if config.memory_gb is not None:
        lines.append(f"cap       {config.memory_gb:g} GB of memory for the run at work")
    return "\n".join(lines)


def _left(text: str) -> str:
    return text if text.endswith("not known") else f"{text} left"


def _stop(root: Path) -> None:
    queue = Queue(root)
    at_work = queue.at_work()
    # Those that wait first: none of them is to begin when the run at work has ended.
    for name in [*reversed(queue.waiting()), *([at_work] if at_work else [])]:
        state = cancel(RunFolder(root / "runs" / name)).state
        alive = ", and still alive" if is_held(root / "runs" / name) else ""
        sys.stdout.write(f"{name}: {state}{alive}\n")


_COMMANDS: dict[str, Callable[[Path], object]] = {
    "status": lambda _: None,
    "pause": lambda root: pause(root, datetime.now()),
    "resume": go_on,
    "stop": _stop,
}


if __name__ == "__main__":
    sys.exit(main())
