"""What a recipe costs, counted from the base model's config.json alone.

mlx builds a model lazily: none of its weights exists before it is used, so 30 billion parameters are counted
in a second and in a hundred megabytes. `python -m tunewright.train.counting` reads
`{"recipe": …, "config": …, "tokens": …, "loss_share": …}` on standard input and prints one line of JSON:
`{"counts": …}`, or `{"error": …, "hint": …}` with exit code 2.
"""

import contextlib
import io
import json
import sys
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from pydantic import ValidationError

from tunewright.contract.counts import Counts, Disk, Training
from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Recipe
from tunewright.train.ranks import SHARDS

ADAM = 4  # copies of each trained number: itself, its gradient, two moments (Kingma and Ba, 2015)
# Multiples of plain sizes, fitted to the peaks of mlx 0.32.4 in nine trainings of random qwen3 and qwen3_moe
# models of 10 to 50 million parameters: within 30 % of every one, and mostly above it. On mlx-lm's reported
# 20.98 GB for Qwen3-Coder-30B-A3B they say the same at batches of 430 tokens.
KEPT = 1.1  # inputs and outputs of the linear layers that the backward pass goes through
ADAPTED = {4: 0.3, 2: 0.6}  # the same of the adapters, in float32; half precision is copied first
LOGITS = {4: 3.5, 2: 4.5}  # float32 logits: themselves, their exponentials, their gradient
SCORES = 4.25  # attention scores of one layer: the backward pass computes them whole
# On a CPU a process computes one shard of the batch after another, and inputs that several layers share are kept once.
# Fitted to SmolLM2's peaks at rows of 256 and 512 tokens; at 1024 they say 4.04 GB where 4.05 were measured, and of the
# tiny model 5 % more than its peak (benchmarks/plan_peaks.py).
KEPT_ON_CPU = 0.778  # inputs and outputs of the linear layers, those of adapters included
SCORES_ON_CPU = 0.372  # attention scores that stay of every layer, besides those of the one now computed
STORED_BYTES = {"float32": 4}  # of a number in the base model's files; 2 for every other type
CHECKPOINTS = 3  # two are kept while the next is written
BESTS = 4


def count(
    recipe: Recipe,
    config: Mapping[str, Any],
    tokens: int = 0,
    loss_share: float = 1.0,
    *,
    on_cpu: bool = False,
) -> Counts:
    """Count a recipe on the model of `config` (a config.json's content).

    `tokens` is the length of the longest example, or 0: the recipe's `max_seq_length`; `loss_share` is the
    share of a batch's tokens that have loss. `on_cpu`: a quantized base is expanded to floats. Raises UserError for a
    config that mlx-lm does not know.
    """
    from tunewright.train.fuse import STORE_LIMIT
    from tunewright.train.lora import attach, trainable
    from tunewright.train.models import size_of
    from tunewright.train.quantize import delivered_type

    dtype = recipe.model.dtype
    plain = plain_model(config, dtype)
    parameters = sum(int(array.size) for array in _arrays(plain).values())
    fused_bytes = size_of(plain)

    stored_base = _quantize_as_stored(plain_model(config, dtype), config)
    stored_bytes = size_of(stored_base)
    base = plain_model(config, dtype) if on_cpu else stored_base
    base_bytes = size_of(base)
    attach(base, recipe.train, recipe.seed)
    adapters = trainable(base)
    trained = sum(int(array.size) for array in adapters.values())
    adapter_bytes = sum(int(array.nbytes) for array in adapters.values())

    quantized = _quantize(plain_model(config, delivered_type(recipe, config)), config, recipe)
    quantized_bytes = size_of(quantized)
    stored = STORED_BYTES.get(str(config.get("torch_dtype") or config.get("dtype")), 2)
    return Counts(
        parameters=parameters,
        trained=trained,
        float16_bytes=2 * parameters,
        base_bytes=base_bytes,
        quantized_bytes=quantized_bytes,
        bits_per_weight=round(8 * quantized_bytes / parameters, 4),
        adapter_bytes=adapter_bytes,
        training=_training(
            recipe, config, base, base_bytes, adapter_bytes, tokens, loss_share, on_cpu=on_cpu
        ),
        disk=Disk(
            base=stored_bytes if _stored_settings(config) else parameters * stored,
            # A checkpoint holds the adapters and Adam's two moments; a best one the adapters.
            train=adapter_bytes * (3 * CHECKPOINTS + BESTS),
            fuse=fused_bytes if fused_bytes <= STORE_LIMIT else 0,
            quantize=quantized_bytes,
        ),
    )


