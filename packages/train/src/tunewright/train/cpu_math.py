"""Exponentials on Linux CPUs: the same functions as mlx's, some three times as fast.

mlx's Linux build computes `exp` one number at a time, by calls of `fmaf`: 24 ns each where a product of matrices takes
0.01 ns an operation, so that SwiGLU, attention and the loss took half of a training step. Powers of 2 go to the C
library's `powf` and take 9 ns. Gradients are written out, so that no exponential is computed twice.
"""

import sys
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.models.base import create_causal_mask

LOG2_E = 1.4426950408889634
MASKED = -1e9  # added to a score: its exponential is 0
FEW = 1 << 12  # attention scores; for fewer, mlx's one fused operation is as fast


def speed_up(model: Any) -> None:
    """Let a model's architecture use these functions, where they are the faster ones."""
    if not _slow():
        return
    module: Any = sys.modules[type(model).__module__]
    if hasattr(module, "swiglu"):
        module.swiglu = swiglu
    if hasattr(module, "scaled_dot_product_attention"):
        module.scaled_dot_product_attention = _attention_in_place_of(module.scaled_dot_product_attention)


def _slow() -> bool:
    return sys.platform.startswith("linux") and mx.default_device() == mx.Device(mx.cpu)


def exp(x: Any) -> Any:
    """e to the power of each number of a float32 array, within 2 units in the last place for each doubling of |x|."""
    return mx.power(mx.array(2.0), x * LOG2_E)


def swiglu(gate: Any, x: Any) -> Any:
    """`silu(gate) * x` (Shazeer, 2020)."""
    if gate.dtype != mx.float32:
        return nn.silu(gate) * x
    return _silu(gate)[0] * x


def cross_entropy(logits: Any, targets: Any) -> Any:
    """The negative log-probability in nats of each target. logits: (n, vocabulary); targets: (n,); returns (n,)."""
    if logits.dtype != mx.float32 or not _slow():
        return nn.losses.cross_entropy(logits, targets)
    return _cross_entropy(logits, targets)[0]


# mlx's stubs do not type it. Each function returns what its gradient needs next to its value.
_custom: Any = mx.custom_function


@_custom
def _silu(x: Any) -> tuple[Any, Any]:
    sigmoid = 1.0 / (1.0 + exp(-x))
    return x * sigmoid, sigmoid


@_silu.vjp
def _silu_gradient(_: Any, cotangents: Any, outputs: Any) -> Any:
    value, sigmoid = outputs
    return cotangents[0] * (sigmoid + value * (1.0 - sigmoid))


@_custom
def _softmax(scores: Any) -> Any:
    powers = exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


@_softmax.vjp
def _softmax_gradient(_: Any, cotangent: Any, shares: Any) -> Any:
    product = cotangent * shares
    return product - shares * product.sum(axis=-1, keepdims=True)


@_custom
def _cross_entropy(logits: Any, targets: Any) -> tuple[Any, Any]:
    most = logits.max(axis=-1, keepdims=True)
    powers = exp(logits - most)
    total = powers.sum(axis=-1, keepdims=True)
    right = mx.take_along_axis(logits, targets[:, None], axis=-1)
    return (mx.log(total) + most - right).squeeze(-1), powers / total


@_cross_entropy.vjp
def _cross_entropy_gradient(primals: Any, cotangents: Any, outputs: Any) -> Any:
    targets, each = primals[1][:, None], cotangents[0][:, None]
    gradient = outputs[1] * each
    right = mx.take_along_axis(gradient, targets, axis=-1) - each
    return mx.put_along_axis(gradient, targets, right, axis=-1), mx.zeros_like(primals[1])


def _attention_in_place_of(fused: Any) -> Any:
    fused = getattr(fused, "fused", fused)

    def chosen(
        queries: Any, keys: Any, values: Any, cache: Any, scale: float, mask: Any, sinks: Any = None
    ) -> Any:
        """As mlx-lm's `scaled_dot_product_attention`. queries: (b, heads, l, d); keys, values: (b, groups, s, d)."""
        scores = queries.shape[0] * queries.shape[1] * queries.shape[2] * keys.shape[2]
        if sinks is not None or hasattr(cache, "bits") or queries.dtype != mx.float32 or scores < FEW:
            return fused(queries, keys, values, cache=cache, scale=scale, mask=mask, sinks=sinks)
        return attention(queries, keys, values, scale, mask)

    chosen.fused = fused  # type: ignore[attr-defined]
    return chosen


def attention(queries: Any, keys: Any, values: Any, scale: float, mask: Any) -> Any:
    """Softmax attention; `mask` is "causal", None, true where a key is seen, or what is added to the scores."""
    rows, heads, length, size = queries.shape
    groups, seen = keys.shape[1], keys.shape[2]
    grouped = (queries * scale).reshape(rows, groups, heads // groups, length, size)
    scores = grouped @ keys[:, :, None].swapaxes(-1, -2)
    if isinstance(mask, str):
        mask = create_causal_mask(length, seen - length)
    if mask is not None:
        added = mx.where(mask, 0.0, MASKED) if mask.dtype == mx.bool_ else mask
        # (b, 1, l, s) or (b, heads, l, s) by groups
        if added.ndim == 4:
            by_group = (groups, heads // groups) if added.shape[1] == heads else (1, 1)
            added = added.reshape(added.shape[0], *by_group, *added.shape[2:])
        scores = scores + added
    return (_softmax(scores) @ values[:, :, None]).reshape(rows, heads, length, size)
