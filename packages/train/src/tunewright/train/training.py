"""The training loop: LoRA, or every weight, with Adam, warm-up and cosine, a per-token mask, and an exact way back.

It is our own rather than `mlx_lm.tuner.trainer.train`, which can save adapters only: no optimizer, step,
schedule or generator, so that nothing it wrote can be gone on from; and which goes on training, and saving,
after the loss has become NaN. See docs/decisions/0010-training-loop-of-our-own.md.
"""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optimizers
import numpy as np
from mlx.utils import tree_flatten, tree_map, tree_unflatten
from mlx_lm.utils import maybe_set_recommended_wired_limit

from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Train
from tunewright.train.batches import Schedule, in_order, lay_out
from tunewright.train.checkpoint import Checkpoints, LossPoint, Progress
from tunewright.train.encode import Encoded
from tunewright.train.lora import attach, trainable
from tunewright.train.loss import arrays, batch_loss, scores_of, shares_prefixes
from tunewright.train.ranks import ALONE, SHARDS, Ring
from tunewright.train.run_events import Cancelled, Reporter
from tunewright.train.tensors import number

SEEDS = 1 << 63  # more than mlx's generator takes
PACES = 50  # steps whose pace the time left is judged by
REPORTS = 100  # about how many loss events a training gives


# When a run has diverged: the validation loss has risen past its start by more than the larger of these, …
RISEN_SHARE, RISEN = 0.25, 0.1  # of the start; nats a token
# … or the gradient's norm was this many times its median, in so many steps on end, once so many are known.
EXPLODED, IN_A_ROW, SETTLED = 100.0, 3, 20


class Diverged(UserError):
    """Training has run away: nothing that comes after it is worth anything."""


def learning_rate(train: Train, step: int) -> float:
    """The rate of a step, which counts from 1: linear warm-up to the recipe's rate, then half a cosine to 0."""
    if step <= train.warmup:
        return train.learning_rate * step / train.warmup
    done = (step - train.warmup - 1) / max(1, train.steps - train.warmup)
    return train.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


