"""The loss of a batch: cross-entropy in nats over the tokens that have loss, and nothing else.

Only at those places are logits computed at all. With a large vocabulary logits are most of the memory, and
on a CPU their exponentials are a good part of the time.
"""

from collections.abc import Callable
from typing import Any

import mlx.core as mx
from mlx_lm.models.base import create_causal_mask
from mlx_lm.models.cache import KVCache, make_prompt_cache

from tunewright.train.batches import Batch
from tunewright.train.cpu_math import cross_entropy

Scores = Callable[[Any, Any, Any, Any], Any]


def arrays(batch: Batch) -> tuple[Any, Any, Any, Any, Any]:
    """`inputs, positions, targets, weights, prefix` of a batch as mlx arrays; None for a prefix of no tokens."""
    return (
        mx.array(batch.inputs),
        mx.array(batch.positions),
        mx.array(batch.targets),
        mx.array(batch.weights),
        mx.array(batch.prefix) if len(batch.prefix) else None,
    )


class _Recorded:
    """Stands in for a layer's cache while the prefix is computed, and keeps its keys and values, gradients and all."""

    offset = 0

    def update_and_fetch(self, keys: Any, values: Any) -> tuple[Any, Any]:
        self.keys, self.values = keys, values
        return keys, values

    def make_mask(self, length: int, *, return_array: bool = False, **_: Any) -> Any:
        return create_causal_mask(length) if return_array else "causal"


class _Behind:
    """Stands in for a layer's cache while the rows are computed behind the prefix: each row sees the same one."""

    def __init__(self, prefix: _Recorded, rows: int) -> None:
        self._prefix, self._rows = prefix, rows
        self.offset: int = prefix.keys.shape[2]

    def update_and_fetch(self, keys: Any, values: Any) -> tuple[Any, Any]:
        return self._joined(self._prefix.keys, keys), self._joined(self._prefix.values, values)

    def _joined(self, first: Any, then: Any) -> Any:
        return mx.concatenate([mx.broadcast_to(first, (self._rows, *first.shape[1:])), then], axis=2)

    def make_mask(self, length: int, **_: Any) -> Any:
        return create_causal_mask(length, self.offset)


def _run(body: Any, model: Any, inputs: Any, prefix: Any) -> Any:
    """What `body` (the model or its inner part) gives for rows of tokens behind a prefix."""
    if prefix is None:
        return body(inputs)
    recorded = [_Recorded() for _ in model.layers]
    body(prefix[None], cache=recorded)
    return body(inputs, cache=[_Behind(layer, inputs.shape[0]) for layer in recorded])


def shares_prefixes(model: Any) -> bool:
    """Whether rows may be computed behind a prefix that is computed once, for this architecture: tried out.

    Only where every layer keeps plain keys and values; with a sliding window, or a state, a prefix is more than that.
    """
    if any(type(cache) is not KVCache for cache in make_prompt_cache(model)):
        return False
    tokens, at = mx.array([[1, 2, 3, 4, 5, 1], [1, 2, 3, 4, 2, 3]]), mx.array([0, 1, 2, 3])
    whole = model(tokens)[:, 4:].reshape(4, -1)
    try:
        shared = _whole(model, tokens[:, 4:], at, tokens[0, :4])
    except (AttributeError, TypeError, ValueError):
        return False
    return whole.shape == shared.shape and bool(mx.allclose(whole, shared, rtol=1e-2, atol=1e-2).item())


def _whole(model: Any, inputs: Any, positions: Any, prefix: Any = None) -> Any:
    logits = _run(model, model, inputs, prefix)
    return logits.reshape(-1, logits.shape[-1])[positions]


def _picked(model: Any, inputs: Any, positions: Any, prefix: Any = None) -> Any:
    hidden = _run(model.model, model, inputs, prefix)
    picked = hidden.reshape(-1, hidden.shape[-1])[positions]
    head = model.lm_head if "lm_head" in model else model.model.embed_tokens.as_linear
    return head(picked)


def scores_of(model: Any) -> Scores:
    """A function `(model, inputs (b, l), positions (n,), prefix (p,) or None) -> logits (n, vocabulary)`.

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


def batch_loss(
    scores: Scores, model: Any, inputs: Any, positions: Any, targets: Any, weights: Any, prefix: Any = None
) -> Any:
    """`(summed loss, number of tokens)` of a batch, both float32."""
    logits = scores(model, inputs, positions, prefix).astype(mx.float32)
    return (cross_entropy(logits, targets) * weights).sum(), weights.sum()
