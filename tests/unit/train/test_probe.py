"""The probe's own model: trained from nothing, every weight of it, and asked with the beginning of an answer given."""

from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten

from tests.support.random_qwen3 import write_model
from tunewright.contract.errors import UserError
from tunewright.contract.example import Example
from tunewright.contract.recipe import Model, Train
from tunewright.train import training
from tunewright.train.base import Base, load_base
from tunewright.train.checkpoint import Checkpoints
from tunewright.train.encode import encode_all, encoder_for
from tunewright.train.probe import LEAST_STEPS, MOST_TOKENS, Question, Request, fewer_steps, new_base, probe
from tunewright.train.ranks import Silent

TOOLS = ("alpha", "beta")


def row(number: int) -> Example:
    tool = TOOLS[number % 2]
    return Example.model_validate(
        {
            "messages": [
                {"role": "user", "content": f"{'open' if number % 2 else 'close'} the {number} gate"},
                {"role": "assistant", "content": f"<tool_call>{tool}"},
            ]
        }
    )


def unheard(what: str, done: int, total: int, worth: float | None = None) -> None: ...


def settings(steps: int) -> Train:
    return Train(
        steps=steps,
        batch_size=8,
        learning_rate=2e-3,
        warmup=min(5, steps),
        max_seq_length=256,
        mask="last_assistant",
        rank=4,
        layers=-1,
        checkpoint_every=steps,
        validate_every=steps,
    )


def question(folder: Path, steps: int, model: Model | None = None) -> Question:
    rows = tuple(row(number) for number in range(40))
    return Question(
        train=rows,
        valid=rows[:4],
        asked=(
            *(Request(messages=row(number).messages[:1]) for number in (100, 101)),
            Request(messages=row(100).messages[:1], begun="Let me look.\n<tool_call>"),
        ),
        converted=folder / "converted",
        settings=settings(steps),
        model=model,
    )


def test_every_request_is_answered_behind_the_beginning_that_it_is_given(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []

    def tick(what: str, done: int, total: int, worth: float | None = None) -> None:
        told.append((what, done, total))

    found = probe(question(tmp_path, 3), tick)
    assert len(found["answers"]) == 3
    assert found["answers"][2].startswith("Let me look.\n<tool_call>")
    assert found["steps"] == 3
    assert ("step", 3, 3) in told
    assert told[-1][0] == "answer"


def test_lora_goes_on_any_base(tmp_path: Path) -> None:
    base = write_model(tmp_path / "random")
    found = probe(question(tmp_path, 2, Model(base=str(base), dtype="float32")), unheard)
    assert len(found["answers"]) == 3
    assert found["answers"][2].startswith("Let me look.\n<tool_call>")


def test_a_base_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no model in"):
        probe(question(tmp_path, 2, Model(base=str(tmp_path / "nowhere"))), unheard)


def test_training_that_runs_away_is_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ran_away(_: training.Trainer) -> Any:
        raise training.Diverged("the loss at step 1 is not a finite number")

    monkeypatch.setattr(training.Trainer, "run", ran_away)
    assert probe(question(tmp_path, 2), unheard) == {"diverged": "the loss at step 1 is not a finite number"}


def weights(model: Any) -> dict[str, Any]:
    flat: Any = tree_flatten(model.parameters())
    return {name: np.array(value) for name, value in flat}


def test_a_whole_model_is_trained_in_every_weight_and_comes_out_the_same_again(tmp_path: Path) -> None:
    rows = [row(number) for number in range(16)]
    base = Base(new_base(tmp_path / "base", rows, 1), "", "float32")
    made: list[dict[str, Any]] = []
    for turn in range(2):
        loaded = load_base(base)
        before = weights(loaded.model)
        encoded = encode_all(
            encoder_for(loaded.tokenizer), rows, mask="assistant", max_length=256, origin="x"
        ).rows
        train = settings(2)
        checkpoints = Checkpoints(tmp_path / f"c{turn}", "k", train)
        trainer = training.Trainer(
            loaded.model, train, 7, encoded, encoded[:2], checkpoints, Silent(), whole=True
        )
        trainer.run()
        mx.eval(loaded.model.parameters())
        made.append(weights(loaded.model))
        assert made[-1].keys() == before.keys()  # no adapter was put on it
        assert [name for name in before if np.array_equal(before[name], made[-1][name])] == []
    assert all(np.array_equal(made[0][name], made[1][name]) for name in made[0])


def test_long_rows_take_fewer_steps() -> None:
    train = settings(300)
    assert fewer_steps(train, 10) is train
    fewer = fewer_steps(train, MOST_TOKENS / (8 * 100))
    assert (fewer.steps, fewer.validate_every, fewer.checkpoint_every) == (100, 100, 100)
    assert fewer_steps(train, 1e9).steps == LEAST_STEPS
    assert fewer_steps(settings(10), 1e9).steps == 10
