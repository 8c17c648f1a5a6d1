"""The five stages as a state machine: each is done once, gone on with after a crash, and used again.

    train -> fuse -> quantize -> fidelity -> predict

What a stage needs is in the stages before it and in the run's inputs; what it makes is one folder with a
manifest. A stage whose key is in a finished manifest, of this run or of a sibling on the same host, is
not done again.
"""

import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunewright.contract.atomic import sha256_file, write_json
from tunewright.contract.encoding import check_tools_trained
from tunewright.contract.errors import UserError
from tunewright.contract.example import Example, read_examples
from tunewright.contract.loss_mask import Mask
from tunewright.contract.rehearsal import HELD_OUT, answered_by, rehearsed_rows
from tunewright.contract.run import STAGES, RunFolder, RunSpec, Stage
from tunewright.contract.suite import Suite, read_suite
from tunewright.train.base import Base, check_unchanged, load_base, load_tokenizer, read_config
from tunewright.train.encode import Dropped, Encoded, EncodedSplit, encode_all, encoder_for
from tunewright.train.fingerprints import prediction_key, stage_keys
from tunewright.train.other_process import other_process, pays
from tunewright.train.run_events import Journal
from tunewright.train.staging import (
    adopt,
    finished,
    open_workspace,
    publish,
    remove,
    siblings,
    sweep,
    workspace,
)

if TYPE_CHECKING:
    from tunewright.train.models import ModelName
    from tunewright.train.ranks import Silent
    from tunewright.train.training import Trainer

ROWS_SHOWN = 10
CHECKPOINTS = "checkpoints"  # in the train stage's workspace


@dataclass
class Work:
    """One run at work."""

    run: RunFolder
    spec: RunSpec
    base: Base
    journal: "Journal | Silent"

    @cached_property
    def keys(self) -> dict[Stage, str]:
        return stage_keys(self.spec, self.base.identity)

    @cached_property
    def train_split(self) -> EncodedSplit:
        """Raises UserError also for a tool whose calls are all left out."""
        split = self._encode("train")
        check_tools_trained(split, "train.jsonl")
        if split.tool_tokens:
            self.journal.event("tool_tokens", "train", tokens=split.tool_tokens)
        return split

    @cached_property
    def valid_rows(self) -> list[Encoded]:
        return self._encode("valid").rows

    @cached_property
    def rehearsed(self) -> list[Example]:
        """A base's own answers that the data hold out."""
        path = self.run.data / f"{HELD_OUT}.jsonl"
        if HELD_OUT not in self.spec.data:
            return []
        check_input(path, self.spec.data[HELD_OUT])
        return rehearsed_rows(read_examples(path))

    @cached_property
    def rehearsed_rows(self) -> list[Encoded]:
        """The same as tokens; of a conversation only the last answer, the base's, has loss. Where none of them fits, the run
        goes on without."""
        name = f"{HELD_OUT}.jsonl"
        try:
            encoded = self._encoded(self.rehearsed, name, "last_assistant") if self.rehearsed else None
        except UserError as error:
            self.journal.warning(f"forgetting is not measured: {error.message}", error.hint)
            return []
        if encoded is None:
            return []
        self._warn(HELD_OUT, encoded.dropped)
        return encoded.rows

    def _encode(self, split: str) -> EncodedSplit:
        """A split as tokens. Raises UserError when its file is not the one the spec was written for."""
        path = self.run.data / f"{split}.jsonl"
        check_input(path, self.spec.data.get(split))
        encoded = self._encoded(read_examples(path), path.name, self.spec.recipe.train.mask)
        self._warn(split, encoded.dropped)
        return encoded

    def _encoded(self, rows: list[Example], origin: str, mask: Mask) -> EncodedSplit:
        config = read_config(self.base.folder)
        encoded = encode_all(
            encoder_for(load_tokenizer(self.base.folder, config)),
            rows,
            mask=mask,
            max_length=self.spec.recipe.train.max_seq_length,
            origin=origin,
            tick=self.journal.check,
        )
        check_tokens(self.base.folder, config, encoded.rows)
        return encoded

    def _warn(self, split: str, dropped: Dropped) -> None:
        limit = self.spec.recipe.train.max_seq_length
        told = (
            (
                dropped.too_long,
                f"examples longer than {limit} tokens are left out",
                "Raise train.max_seq_length to train on them.",
            ),
            (
                dropped.nothing_trained,
                "examples without a token that has loss are left out",
                "See train.mask in the recipe.",
            ),
            (
                dropped.text_with_calls,
                "examples say something in the turn of a call, which the model's chat template drops",
                "The calls are trained, the text is not.",
            ),
        )
        for rows, what, hint in told:
            if rows:
                some = ", ".join(map(str, rows[:ROWS_SHOWN])) + (", …" if len(rows) > ROWS_SHOWN else "")
                self.journal.warning(f"{split}.jsonl: {len(rows)} {what} (rows {some})", hint)


