"""The quantize stage: the model that is delivered, at the recipe's bits, in a folder mlx-lm loads."""

import contextlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten

from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Quantize, Recipe
from tunewright.contract.run import RunFolder
from tunewright.train.base import Base, cast_floats, load_folder
from tunewright.train.models import open_fused, save_model_folder, size_of
from tunewright.train.run_events import Reporter

HALF = ("float16", "bfloat16")


def quantize(out: Path, run: RunFolder, recipe: Recipe, base: Base, report: Reporter) -> dict[str, Any]:
    """Quantize the fused model and write it to `out`; return the stage's facts.

    One process from float to quantized: the fused floats need not be on the disk. Raises UserError when the
    group size fits no layer.
    """
    from mlx_lm.utils import compute_bits_per_weight, quantize_model

    wanted = recipe.quantize
    loaded = open_fused(run, recipe, base)
    dtype = delivered_type(recipe, loaded.config)
    cast_floats(loaded.model, dtype)
    float_bytes = size_of(loaded.model)
    # mlx-lm prints what it did; our standard output is for the answer alone.
    with contextlib.redirect_stdout(sys.stderr):
        loaded.model, loaded.config = quantize_model(
            loaded.model, loaded.config, wanted.group_size, wanted.bits
        )
    leaves = _leaves(loaded.model)
    # Module by module, so that each float weight is freed when its quantized one exists.
    for done, (_, module) in enumerate(leaves, start=1):
        mx.eval(module.parameters())
        report.progress(done, len(leaves) + 1)
    facts = check_bits(loaded.model, wanted)
    bits_per_weight = float(compute_bits_per_weight(loaded.model))
    check_whole(bits_per_weight, wanted, facts["left_float"], len(leaves_that_quantize(loaded.model)))
    save_model_folder(out, loaded, base.folder)
    check_loads(out)
    report.progress(len(leaves) + 1)
    for name in facts["left_float"]:
        report.event(
            "warning",
            message=f"{name} was left in floats: its width is not a multiple of {wanted.group_size}",
            hint="Choose a smaller quantize.group_size if the model is too large.",
        )
    return facts | {
        "bits": wanted.bits,
        "dtype": dtype,
        "group_size": wanted.group_size,
        "bits_per_weight": round(bits_per_weight, 3),
        "bytes": size_of(loaded.model),
        "float_bytes": float_bytes,
    }


def delivered_type(recipe: Recipe, config: Mapping[str, Any]) -> str:
    """The float type of the delivered model's scales and norms: the recipe's, or the base's own where that is float32.

    With float32 scales 5 bits would be 6. A base that is stored as float32 too is delivered as float16.
    """
    stored = str(config.get("torch_dtype") or config.get("dtype"))
    return next((dtype for dtype in (recipe.model.dtype, stored) if dtype in HALF), HALF[0])


def check_bits(model: Any, wanted: Quantize) -> dict[str, Any]:
    """Which modules are quantized, and how. Raises UserError when none is, or not as the recipe says.

    A model may ask for more bits in a few modules (a router); fewer, or other bits throughout, mean that it
    was quantized before and quantizing it again did nothing.
    """
    quantized = {name: m for name, m in _leaves(model) if "scales" in m}
    left = [name for name, m in _leaves(model) if hasattr(m, "to_quantized") and "scales" not in m]
    as_wanted = [
        n for n, m in quantized.items() if (m.bits, m.group_size) == (wanted.bits, wanted.group_size)
    ]
    if not quantized:
        raise UserError(
            f"nothing could be quantized in groups of {wanted.group_size}",
            "No layer's width is a multiple of it: choose a smaller quantize.group_size.",
        )
    if len(as_wanted) * 2 <= len(quantized) or any(m.bits < wanted.bits for m in quantized.values()):
        bits = sorted({m.bits for m in quantized.values()})
        raise UserError(
            f"the model came out at {bits} bits where the recipe says {wanted.bits}",
            "Its base seems to be quantized in a way that could not be undone.",
        )
    return {"quantized": len(quantized), "left_float": left}


def check_whole(bits_per_weight: float, wanted: Quantize, left: Sequence[str], modules: int) -> None:
    """Raises UserError when the whole model has more bits a weight than the recipe's, by more than one.

    Scales and biases, 16 bits each a group, come on top of the recipe's bits; norms and a router are small.
    """
    expected = wanted.bits + 32 / wanted.group_size
    if bits_per_weight > expected + 1:
        raise UserError(
            f"the model came out at {bits_per_weight:.1f} bits a weight where {wanted.bits} bits in groups of "
            f"{wanted.group_size} make {expected:.2f}: {len(left)} of {modules} modules were left in floats, their "
            f"width is not a multiple of {wanted.group_size}",
            "Set a smaller quantize.group_size in the recipe (64 or 32).",
        )


def leaves_that_quantize(model: Any) -> list[str]:
    """The modules that are quantized, or could be if their width allowed."""
    return [name for name, m in _leaves(model) if "scales" in m or hasattr(m, "to_quantized")]


def _leaves(model: Any) -> list[tuple[str, Any]]:
    found: Any = tree_flatten(model.leaf_modules(), is_leaf=_is_module)
    return found


def _is_module(value: object) -> bool:
    return isinstance(value, nn.Module)


def check_loads(folder: Path) -> None:
    """Raises UserError when what was written gives numbers that are not finite."""
    loaded = load_folder(folder)
    logits = loaded.model(mx.array([[1, 2, 3]]))
    # Not their sum: in half precision that of a large vocabulary is beyond its range.
    if not bool(mx.isfinite(logits).all().item()):
        raise UserError(
            "the quantized model gives numbers that are not finite",
            "Quantize to more bits, or train with a lower learning rate.",
        )
