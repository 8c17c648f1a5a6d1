"""The fuse stage: the adapters merged into the base model's float weights."""

import math
from pathlib import Path
from typing import Any

import mlx.core as mx

from tunewright.contract.recipe import Recipe
from tunewright.contract.run import RunFolder
from tunewright.train.base import Base, load_base
from tunewright.train.lora import load_adapters, updates
from tunewright.train.models import merge, save_model_folder, size_of
from tunewright.train.run_events import Reporter
from tunewright.train.tensors import number

# Above this the fused model is not stored: quantizing merges again in memory. A 30B model would be 57 GiB.
STORE_LIMIT = 4 << 30  # bytes
BITS = (2, 3, 4, 5, 6, 8)  # what mlx can quantize to
KEPT = 0.5  # the least cosine that is not warned of: as much of the change is noise as is the fine-tune's


def fuse(out: Path, run: RunFolder, recipe: Recipe, base: Base, report: Reporter) -> dict[str, Any]:
    """Merge, and write the fused model to `out` when it is small enough; return the stage's facts.

    `update` is the norm of what the adapters add, relative to the weights they add it to: mean and largest
    over the layers. `kept` says for each number of bits how much of the adapters' direction quantizing would leave: a
    fine-tune that the recipe's bits may lose is told here, before it is quantized. At 0.36 a 135-million-parameter model
    still agreed with its adapter on 97 % of the tokens, so this is a warning and the fidelity stage decides.
    """
    loaded = load_base(base)
    load_adapters(loaded.model, run.stage("train"), recipe.train)
    modules = updates(loaded.model)
    sizes: list[float] = []
    cosines: list[dict[int, float]] = []
    for done, module in enumerate(modules.values(), start=1):
        report.progress(done, len(modules) + 1)
        sizes.append(_relative_update(module))
        cosines.append(expected_cosines(module, recipe.quantize.group_size))
    kept = {bits: round(sum(found[bits] for found in cosines) / len(cosines), 4) for bits in BITS}
    if kept[recipe.quantize.bits] < KEPT:
        enough = next((bits for bits in BITS if kept[bits] >= KEPT), None)
        report.event(
            "warning",
            message=f"quantizing to {recipe.quantize.bits} bits rounds by more than the fine-tune changes: the cosine of "
            f"what is applied with what was trained is about {kept[recipe.quantize.bits]:.2f}. Fidelity measures the cost",
            hint=f"If fidelity is too low, set quantize.bits = {enough} in the recipe (about {kept[enough]:.2f})."
            if enough
            else "No number of bits would keep it: train longer, or with a higher learning rate or scale.",
        )
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
        "kept": {str(bits): cosine for bits, cosine in kept.items()},
        "update": {"mean": round(sum(sizes) / len(sizes), 6), "largest": round(max(sizes), 6)},
    }


def expected_cosines(module: Any, group_size: int) -> dict[int, float]:
    """About the cosine of applied with intended update that quantizing to each number of bits would leave.

    Rounding adds an error that is even over a step, of variance step^2 / 12 (Bennett, 1948), where a group's step is its
    range over 2^bits - 1. With an update u and the error e, independent, the cosine is |u| / sqrt(|u|^2 + |e|^2).
    """
    update = intended_update(module).astype(mx.float32)
    weight = base_weight(module) + update
    if weight.shape[-1] % group_size:
        return dict.fromkeys(BITS, 1.0)  # it is left in floats
    groups = weight.reshape(-1, group_size)
    ranges = number(mx.square(groups.max(axis=-1) - groups.min(axis=-1)).sum()) * group_size
    size = number(mx.square(update).sum())
    noise = {bits: ranges / (2**bits - 1) ** 2 / 12 for bits in BITS}
    return {bits: math.sqrt(size / (size + error)) if size else 0.0 for bits, error in noise.items()}


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
