"""Starting weights that can already copy: a previous-token head and an induction head.

Copying needs two attention heads that are useless one without the other, so gradient descent finds them
late and suddenly; in a run of minutes it may be too late. Here the pair is written down (Olsson et al.,
"In-context Learning and Induction Heads", 2022) and training takes it from there. Everything else
starts as usual, with the matrices that write to the residual stream at zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float32]]

_SHARP_PAIRS = 5
"""How many of the fastest rotary pairs tell neighbouring positions apart."""
_SLOW_FROM = 18
"""The first rotary pair that is slow enough to compare contents over a few hundred tokens."""


def _orthonormal(rng: np.random.Generator, width: int) -> Array:
    return np.linalg.qr(rng.standard_normal((width, width)))[0].astype(np.float32)


def starting_weights(
    weights: dict[str, Array], *, head: int, base: float, seed: int, gain: float = 1.7
) -> dict[str, Array]:
    """The weights with the pair of heads written into head 0 of the first two layers.

    `weights` maps mlx_lm's qwen3 names to freshly drawn arrays; `head` is the width of a head and `base`
    the rotary base.
    """
    made = {name: value.copy() for name, value in weights.items()}
    rng = np.random.default_rng(seed)
    vocabulary, width = made["model.embed_tokens.weight"].shape
    half, slow = head // 2, head // 2 - _SLOW_FROM
    basis = _orthonormal(rng, width)
    constant, carried, contents = basis[:, 0], basis[:, 1 : 1 + head], basis[:, 1 + head :]
    compared = contents[:, : 2 * slow]

    for name in made:
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            made[name][:] = 0.0

    # Embeddings: unit length, nothing where the previous token will be carried, one constant part to aim by.
    embedding = rng.standard_normal((vocabulary, contents.shape[1])).astype(np.float32) / np.sqrt(
        contents.shape[1]
    )
    made["model.embed_tokens.weight"] = (embedding @ contents.T + 0.3 * constant).astype(np.float32)

    def layer(at: int, part: str) -> Array:
        return made[f"model.layers.{at}.self_attn.{part}.weight"]

    # Layer 0: the query points at its own angle, the key one step ahead, so that they meet at distance 1.
    angles = base ** (-np.arange(_SHARP_PAIRS) / half)
    query, key = np.zeros(head, np.float32), np.zeros(head, np.float32)
    query[:_SHARP_PAIRS] = 1.0
    key[:_SHARP_PAIRS], key[half : half + _SHARP_PAIRS] = np.cos(angles), np.sin(angles)
    layer(0, "q_proj")[:head] = np.outer(query, constant)
    layer(0, "k_proj")[:head] = np.outer(key, constant)
    taken = np.concatenate([compared, contents[:, 2 * slow : head]], axis=1)
    layer(0, "v_proj")[:head] = taken.T
    layer(0, "o_proj")[:, :head] = carried / np.sqrt(width)

    # Layer 1: what the current token is, compared with what each earlier token came after.
    rows = np.concatenate([np.arange(_SLOW_FROM, half), np.arange(half + _SLOW_FROM, head)])
    query, key = np.zeros((head, width), np.float32), np.zeros((head, width), np.float32)
    query[rows], key[rows] = compared.T, carried[:, : 2 * slow].T
    layer(1, "q_proj")[:head], layer(1, "k_proj")[:head] = query, key
    layer(1, "v_proj")[:head] = contents[:, -head:].T
    layer(1, "o_proj")[:, :head] = 4.0 * contents[:, -head:] / np.sqrt(width)

    for at, chosen in ((0, np.r_[0:_SHARP_PAIRS, half : half + _SHARP_PAIRS]), (1, rows)):
        layer(at, "q_norm")[chosen] = gain
        layer(at, "k_norm")[chosen] = gain
    return made
