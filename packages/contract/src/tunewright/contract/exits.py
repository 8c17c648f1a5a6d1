"""How a command ends: with its exit code, a mistake in two lines, an interrupt, or a reader that went away."""

import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from tunewright.contract.console import spelled

INTERRUPTED = 130
READER_GONE = 141
# What a disk may say to whoever writes to it: no bug, and nothing that a traceback explains.
_DISK = {
    errno.ENOSPC: "Make room, or name another place; what was there before is unharmed.",
    errno.EDQUOT: "Make room, or name another place; what was there before is unharmed.",
    errno.EROFS: "Name a place that can be written to.",
    errno.EACCES: "Name a place that you may read and write.",
    errno.EPERM: "Name a place that you may read and write.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
}


def ended(work: Callable[[], int | None]) -> int:
    """Do a command's work and return its exit code, which is `work`'s own when it ends by itself.

    A user's mistake is told on standard error without a traceback; bugs keep theirs. An interrupt ends the process.
    """
    try:
        with one_interrupt():
            return work() or 0
    except KeyboardInterrupt:
        # Not by way of the interpreter's end: libraries that were stopped in the middle complain about it at length.
        print("stopped; what was finished is kept", file=sys.stderr, flush=True)
        sys.stdout.flush()
        os._exit(INTERRUPTED)
    except BrokenPipeError:
        return reader_gone()
    except Exception as error:
        from tunewright.contract.errors import UserError

        if isinstance(error, UserError):
            print(f"error: {spelled(str(error))}", file=sys.stderr)
            return int(error.exit_code)
        if isinstance(error, OSError) and error.errno in _DISK and error.filename is not None:
            print(f"error: {error.filename}: {error.strerror}\n  {_DISK[error.errno]}", file=sys.stderr)
            return 2
        raise


@contextmanager
def one_interrupt() -> Generator[None]:
    """Let the first Ctrl-C end the work, and those of the next second not disturb what is cleared away then.

    A launcher may pass on the signal that the terminal has sent already. Who presses once more after that second is done
    with waiting. After an interrupt the handler stays, because the process still has a line to say before it ends: the
    passed-on signal would otherwise raise a second KeyboardInterrupt there, which ends the process with another code.
    """
    first: list[float] = []

    def interrupt(_signal: int, _frame: object) -> None:
        if not first:
            first.append(time.monotonic())
            raise KeyboardInterrupt
        if time.monotonic() - first[0] > 1:
            os._exit(INTERRUPTED)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except Exception as error:
        if first:  # a library that was interrupted may call it by another name
            raise KeyboardInterrupt from error
        raise
    finally:
        if not first:
            signal.signal(signal.SIGINT, before)


def reader_gone() -> int:
    """The exit code when the reader of our output went away (`| head`); no later flush of either stream complains."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(nowhere, stream.fileno())
    return READER_GONE
