"""What a failure of the machine means to the person in front of it.

The same words are found in an exception's text and in the log of a worker that the driver aborted.
"""

import errno
import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from tunewright.contract.errors import UserError


@dataclass(frozen=True)
class Failure:
    """What happened, and what to do next; `kind` tells what may pass by itself from what may not."""

    message: str
    hint: str
    kind: str = ""


DISK_FULL = Failure("the disk is full", "Free some space on the host, then resume.", "disk")
_KNOWN: tuple[tuple[str, Failure], ...] = (
    # Metal's own names for these are kIOGPUCommandBufferCallbackError….
    (
        r"ErrorOutOfMemory|\[METAL\].*Insufficient Memory|Attempting to allocate .* bytes which is greater than",
        Failure(
            "the GPU ran out of memory",
            "Lower train.batch_size or train.max_seq_length, train fewer layers, or raise the limit: "
            "sudo sysctl iogpu.wired_limit_mb=N. Resume goes on from the last checkpoint.",
            "memory",
        ),
    ),
    (
        r"ErrorImpactingInteractivity|Impacting Interactivity",
        Failure(
            "macOS stopped the GPU work because it made the display stutter",
            "Let the display sleep (or log out of the desktop) while it runs, or lower train.batch_size. "
            "Resume goes on from the last checkpoint.",
            "watchdog",
        ),
    ),
    (
        r"kIOGPUCommandBufferCallbackErrorTimeout|GPU Timeout Error",
        Failure(
            "macOS stopped a GPU kernel that ran too long",
            "Lower train.batch_size or train.max_seq_length. Resume goes on from the last checkpoint.",
            "watchdog",
        ),
    ),
    (
        r"No space left on device|Disk quota exceeded|File too large|\[write\] Unable to write",
        DISK_FULL,
    ),
    (
        r"\[ring\]",
        Failure(
            "another training process of this run is gone",
            "The machine may be short of memory. Resume goes on from the last checkpoint.",
            "peer",
        ),
    ),
    (
        r"MemoryError|Cannot allocate memory|std::bad_alloc|malloc_or_wait|Unable to allocate",
        Failure(
            "the machine ran out of memory",
            "Lower train.batch_size or train.max_seq_length, or close other programs, then resume.",
            "memory",
        ),
    ),
)
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def recognise(text: str) -> Failure | None:
    """The known failure whose words are in `text` (an exception's, or the end of a log), if any."""
    return next((failure for pattern, failure in _KNOWN if re.search(pattern, text)), None)


def failure_named(message: str) -> Failure | None:
    """The known failure that a status tells by this message, if any."""
    return next((failure for _, failure in _KNOWN if failure.message == message), None)


def explain(error: BaseException, folder: Path | None = None) -> Failure | None:
    """What to tell the user about `error`, met while writing below `folder`.

    None when it is a bug of ours, which keeps its traceback.
    """
    if isinstance(error, UserError):
        return Failure(error.message, error.hint)
    if isinstance(error, OSError) and error.errno in _DISK:
        return _full(folder)
    if isinstance(error, MemoryError):
        return recognise("MemoryError")
    if isinstance(error, EOFError) and "marshal data" in str(error):
        # Python 3.11 keeps bytecode that it could not write whole, and every later import of that module fails.
        return Failure(
            f"a module's bytecode in {sys.prefix} is damaged, as after a full disk",
            f"Remove all of it, Python makes it again: find {shlex.quote(sys.prefix)} -name __pycache__ -prune "
            "-exec rm -r {} +   Then resume.",
        )
    found = recognise(str(error)) if isinstance(error, RuntimeError | OSError) else None
    return _full(folder) if found is DISK_FULL else found


def _full(folder: Path | None) -> Failure:
    if folder is None:
        return DISK_FULL
    free = shutil.disk_usage(folder).free / 2**20
    return Failure(f"the disk is full: {free:,.1f} MiB free in {folder}", DISK_FULL.hint)
