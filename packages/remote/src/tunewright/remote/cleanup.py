"""What may be removed from a host, decided a stage at a time, and its removal.

A stage may go when the laptop has a copy that verifies against the host's own manifest. A checkpoint that could
be resumed, a model that is nowhere else, and everything of a protected run stay, whatever the flags.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from tunewright.contract.atomic import sha256_file
from tunewright.contract.errors import HostError, UserError
from tunewright.contract.manifest import MANIFEST, Manifest
from tunewright.contract.run import FINAL_STATES, STAGES, RunFolder, RunSpec, Stage
from tunewright.remote.cleanup_plan import Choice, CleanupPlan, Part, RunPlan
from tunewright.remote.cleanup_rules import Evidence, judge_parts, resumable
from tunewright.remote.holdings import Entry, Holdings, RunFiles, check_inside, survey_host
from tunewright.remote.host import Host, must, read_file, run_script
from tunewright.remote.worker_client import WORKER_SETTINGS, HostRun, ask_worker, find_on_host, parse_status

# Hidden names that we make, by folder; a hidden file of somebody else stays.
_HIDDEN = {
    "runs": re.compile(r"^\.(removed\..+|.+\.removed)$"),
    "envs": re.compile(r"^\.(removed\..+|.+\.removed|[0-9a-f]{16}\.[0-9a-f]{8}(\.damaged)?)$"),
    "blobs": re.compile(r"^\.(removed\..+|.+\.removed|[0-9a-f]{64}\.[0-9a-f]{8}\.part)$"),
}
_HASH = re.compile(r"^[0-9a-f]{64}$")
HELD, CHANGED = 9, 10  # exit codes of the removal script
# Runs on the host. The worker's lock is held from before the first rename to the end, and every start of a worker
# rewrites status.json: nothing that was started since the survey is touched. Renamed first, because half a folder
# must never pass for a whole one.
_REMOVE_FROM_RUN = f"""
import fcntl, hashlib, os, shutil, sys
folder, expected, parts = sys.argv[1], sys.argv[2], sys.argv[3:]
lock = os.open(os.path.join(folder, "worker.lock"), os.O_RDWR | os.O_CREAT, 0o600)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    sys.exit({HELD})
try:
    with open(os.path.join(folder, "status.json"), "rb") as file:
        found = hashlib.sha256(file.read()).hexdigest()
except OSError:
    found = ""
if found != expected:
    sys.exit({CHANGED})
for path in [os.path.join(folder, part) for part in parts] or [folder]:
    parent, name = os.path.split(path)
    doomed = os.path.join(parent, ".%s.%d.removed" % (name.lstrip("."), os.getpid()))
    os.rename(path, doomed)
    if os.path.isdir(doomed) and not os.path.islink(doomed):
        shutil.rmtree(doomed)
    else:
        os.unlink(doomed)
"""
_REMOVE_ENTRIES = r"""
cd "$1" || exit 1; shift
for path in "$@"; do
  doomed=$(dirname "$path")/.removed.$$.$(basename "$path")
  mv "$path" "$doomed" && rm -rf "$doomed" || exit 1
