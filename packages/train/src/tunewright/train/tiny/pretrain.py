"""Makes the tiny base model from nothing: `python -m tunewright.train.tiny.pretrain --out DIR`.

The folder keeps everything needed to go on after an interruption; the same seed, steps and package
versions give the same corpus and tokenizer.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tunewright.contract.atomic import sha256_file, write_json
from tunewright.train.tiny import bpe_tokenizer as tokenizer_module
from tunewright.train.tiny import pretraining_corpus as corpus_module
from tunewright.train.tiny.model import CONFIG, export, new_model, parameter_count, save_array_file
from tunewright.train.tiny.names import seeded

LENGTH = 256
HELD_OUT_WINDOWS = 48
WARMUP_STEPS = 40
PEAKS = (4e-4, 1.5e-3)
"""The highest learning rates: of the heads that copy from the start, and of everything else."""
DECAY_SHARE = 0.35
"""The last part of the run, in which the learning rate falls to zero."""


def learning_rate(step: int, steps: int) -> float:
    """The share of the highest rate: warm-up, plateau, straight fall to zero.

    Until its fall begins a run can be made longer without having been another run.
    """
    if step < WARMUP_STEPS:
        return (step + 1) / WARMUP_STEPS
    fall = int(steps * (1 - DECAY_SHARE))
    return 1.0 if step < fall else max(0.0, (steps - step) / max(1, steps - fall))


def new_optimizer() -> Any:
    """AdamW twice: slower for the first two layers' attention, which can copy before it is trained.

    At the rate of the rest, or under Muon, the first hundred steps wipe out most of that.
    """
    import mlx.optimizers as optim

    def copies(path: str, weight: Any) -> bool:
        del weight
        return "layers.0.self_attn" in path or "layers.1.self_attn" in path

    pair = [
        optim.AdamW(learning_rate=peak, betas=[0.9, 0.98], weight_decay=0.05, bias_correction=True)
        for peak in PEAKS
    ]
    return optim.MultiOptimizer(pair, [copies])


def prepare(out: Path, seed: int, windows: int) -> dict[str, Any]:
    """Writes tokenizer, training windows and held-out windows to `out`, unless they are there already."""
    record = out / "corpus.json"
    if record.exists():
        return json.loads(record.read_text(encoding="utf-8"))
    texts, sources = corpus_module.source_texts()
    tokenizer = tokenizer_module.train(corpus_module.tokenizer_texts(seed, texts))
    (out / "model").mkdir(parents=True, exist_ok=True)
    tokenizer_module.save(tokenizer, out / "model")
    corpus = corpus_module.pack(tokenizer, texts, seed=seed + 1, windows=windows, length=LENGTH)
    held_out = corpus_module.pack(
        tokenizer, texts, seed=seed + 2, windows=HELD_OUT_WINDOWS, length=LENGTH, sheets=False
    )
    rng = seeded(seed + 3)
    copies = np.array(
        [corpus_module.copy_sheet(tokenizer, rng, LENGTH + 1) for _ in range(8)], dtype=np.uint16
    )
    np.save(out / "train.npy", corpus.windows)
    np.save(out / "held_out.npy", held_out.windows)
    np.save(out / "copies.npy", copies)
    made: dict[str, Any] = {
        "seed": seed,
        "sources": [asdict(source) for source in sources],
        "windows": windows,
        "window_tokens": LENGTH + 1,
        "conversations": corpus.conversations,
        "conversation_tokens": corpus.conversation_tokens,
        "source_tokens": corpus.source_tokens,
        "copy_tokens": corpus.copy_tokens,
        "corpus_sha256": corpus.sha256,
        "tokenizer_sha256": sha256_file(out / "model" / "tokenizer.json"),
    }
    write_json(record, made)
    return made


class Trainer:
    """The model, its optimizer and how far the run is."""

    def __init__(self, out: Path, steps: int, batch: int, seed: int) -> None:
        import mlx.nn as nn

        self.out, self.steps, self.batch = out, steps, batch
        self.step, self.seconds = 0, 0.0
        self.curve: list[dict[str, float]] = []
        self.model = new_model(seed)
        self.optimizer = new_optimizer()
        self.optimizer.init(self.model.trainable_parameters())
        self.gradient: Any = nn.value_and_grad(self.model, self.loss)
        self.windows = np.load(out / "train.npy", mmap_mode="r")
        self.held_out = np.load(out / "held_out.npy")
        self.copies = np.load(out / "copies.npy")
        self._resume()

    @staticmethod
    def loss(model: Any, rows: Any) -> Any:
        """Mean cross-entropy over every next token, in nats."""
        from tunewright.train.tiny import fastmath

        return fastmath.cross_entropy(fastmath.logits(model, rows[:, :-1]), rows[:, 1:])

    def advance(self) -> float:
        """One optimizer step; the loss before it."""
        import mlx.core as mx
        import mlx.optimizers as optim

        at = (self.step * self.batch) % (len(self.windows) - self.batch + 1)
        rows = mx.array(np.asarray(self.windows[at : at + self.batch]).astype(np.int32))
        started = time.monotonic()
        loss, gradients = self.gradient(self.model, rows)
        gradients, _ = optim.clip_grad_norm(gradients, 1.0)
        share = learning_rate(self.step, self.steps)
        for optimizer, peak in zip(self.optimizer.optimizers, PEAKS, strict=True):
            optimizer.learning_rate = peak * share
        self.optimizer.update(self.model, gradients)
        mx.eval(self.model.parameters(), self.optimizer.state, loss)
        self.seconds += time.monotonic() - started
        self.step += 1
        return float(loss.item())

    def evaluate(self, windows: np.ndarray[Any, Any]) -> float:
        """The loss on the windows, all of them."""
        import mlx.core as mx

        losses = [
            float(self.loss(self.model, mx.array(windows[i : i + 8].astype(np.int32))).item())
            for i in range(0, len(windows), 8)
        ]
        return round(sum(losses) / len(losses), 4)

    def save(self) -> None:
        """Model, optimizer and progress in one file, so that they cannot disagree."""
        from mlx.utils import tree_flatten

        weights: Any = tree_flatten(self.model.parameters())
        state: Any = tree_flatten(self.optimizer.state)
        arrays = {f"model.{k}": v for k, v in weights} | {f"optimizer.{k}": v for k, v in state}
        progress = {"step": self.step, "seconds": self.seconds, "curve": self.curve}
        save_array_file(self.out / "checkpoint.safetensors", arrays, {"progress": json.dumps(progress)})
        export(self.model, self.out / "model")

    def _resume(self) -> None:
        import mlx.core as mx
        from mlx.utils import tree_unflatten

        path = self.out / "checkpoint.safetensors"
        if not path.exists():
            return
        loaded: Any = mx.load(str(path), return_metadata=True)
        arrays, progress = loaded[0], json.loads(loaded[1]["progress"])
        self.model.load_weights(
            [(k.removeprefix("model."), v) for k, v in arrays.items() if k.startswith("model.")]
        )
        self.optimizer.state = tree_unflatten(
            [(k.removeprefix("optimizer."), v) for k, v in arrays.items() if k.startswith("optimizer.")]
        )
        self.step, self.seconds, self.curve = progress["step"], progress["seconds"], progress["curve"]


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def run(out: Path, *, steps: int, batch: int, windows: int, seed: int, every: int) -> None:
    """Trains to `steps` from the step that the folder is at, then writes the model and its card."""
    out.mkdir(parents=True, exist_ok=True)
    made = prepare(out, seed, windows)
    trainer = Trainer(out, steps, batch, seed)
    count = parameter_count(trainer.model)
    _say(f"{count:,} parameters, {made['windows']:,} windows, from step {trainer.step} to {steps}")
    losses: list[float] = []
    started, first = time.monotonic(), trainer.step
    while trainer.step < steps:
        loss = trainer.advance()
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss} at step {trainer.step}; the last checkpoint is still good"
            )
        losses.append(loss)
        if trainer.step % 50 == 0:
            pace = (time.monotonic() - started) / (trainer.step - first)
            recent = sum(losses[-50:]) / len(losses[-50:])
            left = pace * (steps - trainer.step) / 60
            _say(
                f"step {trainer.step}/{steps}  loss {recent:.3f}  {batch * LENGTH / pace:,.0f} tokens/s  {left:.0f} min left"
            )
        if trainer.step % every == 0 or trainer.step == steps:
            point = {
                "step": trainer.step,
                "train": round(sum(losses) / len(losses), 4),
                "held_out": trainer.evaluate(trainer.held_out),
                "copying": trainer.evaluate(trainer.copies),
            }
            trainer.curve.append(point)
            losses = []
            trainer.save()
            _say(
                f"step {trainer.step}  held-out loss {point['held_out']:.3f}, copying {point['copying']:.3f}, saved"
            )
    write_card(out, made, trainer)


def write_card(out: Path, made: dict[str, Any], trainer: Trainer) -> None:
    """The machine-readable account of how the model was made."""
    card = {
        "schema": 1,
        "name": "tunewright-tiny",
        "parameters": parameter_count(trainer.model),
        "config": CONFIG,
        "corpus": made,
        "training": {
            "steps": trainer.steps,
            "batch": trainer.batch,
            "window": LENGTH,
            "peak_learning_rates": PEAKS,
            "trained_tokens": trainer.steps * trainer.batch * LENGTH,
            "seconds": round(trainer.seconds),
            "mlx": version("mlx"),
            "optimizer": "AdamW, betas 0.9 and 0.98, weight decay 0.05, gradients clipped at 1.0",
        },
        "loss_curve": trainer.curve,
        "model_sha256": sha256_file(out / "model" / "model.safetensors"),
    }
    write_json(out / "card.json", card)


def main() -> None:
    """Parses the command line and trains."""
    parser = argparse.ArgumentParser(description="Make the tiny base model.")
    parser.add_argument(
        "--out", type=Path, required=True, help="working folder; an interrupted run in it is resumed"
    )
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=4, help=f"windows of {LENGTH} tokens a step")
    parser.add_argument("--windows", type=int, default=20_000, help="windows in the corpus, used in order")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--every", type=int, default=200, help="steps between checkpoints")
    options = parser.parse_args()
    run(
        options.out,
        steps=options.steps,
        batch=options.batch,
        windows=options.windows,
        seed=options.seed,
        every=options.every,
    )


if __name__ == "__main__":
    main()
