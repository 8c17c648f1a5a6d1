"""Folders for what lies on the disk only while some work goes on. After work that was killed, they go with the next."""

import os
import shutil
import tempfile
from pathlib import Path


def scratch_folder(work: str) -> Path:
    """A new folder below the system's temporary one, for a kind of work (`audit`, `data`).

    Those of the same kind whose processes have ended are removed first. Whoever makes one removes it in the end.
    """
    above = Path(tempfile.gettempdir())
    name = f"tunewright-{work}-"
    for folder in above.glob(f"{name}*-*"):
        owner = folder.name.removeprefix(name).partition("-")[0]
        if owner.isdecimal() and not _lives(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{name}{os.getpid()}-", dir=above))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True  # somebody else's
    return True
