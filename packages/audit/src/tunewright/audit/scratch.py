"""The folder into which an audit spills. It goes with the audit; after one that was killed, with the next."""

import os
import shutil
import tempfile
from pathlib import Path

_NAME = "tunewright-audit-"


def scratch_folder() -> Path:
    """A new folder below the system's temporary one. Those whose audits are no more are removed first."""
    above = Path(tempfile.gettempdir())
    for folder in above.glob(f"{_NAME}*-*"):
        owner = folder.name.removeprefix(_NAME).partition("-")[0]
        if owner.isdecimal() and not _lives(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{_NAME}{os.getpid()}-", dir=above))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True  # somebody else's
    return True
