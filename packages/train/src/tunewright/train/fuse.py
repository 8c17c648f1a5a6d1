"""The fuse stage: the adapters merged into the base model's float weights."""

from pathlib import Path
from typing import Any

import mlx.core as mx

from tunewright.contract.recipe import Recipe
from tunewright.contract.run import RunFolder
from tunewright.train.base import Base, load_base
from tunewright.train.lora import load_adapters, updates
from tunewright.train.models import merge, save_model_folder, size_of
from tunewright.train.tensors import number
from tunewright.train.training import Reporter

# Above this the fused model is not stored: quantizing merges again in memory. A 30B model would be 57 GiB.
STORE_LIMIT = 4 << 30  # bytes


def fuse(out: Path, run: RunFolder, recipe: Recipe, base: Base, report: Reporter) -> dict[str, Any]:
    """Merge, and write the fused model to `out` when it is small enough; return the stage's facts.

    `update` is the norm of what the adapters add, relative to the weights they add it to: mean and largest
    over the layers.
    """
    loaded = load_base(base)
    load_adapters(loaded.model, run.stage("train"), recipe.train)
    modules = updates(loaded.model)
    sizes: list[float] = []
    for done, module in enumerate(modules.values(), start=1):
        report.progress(done, len(modules) + 1)
        sizes.append(_relative_update(module))
    merged = merge(loaded)
    size = size_of(merged.model)
    stored = size <= STORE_LIMIT
    if stored:
        save_model_folder(out, merged, base.folder)
    report.progress(len(modules) + 1)
    return {
        "stored": stored,
        "bytes": size,
        "modules": len(modules),
        "update": {"mean": round(sum(sizes) / len(sizes), 6), "largest": round(max(sizes), 6)},
    }


def intended_update(module: Any) -> Any:
    """What a module's adapter adds to its weight, in float32 and in the weight's own shape."""
    if "linear" in module and module.lora_a.ndim == 2:
        return (module.scale * module.lora_b.T) @ module.lora_a.T
    if "embedding" in module:
        return (module.scale * module.lora_a) @ module.lora_b
    experts = module.lora_a.shape[0]
    return (module.scale * module.lora_b) @ module.lora_a.reshape(experts, -1, module.lora_a.shape[-1])


def base_weight(module: Any) -> Any:
    """The float32 weight under a module's adapter, dequantized when the base is quantized."""
    return float_weight(module.linear if "linear" in module else module.embedding)


def float_weight(module: Any) -> Any:
    """A linear, embedding or expert module's weight in float32, dequantized when need be."""
    if "scales" not in module:
        return module.weight.astype(mx.float32)
    return mx.dequantize(
        module.weight, module.scales, module.get("biases"), module.group_size, module.bits, module.mode
    ).astype(mx.float32)


def _relative_update(module: Any) -> float:
    added, under = intended_update(module), base_weight(module)
    ratio = mx.linalg.norm(added.reshape(-1)) / mx.linalg.norm(under.reshape(-1))
    return number(ratio)
