"""Workers that outlive whoever starts them: started, asked after, and stopped."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import Any

from tunewright.contract.manifest import now
from tunewright.contract.run import RunFolder, State, Status
from tunewright.train.failures import recognise
from tunewright.train.lock import Owner, acquire, is_held, read_owner
from tunewright.train.machine import boot_id, memory_kills, worker_environment
from tunewright.train.queue import FROZEN, place_of, queue_of
from tunewright.train.run_events import Journal, record_death, write_status

PATIENCE = 10.0  # seconds a worker gets to write its checkpoint before it is killed
TAIL = 20_000  # bytes of the log that are searched for a cause
RUNNING = ("queued", "running")


def start(run: RunFolder, *, fresh: bool = False) -> dict[str, Any]:
    """Start a detached worker, or say that there is one; returns `{"pid", "state", "place", "message", …}`.

    The lock is taken here and handed down, so that of two people who start at once only one does. The worker
    has a session of its own and no terminal; when this process ends it belongs to init, and nothing that
    happens to the connection reaches it. It waits until no other run is at work on the host. Raises UserError when
    the folder is not a run.
    """
    run.read_spec()
    lock = acquire(run.path)
    if lock is None:
        owner = read_owner(run.path)
        return status(run).model_dump() | {"pid": owner.pid if owner else 0}
    try:
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
            log.write(f"--- worker started {now()}\n".encode())
            log.flush()
            command = [sys.executable, "-P", "-m", "tunewright.train.worker", "run", "--run", str(run.path)]
            command += ["--lock", str(lock.descriptor), *(["--fresh"] if fresh else [])]
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=worker_environment(dict(os.environ)),
                pass_fds=(lock.descriptor,),
                start_new_session=True,
            )
        lock.write_owner(process.pid, leader=True, log_offset=offset)
    finally:
        lock.release()
    return queued.model_dump() | {"pid": process.pid}


def status(run: RunFolder) -> Status:
    """Where the run is. A run that says it is at work while nobody holds its lock is `lost`, with the reason.

    The reason is written down when it is found, because the machine forgets: a restart, a second death in the log.
    """
    found = _last_word(run)
    if found is None:
        run.read_spec()
        return Status(state="queued", message="no worker was started yet", hint="Start one.")
    if found.state not in RUNNING:
        return found
    if is_held(run.path):
        return _frozen(found) or found
    # It may have ended between the two looks.
    found = _last_word(run) or found
    if found.state not in RUNNING:
        return found
    message, hint = _cause(run, read_owner(run.path))
    lost = found.model_copy(
        update={"state": "lost", "message": message, "hint": hint, "stalled": False, "pid": 0}
    )
    return _write_down(run, lost)


def _last_word(run: RunFolder) -> Status | None:
    """What the run's files say: its status, or its events where that is torn or gone. None: never started."""
    found = run.read_status()
    if found is not None:
        return found
    try:
        events = run.read_events()
    except ValueError:
        events = []
    if not (events or run.status.exists() or read_owner(run.path)):
        return None
    last = events[-1] if events else None
    states: dict[str, State] = {"done": "done", "cancelled": "cancelled", "error": "failed", "lost": "lost"}
    return Status(
        state=states.get(last.kind, "running") if last else "running",
        stage=last.stage if last else "",
        message=str(last.data.get("message", "")) if last else "",
        hint=str(last.data.get("hint", "")) if last else "",
    )


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


def _cause(run: RunFolder, owner: Owner | None) -> tuple[str, str]:
    """Why a worker is gone, as far as can be told from the log, the boot and the kernel's counters."""
    resume = "Resume goes on from the last checkpoint."
    if owner is None:
        return "the worker never started", "See worker.log, then start it again."
    if owner.boot != boot_id():
        return "the host was restarted while the worker ran", resume
    known = recognise(_log_since(run, owner))
    if known is not None:
        return known.message, known.hint
    if memory_kills() > owner.memory_kills:
        return (
            "the worker is gone, and the kernel has killed a process for lack of memory since it started",
            f"Lower train.batch_size or train.max_seq_length, or close other programs. {resume}",
        )
    log = _log_since(run, owner).strip()
    crash = re.search(r"^(Fatal Python error: .+|libc\+\+abi: .+|terminate called .+)$", log, re.MULTILINE)
    if crash:
        return f"the worker crashed: {crash[0][:200]}", f"worker.log says where. {resume}"
    last = log.splitlines()
    said = f"; the last line of its log: {last[-1][:200]}" if len(last) > 1 else ""
    return f"the worker was killed, without a reason in its log{said}", resume


def _log_since(run: RunFolder, owner: Owner) -> str:
    try:
        with run.log.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(owner.log_offset, end - TAIL))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    # The other process of a training says so when the worker is gone: that is not the cause.
    return "".join(line for line in text.splitlines(keepends=True) if "[ring]" not in line)


def cancel(run: RunFolder, patience: float = PATIENCE) -> Status:
    """Stop the worker: ask it, wait while it saves a checkpoint, and kill its process group if need be.

    Returns the final status; a run that is over stays as it is. The worker is known by the lock it holds and
    by the boot it was started in, so that a process that merely has its number is never touched.
    """
    owner = read_owner(run.path)
    if is_held(run.path) and owner is not None and owner.boot == boot_id():
        _stop(run, owner, patience)
    found = status(run)
    if found.state not in (*RUNNING, "lost"):
        return found
    lock = acquire(run.path)
    if lock is None:
        return found
    try:
        journal = Journal(run, 0)
        return journal.close("cancelled")
    finally:
        lock.release()


def _stop(run: RunFolder, owner: Owner, patience: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(owner.pid, signal.SIGTERM)
    if _released(run, patience):
        return
    with contextlib.suppress(ProcessLookupError):
        if owner.leader and os.getpgid(owner.pid) == owner.pid:
            os.killpg(owner.pid, signal.SIGKILL)
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
