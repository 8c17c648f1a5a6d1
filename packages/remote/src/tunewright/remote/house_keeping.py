"""Which runs there are, and what of old ones can go."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from tunewright.contract.errors import HostError, UserError
from tunewright.contract.run import FINAL_STATES, RunFolder, RunSpec, Status
from tunewright.remote.host import Host, must, read_file, run_script
from tunewright.remote.host_run import WORKER_SETTINGS
from tunewright.remote.pull import PULLED

# Names are printed only when they are plain; what is not ours is not looked at.
_SURVEY = r"""
cd "$1" 2>/dev/null || exit 0
for kind in runs envs blobs; do
  [ -d "$kind" ] || continue
  for path in "$kind"/* "$kind"/.[!.]*; do
    [ -e "$path" ] || continue
    case $path in *[!A-Za-z0-9./_-]*) continue ;; esac
    old=$(find "$path" -prune -mmin +60 2>/dev/null)
    printf '%s %s %s\n' "$(du -sk "$path" | awk '{print $1}')" "${old:+old}" "$path"
  done
done
"""
# Renamed first: half a folder must never pass for a whole one.
_REMOVE = r"""
cd "$1" || exit 1; shift
for path in "$@"; do
  doomed=$(dirname "$path")/.removed.$$.$(basename "$path")
  mv "$path" "$doomed" && chmod -R u+w "$doomed" 2>/dev/null; rm -rf "$doomed"
done
"""
_ENTRY = re.compile(r"^(\d+) (old)? ?(runs|envs|blobs)/([A-Za-z0-9._-]+)$")


@dataclass(frozen=True)
class RunRow:
    """A run of this laptop."""

    id: str
    host: str
    recipe: str
    state: str  # as last heard
    stage: str
    pulled: bool
    bytes: int

    def __str__(self) -> str:
        where = f" in {self.stage}" if self.stage and self.state != "done" else ""
        home = "" if self.pulled else ", not pulled"
        return f"{self.id}  {self.host}  {self.state}{where}{home}  {self.bytes / 1e6:.1f} MB"


@dataclass(frozen=True)
class Removal:
    """Something on a host that can go, or a run that stays and why."""

    path: str  # below the host's folder
    bytes: int
    reason: str
    removed: bool = False
    stays: bool = False

    def __str__(self) -> str:
        verb = "stays" if self.stays else "removed" if self.removed else "would go"
        return f"{verb:<9} {self.bytes / 1e6:9.1f} MB  {self.path}  ({self.reason})"


def list_runs(root: Path, host: str | None = None) -> list[RunRow]:
    """The runs of the checkout at `root`, oldest first; of one host, when it is named. Asks no host."""
    rows: list[RunRow] = []
    for path in sorted((root / "runs").glob("*/spec.json")):
        run = RunFolder(path.parent)
        try:
            spec = run.read_spec()
        except UserError:
            continue  # not a run of this version
        if host is None or spec.host == host:
            status = run.read_status()
            size = sum(file.stat().st_size for file in run.path.rglob("*") if file.is_file())
            rows.append(
                RunRow(
                    id=spec.id,
                    host=spec.host,
                    recipe=spec.recipe.name,
                    state=status.state if status else "not started",
                    stage=status.stage if status else "",
                    pulled=(run.path / PULLED).is_file(),
                    bytes=size,
                )
            )
    return rows