done
"""


def plan_cleanup(
    host: Host,
    root: Path,
    protected: Mapping[str, str],
    choice: Choice,
    report: Callable[[str], None],
) -> CleanupPlan:
    """What the runs of the checkout at `root` hold on `host`, and what of it may go. Changes nothing.

    `protected` maps a run's id to why nothing of it may go: it is promoted, or a rollback would need it.
    Raises HostError, and UserError for a choice that means nothing.
    """
    if choice.keep < 0:
        raise UserError(f"--keep {choice.keep}: cannot keep fewer than none", "Give 0 or more.")
    held = survey_host(host)
    if choice.only and choice.only not in held.runs:
        raise UserError(
            f"run {choice.only} holds nothing on {host.name}",
            f"See what does: ./inv clean --host {host.name}",
        )
    plans: list[RunPlan] = []
    kept = 0
    for name in sorted(held.runs, reverse=True):
        if choice.only and name != choice.only:
            continue
        plan = _plan_run(host, root, held.runs[name], protected, choice, report, full=kept >= choice.keep)
        if not choice.only and kept < choice.keep and not plan.stays:
            plan = replace(plan, parts=(), stays=f"among the latest {choice.keep} (--keep)")
            kept += 1
        plans.append(plan)
    others = () if choice.only or choice.failed or choice.float_copies else _unused(host, root, held, plans)
    return CleanupPlan(host.name, tuple(plans), others)


def remove_planned(host: Host, plan: CleanupPlan, report: Callable[[str], None]) -> int:
    """Remove what the plan says may go; return the bytes. A run that was started meanwhile is left alone.

    Raises HostError when something cannot be removed.
    """
    freed = 0
    for run in plan.runs:
        if run.going and _remove_from_run(host, run, report):
            freed += sum(part.bytes for part in run.going)
    paths = [path for part in plan.others for path in part.paths]
    check_inside(*paths)
    if paths:
        must(
            run_script(host, _REMOVE_ENTRIES, [host.root, *paths], timeout=1800),
            f"{host.name}: not everything could be removed",
        )
    return freed + sum(part.bytes for part in plan.others)


def _plan_run(
    host: Host,
    root: Path,
    held: RunFiles,
    protected: Mapping[str, str],
    choice: Choice,
    report: Callable[[str], None],
    *,
    full: bool,
) -> RunPlan:
    """`full`: hash what is at home; not needed for a run that stays anyway."""
    here = RunFolder(root / "runs" / held.name)
    plan = RunPlan(held.name, "", held.bytes, status_sha256=held.sums.get("status.json", ""))
    if not here.spec.is_file():
        return replace(plan, stays="not a run of this checkout")
    try:
        place = find_on_host(host, here)
    except UserError as error:
        return replace(plan, stays=error.message)
    if place.path.parent.parent != host.root or held.sums.get("spec.json") != sha256_file(here.spec):
        return replace(plan, stays="the host's run of that name is another one, or was shipped only in part")
    state = _state(host, place)
    plan = replace(plan, state=state, python=place.record.python)
    if not held.complete:
        return replace(plan, stays="it holds something that is not a plain file, or cannot be listed")
    if held.name in protected:
        return replace(plan, stays=protected[held.name])
    if state not in FINAL_STATES:
        return replace(plan, stays=f"it is {state}")
    if choice.failed and state == "done":
        return replace(plan, stays="it did not fail (--failed)")
    if state != "done" and not (choice.failed or choice.float_copies):
        what = resumable(held)
        why = f"{what}: ./inv resume --run {held.name}" if what else "it did not finish; --failed looks at it"
        return replace(plan, stays=why)
    if not full and not choice.only:
        return plan
    report(f"verifying what is at home of {held.name}")
    manifests: dict[Stage, Manifest | None] = {
        stage: _host_manifest(host, place, held, stage) for stage in STAGES
    }
    return replace(plan, parts=tuple(judge_parts(Evidence(here, place.spec, held, manifests, state), choice)))


def _host_manifest(host: Host, place: HostRun, held: RunFiles, stage: Stage) -> Manifest | None:
    name = f"{place.here.stage(stage).name}/{MANIFEST}"
    if name not in held.files:
        return None
    data = read_file(host, place.there(name))
    try:
        return Manifest.model_validate_json(data) if data is not None else None
    except ValidationError:
        return None


def _state(host: Host, place: HostRun) -> str:
    """What the host's status says; for one that is not final, what its worker says."""
    data = read_file(host, place.there("status.json"))
    found = parse_status(data) if data is not None else None
    if found is not None and found.state in FINAL_STATES:
        return found.state
    # Missing or unreadable: nothing that could be alive is removed.
    state = found.state if found else "queued" if data is None else "running"
    try:
        return ask_worker(host, place, "status").state
    except HostError:
        return state


def _unused(host: Host, root: Path, held: Holdings, plans: Sequence[RunPlan]) -> tuple[Part, ...]:
    """Environments and blobs that no staying run uses, and what broken transfers left, unchanged for an hour.

    While the spec of a staying run cannot be read, nobody knows what it uses: then all of them stay.
    """
    specs = [_spec(host, root, plan.id) for plan in plans if not plan.whole]
    known = [spec for spec in specs if spec is not None]
    environments = {spec.environment for spec in known}
    blobs = {sha256 for spec in known for sha256 in (*spec.data.values(), *spec.suites.values())}
    used = {"envs": environments, "blobs": blobs, "runs": set[str]()}
    found: list[Part] = []
    for entry in held.entries:
        if not entry.old:
            continue
        if _HIDDEN[entry.kind].match(entry.name):
            found.append(_entry_part(entry, "left by something that was interrupted"))
        elif len(known) == len(specs) and _HASH.match(entry.name) and entry.name not in used[entry.kind]:
            found.append(
                _entry_part(entry, "no run that stays needs it; it is installed or sent again when needed")
            )
    return tuple(found)


def _entry_part(entry: Entry, reason: str) -> Part:
    return Part(f"{entry.kind}/{entry.name[:12]}", (f"{entry.kind}/{entry.name}",), entry.bytes, True, reason)


def _spec(host: Host, root: Path, name: str) -> RunSpec | None:
    data = read_file(host, host.root / "runs" / name / "spec.json")
    try:
        if data is not None:
            return RunSpec.model_validate_json(data)
        return RunFolder(root / "runs" / name).read_spec()
    except (ValidationError, UserError):
        return None


def _remove_from_run(host: Host, run: RunPlan, report: Callable[[str], None]) -> bool:
    paths = () if run.whole else tuple(path for part in run.going for path in part.paths)
    check_inside(run.id, *paths)
    argv = [run.python, "-P", "-", str(host.root / "runs" / run.id), run.status_sha256, *paths]
    done = host.run(argv, stdin=_REMOVE_FROM_RUN.encode(), env=WORKER_SETTINGS, timeout=1800)
    if done.code == 127 or (done.code and "No such file" in done.reason and run.python in done.reason):
        # Its environment is gone, and with it whatever could run there.
        argv[:2] = ["/usr/bin/env", "python3"]
        done = host.run(argv, stdin=_REMOVE_FROM_RUN.encode(), timeout=1800)
    if done.code in (HELD, CHANGED):
        report(f"{run.id} was started meanwhile, and stays")
        return False
    must(done, f"{host.name}: {run.id} could not be removed")
    return True