@dataclass
class Trainer:
    """A model being trained. Deterministic: the same inputs give the same curve, however often interrupted."""

    model: Any
    train: Train
    seed: int
    rows: Sequence[Encoded]
    valid: Sequence[Encoded]
    checkpoints: Checkpoints
    report: Reporter
    compiled: bool | None = None  # the step's graph; None: on a GPU
    ring: Ring = ALONE  # the processes that train this model together
    whole: bool = False  # train every weight of the model; else LoRA adapters on it

    def __post_init__(self) -> None:
        # On a Mac, weights that may be paged out are read again at every step; elsewhere this does nothing.
        maybe_set_recommended_wired_limit()
        if self.whole:
            self.model.unfreeze()
        else:
            attach(self.model, self.train, self.seed % SEEDS)
        self.optimizer: Any = optimizers.Adam(learning_rate=self.train.learning_rate, bias_correction=True)
        self.optimizer.init(self.model.trainable_parameters())
        self.scores, self.share = scores_of(self.model), shares_prefixes(self.model)
        self.schedule = Schedule([len(row) for row in self.rows], self.train.batch_size, self.seed)
        # Every step's summed loss is divided by the same number: divided by its own count of tokens, a batch of short
        # answers would weigh as much as one of long programs, and each of its tokens several times as much.
        self.mean_tokens = self.train.batch_size * sum(row.trainable for row in self.rows) / len(self.rows)
        on_cpu = mx.default_device() == mx.Device(mx.cpu)
        self.shards = SHARDS if on_cpu and not self.compiled else 1
        flat: Any = tree_flatten(self.model.trainable_parameters())
        self._adapters: list[tuple[str, Any]] = flat
        self._numbers = sum(int(array.size) for _, array in self._adapters)
        # How long a step takes goes by its tokens.
        costs = [sum(len(self.rows[i]) for i in self.schedule.rows(step)) for step in range(self.train.steps)]
        self._cost_left = [*np.cumsum(costs[::-1])[::-1].tolist(), 0]
        self._paces: list[tuple[int, float]] = []  # of the last PACES + 1 steps: cost, seconds
        self._validating = 0.0  # seconds that the last validation took
        self.progress = Progress()
        self._resumed = self._resume()
        self._step = self._make_step()

    def run(self) -> Progress:
        """Train from the last checkpoint to the last step.

        Raises Diverged at the first loss or gradient that is not finite; nothing is saved from then on.
        """
        train, progress = self.train, self.progress
        saved = self._resumed
        reported, tokens = time.perf_counter(), 0
        every = max(1, train.steps // REPORTS)
        try:
            while True:
                step = progress.step
                paused = time.perf_counter()
                self.report.progress(step, train.steps, self._seconds_left())
                reported += time.perf_counter() - paused  # where the host's owner may let it pause
                if self._validation_due():
                    self._validate()
                if (
                    not self.ring.rank
                    and step > saved
                    and (step % train.checkpoint_every == 0 or step == train.steps)
                ):
                    self._save()
                    saved = step
                if step == train.steps:
                    return progress
                began = time.perf_counter()
                tokens += self._advance()
                self._paces = [
                    *self._paces[-PACES:],
                    (self._cost_left[step] - self._cost_left[step + 1], time.perf_counter() - began),
                ]
                if progress.step % every == 0 or progress.step == train.steps:
                    seconds = time.perf_counter() - reported
                    self._report_loss(every, tokens / seconds if seconds > 0 else 0.0)
                    reported, tokens = time.perf_counter(), 0
        except Cancelled:
            # Raised between steps only, so that what is in memory is a whole state.
            if progress.step > saved:
                self._save()
            raise

    def join(self, ring: Ring) -> None:
        """Train from now on with the other processes of `ring`, each of which has the same trainer."""
        self.ring = ring

    def _seconds_left(self) -> float | None:
        """How long the rest takes, by the tokens that are left; None until two steps of this process are measured.

        The first is left out: kernels are compiled in it.
        """
        step, train = self.progress.step, self.train
        measured = self._paces[1:]
        if not measured:
            return None
        pace = sum(seconds for _, seconds in measured) / sum(cost for cost, _ in measured)
        validations = len({s for s in range(step + 1, train.steps + 1) if self._validates(s)})
        return pace * self._cost_left[step] + validations * self._validating

    def _validates(self, step: int) -> bool:
        return step % self.train.validate_every == 0 or step == self.train.steps

    def _validation_due(self) -> bool:
        step = self.progress.step
        return self._validates(step) and all(point.step != step for point in self.progress.validation)

    def _advance(self) -> int:
        """One optimizer step; returns the tokens that had loss."""
        progress, train = self.progress, self.train
        rows = sorted((self.rows[i] for i in self.schedule.rows(progress.step)), key=len)
        # Dealt out in turn, so that the shards are about as long.
        shards = [rows[shard :: self.shards] for shard in range(self.shards)]
        tokens = sum(row.trainable for row in rows)
        self.optimizer.learning_rate = learning_rate(train, progress.step + 1)
        # mlx's generator cannot be put back to a state it was in; dropout is drawn from seed, step and shard instead.
        seed = (self.seed * 1_000_003 + progress.step) * self.shards
        loss, norm = self._step(mx.array(1.0 / self.mean_tokens), seed, shards)
        mx.eval(self.model.trainable_parameters(), self.optimizer.state, loss, norm)
        value, size = number(loss) * self.mean_tokens / tokens, number(norm)
        if not (math.isfinite(value) and math.isfinite(size)):
            what = "loss" if not math.isfinite(value) else "gradient"
            raise Diverged(
                f"the {what} at step {progress.step + 1} is not a finite number",
                "Lower train.learning_rate or raise train.warmup; with float16, use bfloat16 or float32. "
                "Nothing after the last finite step was kept, and nothing was fused.",
            )
        progress.step += 1
        progress.tokens += tokens
        progress.curve.append(LossPoint(step=progress.step, loss=value))
        progress.norms.append(size)
        if exploded(progress.norms):
            raise Diverged(
                f"the gradient has exploded at step {progress.step}: its norm is {size:.3g}, where "
                f"{statistics.median(progress.norms):.3g} is usual",
                "Lower train.learning_rate, raise train.warmup, or set a smaller train.clip. Nothing was fused.",
            )
        if mx.metal.is_available():
            mx.clear_cache()
        return tokens

    def _make_step(self) -> Callable[..., Any]:
        """A function `(scale, seed, shards) -> (loss, norm)` that computes the shards' gradients and takes the step."""
        scores = self.scores

        # Scaled before the derivative is taken: a summed one could overflow half precision.
        def scaled_loss(model: Any, scale: Any, batch: Any) -> Any:
            return batch_loss(scores, model, *batch)[0] * scale

        gradient = nn.value_and_grad(self.model, scaled_loss)

        def whole(scale: Any, batch: Any) -> tuple[Any, Any]:
            loss, gradients = gradient(self.model, scale, batch)
            return loss, self._update(gradients)

        def one(scale: Any, seed: int, shards: Sequence[Sequence[Encoded]]) -> tuple[Any, Any]:
            mx.random.seed(seed % SEEDS)
            return step(scale, arrays(lay_out(shards[0], share=self.share)))

        def several(scale: Any, seed: int, shards: Sequence[Sequence[Encoded]]) -> tuple[Any, Any]:
            own: list[Any] = []
            for shard in self.ring.mine(len(shards)):
                if not shards[shard]:
                    continue
                mx.random.seed((seed + shard) % SEEDS)
                loss, gradients = gradient(
                    self.model, scale, arrays(lay_out(shards[shard], share=self.share))
                )
                flat: Any = tree_flatten(gradients)
                own.append(
                    mx.concatenate([loss.reshape(1), *[g.reshape(-1).astype(mx.float32) for _, g in flat]])
                )
                mx.eval(own[-1])  # one shard's activations at a time are in memory
            every = self.ring.gather(self._filled(own, self._numbers + 1, len(shards)), len(shards))
            total = every[0]
            for shard in range(1, len(shards)):  # in this order, always: another one gives another last bit
                total = total + every[shard]
            return total[0], self._update(self._as_gradients(total[1:]))

        if self.shards > 1:
            return several
        # On a GPU the graph is compiled, as mlx-lm does.
        step = whole
        if mx.default_device() == mx.Device(mx.gpu) if self.compiled is None else self.compiled:
            state = [self.model.state, self.optimizer.state, mx.random.state]
            step = partial(mx.compile, inputs=state, outputs=state)(whole)
        return one

    def _filled(self, own: list[Any], width: int, count: int) -> Any:
        """This rank's rows under one another, with zeros for shards that are empty, as many on every rank."""
        rows = -(-count // self.ring.size)
        return mx.stack([*own, *[mx.zeros(width)] * (rows - len(own))])

    def _as_gradients(self, numbers: Any) -> Any:
        """The gradients that a vector of all their numbers holds, in the adapters' own types."""
        made: list[tuple[str, Any]] = []
        at = 0
        for name, array in self._adapters:
            made.append((name, numbers[at : at + array.size].reshape(array.shape).astype(array.dtype)))
            at += array.size
        return tree_unflatten(made)

    def _update(self, gradients: Any) -> Any:
        """Clip the gradients and let Adam take its step; returns their norm before."""
        flat: Any = tree_flatten(gradients)
        squares = [mx.square(array.astype(mx.float32)).sum() for _, array in flat]
        norm = mx.sqrt(mx.stack(squares).sum())
        if self.train.clip:
            smaller = mx.minimum(self.train.clip / (norm + 1e-6), 1.0)
            gradients = tree_map(partial(_scaled, smaller), gradients)
        self.optimizer.update(self.model, gradients)
        return norm

    def _validate(self) -> None:
        """The mean loss over every validation row; touches neither generator nor order of training."""
        progress = self.progress
        self.model.eval()
        began = time.perf_counter()
        batches = in_order(self.valid, self.train.batch_size * 2)
        own: list[Any] = []
        for index in self.ring.mine(len(batches)):
            self.report.progress(progress.step, self.train.steps, self._seconds_left())
            batch = arrays(lay_out(batches[index], share=self.share))
            own.append(mx.stack(batch_loss(self.scores, self.model, *batch)))
            mx.eval(own[-1])
        found = np.array(self.ring.gather(self._filled(own, 2, len(batches)), len(batches)), dtype=np.float64)
        total, tokens = found.sum(axis=0).tolist()
        self._validating = time.perf_counter() - began
        self.model.train()
        value = total / tokens
        if not math.isfinite(value):
            raise Diverged(
                f"the validation loss after step {progress.step} is not a finite number",
                "Lower train.learning_rate; with float16, use bfloat16 or float32.",
            )
        point = LossPoint(step=progress.step, loss=value)
        progress.validation.append(point)
        self.report.event("validation", step=point.step, loss=point.loss)
        if progress.best == point and not self.ring.rank:
            self.checkpoints.save_best(point.step, trainable(self.model))
        start = progress.validation[0].loss
        if value > start + max(RISEN, RISEN_SHARE * start):
            raise Diverged(
                f"the validation loss has risen from {start:.3f} to {value:.3f} at step {progress.step}: training diverges",
                "Lower train.learning_rate or raise train.warmup. Nothing was fused.",
            )

    def _report_loss(self, every: int, pace: float) -> None:
        progress = self.progress
        recent = [point.loss for point in progress.curve[-every:]]
        self.report.event(
            "loss",
            step=progress.step,
            loss=round(sum(recent) / len(recent), 5),
            learning_rate=learning_rate(self.train, progress.step),
            tokens=progress.tokens,
            gradient=progress.norms[-1],
            tokens_per_second=round(pace, 1),
            peak_memory=int(mx.get_peak_memory()),
        )

    def _save(self) -> None:
        state: Any = tree_flatten(self.optimizer.state)
        self.checkpoints.save(self.progress, trainable(self.model), dict(state))
        self.report.event("checkpoint", step=self.progress.step)

    def _resume(self) -> int:
        found = self.checkpoints.load()
        self.model.train()
        if found is None:
            return 0
        progress, adapters, state, damaged = found
        for path in damaged:
            self.report.event(
                "warning",
                message=f"checkpoint {path.name} is damaged and was passed over",
                hint="The disk may be failing, or the machine lost power. Training goes on from an older one.",
            )
        self.model.load_weights(list(adapters.items()), strict=False)
        self.optimizer.state = tree_unflatten(list(state.items()))
        self.progress = progress
        return progress.step


def exploded(norms: Sequence[float]) -> bool:
    """Whether the last gradients' norms are out of all proportion to those before, and to the first ones.

    Both, because a model that knows its rows by heart has gradients near zero, and any new row is large against them.
    """
    before, last = norms[:-IN_A_ROW], norms[-IN_A_ROW:]
    if len(before) < SETTLED:
        return False
    usual = max(statistics.median(before[-REPORTS:]), statistics.median(before[:SETTLED]))
    return min(last) > EXPLODED * usual


def _scaled(factor: Any, array: Any) -> Any:
    return array * factor.astype(array.dtype)
