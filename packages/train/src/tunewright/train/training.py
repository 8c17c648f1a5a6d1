"""The training loop: LoRA with Adam, warm-up and cosine, a per-token mask, and an exact way back.

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
from typing import Any, Protocol

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optimizers
from mlx.utils import tree_flatten, tree_map, tree_unflatten
from mlx_lm.utils import maybe_set_recommended_wired_limit

from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Train
from tunewright.train.batches import Schedule, in_order, lay_out
from tunewright.train.checkpoint import Checkpoints, LossPoint, Progress
from tunewright.train.encode import Encoded
from tunewright.train.journal import Cancelled
from tunewright.train.lanes import Lanes
from tunewright.train.lora import attach, trainable
from tunewright.train.loss import arrays, batch_loss, scores_of, shares_prefixes
from tunewright.train.tensors import number

SEEDS = 1 << 63  # more than mlx's generator takes
REPORTS = 100  # about how many loss events a training gives


# When a run has diverged: the validation loss has risen past its start by more than the larger of these, …
RISEN_SHARE, RISEN = 0.25, 0.1  # of the start; nats a token
# … or the gradient's norm was this many times its median, in so many steps on end, once so many are known.
EXPLODED, IN_A_ROW, SETTLED = 100.0, 3, 20


class Diverged(UserError):
    """Training has run away: nothing that comes after it is worth anything."""


class Reporter(Protocol):
    """What training tells the world."""

    def event(self, kind: str, stage: str | None = None, /, **data: Any) -> Any: ...
    def progress(self, step: int, total: int | None = None) -> None: ...
    def check(self) -> None: ...


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

    def __post_init__(self) -> None:
        # On a Mac, weights that may be paged out are read again at every step; elsewhere this does nothing.
        maybe_set_recommended_wired_limit()
        attach(self.model, self.train, self.seed % SEEDS)
        self.optimizer: Any = optimizers.Adam(learning_rate=self.train.learning_rate, bias_correction=True)
        self.optimizer.init(self.model.trainable_parameters())
        self.scores, self.share = scores_of(self.model), shares_prefixes(self.model)
        self.schedule = Schedule([len(row) for row in self.rows], self.train.batch_size, self.seed)
        # Every step's summed loss is divided by the same number: divided by its own count of tokens, a batch of short
        # answers would weigh as much as one of long programs, and each of its tokens several times as much.
        self.mean_tokens = self.train.batch_size * sum(row.trainable for row in self.rows) / len(self.rows)
        self.lanes = Lanes()
        self.progress = Progress()
        self._resumed = self._resume()
        self._step = self._make_step()

    def run(self) -> Progress:
        """Train from wherever the checkpoints stand to the last step.

        Raises Diverged at the first loss or gradient that is not finite; nothing is saved from then on.
        """
        train, progress = self.train, self.progress
        saved = self._resumed
        reported, tokens = time.perf_counter(), 0
        every = max(1, train.steps // REPORTS)
        try:
            while True:
                step = progress.step
                self.report.progress(step, train.steps)
                if self._validation_due():
                    self._validate()
                if step > saved and (step % train.checkpoint_every == 0 or step == train.steps):
                    self._save()
                    saved = step
                if step == train.steps:
                    return progress
                tokens += self._advance()
                if progress.step % every == 0 or progress.step == train.steps:
                    seconds = time.perf_counter() - reported
                    self._report_loss(every, tokens / seconds if seconds > 0 else 0.0)
                    reported, tokens = time.perf_counter(), 0
        except Cancelled:
            # Raised between steps only, so that what is in memory is a whole state.
            if progress.step > saved:
                self._save()
            raise

    def _validation_due(self) -> bool:
        step, train = self.progress.step, self.train
        at = step % train.validate_every == 0 or step == train.steps
        return at and all(point.step != step for point in self.progress.validation)

    def _advance(self) -> int:
        """One optimizer step; returns the tokens that had loss."""
        progress, train = self.progress, self.train
        rows = sorted((self.rows[i] for i in self.schedule.rows(progress.step)), key=len)
        parts = [lay_out(part, share=self.share) for part in self.lanes.share(rows)]
        tokens = sum(part.tokens for part in parts)
        self.optimizer.learning_rate = learning_rate(train, progress.step + 1)
        # mlx's generator cannot be put back to a state it was in; dropout is drawn from seed and step instead.
        mx.random.seed((self.seed * 1_000_003 + progress.step) % SEEDS)
        loss, norm = self._step(mx.array(1.0 / self.mean_tokens), *[arrays(part) for part in parts])
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
        scores, optimizer, streams = self.scores, self.optimizer, self.lanes.streams
        clip = self.train.clip

        # Scaled before the derivative is taken: a summed one could overflow half precision.
        def scaled_loss(model: Any, scale: Any, batch: Any) -> Any:
            return batch_loss(scores, model, *batch)[0] * scale

        gradient = nn.value_and_grad(self.model, scaled_loss)

        def step(scale: Any, *parts: Any) -> tuple[Any, Any]:
            losses: list[Any] = []
            found: list[Any] = []
            for stream, part in zip(streams, parts):
                with mx.stream(stream):
                    loss, gradients = gradient(self.model, scale, part)
                losses.append(loss)
                found.append(gradients)
            gradients = tree_map(_sum, *found)
            flat: Any = tree_flatten(gradients)
            squares = [mx.square(array.astype(mx.float32)).sum() for _, array in flat]
            norm = mx.sqrt(mx.stack(squares).sum())
            if clip:
                smaller = mx.minimum(clip / (norm + 1e-6), 1.0)
                gradients = tree_map(partial(_scaled, smaller), gradients)
            optimizer.update(self.model, gradients)
            return _sum(*losses), norm

        # On a GPU the graph is compiled, as mlx-lm does. On a CPU every shape costs a tracing that takes as
        # long as it ever saves: measured 7 % a step, against 0.1 to 0.2 s for each of some 40 shapes.
        on_gpu = mx.default_device() == mx.Device(mx.gpu)
        if on_gpu if self.compiled is None else self.compiled:
            state = [self.model.state, optimizer.state, mx.random.state]
            return partial(mx.compile, inputs=state, outputs=state)(step)
        return step

    def _validate(self) -> None:
        """The mean loss over every validation row; touches neither generator nor order of training."""
        progress = self.progress
        self.model.eval()
        total = tokens = 0.0
        for rows in in_order(self.valid, self.train.batch_size * 2 * self.lanes.count):
            self.report.progress(progress.step, self.train.steps)
            found: list[Any] = []
            for stream, part in zip(self.lanes.streams, self.lanes.share(rows)):
                with mx.stream(stream):
                    found.append(
                        batch_loss(self.scores, self.model, *arrays(lay_out(part, share=self.share)))
                    )
            mx.eval(found)
            total += sum(number(loss) for loss, _ in found)
            tokens += sum(number(count) for _, count in found)
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
        if progress.best == point:
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

    Both, because a model that knows its rows by heart has gradients near zero, and any new row is large beside them.
    """
    before, last = norms[:-IN_A_ROW], norms[-IN_A_ROW:]
    if len(before) < SETTLED:
        return False
    usual = max(statistics.median(before[-REPORTS:]), statistics.median(before[:SETTLED]))
    return min(last) > EXPLODED * usual


def _scaled(factor: Any, array: Any) -> Any:
    return array * factor.astype(array.dtype)


def _sum(first: Any, *others: Any) -> Any:
    """In this order, always: floats added in another one give another last bit."""
    for other in others:
        first = first + other
    return first
