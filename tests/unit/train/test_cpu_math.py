"""The CPU's own exponentials give what mlx gives, values and gradients."""

from typing import Any

import mlx.core as mx
import mlx.nn as nn
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx_lm.models.base import create_causal_mask
from mlx_lm.models.base import scaled_dot_product_attention as fused

from tunewright.train import cpu_math


@pytest.fixture(autouse=True)
def seed() -> None:
    """The same numbers every time, whatever other tests drew before."""
    mx.random.seed(1)


def close(a: Any, b: Any) -> bool:
    return bool(mx.allclose(a, b, rtol=2e-5, atol=2e-6).item())


@given(st.lists(st.floats(-80, 80, width=32), min_size=1, max_size=50))
@settings(deadline=None)
def test_exp_is_within_single_precision(numbers: list[float]) -> None:
    x = mx.array(numbers)

    assert bool(mx.allclose(cpu_math.exp(x), mx.exp(x), rtol=1e-5, atol=0).item())


def test_exp_of_what_is_masked_is_nothing() -> None:
    assert cpu_math.exp(mx.array([cpu_math.MASKED, -mx.inf])).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("scale", [0.1, 5.0, 60.0])
def test_swiglu_and_its_gradients(scale: float) -> None:
    gate, x = mx.random.normal((7, 33)) * scale, mx.random.normal((7, 33))

    def theirs(gate: Any, x: Any) -> Any:
        return (nn.silu(gate) * x).square().sum()

    def ours(gate: Any, x: Any) -> Any:
        return cpu_math.swiglu(gate, x).square().sum()

    wanted, found = (mx.value_and_grad(f, argnums=(0, 1))(gate, x) for f in (theirs, ours))

    assert bool(mx.allclose(found[0], wanted[0], rtol=1e-5).item())
    assert all(
        bool(mx.allclose(a, b, rtol=1e-4, atol=1e-4 * float(mx.abs(b).max())).item())
        for a, b in zip(found[1], wanted[1])
    )


def test_cross_entropy_and_its_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_math, "_slow", lambda: True)
    logits, targets = mx.random.normal((5, 300)) * 10, mx.array([0, 299, 7, 7, 120])
    weights = mx.array([1.0, 0.0, 0.5, 2.0, 1.0])

    def theirs(logits: Any) -> Any:
        return (nn.losses.cross_entropy(logits, targets) * weights).sum()

    def ours(logits: Any) -> Any:
        return (cpu_math.cross_entropy(logits, targets) * weights).sum()

    wanted, found = mx.value_and_grad(theirs)(logits), mx.value_and_grad(ours)(logits)

    assert close(found[0], wanted[0])
    assert close(found[1], wanted[1])


def make_mask(kind: str, rows: int, heads: int, new: int, seen: int) -> Any:
    if kind == "array":
        return create_causal_mask(new, seen - new)
    if kind == "padded":
        return create_causal_mask(new, seen - new, left_padding=mx.arange(rows))
    if kind == "added":
        return mx.random.normal((rows, heads, new, seen))
    return "causal" if kind == "causal" else None


# Padding at a row's beginning sees nothing: only the last places are compared.
@pytest.mark.parametrize("mask", ["none", "causal", "array", "padded", "added"])
@pytest.mark.parametrize(("heads", "groups"), [(6, 2), (4, 4), (3, 1)])
@pytest.mark.parametrize(("new", "seen"), [(9, 9), (5, 12), (1, 8)])
def test_attention_and_its_gradients(mask: str, heads: int, groups: int, new: int, seen: int) -> None:
    rows = 3
    queries = mx.random.normal((rows, heads, new, 8))
    keys, values = (mx.random.normal((rows, groups, seen, 8)) for _ in range(2))
    shown = make_mask(mask, rows, heads, new, seen)

    def theirs(q: Any, k: Any, v: Any) -> Any:
        return fused(q, k, v, cache=None, scale=0.3, mask=shown)[:, :, -3:].square().sum()

    def ours(q: Any, k: Any, v: Any) -> Any:
        return cpu_math.attention(q, k, v, 0.3, shown)[:, :, -3:].square().sum()

    wanted, found = (mx.value_and_grad(f, argnums=(0, 1, 2))(queries, keys, values) for f in (theirs, ours))

    assert bool(mx.allclose(found[0], wanted[0], rtol=1e-5).item())
    assert all(bool(mx.allclose(a, b, rtol=1e-4, atol=1e-5).item()) for a, b in zip(found[1], wanted[1]))