def _arrays(model: Any) -> dict[str, Any]:
    from mlx.utils import tree_flatten

    flat: Any = tree_flatten(model.parameters())
    return dict(flat)


def plain_model(config: Mapping[str, Any], dtype: str) -> Any:
    """The model of a config, nothing of it evaluated."""
    import mlx.core as mx
    from mlx_lm.utils import _get_classes  # pyright: ignore[reportPrivateUsage] - load_model needs weights

    if "model_type" not in config:
        raise UserError("config.json names no model_type", "It is not a language model's config.")
    if "model_file" in config:
        raise UserError(
            f"the model wants to run code of its own ({config['model_file']})",
            "Only architectures that mlx-lm knows are trained.",
        )
    try:
        make, arguments = _get_classes(dict(config))
        model: Any = make(arguments.from_dict(dict(config)))
        _tie_output(model, config)
        model.set_dtype(getattr(mx, dtype))
    except (ValueError, TypeError, KeyError, AttributeError, ZeroDivisionError) as error:
        raise UserError(
            f"mlx-lm cannot build {config['model_type']} from this config.json: {error}",
            "Check that mlx-lm supports the model, and that the file is whole.",
        ) from error
    return model


def _tie_output(model: Any, config: Mapping[str, Any]) -> None:
    """Gemma 3 learns from its weights that its output is the embedding; here there are none to learn it from."""
    inner: Any = getattr(model, "language_model", model)
    tied = _text_config(config).get("tie_word_embeddings", True)
    if tied and "lm_head" in inner and str(config["model_type"]).startswith("gemma3"):
        inner.tie_word_embeddings = True
        inner.pop("lm_head")


def _text_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The language model's part of a config; of a model that also sees, it is a table of its own."""
    inner = config.get("text_config")
    return {**config, **inner} if isinstance(inner, dict) else config