def check_tokens(folder: Path, config: dict[str, Any], rows: list[Encoded]) -> None:
    """Raises UserError when the tokenizer makes tokens that the model has no row for: it computes nonsense from them."""
    size = config.get("vocab_size")
    largest = max(max(row.tokens) for row in rows)
    if isinstance(size, int) and largest >= size:
        raise UserError(
            f"{folder}: its tokenizer makes token {largest}, and the model has only {size}",
            "The tokenizer is of another model, or its files were mixed up. Fetch the model again.",
        )


def run_stages(work: Work, *, fresh: bool = False) -> None:
    """Bring every stage of a run to its end. Raises what the stage that fails raises.

    With `fresh`, what is finished is removed and nothing is taken from other runs.
    """
    sweep(work.run.path)
    for split in dict.fromkeys(("train", "valid", *work.spec.data)):
        check_input(work.run.data / f"{split}.jsonl", work.spec.data.get(split))
    for name in work.spec.suites:
        check_input(work.run.suites / f"{name}.jsonl", work.spec.suites[name])
    if fresh:
        for stage in STAGES:
            remove(work.run.stage(stage))
            remove(workspace(work.run.path, stage))
    for stage in STAGES:
        work.journal.check()
        if not _found(work, stage, reuse=not fresh):
            _make(work, stage, reuse=not fresh)


def check_input(path: Path, sha256: str | None) -> None:
    """Raises UserError when a file of the run's inputs is missing or not the one the spec names."""
    if not path.is_file():
        raise UserError(f"{path}: missing from the run's inputs", "Ship the run again.")
    if sha256 is None or sha256_file(path) != sha256:
        raise UserError(f"{path} is not the file that the run's spec names", "Ship the run again.")


def _found(work: Work, stage: Stage, *, reuse: bool) -> bool:
    """Whether the stage's output is there already, here or (with `reuse`) in a sibling run."""
    key, out = work.keys[stage], work.run.stage(stage)
    if finished(out, key) is not None:
        work.journal.event("stage_reused", stage, **{"from": work.run.path.name})
        return True
    if reuse:
        for other, manifest in siblings(work.run, stage, key):
            adopt(other.stage(stage), out, manifest)
            remove(workspace(work.run.path, stage))
            work.journal.event("stage_reused", stage, **{"from": other.path.name})
            return True
    return False


def _make(work: Work, stage: Stage, *, reuse: bool) -> None:
    key = work.keys[stage]
    check_unchanged(work.base)
    folder = open_workspace(work.run.path, stage, key)
    recipe = work.spec.recipe
    # How far the other stages go is known once their models are open.
    work.journal.begin(stage, recipe.train.steps if stage == "train" else 0)
    makers: dict[Stage, Callable[[], dict[str, Any]]] = {
        "train": lambda: _train(work, folder),
        "fuse": lambda: _fuse(work, folder),
        "quantize": lambda: _quantize(work, folder),
        "fidelity": lambda: _fidelity(work, folder),
        "predict": lambda: _predict(work, folder, reuse=reuse),
    }
    facts = makers[stage]()
    publish(folder, work.run.stage(stage), key, facts)
    work.journal.end(facts)


def make_trainer(work: Work, folder: Path) -> "Trainer":
    """The trainer of a run, at the last checkpoint in `folder`. Every rank makes the same one."""
    from tunewright.train.checkpoint import Checkpoints
    from tunewright.train.training import Trainer

    recipe = work.spec.recipe
    rows, valid = work.train_split.rows, work.valid_rows
    checkpoints = Checkpoints(folder / CHECKPOINTS, work.keys["train"], recipe.train)
    model = load_base(work.base).model
    return Trainer(model, recipe.train, recipe.seed, rows, valid, checkpoints, work.journal)


def _train(work: Work, folder: Path) -> dict[str, Any]:
    from tunewright.train.lora import ADAPTERS, CONFIG, save_adapters, trainable
    from tunewright.train.models import size_of
    from tunewright.train.ranks import ring_of, wanted_ranks

    train = work.spec.recipe.train
    split = work.train_split
    trainer = make_trainer(work, folder)
    if trainer.progress.step:
        work.journal.resume_at(trainer.progress.step)
    arrays = trainable(trainer.model)
    ranks = wanted_ranks(size_of(trainer.model))
    with ring_of(work.run, ranks, work.journal.warning) as ring:
        trainer.join(ring)
        work.journal.event("ranks", processes=ring.size)
        progress = trainer.run()
    before, best = progress.validation[0].loss, progress.best
    if best is None or best.step == 0:
        least = min(point.loss for point in progress.validation[1:])
        raise UserError(
            f"training made the validation loss no better: {before:.3f} before, {least:.3f} at best; nothing was fused",
            "Check the learning rate, the mask, and that train and valid hold the same kind of examples.",
        )
    chosen = trainer.checkpoints.best(best.step)
    if chosen is None:
        save_adapters(folder, trainable(trainer.model), train)
    else:
        for name in (ADAPTERS, CONFIG):
            shutil.copyfile(chosen / name, folder / name)
    write_json(
        folder / "loss.json",
        {
            "train": [point.model_dump() for point in progress.curve],
            "validation": [point.model_dump() for point in progress.validation],
        },
    )
    remove(folder / CHECKPOINTS)
    return {
        "steps": train.steps,
        "tokens": progress.tokens,
        "examples": len({row.row for row in split.rows}),
        "rows": len(trainer.rows),
        "valid_examples": len(trainer.valid),
        "tool_tokens": split.tool_tokens,
        "parameters": sum(int(array.size) for array in arrays.values()),
        "best_step": best.step if chosen else train.steps,
        "validation_before": round(before, 5),
        "validation_best": round(best.loss, 5),
    }


