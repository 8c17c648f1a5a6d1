"""The tiny model's forward pass, arranged so that training on one CPU core is about twice as fast.

On Linux mlx computes exponentials one at a time, and the derivatives of attention, SwiGLU and
cross-entropy compute them again: more than half of a training step. Here an exponential is a short
polynomial that the compiler can vectorise, its result is kept for the derivative, and blocks of
attention that the causal mask would hide are not computed. Values differ from mlx's by about 2e-4.
"""

from __future__ import annotations

from typing import Any

import mlx.core as mx

_LOG2_E = 1.4426950408889634
_BLOCK = 128


def _power(x: Any) -> Any:
    # 2**t = 2**floor(t) * 2**fraction: the first is written into the exponent bits of a float, the
    # second is a cubic fitted on [0, 1) that meets itself at the ends.
    t = x * _LOG2_E
    whole = mx.floor(t)
    f = t - whole
    p = 1.0 + f * (0.6951 + f * (0.2262 + f * 0.0787))
    return p * mx.left_shift(whole.astype(mx.int32) + 127, 23).view(mx.float32)


_compiled_power: Any = mx.compile(_power)

# mlx has no types for it.
_with_derivative: Any = mx.custom_function


def exp(x: Any) -> Any:
    """e**x for float32 x up to 88, within 2e-4; anything below -40 is treated as -40."""
    # Smaller results would make products denormal, which costs ten times the time of normal ones. The
    # bound stays outside the compiled kernel, which it would keep from being vectorised.
    return _compiled_power(mx.maximum(x, -40.0))


def _gate_forward(gate: Any, up: Any, e: Any) -> Any:
    opened = 1.0 / (1.0 + e)
    return gate * opened * up, opened


def _gate_backward(gate: Any, up: Any, opened: Any, grad: Any) -> Any:
    swish = gate * opened
    return grad * up * (opened + swish * (1.0 - opened)), grad * swish


_compiled_gate_forward: Any = mx.compile(_gate_forward)
_compiled_gate_backward: Any = mx.compile(_gate_backward)


@_with_derivative
def swiglu(gate: Any, up: Any) -> Any:
    """silu(gate) * up, and the sigmoid of the gate, which is kept for the derivative."""
    return _compiled_gate_forward(gate, up, exp(mx.minimum(-gate, 40.0)))


@swiglu.vjp
def _swiglu_vjp(primals: Any, cotangents: Any, outputs: Any) -> Any:  # pyright: ignore[reportUnusedFunction]
    return _compiled_gate_backward(primals[0], primals[1], outputs[1], cotangents[0])


def _blocks(length: int) -> list[tuple[int, int]]:
    return [(start, min(start + _BLOCK, length)) for start in range(0, length, _BLOCK)]


@_with_derivative
def attention(queries: Any, keys: Any, values: Any) -> Any:
    """Causal attention, then its weights block by block, kept for the derivative.

    Queries are (batch, shared heads, heads for each, length, width) and already scaled; keys and values
    have 1 in place of the third.
    """
    mixed: list[Any] = []
    kept: list[Any] = []
    for start, stop in _blocks(queries.shape[-2]):
        scores = queries[..., start:stop, :] @ keys[..., :stop, :].swapaxes(-1, -2)
        hidden = mx.arange(start, stop)[:, None] < mx.arange(stop)[None]
        scores = scores + hidden.astype(mx.float32) * -1e4
        weights = exp(scores - scores.max(axis=-1, keepdims=True))
        weights = weights * (1.0 / weights.sum(axis=-1, keepdims=True))
        mixed.append(weights @ values[..., :stop, :])
        kept.append(weights)
    return mx.concatenate(mixed, axis=-2), *kept


@attention.vjp
def _attention_vjp(primals: Any, cotangents: Any, outputs: Any) -> Any:  # pyright: ignore[reportUnusedFunction]
    queries, keys, values = primals
    length = queries.shape[-2]
    to_queries: list[Any] = []
    to_keys, to_values = mx.zeros_like(keys), mx.zeros_like(values)
    for (start, stop), weights in zip(_blocks(length), outputs[1:], strict=True):
        grad = cotangents[0][..., start:stop, :]
        spread = grad @ values[..., :stop, :].swapaxes(-1, -2)
        share = (grad * outputs[0][..., start:stop, :]).sum(axis=-1, keepdims=True)
        scores = weights * (spread - share)
        to_queries.append(scores @ keys[..., :stop, :])
        padding = [(0, 0), (0, 0), (0, 0), (0, length - stop), (0, 0)]
        part = (scores.swapaxes(-1, -2) @ queries[..., start:stop, :]).sum(axis=2, keepdims=True)
        to_keys = to_keys + mx.pad(part, padding)
        part = (weights.swapaxes(-1, -2) @ grad).sum(axis=2, keepdims=True)
        to_values = to_values + mx.pad(part, padding)
    return mx.concatenate(to_queries, axis=-2), to_keys, to_values


@_with_derivative
def _nll(scores: Any, targets: Any) -> Any:
    top = scores.max(axis=-1, keepdims=True)
    powers = exp(scores - top)
    total = powers.sum(axis=-1, keepdims=True)
    chosen = mx.take_along_axis(scores, targets[..., None], axis=-1)
    return (mx.log(total) + top - chosen).mean(), powers, total


@_nll.vjp
def _nll_vjp(primals: Any, cotangents: Any, outputs: Any) -> Any:  # pyright: ignore[reportUnusedFunction]
    _, targets = primals
    _, powers, total = outputs
    each = cotangents[0] / targets.size
    grad = powers * (each / total)
    at = targets[..., None]
    return mx.put_along_axis(grad, at, mx.take_along_axis(grad, at, axis=-1) - each, axis=-1), mx.zeros_like(
        targets
    )


def cross_entropy(scores: Any, targets: Any) -> Any:
    """The mean negative log-likelihood of the targets, in nats."""
    return _nll(scores, targets)[0]


def _layer(layer: Any, x: Any) -> Any:
    layer_attention, mlp = layer.self_attn, layer.mlp
    batch, length, _ = x.shape
    y = layer.input_layernorm(x)
    queries = layer_attention.q_norm(
        layer_attention.q_proj(y).reshape(batch, length, layer_attention.n_heads, -1)
    ).transpose(0, 2, 1, 3)
    keys = layer_attention.k_norm(
        layer_attention.k_proj(y).reshape(batch, length, layer_attention.n_kv_heads, -1)
    ).transpose(0, 2, 1, 3)
    values = (
        layer_attention.v_proj(y).reshape(batch, length, layer_attention.n_kv_heads, -1).transpose(0, 2, 1, 3)
    )
    queries, keys = layer_attention.rope(queries) * layer_attention.scale, layer_attention.rope(keys)
    grouped = queries.reshape(batch, keys.shape[1], -1, length, queries.shape[-1])
    mixed = attention(grouped, keys[:, :, None], values[:, :, None])[0].reshape(queries.shape)
    x = x + layer_attention.o_proj(mixed.transpose(0, 2, 1, 3).reshape(batch, length, -1))
    y = layer.post_attention_layernorm(x)
    return x + mlp.down_proj(swiglu(mlp.gate_proj(y), mlp.up_proj(y))[0])


def logits(model: Any, tokens: Any) -> Any:
    """What `model(tokens)` gives for mlx_lm's qwen3 with tied embeddings and no cache."""
    x = model.model.embed_tokens(tokens)
    for layer in model.model.layers:
        x = _layer(layer, x)
    return model.model.embed_tokens.as_linear(model.model.norm(x))
