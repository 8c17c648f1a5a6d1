"""Where a run is on its host, and how its worker there is spoken to."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from tunewright.contract.atomic import write_json
from tunewright.contract.errors import HostError, UserError
from tunewright.contract.run import RunFolder, RunSpec, Status
from tunewright.contract.visible import one_line
from tunewright.remote.environment import Environment
from tunewright.remote.host import Host

RECORD = "host.json"
_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,200}$")
# Imports come from the environment alone, wherever the worker is started from.
WORKER_SETTINGS = {"PYTHONSAFEPATH": "1", "PYTHONNOUSERSITE": "1"}


class HostRecord(BaseModel):
    """`host.json` in a run's folder on the laptop: where the run is. Enough for a new process to find it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int = 1
    name: str
    root: str
    python: str
    environment: str
    key: str = (
        ""  # the fingerprint of the host key; empty for this machine, and in records before it was kept
    )


@dataclass(frozen=True)
class HostRun:
    """A run as the host sees it. `there` has the same layout as the laptop's folder."""

    here: RunFolder
    spec: RunSpec
    record: HostRecord
    path: PurePosixPath

    def there(self, name: str) -> PurePosixPath:
        """A file of the run's folder on the host, by its path in the laptop's."""
        return self.path / name


def check_id(run_id: str) -> str:
    """Raises UserError for what cannot be a run's id: it becomes part of paths on two machines."""
    if not _ID.match(run_id) or ".." in run_id:
        raise UserError(f"{run_id!r} cannot be a run's id", "See the runs there are: ./inv runs")
    return run_id


def write_record(run: RunFolder, host: Host, environment: Environment) -> None:
    """Record where a run is going to be."""
    record = HostRecord(
        name=host.name,
        root=str(host.root),
        python=environment.python,
        environment=environment.hash,
        key=host.key,
    )
    write_json(run.path / RECORD, record.model_dump())


def find_on_host(host: Host, run: RunFolder) -> HostRun:
    """Where the run is on `host`. Raises UserError when it is on another one, or is not a run."""
    spec = run.read_spec()
    check_id(spec.id)
    if spec.id != run.path.name:
        raise UserError(
            f"{run.path} holds the run {spec.id}",
            "Give the folder its old name back: a run's name is its id.",
        )
    try:
        record = HostRecord.model_validate_json((run.path / RECORD).read_bytes())
    except (OSError, ValidationError) as error:
        raise UserError(
            f"{run.path / RECORD} is missing or damaged", "Nobody knows where on its host this run is."
        ) from error
    if record.name != host.name:
        raise UserError(f"run {spec.id} is on {record.name}, not on {host.name}", f"Use --host {record.name}")
    if record.key and host.key != record.key:
        raise HostError(
            f"{host.name} is not the host that run {spec.id} was started on: it shows {host.key}, recorded is {record.key}",
            f"The name leads to another machine now. Same machine, new key? Delete `key` from {run.path / RECORD}.",
        )
    root = PurePosixPath(record.root)
    if not root.is_absolute() or ".." in root.parts:
        raise UserError(
            f"{run.path / RECORD}: {record.root!r} is not an absolute path", "The file was changed."
        )
    return HostRun(run, spec, record, root / "runs" / spec.id)


def ask_worker(host: Host, run: HostRun, verb: str, *flags: str) -> Status:
    """Let the worker's command line on the host do `start`, `cancel` or `status`; the Status it answers.

    Raises HostError when it fails, with what it said.
    """
    answer = ask(
        host,
        run.record.python,
        [verb, "--run", str(run.path), *flags],
        gone=f"the environment of run {run.spec.id} is gone",
        otherwise=f"See ./inv logs --run {run.spec.id}",
    )
    status = parse_status(json.dumps(answer))
    if status is None:
        raise HostError(
            f"{host.name}: the worker's answer to {verb} is not a status",
            f"See ./inv logs --run {run.spec.id}",
        )
    return status


def ask(host: Host, python: str, arguments: Sequence[str], *, gone: str, otherwise: str) -> dict[str, Any]:
    """The worker's answer to a command, run by `python` on the host.

    Raises HostError when that Python is missing (`gone` says so), or when it fails, with what it said; `otherwise` is the
    hint where it said none.
    """
    done = host.run(
        [python, "-P", "-m", "tunewright.train.worker", *arguments], env=WORKER_SETTINGS, timeout=180
    )
    answer = _last_json(done.text)
    if done.code == 127 or (done.code and "No such file" in done.reason and answer is None):
        raise HostError(
            f"{host.name}: {gone}",
            f"Install it again: ./inv host.setup --host {host.name}",
        )
    if not isinstance(answer, dict) or done.code:
        said = answer.get("error") if isinstance(answer, dict) else None
        hint = answer.get("hint") if isinstance(answer, dict) else None
        raise HostError(
            f"{host.name}: the worker would not {arguments[0]}: {one_line(str(said or done.reason))}",
            one_line(str(hint or otherwise), 400),
        )
    return answer


def parse_status(data: bytes | str) -> Status | None:
    """A status that a host sent, its texts made safe to show and cut to a line each; None when it is not a status."""
    try:
        status = Status.model_validate_json(data)
    except ValidationError:
        return None
    lengths = {"stage": 40, "heartbeat": 60, "boot": 80, "message": 600, "hint": 400}
    return status.model_copy(
        update={name: one_line(getattr(status, name), longest) for name, longest in lengths.items()}
    )


def _last_json(text: str) -> Any:
    """The last line's value: a login shell's banner may precede it."""
    lines = text.strip().splitlines()
    try:
        return json.loads(lines[-1]) if lines else None
    except ValueError:
        return None