def _fuse(work: Work, folder: Path) -> dict[str, Any]:
    from tunewright.train.fuse import fuse

    _empty(folder)
    return fuse(folder, work.run, work.spec.recipe, work.base, work.journal)


def _quantize(work: Work, folder: Path) -> dict[str, Any]:
    from tunewright.train.quantize import quantize

    _empty(folder)
    return quantize(folder, work.run, work.spec.recipe, work.base, work.journal)


def _fidelity(work: Work, folder: Path) -> dict[str, Any]:
    from tunewright.train.fidelity import fidelity
    from tunewright.train.fidelity_part import part_of_run

    _empty(folder)
    command = partial(part_of_run, work.run)
    with contextlib.ExitStack() as stack:
        process = other_process(command, work.journal.check)
        facts = fidelity(
            folder,
            work.run,
            work.spec.recipe,
            work.base,
            work.valid_rows,
            work.journal,
            rehearsed=work.rehearsed_rows,
            other=stack.enter_context(process) if pays(load_base(work.base).model) else None,
        )
    if forgetting := facts.get("forgetting"):
        forgetting["answered_by"] = answered_by(work.rehearsed)
    return facts


def _empty(folder: Path) -> None:
    """These stages begin anew: remove what an interrupted one left."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != ".key":
            path.unlink()


def _predict(work: Work, folder: Path, *, reuse: bool) -> dict[str, Any]:
    spec, settings, journal = work.spec, work.spec.recipe.predict, work.journal
    suites = [read_suite(work.run.suites / f"{name}.jsonl") for name in spec.suites]
    each = {suite.name: len(suite.cases) * settings.drawn for suite in suites}
    total = sum(each.values()) * len(settings.models)
    done = 0
    files: dict[str, str] = {}
    for model in settings.models:
        left: list[Suite] = []
        for suite in suites:
            name = f"{model}/{suite.name}.jsonl"
            key = files[name] = prediction_key(spec, work.base.identity, work.keys, model, suite.name)
            path = folder / name
            if not path.is_file() and reuse and (source := _predicted(work, name, key)) is not None:
                path.parent.mkdir(exist_ok=True)
                shutil.copyfile(source, path)
            if path.is_file():
                done += each[suite.name]
                journal.progress(done, total)
                journal.resume_at(done)
            else:
                left.append(suite)
        if left:
            _answer(work, folder, model, left, done, total)
            done += sum(each[suite.name] for suite in left)
        journal.progress(done, total)
    return {"files": files, "answers": total}


def _answer(work: Work, folder: Path, model: "ModelName", suites: list[Suite], done: int, total: int) -> None:
    """Write a model's answers to suites; on a CPU with two cores another process answers half of them."""
    from tunewright.train.models import open_model, release
    from tunewright.train.predict import answer_suite, asked_of, write_predictions
    from tunewright.train.predict_part import part_of_run

    settings, journal = work.spec.recipe.predict, work.journal
    suites = [asked_of(model, suite, work.spec) for suite in suites]
    loaded = open_model(model, work.run, work.spec.recipe, work.base)
    with contextlib.ExitStack() as stack:
        command = partial(part_of_run, work.run, model, [suite.name for suite in suites])
        other = stack.enter_context(other_process(command, journal.check)) if pays(loaded.model) else None
        for suite in suites:

            def tick(answered: int, worth: float, before: int = done) -> None:
                journal.progress(min(before + answered, total), total, worth=before + worth)

            found = answer_suite(loaded, suite, settings, work.spec.recipe.seed, tick, other)
            write_predictions(folder / model / f"{suite.name}.jsonl", found)
            done += len(suite.cases) * settings.drawn
    release(loaded)


def _predicted(work: Work, name: str, key: str) -> Path | None:
    """A file of predictions with that key in a finished sibling run, whole."""
    from tunewright.contract.manifest import read_manifest

    for spec in sorted(work.run.path.parent.glob("*/spec.json"), reverse=True):
        folder = RunFolder(spec.parent).predictions
        manifest = read_manifest(folder)
        if manifest is None or manifest.facts.get("files", {}).get(name) != key:
            continue
        entry = manifest.files.get(name)
        if entry and (folder / name).is_file() and sha256_file(folder / name) == entry.sha256:
            return folder / name
    return None
