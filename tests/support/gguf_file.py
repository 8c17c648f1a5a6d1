"""GGUF files made by hand: small ones of the llama architecture, right or wrong in one place."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

HEADS, KV_HEADS, HEAD, HIDDEN, INNER, LAYERS = 4, 2, 16, 64, 96, 2
KINDS = {"F32": 0, "F16": 1, "BF16": 30, "Q4_0": 2, "Q4_1": 3, "Q8_0": 8, "Q6_K": 14}


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def value(item: Any) -> bytes:
    """A metadata value with its type in front."""
    match item:
        case bool():
            return struct.pack("<I?", 7, item)
        case int():
            return struct.pack("<II", 4, item)
        case float():
            return struct.pack("<If", 6, item)
        case str():
            return struct.pack("<I", 8) + text(item)
        case list() if item and isinstance(item[0], str):
            return struct.pack("<IIQ", 9, 8, len(item)) + b"".join(map(text, item))
        case list():
            return struct.pack(f"<IIQ{len(item)}i", 9, 5, len(item), *item)
        case _:
            raise TypeError(item)


def block_data(kind: str, weights: npt.NDArray[np.float32]) -> bytes:
    """Weights in the bytes of a GGUF type, quantized simply: blocks of 32 between their least and largest."""
    if kind == "F32":
        return weights.astype("<f4").tobytes()
    if kind == "F16":
        return weights.astype("<f2").tobytes()
    if kind == "BF16":
        return (weights.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()
    blocks = weights.reshape(-1, 32)
    out = b""
    for block in blocks:
        if kind == "Q8_0":
            scale = np.float16(np.abs(block).max() / 127)
            out += scale.tobytes() + np.round(block / scale).clip(-127, 127).astype(np.int8).tobytes()
            continue
        if kind == "Q4_1":
            low = np.float16(block.min())
            scale = np.float16((block.max() - block.min()) / 15)
            head = scale.tobytes() + low.tobytes()
        else:
            scale = np.float16(np.abs(block).max() / 7)
            low, head = -8 * scale, scale.tobytes()
        numbers = np.round((block - low) / scale).clip(0, 15).astype(np.uint8)
        out += head + (numbers[:16] | numbers[16:] << 4).astype(np.uint8).tobytes()
    return out


def byte_alphabet() -> list[str]:
    """The 256 characters that byte-level BPE writes bytes with."""
    from tokenizers import pre_tokenizers

    return sorted(pre_tokenizers.ByteLevel.alphabet())


def metadata() -> dict[str, Any]:
    tokens = ["<|end|>", "<|start|>", *byte_alphabet(), "th", "the"]
    return {
        "general.architecture": "llama",
        "general.name": "Small",
        "general.license": "mit",
        "llama.block_count": LAYERS,
        "llama.context_length": 256,
        "llama.embedding_length": HIDDEN,
        "llama.feed_forward_length": INNER,
        "llama.attention.head_count": HEADS,
        "llama.attention.head_count_kv": KV_HEADS,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": HEAD,
        "llama.rope.freq_base": 10000.0,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3, 3] + [1] * (len(tokens) - 2),
        "tokenizer.ggml.merges": ["t h", "th e"],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 0,
        "tokenizer.chat_template": "{% for m in messages %}{{ m['role'] + ':' + m['content'] + '<|end|>' }}{% endfor %}",
    }


def weights(seed: int = 0) -> dict[str, npt.NDArray[np.float32]]:
    """Every tensor of a plain llama model with tied embeddings, queries and keys as llama.cpp orders them."""
    draw = np.random.default_rng(seed)
    vocabulary = len(metadata()["tokenizer.ggml.tokens"])
    shapes: dict[str, tuple[int, ...]] = {"token_embd": (vocabulary, HIDDEN), "output_norm": (HIDDEN,)}
    for layer in range(LAYERS):
        shapes |= {
            f"blk.{layer}.attn_q": (HEADS * HEAD, HIDDEN),
            f"blk.{layer}.attn_k": (KV_HEADS * HEAD, HIDDEN),
            f"blk.{layer}.attn_v": (KV_HEADS * HEAD, HIDDEN),
            f"blk.{layer}.attn_output": (HIDDEN, HEADS * HEAD),
            f"blk.{layer}.ffn_gate": (INNER, HIDDEN),
            f"blk.{layer}.ffn_up": (INNER, HIDDEN),
            f"blk.{layer}.ffn_down": (HIDDEN, INNER),
            f"blk.{layer}.attn_norm": (HIDDEN,),
            f"blk.{layer}.ffn_norm": (HIDDEN,),
        }
    return {
        f"{name}.weight": draw.normal(size=shape).astype(np.float32) * 0.2 for name, shape in shapes.items()
    }


def write_gguf(
    path: Path,
    values: dict[str, Any] | None = None,
    tensors: dict[str, npt.NDArray[np.float32]] | None = None,
    kind: str = "Q8_0",
) -> Path:
    """Write a file; matrices as `kind`, vectors as F32."""
    values = metadata() if values is None else values
    tensors = weights() if tensors is None else tensors
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values))
    head += b"".join(text(key) + value(item) for key, item in values.items())
    data = b""
    for name, array in tensors.items():
        own = kind if array.ndim == 2 else "F32"
        head += text(name) + struct.pack("<I", array.ndim)
        head += struct.pack(f"<{array.ndim}QIQ", *reversed(array.shape), KINDS[own], len(data))
        data += block_data("F32" if own == "Q6_K" else own, array)
        data += bytes(-len(data) % 32)
    path.write_bytes(head + bytes(-len(head) % 32) + data)
    return path
