"""Why a worker is gone, and whether its run may go on by itself."""

import os
import re
from dataclasses import dataclass

from tunewright.contract.errors import UserError
from tunewright.contract.run import FINAL_STATES, RunFolder, State, Status
from tunewright.train.failures import failure_named, recognise
from tunewright.train.host_config import read_config
from tunewright.train.lock import Owner, read_owner
from tunewright.train.machine import boot_id, memory_kills

TAIL = 20_000  # bytes of the log that are searched for a cause
# What may be over the next time: the machine, not the run, was the reason. Once also a lack of memory.
PASSING = frozenset({"killed", "crashed", "restarted", "watchdog", "peer"})


# The events that end a run, and the state that it is in afterwards.
_ENDS: dict[str, State] = {"done": "done", "cancelled": "cancelled", "error": "failed", "lost": "lost"}


@dataclass(frozen=True)
class Death:
    """What happened to a worker, and what to do next. `kind` is one of PASSING, `memory`, or whatever else it was; `told`:
    the worker said it itself before it ended."""

    message: str
    hint: str
    kind: str
    told: bool = False


def cause_of_death(run: RunFolder, owner: Owner | None) -> Death:
    """Why a worker that wrote no last status is gone, as far as log, boot and the kernel's counters tell."""
    resume = "Resume goes on from the last checkpoint."
    status = run.read_status()
    if status is not None and (named := failure_named(status.message)) is not None:
        return Death(named.message, named.hint, named.kind, told=True)
    if owner is None:
        return Death("the worker never started", "See worker.log, then start it again.", "never started")
    if owner.boot != boot_id():
        return Death("the host was restarted while the worker ran", resume, "restarted")
    log = _log_since(run, owner)
    known = recognise(log)
    if known is not None:
        return Death(known.message, known.hint, known.kind)
    if memory_kills() > owner.memory_kills:
        return Death(
            "the worker is gone, and the kernel has killed a process for lack of memory since it started",
            f"Lower train.batch_size or train.max_seq_length, or close other programs. {resume}",
            "memory",
        )
    crash = re.search(
        r"^(Fatal Python error: .+|libc\+\+abi: .+|terminate called .+)$", log.strip(), re.MULTILINE
    )
    if crash:
        return Death(f"the worker crashed: {crash[0][:200]}", f"worker.log says where. {resume}", "crashed")
    last = log.strip().splitlines()
    said = f"; the last line of its log: {last[-1][:200]}" if len(last) > 1 else ""
    return Death(f"the worker was killed, without a reason in its log{said}", resume, "killed")


def may_pass(kind: str) -> bool:
    """Whether a run that ended by this may be tried again at all."""
    return kind in PASSING or kind == "memory"


def may_go_on(death: Death, resumed: int, memory_deaths: int, limit: int) -> bool:
    """Whether the run is started again by itself: what may pass, so many times; a lack of memory once."""
    if resumed >= limit or not may_pass(death.kind):
        return False
    return death.kind != "memory" or memory_deaths == 0


def last_status(found: Status, death: Death, resumed: int) -> Status:
    """The status of a run whose worker is gone for good."""
    times = f"; it had gone on by itself {resumed} time{'s' if resumed > 1 else ''}" if resumed else ""
    return found.model_copy(
        update={
            "state": "failed" if death.told else "lost",
            "message": death.message + times,
            "hint": death.hint,
            "stalled": False,
            "paused": False,
            "pid": 0,
            "place": 0,
        }
    )


def last_word(run: RunFolder) -> Status | None:
    """What the run's files say: its status, or its events where that is torn or gone, or where they go on to an end that the
    status had no room for on a full disk. None: never started."""
    found = run.read_status()
    if found is not None and found.state in FINAL_STATES:
        return found
    try:
        events = run.read_events()
    except ValueError:
        events = []
    last = events[-1] if events else None
    if found is not None and (last is None or last.kind not in _ENDS or found.heartbeat > last.time):
        return found
    if not (events or run.status.exists() or read_owner(run.path)):
        return None
    said = {
        "state": _ENDS.get(last.kind, "running") if last else "running",
        "stage": last.stage if last else "",
        "message": str(last.data.get("message", "")) if last else "",
        "hint": str(last.data.get("hint", "")) if last else "",
    }
    still = {"pid": 0, "place": 0, "stalled": False, "paused": False}
    return (found or Status(state="running")).model_copy(update={**said, **still})


def resumes_of(run: RunFolder) -> int:
    """How often the host's owner lets the run go on by itself; never while that cannot be read."""
    try:
        return read_config(run.path.parent.parent).resumes
    except UserError:
        return 0


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