def clean_runs(host: Host, root: Path, *, keep: int = 5, remove: bool = False) -> list[Removal]:
    """What old runs hold on a host, and, with `remove`, take it away there.

    The latest `keep` runs stay, and every run that is at work, whose results are not home yet, or that this
    checkout does not know. Environments and blobs go when no run that stays needs them, leftovers of broken
    transfers after an hour. Nothing on the laptop is removed. Raises HostError.
    """
    if keep < 0:
        raise UserError(f"--keep {keep}: cannot keep fewer than none", "Give 0 or more.")
    survey = must(
        run_script(host, _SURVEY, [host.root], timeout=600), f"{host.name}: cannot look at its runs"
    )
    entries = [match.groups() for line in survey.text.splitlines() if (match := _ENTRY.match(line))]
    sizes = {(kind, name): int(kib) * 1024 for kib, _, kind, name in entries}
    old = {(kind, name) for _, age, kind, name in entries if age}
    runs = sorted((name for kind, name in sizes if kind == "runs" and not name.startswith(".")), reverse=True)
    specs = {name: _spec(host, name) for name in runs}
    reasons = {name: _stays(host, root, name, specs[name]) for name in runs}
    going = [name for name in runs[keep:] if reasons[name] is None]
    needed = [spec for name, spec in specs.items() if name not in going and spec is not None]
    plan = [
        Removal(f"runs/{name}", sizes["runs", name], "an old run, its results are home") for name in going
    ]
    plan += _unneeded(sizes, old, needed)
    stays = [
        Removal(f"runs/{name}", sizes["runs", name], reason, stays=True)
        for name in runs[keep:]
        if (reason := reasons[name]) is not None
    ]
    if remove and plan:
        _remove(host, [item.path for item in plan])
        plan = [Removal(item.path, item.bytes, item.reason, removed=True) for item in plan]
    return stays + plan


def _unneeded(
    sizes: dict[tuple[str, str], int], old: set[tuple[str, str]], needed: Sequence[RunSpec]
) -> list[Removal]:
    """Environments and blobs that no staying run uses, when they are not of this hour; hidden leftovers."""
    environments = {spec.environment for spec in needed}
    blobs = {sha256 for spec in needed for sha256 in (*spec.data.values(), *spec.suites.values())}
    found: list[Removal] = []
    for (kind, name), size in sizes.items():
        if (kind, name) not in old:
            continue
        if name.startswith("."):
            found.append(Removal(f"{kind}/{name}", size, "left by something that was interrupted"))
        elif (kind == "envs" and name not in environments) or (kind == "blobs" and name not in blobs):
            found.append(Removal(f"{kind}/{name}", size, "no run that stays needs it"))
    return found


def _stays(host: Host, root: Path, name: str, spec: RunSpec | None) -> str | None:
    """Why a run must not go; None when it may."""
    here = RunFolder(root / "runs" / name)
    if not here.spec.is_file():
        return "not of this checkout"
    if not (here.path / PULLED).is_file():
        return "its results are not home yet: ./inv pull"
    if spec is None:
        return None
    state = _state(host, name, spec)
    return None if state in FINAL_STATES else f"it is {state}"


def _state(host: Host, name: str, spec: RunSpec) -> str:
    """What the host's status says; for one that is not final, what its worker says."""
    folder = host.root / "runs" / name
    data = read_file(host, folder / "status.json")
    try:
        state = Status.model_validate_json(data).state if data is not None else "queued"
    except ValidationError:
        state = "running"  # unreadable: nothing that could be alive is removed
    if state in FINAL_STATES:
        return state
    python = host.root / "envs" / spec.environment / "venv" / "bin" / "python"
    argv = [str(python), "-P", "-m", "tunewright.train.worker", "status", "--run", str(folder)]
    done = host.run(argv, env=WORKER_SETTINGS)
    try:
        return Status.model_validate_json(done.text.splitlines()[-1]).state
    except (ValidationError, IndexError):
        return state


def _spec(host: Host, name: str) -> RunSpec | None:
    data = read_file(host, host.root / "runs" / name / "spec.json")
    try:
        return RunSpec.model_validate_json(data) if data is not None else None
    except ValidationError:
        return None


def _remove(host: Host, paths: list[str]) -> None:
    for path in paths:
        if PurePosixPath(path).is_absolute() or ".." in path.split("/"):
            raise HostError(f"{path!r} would leave the host's folder")
    must(
        run_script(host, _REMOVE, [host.root, *paths], timeout=1800),
        f"{host.name}: not everything could be removed",
    )