def _stored_settings(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """How the base's files are quantized; None when they are floats."""
    settings = config.get("quantization")
    if isinstance(settings, dict):
        return settings
    published = config.get("quantization_config")
    if isinstance(published, dict) and published.get("quant_method") == "mxfp4":
        # As mlx-lm reads it (load_model); what is not converted has no scales in the files.
        return {
            "group_size": 32,
            "bits": 4,
            "mode": "mxfp4",
            "but": published.get("modules_to_not_convert", ()),
        }
    return None


def _quantize_as_stored(model: Any, config: Mapping[str, Any]) -> Any:
    """Quantize as the base's files are, when its config says so."""
    import mlx.nn as nn

    settings = _stored_settings(config)
    if settings is None:
        return model
    size = int(settings["group_size"])
    floats = tuple(settings.get("but", ()))

    def how(path: str, module: Any) -> bool | dict[str, Any]:
        own = settings.get(path)
        if isinstance(own, bool | dict):
            return own
        if any(fnmatchcase(path, f"{pattern}*") for pattern in floats):
            return False
        return hasattr(module, "to_quantized") and module.weight.shape[-1] % size == 0

    nn.quantize(model, size, int(settings["bits"]), mode=settings.get("mode", "affine"), class_predicate=how)
    return model


def _quantize(model: Any, config: Mapping[str, Any], recipe: Recipe) -> Any:
    """Quantize as the quantize stage will."""
    from mlx_lm.utils import quantize_model

    plain = {key: value for key, value in config.items() if not key.startswith("quantization")}
    # mlx-lm prints what it did.
    with contextlib.redirect_stdout(io.StringIO()):
        done: Any = quantize_model(model, plain, recipe.quantize.group_size, recipe.quantize.bits)
    return done[0]


def _training(
    recipe: Recipe,
    config: Mapping[str, Any],
    base: Any,
    base_bytes: int,
    adapter_bytes: int,
    tokens: int,
    loss_share: float,
    *,
    on_cpu: bool,
) -> Training:
    train = recipe.train
    length = min(tokens or train.max_seq_length, train.max_seq_length)
    batch = length * train.batch_size
    # On a CPU one shard's activations at a time are in a process's memory.
    rows = -(-train.batch_size // SHARDS) if on_cpu else train.batch_size
    width = 4 if recipe.model.dtype == "float32" else 2
    config = _text_config(config)
    used = max(1, int(config.get("num_experts_per_tok") or 1))
    layers = list(base.layers)
    # Gradients flow from the loss down to the lowest layer with an adapter, and no further.
    reached = layers if train.layers < 0 or train.layers >= len(layers) else layers[-max(1, train.layers) :]
    kept = adapted = 0
    for layer in reached:
        for inside, outside, experts, adapter in _linears(layer):
            ends = (inside + outside) * (used if experts else 1)
            kept += ends
            adapted += ends if adapter else 0
    one_layer = kept / len(reached) * width  # the layer now computed, on top of those kept
    heads = int(config.get("num_attention_heads") or 0)
    at_once = length * rows
    copies = SCORES + (SCORES_ON_CPU * len(reached) if on_cpu else 0.0)
    scores = copies * rows * heads * length * length * width
    linear = KEPT * kept * width + one_layer + ADAPTED[width] * adapted * 4
    if on_cpu:
        linear = KEPT_ON_CPU * kept * width
    loss_tokens = max(1, round(batch * loss_share))
    return Training(
        weights=base_bytes,
        state=ADAM * adapter_bytes,
        activations=round(at_once * linear + scores),
        logits=round(max(1, at_once * loss_share) * int(config.get("vocab_size") or 0) * 4 * LOGITS[width]),
        batch_tokens=batch,
        loss_tokens=loss_tokens,
    )


def _linears(layer: Any) -> Iterator[tuple[int, int, bool, bool]]:
    """Of each linear module: its inputs, its outputs, whether it is one of experts, whether it is adapted."""
    import mlx.nn as nn
    from mlx_lm.models.switch_layers import QuantizedSwitchLinear, SwitchLinear

    for name, module in layer.named_modules():
        adapter = hasattr(module, "lora_a") and "linear" in module
        if name.endswith(".linear") or not (
            adapter
            or isinstance(module, nn.Linear | nn.QuantizedLinear | SwitchLinear | QuantizedSwitchLinear)
        ):
            continue
        plain: Any = module.linear if adapter else module
        experts = isinstance(plain, SwitchLinear | QuantizedSwitchLinear)
        outside, inside = (int(n) for n in plain.weight.shape[-2:])
        if "scales" in plain:
            inside = inside * 32 // int(plain.bits)
        yield inside, outside, experts, adapter


def main() -> int:
    """Answer one question on standard input; the exit code is 0, or 2 for a question that cannot be answered."""
    try:
        answer = {"counts": _ask(sys.stdin.buffer.read()).model_dump()}
        code = 0
    except UserError as error:
        answer = {"error": error.message, "hint": error.hint}
        code = 2
    sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
    return code


def _ask(data: bytes) -> Counts:
    try:
        question = json.loads(data)
        recipe = Recipe.model_validate(question["recipe"])
        config = question["config"]
        tokens, share = int(question.get("tokens", 0)), float(question.get("loss_share", 1.0))
        on_cpu = bool(question.get("on_cpu", False))
    except ValidationError as error:
        raise UserError(f"recipe: {error.errors()[0]['msg']}", "The recipe is of another version.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"not a question about a plan ({error})", "Give recipe and config as JSON."
        ) from error
    if not isinstance(config, dict):
        raise UserError("config.json does not hold an object", "Fetch the model again.")
    return count(recipe, config, tokens, share, on_cpu=on_cpu)


if __name__ == "__main__":
    sys.exit(main())
