"""Workers that outlive whoever starts them: started, asked after, and stopped."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tunewright.contract.errors import UserError
from tunewright.contract.manifest import now
from tunewright.contract.run import RunFolder, Status
from tunewright.train.deaths import (
    Death,
    cause_of_death,
    last_status,
    last_word,
    may_go_on,
    resumes_of,
)
from tunewright.train.lock import Owner, acquire, is_held, read_owner
from tunewright.train.machine import boot_id
from tunewright.train.queue import FROZEN, Queue, place_of, queue_of
from tunewright.train.run_events import Journal, record_death, record_resumption, write_status

PATIENCE = 10.0  # seconds a worker gets to write its checkpoint before it is killed
RUNNING = ("queued", "running")


def start(run: RunFolder, *, fresh: bool = False, after: Death | None = None) -> dict[str, Any]:
    """Start a detached worker, or say that there is one; returns `{"pid", "state", "place", "message", …}`.

    The lock is taken here and handed down, so that of two people who start at once only one does. The worker
    has a session of its own and no terminal; when this process ends it belongs to init, and nothing that
    happens to the connection reaches it. It waits until no other run is at work on the host. `after` is the death that
    the run goes on after by itself, as the events then say. Raises UserError when the folder is not a run.
    """
    run.read_spec()
    lock = acquire(run.path)
    if lock is None:
        owner = read_owner(run.path)
        return status(run).model_dump() | {"pid": owner.pid if owner else 0}
    try:
        if after is not None and (found := last_word(run)) is not None and found.state not in RUNNING:
            return found.model_dump()  # somebody ended it meanwhile
        resumed, memory_deaths = _count(run, after)
        queue = queue_of(run)
        # Here, so that the order is that of the starts and not of which process was faster.
        queue.join(run.path.name)
        place, message, hint = place_of(queue, run.path.name)
        queued = Status(
            state="queued", boot=boot_id(), heartbeat=now(), place=place, message=message, hint=hint
        )
        write_status(run, queued)
        with run.log.open("ab") as log:
            offset = log.tell()
            log.write(f"--- started {now()}\n".encode())
            log.flush()
            command = [_python_of(run), "-P", "-m", "tunewright.train.worker", "run", "--run", str(run.path)]
            command += ["--lock", str(lock.descriptor), *(["--fresh"] if fresh else [])]
            command += ["--resumed", str(resumed), "--memory-deaths", str(memory_deaths)]
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                pass_fds=(lock.descriptor,),
                start_new_session=True,
            )
        lock.write_owner(
            process.pid,
            leader=True,
            log_offset=offset,
            resumed=resumed,
            memory_deaths=memory_deaths,
        )
    finally:
        lock.release()
    return queued.model_dump() | {"pid": process.pid}


def _count(run: RunFolder, after: Death | None) -> tuple[int, int]:
    """How often the run has gone on by itself, this time included, and for lack of memory; the rest is recorded."""
    owner = read_owner(run.path)
    if after is None or owner is None:
        return 0, 0
    resumed, memory_deaths = owner.resumed + 1, owner.memory_deaths + (after.kind == "memory")
    found = last_word(run) or Status(state="running")
    record_resumption(run, found, after, resumed, resumes_of(run), 0)
    return resumed, memory_deaths


def _python_of(run: RunFolder) -> str:
    """The Python of the run's own environment: who starts it may be of a newer one."""
    own = run.path.parent.parent / "envs" / run.read_spec().environment / "venv" / "bin" / "python"
    return str(own) if own.is_file() else sys.executable


def status(run: RunFolder, *, resume: bool = False) -> Status:
    """Where the run is. A run that says it is at work while nobody holds its lock is `lost`, with the reason.

    The reason is written down when it is found, because the machine forgets: a restart, a second death in the log. With
    `resume`, a run that may go on by itself is started again instead.
    """
    found = last_word(run)
    if found is None:
        run.read_spec()
        return Status(state="queued", message="no worker was started yet", hint="Start one.")
    if found.state not in RUNNING:
        return found
    if is_held(run.path):
        return _frozen(found) or found
    # It may have ended between the two looks.
    found = last_word(run) or found
    if found.state not in RUNNING:
        return found
    owner = read_owner(run.path)
    death = cause_of_death(run, owner)
    resumed, memory_deaths = (owner.resumed, owner.memory_deaths) if owner else (0, 0)
    if resume and may_go_on(death, resumed, memory_deaths, resumes_of(run)):
        return Status.model_validate(start(run, after=death))
    return _write_down(run, last_status(found, death, resumed))


