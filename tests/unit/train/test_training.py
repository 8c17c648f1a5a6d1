"""The loop: exact resumption, whole-set validation, and a stop at the first number that is not finite."""

import math
import statistics
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import mlx.core as mx
import mlx.nn as nn
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx.utils import tree_flatten

from tests.support.conversations import conversation
from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Train
from tunewright.train import training
from tunewright.train.base import Base, load_base, load_tokenizer, read_config
from tunewright.train.batches import lay_out
from tunewright.train.checkpoint import Checkpoints, LossPoint, Progress
from tunewright.train.encode import Encoded, encode_all, encoder_for
from tunewright.train.lora import attach, trainable
from tunewright.train.loss import arrays, batch_loss, scores_of
from tunewright.train.run_events import Cancelled
from tunewright.train.tensors import number
from tunewright.train.training import Diverged, Trainer, exploded, learning_rate

RECIPE = Train(
    steps=12,
    batch_size=4,
    learning_rate=5e-3,
    warmup=3,
    max_seq_length=256,
    rank=4,
    scale=2.0,
    dropout=0.1,
    layers=-1,
    checkpoint_every=4,
    validate_every=4,
)


class Power(Exception):
    """The power goes."""


class Recorder:
    """Collects events; may stop the training at a step."""

    def __init__(self, stop_at: int | None = None, error: Callable[[], BaseException] = Power) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.left: list[tuple[int, float | None]] = []
        self.stop_at, self.error = stop_at, error

    def event(self, kind: str, stage: str | None = None, /, **data: Any) -> None:
        self.events.append((kind, data))

    def progress(self, step: int, total: int | None = None, left: float | None = None) -> None:
        self.left.append((step, left))
        if self.stop_at is not None and step >= self.stop_at:
            self.stop_at = None
            raise self.error()

    def check(self) -> None:
        pass

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [data for found, data in self.events if found == kind]


@pytest.fixture(scope="module")
def rows(random_model: Path) -> list[Encoded]:
    encoder = encoder_for(load_tokenizer(random_model, read_config(random_model)))
    examples = [conversation(number) for number in range(24)]
    return encode_all(encoder, examples, mask="assistant", max_length=256, origin="train.jsonl").rows


@pytest.fixture(scope="module")
def uninterrupted(
    random_model: Path, rows: list[Encoded], tmp_path_factory: pytest.TempPathFactory
) -> "Outcome":
    checkpoints = Checkpoints(tmp_path_factory.mktemp("whole"), "key", RECIPE)
    model = load_base(Base(random_model, "identity", "float32")).model
    trainer = Trainer(model, RECIPE, 7, rows[:18], rows[18:], checkpoints, Recorder())
    return outcome(trainer, trainer.run())


@pytest.fixture
def trainer(base: Base, rows: list[Encoded], tmp_path: Path) -> Callable[..., Trainer]:
    def make(
        folder: str = "run", report: Recorder | None = None, train: Train = RECIPE, seed: int = 7
    ) -> Trainer:
        checkpoints = Checkpoints(tmp_path / folder, "key", train)
        return Trainer(
            load_base(base).model, train, seed, rows[:18], rows[18:], checkpoints, report or Recorder()
        )

    return make


Make = Callable[..., Trainer]


Outcome = tuple[dict[str, Any], dict[str, bytes]]


def outcome(trainer: Trainer, progress: Progress) -> Outcome:
    weights = {name: bytes(memoryview(array)) for name, array in trainable(trainer.model).items()}
    return progress.model_dump(), weights


