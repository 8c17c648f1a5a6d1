"""One worker for one run: a lock on the run's folder that its worker holds for life.

The lock is `flock` on an open file, which the kernel drops when the last holder dies, however it dies. Another account
cannot open the file, and so cannot hold it. Who holds it is written in the file: pid, boot and when.
"""

import contextlib
import errno
import fcntl
import os
import stat
import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from tunewright.contract.manifest import now
from tunewright.train.machine import boot_id, memory_kills

LOCK = "worker.lock"
GLANCES = 5  # tries to take a lock: whoever asks whether it is held holds it for a moment


class Owner(BaseModel):
    """The worker that holds, or last held, the lock."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    pid: int
    boot: str
    started: str  # ISO time, UTC
    leader: bool  # its process group is the run's own, and may be killed as a whole
    memory_kills: int = 0  # of this machine, when the worker started
    log_offset: int = 0  # where this worker's part of worker.log begins, bytes
    resumed: int = 0  # times that the run went on by itself since somebody started it
    memory_deaths: int = 0  # of those, for lack of memory


class Lock:
    """A held lock. Closing it, or the death of every process that has it open, releases it."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def write_owner(
        self, pid: int, *, leader: bool, log_offset: int, resumed: int = 0, memory_deaths: int = 0
    ) -> Owner:
        """Record who works on the run from now on."""
        owner = Owner(
            pid=pid,
            boot=boot_id(),
            started=now(),
            leader=leader,
            memory_kills=memory_kills(),
            log_offset=log_offset,
            resumed=resumed,
            memory_deaths=memory_deaths,
        )
        # In place: a rename would leave the lock on a file that has no name any more.
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, owner.model_dump_json().encode(), 0)
        return owner

    def release(self) -> None:
        os.close(self.descriptor)


def acquire(run: Path) -> Lock | None:
    """Take the run's lock; None when another process has it. Raises OSError."""
    descriptor = take(run / LOCK)
    return None if descriptor is None else Lock(descriptor)


def take(path: Path, tries: int = GLANCES) -> int | None:
    """An open descriptor that holds the lock of that file, made when missing; None when another process has it.

    Raises OSError, also for a file of another account.
    """
    descriptor = open_private(path)
    try:
        for left in reversed(range(tries)):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return descriptor
            if left:
                time.sleep(0.02)
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def open_private(path: Path) -> int:
    """A descriptor of a lock's file, made when missing, that no other account can open. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        os.close(descriptor)
        raise PermissionError(errno.EPERM, "not a file of this account", str(path))
    if stat.S_IMODE(found.st_mode) & 0o077:  # of an earlier version
        os.fchmod(descriptor, 0o600)
    return descriptor


def adopt(descriptor: int) -> Lock:
    """The lock that the starting process took and handed down, kept from our own children."""
    os.set_inheritable(descriptor, False)
    return Lock(descriptor)


def is_held(run: Path) -> bool:
    """Whether a worker is alive on this run. Creates nothing."""
    return is_locked(run / LOCK)


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of that file. Creates nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two people who ask at the same time do not see each other.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def read_owner(run: Path) -> Owner | None:
    """Who holds or last held the lock; None when nobody wrote it down (yet)."""
    with contextlib.suppress(OSError, ValidationError):
        return Owner.model_validate_json((run / LOCK).read_bytes())
    return None
