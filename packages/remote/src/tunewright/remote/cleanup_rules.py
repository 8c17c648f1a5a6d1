"""Which parts of an ended run may be removed from its host, from what both sides hold of it.

A stage may go when the laptop has a copy that verifies against the host's own manifest. A checkpoint that could
be resumed and a model that is nowhere else stay.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tunewright.contract.atomic import sha256_file
from tunewright.contract.manifest import MANIFEST, Manifest, damaged_files, read_manifest
from tunewright.contract.run import STAGES, RunFolder, RunSpec, Stage
from tunewright.contract.visible import one_line
from tunewright.remote.cleanup_plan import Choice, Part
from tunewright.remote.holdings import RunFiles

_RECORD = ("spec.json", "manifest.json", "status.json", "events.jsonl", "worker.log", "worker.lock")
_NAMES: dict[Stage, str] = {stage: RunFolder(Path()).stage(stage).name for stage in STAGES}
_FOLDERS: dict[str, Stage] = {name: stage for stage, name in _NAMES.items()}
_PARTIAL: dict[str, Stage] = {f".{stage}.partial": stage for stage in STAGES}
_LEFTOVER = re.compile(r"^\..+\.(tmp|removed|adopted)$")
_CHECKPOINT = re.compile(r"^checkpoints/step-(\d+)/manifest\.json$")


@dataclass(frozen=True)
class Evidence:
    """An ended run on both sides."""

    here: RunFolder
    spec: RunSpec
    held: RunFiles  # on the host
    manifests: Mapping[Stage, Manifest | None]  # of the host
    state: str

    @cached_property
    def home(self) -> dict[Stage, bool]:
        """Whether the laptop has a copy that is what the host's manifest says, every byte of it."""
        return {stage: _is_home(self.here.stage(stage), found) for stage, found in self.manifests.items()}

    def whole_there(self, stage: Stage) -> bool:
        """Whether the host has every file that the stage's manifest names, by its size."""
        files, manifest = self.held.below(_NAMES[stage]), self.manifests[stage]
        return manifest is not None and all(
            files.get(name) == entry.size for name, entry in manifest.files.items()
        )


def judge_parts(run: Evidence, choice: Choice) -> list[Part]:
    """Each part of an ended run, and whether it may go."""
    held = run.held
    give_up = bool(choice.failed and choice.only)
    parts: list[Part] = []
    for top, paths in _by_top(held.files).items():
        size = sum(held.files[path] for path in paths)
        name, goes, reason = top, False, "not made by us"
        if stage := _FOLDERS.get(top):
            name = stage
            goes, reason = _judge_stage(stage, run, choice, give_up=give_up)
        elif stage := _PARTIAL.get(top):
            name = f"{stage}, part"
            goes, reason = _judge_partial(stage, run, give_up=give_up)
        elif _LEFTOVER.match(top):
            goes, reason = True, "left by something that was interrupted"
        elif top in (*_RECORD, "inputs"):
            continue
        if choice.float_copies and name != "fuse":
            goes, reason = False, "not a fused model (--float-copies)"
        parts.append(Part(one_line(name, 60), (top,), size, goes, reason))
    return [*parts, _judge_record(run, choice, alone=all(part.goes for part in parts))]


def _judge_stage(stage: Stage, run: Evidence, choice: Choice, *, give_up: bool) -> tuple[bool, str]:
    held, home, manifest = run.held, run.home, run.manifests[stage]
    if manifest is None:
        return False, "its manifest is missing or cannot be read"
    strangers = sorted(set(held.below(_NAMES[stage])) - {*manifest.files, MANIFEST})
    if strangers:
        return False, f"holds what its manifest does not name: {one_line(', '.join(strangers), 100)}"
    if stage == "fuse":
        if home["train"]:
            return True, "made again from the adapters, which are home"
        if choice.float_copies and run.whole_there("train"):
            return True, "made again from the adapters, which stay there"
        return False, "the adapters that it is made from are not home: ./inv pull --run " + held.name
    if not home[stage]:
        if stage == "quantize":
            return False, f"a model that is nowhere else: ./inv pull --models --run {held.name}"
        return False, f"not home, or damaged there: ./inv pull --run {held.name}"
    if run.state != "done" and not give_up:
        return False, f"a resume goes on from it; to give the run up: ./inv clean --failed --run {held.name}"
    return True, "home and verified"


