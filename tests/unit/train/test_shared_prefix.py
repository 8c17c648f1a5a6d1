"""A beginning that all rows of a batch share is computed once: the same loss and gradients, fewer tokens."""

from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx.utils import tree_flatten
from mlx_lm.models import gemma3_text, qwen3

from tests.support.random_qwen3 import CONFIG
from tunewright.contract.recipe import Train
from tunewright.train.base import Loaded
from tunewright.train.batches import ALIGN, lay_out, shared_prefix
from tunewright.train.encode import Encoded
from tunewright.train.lora import attach
from tunewright.train.loss import arrays, batch_loss, scores_of, shares_prefixes

TAILS = st.lists(
    st.lists(st.tuples(st.integers(3, 200), st.booleans()), min_size=3, max_size=40), min_size=1, max_size=5
)


def rows_of(prefix: int, tails: list[list[tuple[int, bool]]]) -> list[Encoded]:
    head = [(7 * i) % 190 + 3 for i in range(prefix)]
    return [
        Encoded(
            (*head, *(token for token, _ in tail)),
            (*[False] * prefix, *(trained for _, trained in tail)),
            number,
        )
        for number, tail in enumerate(tails, start=1)
    ]


@given(st.integers(0, 90), TAILS)
def test_a_batch_with_a_prefix_holds_the_same_tokens_and_targets(
    prefix: int, tails: list[list[tuple[int, bool]]]
) -> None:
    rows = rows_of(prefix, tails)
    batch = lay_out(rows, share=True)
    length = batch.inputs.shape[1]
    assert len(batch.prefix) == shared_prefix(rows)
    assert len(batch.prefix) % ALIGN == 0
    if len(rows) > 1 and prefix >= 48:
        assert len(batch.prefix) >= 32
    wanted: list[tuple[int, int, int]] = []
    for number, row in enumerate(rows):
        whole = [*batch.prefix.tolist(), *batch.inputs[number].tolist()]
        assert tuple(whole[: len(row) - 1]) == row.tokens[:-1]
        wanted += [(number, i - 1, row.tokens[i]) for i in range(1, len(row)) if row.trained[i]]
    found = [
        (int(at) // length, int(at) % length + len(batch.prefix), int(target))
        for at, target in zip(batch.positions[: batch.tokens], batch.targets)
    ]
    assert found == wanted
    assert (batch.positions >= 0).all()


def gradients(model: Any, rows: list[Encoded], *, share: bool) -> tuple[float, dict[str, Any]]:
    scores = scores_of(model)

    def loss(model: Any) -> Any:
        return batch_loss(scores, model, *arrays(lay_out(rows, share=share)))[0]

    value, found = nn.value_and_grad(model, loss)(model)
    flat: Any = tree_flatten(found)
    return float(value.item()), {name: np.array(array) for name, array in flat}


@pytest.mark.parametrize("kind", ["adapters", "everything"])
def test_loss_and_gradients_are_those_of_whole_rows(loaded: Loaded, kind: str) -> None:
    draw = np.random.default_rng(3)
    tails = [[(int(draw.integers(3, 200)), i > 4) for i in range(n)] for n in (20, 33, 7)]
    rows = rows_of(80, tails)
    assert shared_prefix(rows) == 80
    model = loaded.model
    if kind == "adapters":
        attach(model, Train(rank=4, scale=2.0, layers=-1), seed=1)
        model.load_weights(
            [(n, a + 0.05) for n, a in tree_flatten(model.trainable_parameters())],  # pyright: ignore
            strict=False,
        )
    model.train()
    plain, shared = gradients(model, rows, share=False), gradients(model, rows, share=True)
    assert shared[0] == pytest.approx(plain[0], rel=1e-5)
    assert shared[1].keys() == plain[1].keys()
    for name, array in plain[1].items():
        np.testing.assert_allclose(
            shared[1][name], array, atol=2e-4 * np.abs(array).max() + 1e-7, err_msg=name
        )
    # Without gradients through the prefix's keys and values that would not be so.
    assert any(np.abs(array).max() > 1e-3 for name, array in plain[1].items() if ".k_proj" in name)


def test_architectures_whose_layers_keep_more_than_keys_and_values_compute_whole_rows() -> None:
    plain: Any = qwen3.Model(qwen3.ModelArgs.from_dict(CONFIG | {"vocab_size": 300}))
    assert shares_prefixes(plain)
    settings = {
        "model_type": "gemma3_text", "hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 64,
        "num_attention_heads": 2, "head_dim": 32, "rms_norm_eps": 1e-6, "vocab_size": 300,
        "num_key_value_heads": 1, "sliding_window": 8, "sliding_window_pattern": 2,
    }  # fmt: skip
    windowed: Any = gemma3_text.Model(gemma3_text.ModelArgs.from_dict(settings))
    assert not shares_prefixes(windowed)


def test_a_model_that_forgets_the_prefix_is_found_out() -> None:
    class Forgetful(qwen3.Model):
        """Takes a cache and does not look at it."""

        def __call__(self, inputs: Any, cache: Any = None, input_embeddings: Any = None) -> Any:
            return super().__call__(inputs)

    mx.random.seed(1)
    assert not shares_prefixes(Forgetful(qwen3.ModelArgs.from_dict(CONFIG | {"vocab_size": 300})))
