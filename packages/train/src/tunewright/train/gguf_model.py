"""A GGUF file of the llama architecture as a folder that `mlx_lm.load` takes: weights, config, tokenizer.

Weights stay quantized as they are; nothing is rounded again. Names, shapes and the tokenizer are rebuilt from the
file's own metadata, and whatever does not fit together is refused before anything is written.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tunewright.contract.errors import UserError
from tunewright.contract.visible import one_line
from tunewright.train.gguf import GROUP, Floats, Gguf, Quantized

_MODULES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
_CONTROL, _USER_DEFINED = 3, 4
# How text is cut before byte pairs are merged, by `tokenizer.ggml.pre`.
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def convert(source: Path, out: Path) -> None:
    """Write the model of a GGUF file to the folder `out`. Raises UserError for what cannot be converted."""
    import mlx.core as mx

    from tunewright.train.tensors import save_tensors

    gguf = Gguf(source)
    config = model_config(gguf)
    tokenizer = build_tokenizer(gguf)
    arrays: dict[str, Any] = {}
    bits: dict[str, int] = {}
    for name, target in tensor_names(gguf, config).items():
        found = _reordered(gguf.tensor(name), name, config)
        if isinstance(found, Floats):
            arrays[f"{target}.weight"] = mx.array(found.values)
        else:
            bits[target] = found.bits
            arrays[f"{target}.weight"] = mx.array(found.packed)
            arrays[f"{target}.scales"] = mx.array(found.scales)
            arrays[f"{target}.biases"] = mx.array(found.biases)
    if bits:
        most = Counter(bits.values()).most_common(1)[0][0]
        others = {name: {"group_size": GROUP, "bits": n} for name, n in bits.items() if n != most}
        config["quantization"] = {"group_size": GROUP, "bits": most, **others}
    save_tensors(out / "model.safetensors", arrays)
    _write(out / "config.json", config)
    tokenizer.save(str(out / "tokenizer.json"))
    _write(out / "tokenizer_config.json", tokenizer_config(gguf))
    template = gguf.metadata.get("tokenizer.chat_template")
    if isinstance(template, str) and template:
        (out / "chat_template.jinja").write_text(template, encoding="utf-8")


def _write(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def origin(gguf: Gguf) -> dict[str, str]:
    """What the file says about where it comes from: name, organization, licence; at most 200 characters each."""
    named = {"name": "general.name", "organization": "general.organization", "licence": "general.license"}
    found = {label: gguf.metadata.get(key) for label, key in named.items()}
    return {label: one_line(value) for label, value in found.items() if isinstance(value, str) and value}


def model_config(gguf: Gguf) -> dict[str, Any]:
    """The config.json. Raises UserError for another architecture, and for sizes that do not fit the tensors."""
    architecture = gguf.metadata.get("general.architecture")
    if architecture != "llama":
        raise UserError(
            f"{gguf.path} holds a model of architecture {one_line(str(architecture), 40)!r}, not llama",
            "Only GGUF files of the llama architecture are converted; take another format of this model.",
        )
    for key in ("llama.expert_count", "llama.rope.scaling.type"):
        if gguf.metadata.get(key) not in (None, 0, "none"):
            raise UserError(
                f"{gguf.path}: {key} is {one_line(str(gguf.metadata[key]), 40)}, which is not converted",
                "Take this model in mlx-lm's own format.",
            )
    heads = _whole(gguf, "llama.attention.head_count")
    hidden = _whole(gguf, "llama.embedding_length")
    head = _whole(gguf, "llama.attention.key_length", hidden // heads)
    if _whole(gguf, "llama.rope.dimension_count", head) != head or head % 2:
        raise gguf.fault(f"llama.rope.dimension_count is not a head's width ({head})")
    names = _names(gguf)
    tokens = _tokens(gguf)
    config: dict[str, Any] = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": hidden,
        "intermediate_size": _whole(gguf, "llama.feed_forward_length"),
        "num_hidden_layers": _whole(gguf, "llama.block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": _whole(gguf, "llama.attention.head_count_kv", heads),
        "head_dim": head,
        "rms_norm_eps": round(_real(gguf, "llama.attention.layer_norm_rms_epsilon"), 9),
        "rope_theta": _real(gguf, "llama.rope.freq_base", 10000.0),
        "vocab_size": len(tokens),
        "max_position_embeddings": _whole(gguf, "llama.context_length"),
        "tie_word_embeddings": "output.weight" not in names,
        "attention_bias": False,
        "mlp_bias": False,
        "torch_dtype": "float16",
    }
    config |= {f"{name}_token_id": number for name, number in _special(gguf).items()}
    _check_shapes(gguf, config)
    return config


def tensor_names(gguf: Gguf, config: dict[str, Any]) -> dict[str, str]:
    """The module of each tensor that the config asks for, by the tensor's name."""
    found = {"token_embd.weight": "model.embed_tokens", "output_norm.weight": "model.norm"}
    if not config["tie_word_embeddings"]:
        found["output.weight"] = "lm_head"
    for layer in range(min(config["num_hidden_layers"], len(gguf.names))):
        for short, module in _MODULES.items():
            found[f"blk.{layer}.{short}.weight"] = f"model.layers.{layer}.{module}"
    return found


