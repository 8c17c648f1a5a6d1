"""Bringing a run's results home: resumable, verified, and in place only when whole."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from tunewright.contract.atomic import sha256_file, write_bytes, write_json
from tunewright.contract.errors import HostError
from tunewright.contract.manifest import MANIFEST, Manifest, damaged_files, now, read_manifest
from tunewright.contract.run import STAGES, RunFolder, Stage
from tunewright.contract.sizes import size_pair
from tunewright.remote.follow import Mirror
from tunewright.remote.host import Host, read_file, read_tail
from tunewright.remote.retry import Unreachable, persist
from tunewright.remote.safe_paths import safe_names
from tunewright.remote.transfer import get_files
from tunewright.remote.worker_client import HostRun, find_on_host

SPARE = 64 << 20  # bytes that a pull leaves free on the laptop
PULLED = "pulled.json"  # written last: everything that was to come has come


def pull_run(host: Host, run: RunFolder, report: Callable[[str], None], *, models: bool = False) -> None:
    """Bring home events, status, log, adapters, fidelity and predictions; the quantized model when the recipe
    says so or with `models`; the fused model never. What is here and whole is not fetched again.

    Survives broken connections and being killed: the next call goes on. Raises HostError when the host's
    files are not what their manifests say.
    """
    place = find_on_host(host, run)
    status = persist(lambda: Mirror(host, place).update(), report)
    persist(lambda: _pull_log(host, place, report), report)
    for stage in STAGES:
        if stage == "fuse" or (stage == "quantize" and not (models or place.spec.recipe.pull.models)):
            continue
        _pull_stage(host, place, stage, report)
    _pull_manifest(host, place, report)
    write_json(run.path / PULLED, {"time": now(), "state": status.state})


def _pull_log(host: Host, run: HostRun, report: Callable[[str], None]) -> None:
    """The log's end. Results do not wait for it: what cannot be read as a log is said, and left."""
    try:
        data = read_tail(host, run.there("worker.log"))
    except Unreachable:
        raise
    except HostError as error:
        report(f"the worker's log was not fetched: {error.message}")
        return
    if data is not None:
        write_bytes(run.here.log, data)


def _pull_manifest(host: Host, run: HostRun, report: Callable[[str], None]) -> None:
    """The manifest of the whole run, last; a run that has not ended has none."""
    data = persist(lambda: read_file(host, run.there(MANIFEST)), report)
    if data is None:
        run.here.manifest.unlink(missing_ok=True)
    else:
        write_bytes(run.here.manifest, data)


def _pull_stage(host: Host, run: HostRun, stage: Stage, report: Callable[[str], None]) -> None:
    final = run.here.stage(stage)
    folder = run.there(final.name)
    data = persist(lambda: read_file(host, folder / MANIFEST), report)
    if data is None:
        return  # the stage was not finished
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        raise HostError(
            f"{host.name}: {folder / MANIFEST} is not a manifest", "It was damaged on the host."
        ) from error
    paths = safe_names([*manifest.files, MANIFEST])
    if read_manifest(final) == manifest and not damaged_files(final, manifest):
        return
    total = sum(entry.size for entry in manifest.files.values())
    _require_space(run.here.path, total)
    staging = run.here.path / f".{final.name}.pull"
    wanted = [(folder / paths[name], staging / paths[name], entry) for name, entry in manifest.files.items()]
    for (_, target, entry), name in zip(wanted, manifest.files):
        _reuse(final / paths[name], target, entry.sha256)
    received = get_files(host, wanted, report)
    _remove_strangers(staging, set(manifest.files))
    write_bytes(staging / MANIFEST, data)
    _put_in_place(staging, final)
    report(f"pulled {final.name}: {len(manifest.files)} files, {received / 1e6:.1f} MB")


def _reuse(old: Path, target: Path, sha256: str) -> None:
    """A file that an earlier pull brought, and that is still what is wanted, is not fetched again."""
    if old.is_file() and not target.exists() and sha256_file(old) == sha256:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(old, target)


def _remove_strangers(staging: Path, wanted: set[str]) -> None:
    """What an earlier, interrupted pull of another manifest left behind."""
    for path in staging.rglob("*"):
        if path.is_file() and path.relative_to(staging).as_posix() not in wanted:
            path.unlink()


def _put_in_place(staging: Path, final: Path) -> None:
    """A rename, so that nobody sees half a stage; an older pull makes way first."""
    old = final.with_name(f".{final.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    staging.rename(final)
    shutil.rmtree(old, ignore_errors=True)


def _require_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE:
        has, needs = size_pair(free, needed + SPARE)
        raise HostError(
            f"{has} are free here, the results need {needs}",
            "Make room, then: ./inv pull. In the recipe, pull.models = false leaves the model on the host.",
        )
