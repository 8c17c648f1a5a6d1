"""What the owner of a host asks of the runs on it: to pause now, or in the hours that `host.toml` names, and to hold no
more memory than it allows."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from tunewright.contract.atomic import write_json
from tunewright.contract.errors import UserError
from tunewright.contract.run import RunFolder
from tunewright.train.host_config import parse_hours, read_config

PAUSED = "paused.json"  # in the host's folder, while its owner wants the runs to pause
LOOK = 0.5  # seconds between two looks whether to pause
RESTING = 0.2  # seconds between two looks whether to go on


def pause(root: Path, at: datetime) -> None:
    """Let the runs of the host's folder pause until `go_on`. Raises OSError."""
    if not (root / PAUSED).exists():
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_json(root / PAUSED, {"since": at.isoformat(timespec="seconds")})


def go_on(root: Path) -> bool:
    """Take a pause back; whether there was one. Raises OSError."""
    try:
        (root / PAUSED).unlink()
    except FileNotFoundError:
        return False
    return True


def why_paused(root: Path, at: datetime) -> str:
    """Why runs pause at that local time; empty when they go on. A `host.toml` that cannot be read names no hours."""
    path = root / PAUSED
    if path.exists():
        try:
            since = datetime.fromisoformat(json.loads(path.read_bytes())["since"])
            return f"paused at the machine since {since:%d %B %H:%M}"
        except (OSError, ValueError, KeyError, TypeError):
            return "paused at the machine"
    try:
        hours = read_config(root).quiet
    except UserError:
        return ""
    for text in hours:
        begin, end = parse_hours(text)
        inside = begin <= at.time() < end if begin <= end else not end <= at.time() < begin
        if inside:
            return f"quiet hours until {end:%H:%M}"
    return ""


def paused_now(run: RunFolder) -> str:
    """Why the runs of the host that this run is on pause now; empty when they go on."""
    return why_paused(run.path.parent.parent, datetime.now())


class Rest:
    """Pauses a process that works for a run but keeps no journal, between two of its steps: call it at each."""

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._looked = time.monotonic()

    def __call__(self, *_: object) -> None:
        if time.monotonic() - self._looked < LOOK:
            return
        while paused_now(self._run):
            time.sleep(RESTING)
        self._looked = time.monotonic()


class Courtesy:
    """What the owner asks of the run at work, and what of it the run holds. `group` is its process group."""

    def __init__(self, run: RunFolder, group: int, warn: Callable[[str, str], None]) -> None:
        self._run = run
        self._group = group
        self.memory_cap: int | None = None  # bytes
        try:
            most = read_config(run.path.parent.parent).memory_gb
        except UserError as error:
            warn(f"the owner's wishes are not known: {error.message}", error.hint)
        else:
            self.memory_cap = int(most * 1e9) if most is not None else None

    def why_paused(self) -> str:
        return paused_now(self._run)

    def wait(self) -> None:
        """Until it is time to look again."""
        time.sleep(RESTING)

    def held(self) -> int:
        """Bytes of memory that the run holds. On a Mac what the GPU uses is not in a process's resident set."""
        mlx: Any = sys.modules.get("mlx.core")
        own = int(mlx.get_active_memory() + mlx.get_cache_memory()) if mlx else 0
        return max(own, held_by_group(self._group))


def held_by_group(group: int) -> int:
    """Resident bytes of the processes of a group, what they share counted for each; 0 where `ps` does not tell."""
    return sum(process.held for process in processes() if process.group == group)


class Process:
    """A process of this machine: its id, its group, resident bytes and command line."""

    def __init__(self, pid: int, group: int, held: int, command: str) -> None:
        self.pid, self.group, self.held, self.command = pid, group, held, command


def processes() -> list[Process]:
    """All processes of this machine that `ps` shows us."""
    program = shutil.which("ps") or shutil.which("ps", path="/bin:/usr/bin")
    if program is None:
        return []
    columns = [word for name in ("pid", "pgid", "rss", "command") for word in ("-o", f"{name}=")]
    done = subprocess.run(
        [program, "-A", "-ww", *columns], capture_output=True, text=True, errors="replace", check=False
    )
    rows = [line.split(None, 3) for line in done.stdout.splitlines()]
    return [
        Process(int(row[0]), int(row[1]), int(row[2]) * 1024, row[3])
        for row in rows
        if len(row) == 4 and all(word.isdigit() for word in row[:3])
    ]