def _check_shapes(gguf: Gguf, config: dict[str, Any]) -> None:
    wanted, there = tensor_names(gguf, config), _names(gguf)
    missing, unknown = sorted(wanted.keys() - there), sorted(there - wanted.keys())
    if missing:
        raise gguf.fault(f"the tensor {missing[0]} is missing" + _more(missing))
    if unknown:
        raise UserError(
            f"{gguf.path}: the tensor {one_line(unknown[0], 80)} is not part of a plain llama model{_more(unknown)}",
            "Take this model in mlx-lm's own format.",
        )
    hidden, inner, vocabulary = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    queries = config["num_attention_heads"] * config["head_dim"]
    keys = config["num_key_value_heads"] * config["head_dim"]
    shapes = {
        "token_embd": (vocabulary, hidden),
        "output": (vocabulary, hidden),
        "output_norm": (hidden,),
        "attn_q": (queries, hidden),
        "attn_k": (keys, hidden),
        "attn_v": (keys, hidden),
        "attn_output": (hidden, queries),
        "ffn_gate": (inner, hidden),
        "ffn_up": (inner, hidden),
        "ffn_down": (hidden, inner),
        "attn_norm": (hidden,),
        "ffn_norm": (hidden,),
    }
    for name in wanted:
        expected = shapes[name.split(".")[-2]]
        if gguf.shape(name) != expected:
            raise gguf.fault(f"{name} has the shape {gguf.shape(name)}, not {expected}")


def _more(names: list[str]) -> str:
    return f", and {len(names) - 1} more" if len(names) > 1 else ""


def _names(gguf: Gguf) -> set[str]:
    return set(gguf.names)


def _reordered(found: Floats | Quantized, name: str, config: dict[str, Any]) -> Floats | Quantized:
    """Queries and keys in the order of rows that mlx-lm rotates; llama.cpp interleaves the two halves of a head."""
    if ".attn_q." not in name and ".attn_k." not in name:
        return found
    heads = config["num_attention_heads" if ".attn_q." in name else "num_key_value_heads"]
    rows = np.arange(heads * config["head_dim"]).reshape(heads, -1, 2).swapaxes(1, 2).reshape(-1)
    if isinstance(found, Floats):
        return Floats(found.values[rows])
    return Quantized(found.packed[rows], found.scales[rows], found.biases[rows], found.bits)