def recover(root: Path) -> dict[str, Any]:
    """Start again every run in the host's folder `root` that died and may go on, in the order in which they had their turns.

    Returns `{"resumed": [ids], "lost": [ids]}`.
    """
    answer: dict[str, Any] = {"resumed": [], "lost": []}
    names = [path.parent.name for path in sorted((root / "runs").glob("*/spec.json"))]
    order = Queue(root).recorded()
    for name in sorted(names, key=lambda name: order.index(name) if name in order else len(order)):
        run = RunFolder(root / "runs" / name)
        found = last_word(run)
        if found is None or found.state not in RUNNING or is_held(run.path):
            continue
        with contextlib.suppress(UserError, OSError):
            outcome = "lost" if status(run, resume=True).state == "lost" else "resumed"
            answer[outcome].append(name)
    return answer


def _frozen(found: Status) -> Status | None:
    """The status of a process that lives and does not even keep its heartbeat; None for one that does."""
    try:
        quiet = (datetime.now(UTC) - datetime.fromisoformat(found.heartbeat)).total_seconds()
    except (ValueError, TypeError):
        return None
    if quiet < FROZEN:
        return None
    message = f"stalled: the worker's process is there and has given no sign of life for {quiet:.0f} s"
    hint = "It was stopped (SIGSTOP), or the machine has no time or memory for it. `cancel` ends it."
    return found.model_copy(update={"stalled": True, "message": message, "hint": hint})


def _write_down(run: RunFolder, lost: Status) -> Status:
    """Record a death, unless the run is somebody else's or is being started at this moment."""
    try:
        lock = acquire(run.path)
    except OSError:
        return lost
    if lock is not None:
        try:
            record_death(run, lost)
        finally:
            lock.release()
    return lost


def cancel(run: RunFolder, patience: float = PATIENCE) -> Status:
    """Stop the worker: ask it, wait while it saves a checkpoint, and kill its process group if need be.

    Returns the final status; a run that is over stays as it is. The worker is known by the lock it holds and
    by the boot it was started in, so that a process that merely has its number is never touched.
    """
    until = time.monotonic() + patience
    while True:
        owner = read_owner(run.path)
        stranger = owner is not None and owner.boot != boot_id()
        if owner is not None and not stranger and is_held(run.path):
            _stop(run, owner, patience)
        found = status(run)
        if found.state not in (*RUNNING, "lost"):
            return found
        if (lock := acquire(run.path)) is not None:
            break
        if stranger or time.monotonic() >= until:
            return found
        time.sleep(
            0.05
        )  # it has just taken the lock and writes down who it is, or the guard started another one
    try:
        journal = Journal(run, 0)
        return journal.close("cancelled")
    finally:
        lock.release()


def _stop(run: RunFolder, owner: Owner, patience: float) -> None:
    until = time.monotonic() + patience
    asked = 0
    while is_held(run.path) and time.monotonic() < until:
        # The guard may have started another worker meanwhile.
        owner = read_owner(run.path) or owner
        if owner.pid != asked:
            with contextlib.suppress(ProcessLookupError):
                os.kill(owner.pid, signal.SIGTERM)
            asked = owner.pid
        time.sleep(0.05)
    if not is_held(run.path):
        return
    with contextlib.suppress(ProcessLookupError):
        group = os.getpgid(owner.pid)
        if owner.leader and group != os.getpgid(0):
            os.killpg(group, signal.SIGKILL)
        else:
            os.kill(owner.pid, signal.SIGKILL)
    _released(run, patience)


def _released(run: RunFolder, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not is_held(run.path):
            return True
        time.sleep(0.05)
    return not is_held(run.path)
