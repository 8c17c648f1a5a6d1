"""The loss of a batch: cross-entropy in nats over the tokens that have loss, and nothing else.

Only at those places are logits computed at all. With a large vocabulary logits are most of the memory, and
on a CPU their exponentials are a good part of the time.
"""

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from tunewright.train.batches import Batch

Scores = Callable[[Any, Any, Any], Any]


def arrays(batch: Batch) -> tuple[Any, Any, Any, Any]:
    """`inputs, positions, targets, weights` of a batch as mlx arrays."""
    return (
        mx.array(batch.inputs),
        mx.array(batch.positions),
        mx.array(batch.targets),
        mx.array(batch.weights),
    )


def _whole(model: Any, inputs: Any, positions: Any) -> Any:
    logits = model(inputs)
    return logits.reshape(-1, logits.shape[-1])[positions]


def _picked(model: Any, inputs: Any, positions: Any) -> Any:
    hidden = model.model(inputs)
    picked = hidden.reshape(-1, hidden.shape[-1])[positions]
    head = model.lm_head if "lm_head" in model else model.model.embed_tokens.as_linear
    return head(picked)


def scores_of(model: Any) -> Scores:
    """A function `(model, inputs (b, l), positions (n,)) -> logits (n, vocabulary)` for this architecture.

    Most of mlx-lm's decoders are a body `model.model` and a head; whether this one is just that is tried out
    on a few tokens. One that does more between the two (soft caps, scales) gets whole logits.
    """
    probe = mx.array([[1, 2, 3, 4]])
    at = mx.array([1, 3])
    try:
        picked = _picked(model, probe, at)
    except (AttributeError, TypeError):
        return _whole
    whole = _whole(model, probe, at)
    same = whole.shape == picked.shape and bool(mx.allclose(whole, picked, rtol=1e-3, atol=1e-3).item())
    return _picked if same else _whole


def batch_loss(scores: Scores, model: Any, inputs: Any, positions: Any, targets: Any, weights: Any) -> Any:
    """`(summed loss, number of tokens)` of a batch, both float32."""
    logits = scores(model, inputs, positions).astype(mx.float32)
    return (nn.losses.cross_entropy(logits, targets) * weights).sum(), weights.sum()