def _judge_partial(stage: Stage, run: Evidence, *, give_up: bool) -> tuple[bool, str]:
    held = run.held
    if run.state == "done" and run.whole_there(stage):
        return True, "the stage was finished since"
    if stage in ("fuse", "quantize", "fidelity"):
        return True, "half-written; a resume begins this stage anew"
    what = resumable(held)
    if not what:
        return True, "holds nothing that a resume could go on from"
    if give_up:
        return True, f"given up, as asked: {what}"
    return (
        False,
        f"{what}: ./inv resume --run {held.name}; to give it up: ./inv clean --failed --run {held.name}",
    )


def _judge_record(run: Evidence, choice: Choice, *, alone: bool) -> Part:
    """Spec, status, events, log and inputs: these go last. `alone`: everything else goes."""
    here, spec, held = run.here, run.spec, run.held
    paths = [path for path in held.files if path.split("/")[0] in (*_RECORD, "inputs")]
    size = sum(held.files[path] for path in paths)
    tops = tuple(dict.fromkeys(path.split("/")[0] for path in paths))
    goes, reason = False, ""
    if choice.float_copies or not alone:
        reason = "goes with the last of the run"
    elif unknown := [path for path in paths if not _is_input(path, spec) and path not in _RECORD]:
        reason = f"holds what the spec does not name: {one_line(', '.join(unknown), 100)}"
    elif different := [
        name
        for name in ("events.jsonl", "worker.log")
        if name in held.sums and held.sums[name] != _sha256(here.path / name)
    ]:
        reason = f"{' and '.join(different)}: not home as it is there: ./inv pull --run {held.name}"
    elif missing := _inputs_not_home(here, spec):
        reason = f"{missing} is not at home any more"
    else:
        goes, reason = True, "home and verified"
    return Part("record", tops, size, goes, reason)


def _is_input(path: str, spec: RunSpec) -> bool:
    kinds = {"data": spec.data, "suites": spec.suites}
    return path in {f"inputs/{kind}/{name}.jsonl" for kind, names in kinds.items() for name in names}


def _inputs_not_home(here: RunFolder, spec: RunSpec) -> str:
    for folder, hashes in ((here.data, spec.data), (here.suites, spec.suites)):
        for name, sha256 in hashes.items():
            if _sha256(folder / f"{name}.jsonl") != sha256:
                return f"{folder.name}/{name}.jsonl"
    return ""


def resumable(held: RunFiles) -> str:
    """What a resume of an unfinished run would go on from; empty for nothing."""
    steps = [
        int(match[1])
        for path in held.below(".train.partial")
        if (match := _CHECKPOINT.match(path)) is not None
    ]
    if steps:
        return f"a checkpoint at step {max(steps)}"
    if any(path.endswith(".jsonl") for path in held.below(".predict.partial")):
        return "answers of an unfinished prediction"
    if any(f"{folder}/{MANIFEST}" in held.files for folder in _FOLDERS):
        return "finished stages"
    return ""


def _is_home(folder: Path, manifest: Manifest | None) -> bool:
    if manifest is None or read_manifest(folder) != manifest:
        return False
    return not damaged_files(folder, manifest)


def _by_top(files: Iterable[str]) -> dict[str, list[str]]:
    """Files by the first name of their path, stages in their order."""
    found: dict[str, list[str]] = {}
    order = [*_FOLDERS, *_PARTIAL]
    for path in sorted(
        files, key=lambda path: order.index(top) if (top := path.split("/")[0]) in order else 99
    ):
        found.setdefault(path.split("/")[0], []).append(path)
    return found


def _sha256(path: Path) -> str:
    try:
        return sha256_file(path)
    except OSError:
        return ""
