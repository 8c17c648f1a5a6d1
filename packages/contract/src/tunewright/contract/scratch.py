"""Folders for what lies on the disk only while some work goes on. After work that was killed, they go with the next."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch_folder(work: str) -> Generator[Path]:
    """A new folder below the system's temporary one, for a kind of work (`audit`, `data`), removed at the end.

    Those of the same kind whose processes have ended are removed first.
    """
    above = Path(tempfile.gettempdir())
    name = f"tunewright-{work}-"
    for folder in above.glob(f"{name}*-*"):
        owner = folder.name.removeprefix(name).partition("-")[0]
        if owner.isdecimal() and not _lives(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
    # Its name is known before it is made: a Ctrl-C at any moment after that removes it.
    folder = above / f"{name}{os.getpid()}-{secrets.token_hex(8)}"
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True  # somebody else's
    return True
