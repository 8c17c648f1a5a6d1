"""What a program has written into a copy of the repository: there for its later calls, gone when it ends."""

import shutil
from pathlib import Path


class Written:
    """Files written below `root`. True while there are any."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._before: dict[Path, bytes | None] = {}  # None: there was no such file
        self._folders: list[Path] = []  # the uppermost ones that were made

    def __bool__(self) -> bool:
        return bool(self._before)

    def write(self, path: Path, text: str) -> int | None:
        """Write a file below the root; its size in bytes, or None where no file of that name can be."""
        if path == self._root or path.is_dir() or any(above.is_file() for above in path.parents):
            return None
        if path not in self._before:
            self._before[path] = path.read_bytes() if path.is_file() else None
        missing = [above for above in path.parents if not above.exists()]
        self._folders += missing[-1:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        return path.stat().st_size

    def put_back(self) -> None:
        """Make everything as it was before the first write."""
        for path, data in self._before.items():
            if data is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(data)
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)
        self._before.clear()
        self._folders.clear()
