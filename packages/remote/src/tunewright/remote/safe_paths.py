"""Names that came from a host, before any of them touches a disk."""

import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from tunewright.contract.errors import HostError

HINT = "The host's files are not what a run makes; nothing was written."
LONGEST = 255  # bytes of one name: what every usual file system takes


def safe_relative(name: str) -> PurePosixPath:
    """`name` as a path that stays inside its folder. Raises HostError otherwise."""
    parts = name.split("/")
    fits = (
        name
        and "\\" not in name
        and name.isprintable()
        and all(part not in ("", ".", "..") and len(part.encode()) <= LONGEST for part in parts)
    )
    if not fits:
        raise HostError(f"the host names a file {name!r}, which does not stay in its folder", HINT)
    return PurePosixPath(name)


def safe_names(names: Iterable[str]) -> dict[str, PurePosixPath]:
    """Check names that will share a folder.

    Raises HostError when one leaves the folder, when two would be one file on a volume that does not tell
    case or Unicode forms apart, or when one is both a file and a folder.
    """
    paths = {name: safe_relative(name) for name in names}
    seen: dict[str, str] = {}
    folders: dict[str, str] = {}
    for name, path in paths.items():
        folded = _fold(name)
        if folded in seen:
            raise HostError(
                f"the host names two files that are one on many volumes: {seen[folded]!r} and {name!r}", HINT
            )
        seen[folded] = name
        for parent in path.parents[:-1]:
            spelled = folders.setdefault(_fold(str(parent)), str(parent))
            if spelled != str(parent):
                raise HostError(
                    f"the host names two folders that are one on many volumes: {spelled!r} and {str(parent)!r}",
                    HINT,
                )
    for folded, parent in folders.items():
        if folded in seen:
            raise HostError(f"the host names {parent!r} as a file and as a folder", HINT)
    return paths


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
