"""What we work around in mlx-lm and mlx. A failing test here means that a workaround can go."""

from typing import Any

import mlx.core as mx
import mlx.nn as nn
import pytest
from mlx.utils import tree_flatten, tree_unflatten

from tunewright.contract.recipe import Train
from tunewright.train.base import Loaded
from tunewright.train.lora import adapter_config, attach, updates


def bits_of(model: Any) -> set[int]:
    return {module.bits for module in model.modules() if hasattr(module, "bits")}


def test_lora_keys_that_match_nothing_are_skipped_without_a_word(loaded: Loaded) -> None:
    from mlx_lm.tuner.utils import linear_to_lora_layers

    config = adapter_config(Train(keys=("self_attn.no_such_projection",), layers=-1))
    linear_to_lora_layers(loaded.model, -1, config["lora_parameters"])
    assert updates(loaded.model) == {}


def test_fusing_by_default_goes_back_to_the_bases_bits_and_quantizing_again_does_nothing(
    loaded: Loaded,
) -> None:
    from mlx_lm.utils import quantize_model

    nn.quantize(loaded.model, 64, 4)
    attach(loaded.model, Train(rank=2, layers=-1), seed=0)
    fused: list[tuple[str, Any]] = [(name, module.fuse()) for name, module in updates(loaded.model).items()]
    loaded.model.update_modules(tree_unflatten(fused))
    assert bits_of(loaded.model) == {4}
    model, config = quantize_model(loaded.model, {}, 64, 5)
    assert bits_of(model) == {4}
    assert config["quantization"]["bits"] == 5, "and the config says otherwise"


def test_the_generator_cannot_be_put_back() -> None:
    state: Any = mx.random.state
    with pytest.raises(TypeError):
        state[0] = mx.array([0, 1], dtype=mx.uint32)


def test_seeding_gives_the_same_dropout_whatever_was_drawn_before() -> None:
    def mask(before: int) -> list[float]:
        for _ in range(before):
            mx.eval(mx.random.uniform(shape=(3,)))
        mx.random.seed(11)
        drawn: Any = nn.Dropout(0.5)(mx.ones((32,))).tolist()
        return drawn

    assert mask(0) == mask(3)
    assert len(set(mask(0))) == 2


def test_an_optimizer_given_its_state_goes_on_exactly(loaded: Loaded) -> None:
    import mlx.optimizers as optimizers

    gradients = {"w": mx.array([0.5, -1.0])}

    def steps(count: int, optimizer: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        for _ in range(count):
            parameters = optimizer.apply_gradients(gradients, parameters)
        return parameters

    whole = steps(6, optimizers.Adam(1e-2, bias_correction=True), {"w": mx.array([1.0, 2.0])})
    first = optimizers.Adam(1e-2, bias_correction=True)
    half = steps(3, first, {"w": mx.array([1.0, 2.0])})
    saved: Any = tree_flatten(first.state)
    second = optimizers.Adam(1e-2, bias_correction=True)
    second.state = tree_unflatten(saved)
    assert steps(3, second, half)["w"].tolist() == whole["w"].tolist()


def test_a_file_that_does_not_fit_is_an_error_and_not_a_cut_file() -> None:
    """Checked by hand on a full file system as well: mlx raises, and leaves the part it wrote."""
    with pytest.raises(RuntimeError, match="Failed to open file"):
        mx.save_safetensors("/proc/no-such-folder/x.safetensors", {"a": mx.zeros((4,))})
