"""The tiny model's architecture, and how it is written to disk.

The only module here, besides `pretrain` and `probe`, that touches mlx; its types are partial, hence `Any`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tunewright.train.tiny.bpe_tokenizer import CONTEXT, VOCAB_SIZE
from tunewright.train.tiny.induction import starting_weights

CONFIG: dict[str, Any] = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 192,
    "num_hidden_layers": 5,
    "intermediate_size": 512,
    "num_attention_heads": 3,
    "num_key_value_heads": 3,
    "head_dim": 64,
    "vocab_size": VOCAB_SIZE,
    "max_position_embeddings": CONTEXT,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "tie_word_embeddings": True,
    "hidden_act": "silu",
    "torch_dtype": "float16",
    # The tokenizer's order of special tokens: end of text, turn start, turn end.
    "bos_token_id": 0,
    "pad_token_id": 0,
    "eos_token_id": 2,
}
"""Widths are multiples of 64, so that every matrix can be quantized in groups of 64."""


def new_model(seed: int, config: Mapping[str, Any] = CONFIG) -> Any:
    """A model with its starting weights: random, but for a pair of heads that can copy."""
    import mlx.core as mx
    from mlx.utils import tree_flatten
    from mlx_lm.models import qwen3

    mx.random.seed(seed)
    model: Any = qwen3.Model(qwen3.ModelArgs.from_dict(dict(config)))
    flat: Any = tree_flatten(model.parameters())
    weights = starting_weights(
        {name: np.array(value) for name, value in flat},
        head=config["head_dim"],
        base=config["rope_theta"],
        seed=seed,
    )
    model.load_weights([(name, mx.array(value)) for name, value in weights.items()])
    return model


def parameter_count(model: Any) -> int:
    """How many parameters the model has, tied ones once."""
    from mlx.utils import tree_flatten

    flat: Any = tree_flatten(model.parameters())
    return sum(int(value.size) for _, value in flat)


def save_array_file(path: Path, arrays: dict[str, Any], metadata: dict[str, str]) -> None:
    """Writes a safetensors file under a temporary name, then renames it: a reader never sees half of one."""
    import mlx.core as mx

    # mlx appends the suffix where it is missing, so the temporary name must carry it.
    draft = path.with_name(f".{path.stem}.draft.safetensors")
    mx.save_safetensors(str(draft), arrays, metadata)
    with draft.open("rb") as written:
        os.fsync(written.fileno())
    draft.replace(path)


def export(model: Any, folder: Path, config: Mapping[str, Any] = CONFIG) -> None:
    """Writes config.json and float16 weights; the tokenizer's files are written by `tokenizer.save`."""
    import mlx.core as mx
    from mlx.utils import tree_flatten

    folder.mkdir(parents=True, exist_ok=True)
    flat: Any = tree_flatten(model.parameters())
    save_array_file(
        folder / "model.safetensors",
        {name: value.astype(mx.float16) for name, value in flat},
        {"format": "mlx"},
    )
    (folder / "config.json").write_text(
        json.dumps(dict(config), indent=2, sort_keys=True) + "\n", encoding="utf-8"
    )
