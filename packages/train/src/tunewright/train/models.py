"""The four models of a run, each opened the same way: base, adapter, fused, quantized."""

from pathlib import Path
from typing import Any, Literal

import mlx.core as mx
from mlx.utils import tree_flatten, tree_unflatten

from tunewright.contract.manifest import read_manifest
from tunewright.contract.recipe import Recipe
from tunewright.contract.run import RunFolder
from tunewright.train.base import Base, Loaded, expand_on_cpu, load_base, load_folder
from tunewright.train.lora import load_adapters, updates

ModelName = Literal["base", "adapter", "fused", "quantized"]


def open_model(name: ModelName, run: RunFolder, recipe: Recipe, base: Base) -> Loaded:
    """Load one of a run's models, ready to answer. The stages that made it must be finished."""
    if name == "quantized":
        return expand_on_cpu(load_folder(run.stage("quantize")), "float32")
    if name == "fused":
        return open_fused(run, recipe, base)
    loaded = load_base(base)
    if name == "adapter":
        load_adapters(loaded.model, run.stage("train"), recipe.train)
    return loaded


def open_fused(run: RunFolder, recipe: Recipe, base: Base) -> Loaded:
    """The fused float model: from its folder when it was stored, else merged in memory."""
    folder = run.stage("fuse")
    if (folder / "config.json").exists() and read_manifest(folder) is not None:
        return load_folder(folder)
    loaded = load_base(base)
    load_adapters(loaded.model, run.stage("train"), recipe.train)
    return merge(loaded)


def merge(loaded: Loaded) -> Loaded:
    """Merge adapters into their layers, and every quantized layer of the base into floats.

    Without the second step mlx-lm would quantize to the base's own bits again, and a later quantization to
    other bits would silently do nothing.
    """
    from mlx_lm.utils import dequantize_model

    fused: list[tuple[str, Any]] = [
        (name, m.fuse(dequantize=True)) for name, m in updates(loaded.model).items()
    ]
    loaded.model.update_modules(tree_unflatten(fused))
    loaded.model = dequantize_model(loaded.model)
    loaded.model.eval()
    for key in ("quantization", "quantization_config"):
        loaded.config.pop(key, None)
    return loaded


def weights(model: Any) -> dict[str, Any]:
    """A model's arrays by name."""
    flat: Any = tree_flatten(model.parameters())
    return dict(flat)


def size_of(model: Any) -> int:
    """Bytes of a model's arrays; evaluates none of them."""
    return sum(int(array.nbytes) for array in weights(model).values())


def release(loaded: Loaded) -> None:
    """Let go of a model's memory before the next one is loaded."""
    loaded.model = None
    mx.clear_cache()


def save_model_folder(folder: Path, loaded: Loaded, source: Path) -> None:
    """Write a folder that plain `mlx_lm.load` takes: weights, config, and `source`'s tokenizer files as they are."""
    import shutil

    from mlx_lm.utils import save_config, save_model

    from tunewright.train.base import model_files
    from tunewright.train.tensors import promised_size

    save_model(folder, loaded.model)
    for path in folder.glob("*.safetensors"):
        if path.stat().st_size != promised_size(path):
            raise OSError(f"{path} was cut short: No space left on device")
    save_config(dict(loaded.config), folder / "config.json")
    for path in model_files(source):
        own = path.suffix == ".safetensors" or path.name in {"config.json", "model.safetensors.index.json"}
        if not own:
            shutil.copyfile(path, folder / path.name)
