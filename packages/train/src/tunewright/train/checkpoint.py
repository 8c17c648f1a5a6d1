"""Checkpoints from which training goes on exactly: adapters, optimizer, step and loss curve.

No generator is among them: order and dropout of a step are drawn from the recipe's seed and the step alone.

Each is a folder with a manifest, renamed into place whole. The last two are kept, so that one that was
damaged on the disk costs a few steps and not the run; the best adapters so far are kept with them.
"""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from tunewright.contract.atomic import atomic_folder, write_json
from tunewright.contract.errors import UserError
from tunewright.contract.manifest import damaged_files, read_manifest, write_manifest
from tunewright.contract.recipe import Train
from tunewright.train.lora import ADAPTERS, save_adapters
from tunewright.train.staging import remove
from tunewright.train.tensors import load_tensors, save_tensors

KEEP = 2
STATE = "state.json"
OPTIMIZER = "optimizer.safetensors"


class LossPoint(BaseModel):
    """The loss at a step (training) or after it (validation), in nats a token."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int
    loss: float


class Progress(BaseModel):
    """How far training is; with the arrays, all there is to know. Steps count from 1."""

    model_config = ConfigDict(extra="forbid")

    step: int = 0
    tokens: int = 0  # with loss, so far
    curve: list[LossPoint] = []
    validation: list[LossPoint] = []
    norms: list[float] = []  # of each step's gradient, before it is clipped

    @property
    def best(self) -> LossPoint | None:
        """The lowest validation, step 0 (before training) among them; the earliest of equals."""
        return min(self.validation, key=lambda point: (point.loss, point.step), default=None)


class Checkpoints:
    """The checkpoints of one training, below one folder. `key` ties them to their inputs."""

    def __init__(self, folder: Path, key: str, train: Train) -> None:
        self._folder = folder
        self._key = key
        self._train = train

    def save(self, progress: Progress, adapters: dict[str, Any], state: dict[str, Any]) -> Path:
        """Write a checkpoint and remove the ones before the last but one."""
        path = self._folder / f"step-{progress.step:07d}"
        remove(path)
        with atomic_folder(path) as folder:
            save_adapters(folder, adapters, self._train)
            save_tensors(folder / OPTIMIZER, state)
            write_json(folder / STATE, progress.model_dump())
            write_manifest(folder, self._key)
        for old in self._found()[KEEP:]:
            remove(old)
        return path

    def load(self) -> tuple[Progress, dict[str, Any], dict[str, Any], list[Path]] | None:
        """The latest checkpoint that is whole: progress, adapters, state, and the damaged ones passed over.

        None when there is none; one of other inputs is none of ours. Raises UserError when all are damaged.
        """
        damaged: list[Path] = []
        for path in self._found():
            manifest = read_manifest(path)
            if manifest is not None and manifest.key != self._key:
                continue
            if manifest is None or damaged_files(path, manifest):
                damaged.append(path)
                continue
            try:
                progress = Progress.model_validate_json((path / STATE).read_bytes())
            except ValidationError:
                damaged.append(path)
                continue
            return progress, load_tensors(path / ADAPTERS), load_tensors(path / OPTIMIZER), damaged
        if damaged:
            raise UserError(
                f"every checkpoint of this training is damaged: {', '.join(path.name for path in damaged)}",
                "The disk may be failing, or the machine lost power. Begin again from step 0: resume with --fresh.",
            )
        return None

    def save_best(self, step: int, adapters: dict[str, Any]) -> None:
        """Keep these adapters as the best so far, and the ones an older checkpoint may come back to."""
        path = self._folder / f"best-{step:07d}"
        remove(path)
        with atomic_folder(path) as folder:
            save_adapters(folder, adapters, self._train)
            write_manifest(folder, self._key)
        for other in sorted(self._folder.glob("best-*"), reverse=True)[KEEP + 1 :]:
            remove(other)

    def best(self, step: int) -> Path | None:
        """The folder with the adapters of that step, if it is whole."""
        path = self._folder / f"best-{step:07d}"
        manifest = read_manifest(path)
        if manifest is None or manifest.key != self._key or damaged_files(path, manifest):
            return None
        return path

    def _found(self) -> list[Path]:
        return sorted(self._folder.glob("step-*"), reverse=True)
