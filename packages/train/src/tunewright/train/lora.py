"""LoRA adapters: put on a model, described, saved, and put on again."""

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten

from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Train
from tunewright.contract.visible import one_line
from tunewright.train.tensors import load_tensors, save_tensors

ADAPTERS = "adapters.safetensors"
CONFIG = "adapter_config.json"


def adapter_config(train: Train) -> dict[str, Any]:
    """What mlx-lm needs to know to put the adapters on the base model again."""
    parameters: dict[str, Any] = {"rank": train.rank, "scale": train.scale, "dropout": train.dropout}
    if train.keys:
        parameters["keys"] = sorted(train.keys)
    return {"fine_tune_type": "lora", "num_layers": train.layers, "lora_parameters": parameters}


def check_keys(model: Any, train: Train) -> None:
    """Raises UserError when a key of the recipe names nothing that LoRA could be put on.

    mlx-lm skips such a key without a word.
    """
    kinds = _adaptable()
    layers = model.layers[-max(train.layers, 0) :]
    inside = {name for layer in layers for name, module in layer.named_modules() if isinstance(module, kinds)}
    whole = {name for name, module in model.named_modules() if isinstance(module, kinds)}
    unknown = sorted(set(train.keys) - inside - whole)
    if unknown:
        raise UserError(
            f"train.keys: the model has no module {', '.join(unknown)}",
            f"A layer has: {', '.join(sorted(inside))}. Outside the layers: "
            f"{', '.join(sorted(name for name in whole if '.layers.' not in name)) or 'nothing'}.",
        )


def _adaptable() -> tuple[type, ...]:
    from mlx_lm.models.switch_layers import QuantizedSwitchLinear, SwitchLinear

    return (
        nn.Linear,
        nn.QuantizedLinear,
        SwitchLinear,
        QuantizedSwitchLinear,
        nn.Embedding,
        nn.QuantizedEmbedding,
    )


def attach(model: Any, train: Train, seed: int) -> None:
    """Freeze the model and put fresh adapters on it, drawn from `seed`."""
    from mlx_lm.tuner.utils import linear_to_lora_layers

    check_keys(model, train)
    mx.random.seed(seed)
    model.freeze()
    linear_to_lora_layers(model, train.layers, adapter_config(train)["lora_parameters"])


def trainable(model: Any) -> dict[str, Any]:
    """The adapters' arrays by name."""
    flat: Any = tree_flatten(model.trainable_parameters())
    return dict(flat)


def save_adapters(folder: Path, arrays: dict[str, Any], train: Train) -> None:
    """Write adapters so that `mlx_lm.load(base, adapter_path=folder)` takes them."""
    save_tensors(folder / ADAPTERS, arrays)
    (folder / CONFIG).write_text(json.dumps(adapter_config(train), indent=2) + "\n", encoding="utf-8")


def load_adapters(model: Any, folder: Path, train: Train) -> None:
    """Put saved adapters on a base model. Raises UserError when they do not fit it."""
    attach(model, train, seed=0)
    expected = trainable(model)
    arrays = load_tensors(folder / ADAPTERS)
    wrong = sorted(
        name
        for name in expected.keys() | arrays.keys()
        if name not in arrays or name not in expected or arrays[name].shape != expected[name].shape
    )
    if wrong or not expected:
        fitting = len(expected.keys() & arrays.keys() - set(wrong))
        raise UserError(
            f"{folder}: the adapters do not fit the base model: {fitting} of {len(arrays)} tensors applied"
            + (f"; the first that does not is {one_line(wrong[0], 80)}" if wrong else ""),
            "They were trained on another base, or with another recipe.",
        )
    model.load_weights(list(arrays.items()), strict=False)
    model.eval()


def updates(model: Any) -> dict[str, Any]:
    """The modules that carry adapters, by path: each has `fuse(dequantize)`."""
    return {name: module for name, module in model.named_modules() if hasattr(module, "lora_a")}
