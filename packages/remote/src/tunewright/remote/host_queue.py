"""A host's queue as the laptop sees it: the run at work, those that wait, and which of them is the next."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from tunewright.contract.errors import HostError, UserError
from tunewright.contract.run_times import ordinal
from tunewright.contract.visible import one_line
from tunewright.remote.environment import installed_environment
from tunewright.remote.host import Host
from tunewright.remote.run_list import list_runs
from tunewright.remote.worker_client import RECORD, HostRecord, ask, check_id


class QueuedRun(BaseModel):
    """A run at work or waiting; of whatever laptop it came from."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    run: str
    recipe: str = ""
    stage: str = ""
    step: int = 0
    steps: int = 0
    stalled: bool = False
    paused: bool = False
    left: str = ""  # `about 90 minutes`: until it ends, or until its turn


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    at_work: QueuedRun | None
    waiting: tuple[QueuedRun, ...]
    paused: str = ""


@dataclass(frozen=True)
class HostQueue:
    """The run at work, and those that wait, the next one first."""

    host: str
    at_work: QueuedRun | None
    waiting: tuple[QueuedRun, ...]
    paused: str = ""  # why the host's owner lets no run go on or start

    def find(self, name: str) -> str:
        """The waiting run of that id, or of a unique beginning or end of it. Raises UserError."""
        ids = [row.run for row in self.waiting]
        found = [id_ for id_ in ids if id_ == name] or [
            id_ for id_ in ids if id_.startswith(name) or id_.endswith(name)
        ]
        if len(found) != 1:
            what = f"{name!r} fits {len(found)} runs that wait" if found else f"no run {name!r} waits"
            waiting = f"Waiting are: {', '.join(ids)}" if ids else "Nothing waits there."
            raise UserError(f"{what} on {self.host}", waiting)
        return found[0]

    def __str__(self) -> str:
        paused = [f"  paused   {self.paused}; no run goes on or starts"] if self.paused else []
        if self.at_work is None and not self.waiting:
            return "\n".join([f"{self.host}: no run is at work, and none waits", *paused])
        lines = [self.host, *paused]
        if row := self.at_work:
            where = f" in {row.stage}" if row.stage else ""
            where += f", step {row.step} of {row.steps}" if row.steps else ""
            still = ", paused" if row.paused else ", stalled" if row.stalled else ""
            lines.append(f"  at work  {row.run}{where}{still}; {_left(row.left, 'left')}")
        for place, row in enumerate(self.waiting, 1):
            lines.append(f"  {ordinal(place):<7}  {row.run}; {_left(row.left, 'until its turn')}")
        return "\n".join(lines)


def _left(text: str, what: str) -> str:
    return text if text.endswith("not known") else f"{text} {what}"


def read_queue(host: Host, python: str, first: str = "", *, look: bool = False) -> HostQueue:
    """The host's queue; with `first`, that waiting run is made the next one. With `look`, runs that died stay so.

    Raises HostError.
    """
    arguments = ["queue", "--root", str(host.root), *(["--first", check_id(first)] if first else [])]
    arguments += ["--look"] if look else []
    answer: Any = ask(
        host,
        python,
        arguments,
        gone=f"{python} is gone",
        otherwise=f"The environment there may be of another version: ./inv host.setup --host {host.name}",
    )
    try:
        found = _Answer.model_validate(answer)
        rows = [*([found.at_work] if found.at_work else []), *found.waiting]
        for row in rows:
            check_id(row.run)
    except (ValidationError, UserError) as error:
        raise HostError(f"{host.name}: the answer to queue is not one", "See what answers there.") from error
    return HostQueue(
        host.name,
        _safe(found.at_work) if found.at_work else None,
        tuple(_safe(row) for row in found.waiting),
        one_line(found.paused, 80),
    )


def _safe(row: QueuedRun) -> QueuedRun:
    update = {name: one_line(getattr(row, name), 60) for name in ("recipe", "stage", "left")}
    return row.model_copy(update=update)


def python_on(host: Host, root: Path, report: Callable[[str], None]) -> str:
    """A Python on the host that has the worker: that of this checkout's latest run there, else of its environment.

    Raises HostError when there is none.
    """
    for row in reversed(list_runs(root, host.name)):
        try:
            record = HostRecord.model_validate_json((root / "runs" / row.id / RECORD).read_bytes())
        except (OSError, ValidationError):
            continue
        if record.key == host.key and host.size(PurePosixPath(record.python)) is not None:
            return record.python
    environment = installed_environment(host, root, report)
    if environment is None:
        raise HostError(
            f"{host.name} has no environment of ours", f"Install it: ./inv host.setup --host {host.name}"
        )
    return environment.python