@pytest.mark.parametrize(
    ("stop_at", "error"), [(0, Power), (6, Power), (12, Power), (1, Cancelled), (8, Cancelled)]
)
def test_an_interrupted_training_ends_bit_for_bit_like_an_uninterrupted_one(
    trainer: Make, uninterrupted: Outcome, stop_at: int, error: type[BaseException]
) -> None:
    with pytest.raises(error):
        trainer("cut", Recorder(stop_at, error)).run()
    again = trainer("cut")
    # Who is asked to stop saves where it is; who loses power has the last checkpoint, and at 12 none yet.
    assert again.progress.step == (stop_at if error is Cancelled else min(stop_at // 4 * 4, 8))
    assert outcome(again, again.run()) == uninterrupted


def test_a_damaged_checkpoint_is_passed_over_and_told(
    trainer: Make, tmp_path: Path, uninterrupted: Outcome
) -> None:
    with pytest.raises(Power):
        trainer("cut", Recorder(10)).run()
    damaged = tmp_path / "cut" / "step-0000008" / "adapters.safetensors"
    data = bytearray(damaged.read_bytes())
    data[-5] ^= 1
    damaged.write_bytes(data)
    report = Recorder()
    again = trainer("cut", report)
    assert again.progress.step == 4
    assert "step-0000008 is damaged" in report.of("warning")[0]["message"]
    assert outcome(again, again.run()) == uninterrupted


def test_when_every_checkpoint_is_damaged_nothing_begins_again_unasked(trainer: Make, tmp_path: Path) -> None:
    with pytest.raises(Power):
        trainer("cut", Recorder(10)).run()
    (tmp_path / "cut" / "step-0000008" / "state.json").write_text("{}")
    (tmp_path / "cut" / "step-0000004" / "manifest.json").unlink()
    with pytest.raises(
        UserError, match=r"every checkpoint .* is damaged: step-0000008, step-0000004"
    ) as error:
        trainer("cut")
    assert "--fresh" in error.value.hint


def test_a_checkpoint_of_other_inputs_is_not_gone_on_from(trainer: Make, tmp_path: Path) -> None:
    with pytest.raises(Power):
        trainer("run", Recorder(6)).run()
    other = trainer("run")
    assert other.progress.step == 4
    assert Checkpoints(tmp_path / "run", "another key", RECIPE).load() is None


def test_the_loss_falls_and_the_best_validation_is_kept(trainer: Make) -> None:
    made = trainer()
    progress = made.run()
    assert progress.validation[-1].loss < progress.validation[0].loss - 0.3
    assert [point.step for point in progress.validation] == [0, 4, 8, 12]
    assert progress.best is not None
    assert made.checkpoints.best(progress.best.step) is not None


def test_validating_touches_neither_the_generator_nor_the_curve(
    trainer: Make, uninterrupted: Outcome
) -> None:
    often = trainer("often", train=RECIPE.model_copy(update={"validate_every": 1})).run()
    assert [point.model_dump() for point in often.curve] == uninterrupted[0]["curve"]
    assert often.validation[-1].model_dump() == uninterrupted[0]["validation"][-1]


def test_a_compiled_step_as_on_a_gpu_gives_the_same_curve(
    trainer: Make, base: Base, rows: list[Encoded], tmp_path: Path
) -> None:
    # Each length of a batch is compiled anew, which takes seconds.
    plain = RECIPE.model_copy(update={"dropout": 0.0, "steps": 6, "validate_every": 6})
    expected = trainer("plain", train=plain).run()
    checkpoints = Checkpoints(tmp_path / "compiled", "key", plain)
    model = load_base(base).model
    compiled = Trainer(model, plain, 7, rows[:18], rows[18:], checkpoints, Recorder(), compiled=True).run()
    assert [p.loss for p in compiled.curve] == pytest.approx([p.loss for p in expected.curve], rel=1e-3)
    assert compiled.validation[-1].loss == pytest.approx(expected.validation[-1].loss, rel=1e-3)


def test_another_seed_gives_another_curve(trainer: Make, uninterrupted: Outcome) -> None:
    curve = trainer(seed=2).run().model_dump()["curve"]
    assert curve[0] != uninterrupted[0]["curve"][0]


@pytest.mark.parametrize("broken", ["loss", "gradient"])
def test_a_number_that_is_not_finite_stops_training_and_nothing_of_it_is_saved(
    trainer: Make, tmp_path: Path, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = trainer()
    sound = made._step  # pyright: ignore[reportPrivateUsage]

    def poisoned(*batch: Any) -> tuple[Any, Any]:
        loss, norm = sound(*batch)
        if made.progress.step == 5:
            nan = mx.array(math.nan)
            return (nan, norm) if broken == "loss" else (loss, nan)
        return loss, norm

    monkeypatch.setattr(made, "_step", poisoned)
    with pytest.raises(Diverged, match=f"the {broken} at step 6 is not a finite number") as caught:
        made.run()
    assert "learning_rate" in caught.value.hint
    assert [path.name for path in sorted((tmp_path / "run").glob("step-*"))] == ["step-0000004"]


def test_every_token_weighs_the_same_whatever_batch_it_is_in(
    trainer: Make, base: Base, rows: list[Encoded], tmp_path: Path
) -> None:
    """Against sums written out: a step's gradient is its rows' summed one over the mean batch, not over its own tokens."""
    train = RECIPE.model_copy(update={"dropout": 0.0, "clip": 0.0})
    made = trainer(train=train)
    drawn = [rows[i] for i in made.schedule.rows(0)]
    shortened = {
        row.row: Encoded(row.tokens, (False,) * (len(row) - 3) + (True,) * 3, row.row) for row in drawn
    }
    some = [shortened.get(row.row, row) for row in rows[:18]]
    report = Recorder(stop_at=1)
    checkpoints = Checkpoints(tmp_path / "some", "key", train)
    with pytest.raises(Power):
        few = Trainer(load_base(base).model, train, 7, some, rows[18:], checkpoints, report)
        few.run()
    mean = 4 * sum(row.trainable for row in some) / 18
    own = sum(shortened[row.row].trainable for row in drawn)
    assert own < mean / 2
    model = load_base(base).model
    attach(model, train, 7)
    model.train()

    def summed(model: Any) -> Any:
        scores = scores_of(model)
        parts = [batch_loss(scores, model, *arrays(lay_out([shortened[row.row]])))[0] for row in drawn]
        return mx.stack(parts).sum() / mean

    gradients: Any = nn.value_and_grad(model, summed)(model)[1]
    norm = math.sqrt(sum(number(mx.square(array).sum()) for _, array in cast(Any, tree_flatten(gradients))))
    (loss,) = report.of("loss")
    assert loss["gradient"] == pytest.approx(norm, rel=1e-3)


def test_a_gradient_is_clipped_to_the_recipes_norm(trainer: Make) -> None:
    def moved(clip: float) -> float:
        # One step of plain Adam forgets the size of a gradient; its second moment does not.
        made = trainer(
            f"clip{clip}", Recorder(stop_at=1), RECIPE.model_copy(update={"clip": clip, "dropout": 0.0})
        )
        with pytest.raises(Power):
            made.run()
        moments: Any = tree_flatten(made.optimizer.state)
        return sum(float(array.sum().item()) for name, array in moments if name.endswith(".v")) / 0.001

    free = moved(0.0)
    assert moved(0.01) == pytest.approx(0.01**2, rel=0.01)
    assert free > 2 * 0.01**2
    assert moved(1e6) == pytest.approx(free, rel=1e-5)


NORMS = st.lists(st.floats(0.01, 50), min_size=30, max_size=200)


@given(NORMS)
def test_norms_that_differ_as_norms_do_are_no_explosion(norms: list[float]) -> None:
    usual = statistics.median(norms[:20])
    assert not exploded([*norms, *[99 * usual] * 3])
    assert not exploded([*norms, usual, 1e9, 1e9])
    assert not exploded(norms[:10] + [1e9] * 3)


@given(NORMS)
def test_norms_beyond_all_proportion_three_times_on_end_are_one(norms: list[float]) -> None:
    assert exploded([*norms, 1e5, 1e5, 1e5])
    assert not exploded([*norms, 1e5, 0.02, 1e5])


def test_gradients_near_zero_make_no_explosion_of_an_ordinary_one() -> None:
    assert not exploded([1.0] * 20 + [1e-6] * 200 + [1.0] * 3)


@pytest.mark.parametrize(("start", "stops"), [(2.0, True), (20.0, False)])
def test_a_validation_loss_that_has_risen_past_its_start_stops_the_run(
    trainer: Make, tmp_path: Path, start: float, stops: bool
) -> None:
    made = trainer()
    # A random model starts as bad as can be: a start as a trained one has is put in its place.
    made.progress.validation = [LossPoint(step=0, loss=start)]
    if not stops:
        assert made.run().step == 12
        return
    with pytest.raises(
        Diverged, match=r"risen from 2\.000 to \d\.\d+ at step 4: training diverges"
    ) as caught:
        made.run()
    assert "learning_rate" in caught.value.hint
    assert not list((tmp_path / "run").glob("step-*"))


def test_the_best_may_be_the_start() -> None:
    points = [LossPoint(step=0, loss=1.0), LossPoint(step=4, loss=1.1), LossPoint(step=8, loss=1.0)]
    best = Progress(step=8, validation=points).best
    assert best is not None
    assert best.step == 0


def test_a_learning_rate_that_is_far_too_high_really_ends_in_that_error(trainer: Make) -> None:
    wild = RECIPE.model_copy(update={"learning_rate": 1e30, "warmup": 0})
    with pytest.raises(Diverged):
        trainer(train=wild).run()


def test_the_rate_warms_up_to_the_recipes_and_falls_to_almost_nothing() -> None:
    rates = [learning_rate(RECIPE, step) for step in range(1, 13)]
    assert rates[:3] == pytest.approx([5e-3 / 3, 5e-3 * 2 / 3, 5e-3])
    assert rates[3] == pytest.approx(5e-3)
    assert all(a > b for a, b in pairwise(rates[3:]))
    assert 0 < rates[-1] < 5e-3 * 0.05
    assert learning_rate(RECIPE.model_copy(update={"warmup": 0}), 1) == 5e-3


def test_the_time_left_is_exact_from_the_second_step_when_every_token_takes_as_long(
    trainer: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = Recorder()
    made = trainer(report=report, train=RECIPE.model_copy(update={"steps": 40, "validate_every": 20}))
    clock = 0.0
    ended: dict[int, float] = {}  # when each step was over
    advance = made._advance  # pyright: ignore[reportPrivateUsage]

    def one_millisecond_a_token(batch: Sequence[Encoded], **options: Any) -> Any:
        nonlocal clock
        clock += sum(map(len, batch)) / 1000
        return lay_out(batch, **options)

    def slow_at_first() -> int:
        nonlocal clock
        clock += 0 if ended else 900  # kernels are compiled
        tokens = advance()
        ended[made.progress.step] = clock
        return tokens

    monkeypatch.setattr(training, "PACES", 10)
    monkeypatch.setattr(training, "time", SimpleNamespace(perf_counter=lambda: clock))
    monkeypatch.setattr(training, "lay_out", one_millisecond_a_token)
    monkeypatch.setattr(made, "_advance", slow_at_first)
    made.run()
    assert all(left is None for step, left in report.left if step < 2)
    # While a validation is under way, what is left of it is not counted.
    told = {step: left for step, left in report.left if step >= 2 and step % 20}
    assert told == pytest.approx({step: clock - ended[step] for step in [*range(2, 20), *range(21, 40)]})


def test_events_say_what_a_display_needs(trainer: Make) -> None:
    report = Recorder()
    trainer(report=report).run()
    losses = report.of("loss")
    assert [data["step"] for data in losses] == list(range(1, 13))
    assert losses[-1].keys() >= {"loss", "learning_rate", "tokens", "tokens_per_second", "peak_memory"}
    assert [data["step"] for data in report.of("checkpoint")] == [4, 8, 12]
    assert [data["step"] for data in report.of("validation")] == [0, 4, 8, 12]