def build_tokenizer(gguf: Gguf) -> Any:
    """A `tokenizers.Tokenizer`: byte-level BPE. Raises UserError for any other kind."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    kind, cut = gguf.metadata.get("tokenizer.ggml.model"), gguf.metadata.get("tokenizer.ggml.pre")
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    words = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    cuts: dict[Any, Any] = {
        "gpt-2": words,
        "smollm": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), words]),
        "llama-bpe": pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(_LLAMA3), "isolated"), bytes_only]),
    }
    if kind != "gpt2" or cut not in cuts:
        raise UserError(
            f"{gguf.path}: a tokenizer of kind {one_line(f'{kind}/{cut}', 60)} is not converted",
            f"Converted are byte-level BPE tokenizers ({', '.join(cuts)}); take this model in mlx-lm's own format.",
        )
    tokens, merges = _tokens(gguf), gguf.metadata.get("tokenizer.ggml.merges")
    if not isinstance(merges, list):
        raise gguf.fault("tokenizer.ggml.merges is missing")
    pairs: Any = [tuple(str(merge).split(" ")) for merge in merges]
    known = set(tokens)
    for pair in pairs:
        if len(pair) != 2 or not {*pair, "".join(pair)} <= known:
            raise gguf.fault(f"the tokenizer's merge {' '.join(pair)!r} is not made of its tokens")
    model: Any = models.BPE(
        {token: i for i, token in enumerate(tokens)}, pairs, ignore_merges=cut == "llama-bpe"
    )
    tokenizer: Any = Tokenizer(model)
    tokenizer.pre_tokenizer = cuts[cut]
    tokenizer.decoder = decoders.ByteLevel()
    kinds = gguf.metadata.get("tokenizer.ggml.token_type")
    if not isinstance(kinds, np.ndarray) or len(kinds) != len(tokens):
        raise gguf.fault("tokenizer.ggml.token_type does not give a type to each token")
    marked = {
        token: int(kind) for token, kind in zip(tokens, _list(kinds)) if kind in (_CONTROL, _USER_DEFINED)
    }
    for token, kind in marked.items():
        added = AddedToken(token, special=kind == _CONTROL, normalized=False)
        (tokenizer.add_special_tokens if kind == _CONTROL else tokenizer.add_tokens)([added])
    return tokenizer


def tokenizer_config(gguf: Gguf) -> dict[str, Any]:
    """The tokenizer_config.json, without the chat template."""
    tokens = _tokens(gguf)
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": _whole(gguf, "llama.context_length"),
        **{f"{name}_token": tokens[number] for name, number in _special(gguf).items()},
    }


def _list(values: npt.NDArray[Any]) -> list[Any]:
    return values.tolist()


def _tokens(gguf: Gguf) -> list[str]:
    tokens = gguf.metadata.get("tokenizer.ggml.tokens")
    if not isinstance(tokens, list) or not tokens or not isinstance(tokens[0], str):
        raise gguf.fault("it has no tokenizer (tokenizer.ggml.tokens)")
    if len(set(tokens)) != len(tokens):
        raise gguf.fault("a token of its tokenizer appears twice")
    return tokens


def _special(gguf: Gguf) -> dict[str, int]:
    """The numbers of the special tokens; a file without one of its own has the end token in its place."""
    count = len(_tokens(gguf))
    end = _token_id(gguf, "eos", count)
    return {
        "bos": _token_id(gguf, "bos", count, end),
        "eos": end,
        "pad": _token_id(gguf, "padding", count, end),
    }


def _token_id(gguf: Gguf, name: str, count: int, default: int | None = None) -> int:
    key = f"tokenizer.ggml.{name}_token_id"
    number = gguf.metadata.get(key, default)
    if not isinstance(number, int) or not 0 <= number < count:
        raise gguf.fault(f"{key} is not the number of a token")
    return number


def _whole(gguf: Gguf, key: str, default: int | None = None) -> int:
    number = gguf.metadata.get(key, default)
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 1 << 32:
        raise gguf.fault(f"{key} is not a positive whole number")
    return number


def _real(gguf: Gguf, key: str, default: float | None = None) -> float:
    number = gguf.metadata.get(key, default)
    if not isinstance(number, float) or not 0 < number < 1e12:
        raise gguf.fault(f"{key} is not a positive number")
    return number
