"""The base model: where its files are, what they hash to, and how it is loaded.

A model is data. Nothing that came with one is ever run: only weights, JSON and tokenizer files are fetched.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunewright.contract.atomic import sha256_file, sha256_json
from tunewright.contract.base_lock import MODEL_FILES
from tunewright.contract.embedded import PREFIX
from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Model
from tunewright.contract.visible import one_line
from tunewright.train.embedded_folder import embedded_model


@dataclass(frozen=True)
class Base:
    """A base model on this machine."""

    folder: Path
    identity: (
        str  # hash of its files, of the pinned commit that names them, or of what they were converted from
    )
    dtype: str
    stamps: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])  # size, mtime
    record: dict[str, str] = field(
        default_factory=dict[str, str]
    )  # origin and licence, as far as they are known


def find_base(model: Model, converted: Path) -> Base:
    """The base model's folder on this machine, fetched from the hub when the recipe names a repository.

    A model that has to be converted first is kept below `converted`. Raises UserError when the model is not there,
    incomplete, cannot be converted, or the hub does not give it.
    """
    identity, record = "", dict[str, str]()
    if model.base.startswith(PREFIX):
        found = embedded_model(model.base.removeprefix(PREFIX), converted)
        folder, identity, record = found.folder, found.identity, found.record
    elif model.base.startswith(("/", "~", ".")):
        folder = Path(model.base).expanduser()
        if not folder.is_dir():
            raise UserError(
                f"no model in {folder} on this host", "Put the model there, or name another base."
            )
    else:
        from tunewright.train.fetch import fetch_base

        folder = fetch_base(model.base, str(model.revision))
        return Base(folder, sha256_json([model.base, model.revision]), model.dtype, _stamps(folder))
    # transformers would ask the hub about a folder it has never heard of.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    stamps = _stamps(folder)
    return Base(folder, identity or _hash_files(folder), model.dtype, stamps, record)


def model_files(folder: Path) -> list[Path]:
    """The files of a model, in order of name. Raises UserError when config or weights are missing."""
    files = sorted({path for pattern in MODEL_FILES for path in folder.glob(pattern) if path.is_file()})
    names = {path.name for path in files}
    if "config.json" not in names:
        raise UserError(f"{folder} is not a model: it has no config.json", "Check the recipe's model.base.")
    if not any(name.startswith("model") and name.endswith(".safetensors") for name in names):
        raise UserError(f"{folder} has no weights (model*.safetensors)", "Check the recipe's model.base.")
    return files


def _hash_files(folder: Path) -> str:
    return sha256_json({path.name: sha256_file(path) for path in model_files(folder)})


def _stamps(folder: Path) -> dict[str, tuple[int, int]]:
    return {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in model_files(folder)}


def check_unchanged(base: Base) -> None:
    """Raises UserError when the base model's files were replaced after they were hashed.

    A tokenizer that changes between two stages gives a model that answers nonsense, and no error.
    """
    if base.stamps and _stamps(base.folder) != base.stamps:
        raise UserError(
            f"the base model in {base.folder} was changed while the run was at work",
            "Start the run again: stages that used the old model are repeated.",
        )


def read_config(folder: Path) -> dict[str, Any]:
    """The model's config.json. Raises UserError when it cannot be read or asks for code of its own."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error})", "Fetch the model again.") from error
    if "model_file" in config:
        raise UserError(
            f"{folder} wants to run code of its own ({config['model_file']})",
            "Only architectures that mlx-lm knows are trained.",
        )
    return config


@dataclass
class Loaded:
    """A model in memory, with its tokenizer and config. `model` is an `mlx.nn.Module`."""

    model: Any
    tokenizer: Any
    config: dict[str, Any]


def load_base(base: Base) -> Loaded:
    """Load a base model in the recipe's float type; its weights are read when first used.

    On a CPU one that is held quantized is expanded: training it as it is took 10.7 times as long.
    """
    return expand_on_cpu(load_folder(base.folder, base.dtype))


def load_folder(folder: Path, dtype: str | None = None) -> Loaded:
    """Load any model folder, float weights as `dtype` (as they are when None).

    Raises UserError for an architecture that mlx-lm does not know and for weights that do not fit.
    """
    from mlx_lm.utils import load_model

    from tunewright.train.cpu_math import speed_up

    read_config(folder)
    try:
        model, config = load_model(folder, lazy=True)
        if dtype is not None:
            cast_floats(model, dtype)
        tokenizer = load_tokenizer(folder, config)
    except UserError:
        raise
    except Exception as error:
        raise _fault(folder, "this model", error) from error
    speed_up(model)
    return Loaded(model, tokenizer, config)


def cast_floats(model: Any, dtype: str) -> None:
    """Make a model's float weights `dtype`, but for those that its architecture keeps; evaluates nothing."""
    import mlx.core as mx

    keep: Any = getattr(model, "cast_predicate", None) or _always
    target = getattr(mx, dtype)
    model.load_weights(
        [
            (name, value.astype(target))
            for name, value in _flat(model)
            if mx.issubdtype(value.dtype, mx.floating) and keep(name)
        ],
        strict=False,
    )


def expand_on_cpu(loaded: Loaded, dtype: str | None = None) -> Loaded:
    """On a CPU, write a quantized model's weights out as floats: the same numbers, multiplied by BLAS.

    mlx's quantized products on a CPU are some ten times slower than float ones (measured: 178 against 1,378
    tokens a second). What is stored stays quantized. With `dtype` all floats become that first: scales in half
    precision give exact products, and a CPU is slow in half precision.
    """
    import mlx.core as mx
    from mlx_lm.utils import dequantize_model

    if mx.default_device() == mx.Device(mx.cpu):
        if dtype is not None:
            cast_floats(loaded.model, dtype)
        loaded.model = dequantize_model(loaded.model)
        loaded.model.eval()
        loaded.config = {k: v for k, v in loaded.config.items() if not k.startswith("quantization")}
    return loaded


def _always(_: str) -> bool:
    return True


def _flat(model: Any) -> list[tuple[str, Any]]:
    from mlx.utils import tree_flatten

    flat: Any = tree_flatten(model.parameters())
    return flat


def load_tokenizer(folder: Path, config: dict[str, Any]) -> Any:
    """mlx-lm's tokenizer of a model folder; never runs code from it. Raises UserError when it cannot be read."""
    from mlx_lm.utils import load_tokenizer as load

    try:
        return load(folder, {"trust_remote_code": False}, eos_token_ids=config.get("eos_token_id"))
    except Exception as error:
        raise _fault(folder, "its tokenizer", error) from error


def _fault(folder: Path, what: str, error: Exception) -> Exception:
    """A model's files are a stranger's: whatever reading them raises is their fault, unless the machine is at its end."""
    from tunewright.train.failures import explain

    if isinstance(error, OSError | MemoryError | RuntimeError) and explain(error) is not None:
        return error
    reason = one_line(str(error), 200) or "no reason given"
    return UserError(
        f"{folder}: {what} cannot be loaded ({type(error).__name__}: {reason})",
        "Check that the model's files are whole, and that mlx-lm supports it.",
    )
