"""From adapters to the delivered model: merged in floats, quantized to the recipe's bits, measured."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.conversations import conversation
from tests.support.random_qwen3 import write_model
from tunewright.contract.errors import UserError
from tunewright.contract.manifest import write_manifest
from tunewright.contract.recipe import Quantize, Recipe, Train
from tunewright.contract.run import RunFolder, Stage
from tunewright.train.base import Base, Loaded, load_base, load_folder, load_tokenizer, read_config
from tunewright.train.encode import Encoded, encode_all, encoder_for
from tunewright.train.fidelity import (
    COMPARED,
    Compared,
    compare,
    compare_part,
    fidelity,
    forgetting,
    reference_of,
)
from tunewright.train.fuse import fuse
from tunewright.train.lora import attach, check_keys, load_adapters, save_adapters, trainable, updates
from tunewright.train.loss import arrays, batch_loss, scores_of
from tunewright.train.models import expand_on_cpu, merge, open_model, weights
from tunewright.train.other_process import OtherProcess
from tunewright.train.quantize import check_bits, quantize

TRAIN = Train(rank=4, scale=2.0, layers=-1, max_seq_length=256)
TOKENS = [[1, 40, 41, 42, 50, 60, 2, 3]]


class Silent:
    """Takes what stages report."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def event(self, kind: str, stage: str | None = None, /, **data: Any) -> None:
        self.events.append((kind, data))

    def progress(self, step: int, total: int | None = None, left: float | None = None) -> None: ...
    def check(self) -> None: ...


def recipe(**values: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "schema": 1,
            "name": "t",
            "model": {"base": "/m", "dtype": "float32"},
            "train": TRAIN.model_dump(),
            **values,
        }
    )


def make_run(folder: Path, base: Base, size: float = 0.1, train: Train = TRAIN) -> RunFolder:
    """A run whose train stage is finished, with adapters of random values of that size."""
    run = RunFolder(folder / "run")
    model = load_base(base).model
    attach(model, train, seed=1)
    arrays_ = {
        name: array + size * mx.random.normal(array.shape, key=mx.random.key(number))
        for number, (name, array) in enumerate(trainable(model).items())
    }
    stage = run.stage("train")
    stage.mkdir(parents=True)
    save_adapters(stage, arrays_, train)
    write_manifest(stage, "train")
    return run


def logits(loaded: Loaded) -> Any:
    return np.array(loaded.model(mx.array(TOKENS)).astype(mx.float32))


def adapted(run: RunFolder, base: Base) -> Loaded:
    loaded = load_base(base)
    load_adapters(loaded.model, run.stage("train"), TRAIN)
    return loaded


def test_the_fused_model_answers_as_the_adapter_model_does(base: Base, tmp_path: Path) -> None:
    run = make_run(tmp_path, base)
    out = run.stage("fuse")
    out.mkdir()
    facts = fuse(out, run, recipe(), base, Silent())
    write_manifest(out, "fuse")
    assert facts["stored"]
    assert facts["modules"] == 14
    assert 0 < facts["update"]["mean"] <= facts["update"]["largest"]
    before, after = logits(adapted(run, base)), logits(open_model("fused", run, recipe(), base))
    np.testing.assert_allclose(after, before, atol=2e-4)
    assert np.abs(after - logits(load_base(base))).max() > 0.1, "the adapters do something"


def test_plain_mlx_lm_loads_the_quantized_folder_and_agrees(base: Base, tmp_path: Path) -> None:
    from mlx_lm import load

    run = make_run(tmp_path, base)
    out = run.stage("quantize")
    out.mkdir()
    facts = quantize(out, run, recipe(quantize={"bits": 8, "group_size": 64}), base, Silent())
    write_manifest(out, "quantize")
    assert (facts["bits"], facts["group_size"], facts["left_float"]) == (8, 64, [])
    assert facts["dtype"] == "float16"
    held: Any = mx.load(str(out / "model.safetensors"))
    assert {array.dtype for name, array in held.items() if not name.endswith(".weight")} == {mx.float16}
    assert 8.5 <= facts["bits_per_weight"] < 8.7
    assert facts["bytes"] < facts["float_bytes"] / 1.8
    model, tokenizer = load(str(out))[:2]
    ours = open_model("quantized", run, recipe(), base)
    theirs = np.array(model(mx.array(TOKENS)).astype(mx.float32))
    # On a CPU ours multiplies in float32 what plain mlx-lm multiplies in float16.
    np.testing.assert_allclose(theirs, logits(ours), atol=0.05)
    np.testing.assert_allclose(theirs, logits(adapted(run, base)), atol=0.5)
    assert tokenizer.has_chat_template


@pytest.mark.parametrize("bits", [2, 5, 8])
def test_a_quantized_base_comes_out_at_the_recipes_bits(base: Base, tmp_path: Path, bits: int) -> None:
    """mlx-lm's default fuse keeps the base's 4 bits, and quantizing that again silently does nothing."""
    from mlx_lm.utils import quantize_model

    from tunewright.train.models import save_model_folder

    loaded = load_base(base)
    loaded.model, loaded.config = quantize_model(loaded.model, loaded.config, 64, 4)
    four = tmp_path / "four"
    save_model_folder(four, loaded, base.folder)
    quantized_base = Base(four, "four", "float32")
    run = make_run(tmp_path, quantized_base)
    out = run.stage("quantize")
    out.mkdir()
    quantize(out, run, recipe(quantize={"bits": bits, "group_size": 64}), quantized_base, Silent())
    found = {m.bits for m in load_folder(out).model.modules() if hasattr(m, "bits")}
    assert found == {bits}


def test_a_model_that_stayed_at_other_bits_is_noticed(base: Base) -> None:
    import mlx.nn as nn

    model = load_base(base).model
    nn.quantize(model, 64, 4)
    with pytest.raises(UserError, match=r"came out at \[4\] bits where the recipe says 5"):
        check_bits(model, Quantize(bits=5, group_size=64))


def test_a_group_size_that_fits_no_layer_is_an_error(tmp_path: Path) -> None:
    narrow = Base(
        write_model(tmp_path / "narrow", hidden_size=32, intermediate_size=32, head_dim=16), "n", "float32"
    )
    run = make_run(tmp_path, narrow)
    with pytest.raises(UserError, match="nothing could be quantized in groups of 128"):
        quantize(tmp_path / "out", run, recipe(quantize={"bits": 5, "group_size": 128}), narrow, Silent())


def test_a_layer_that_no_group_fits_is_told(tmp_path: Path) -> None:
    mixed = Base(write_model(tmp_path / "mixed", intermediate_size=16), "m", "float32")
    run = make_run(tmp_path, mixed)
    report = Silent()
    facts = quantize(tmp_path / "out", run, recipe(quantize={"bits": 5, "group_size": 64}), mixed, report)
    assert facts["left_float"] == [f"model.layers.{n}.mlp.down_proj" for n in (0, 1)]
    assert "left in floats" in report.events[0][1]["message"]


def test_expanding_on_a_cpu_changes_no_answer(base: Base, tmp_path: Path) -> None:
    import mlx.nn as nn

    loaded = load_base(base)
    nn.quantize(loaded.model, 64, 5)
    before = logits(loaded)
    np.testing.assert_allclose(logits(expand_on_cpu(loaded)), before, atol=1e-3)


@pytest.fixture(scope="module")
def valid(random_model: Path) -> list[Encoded]:
    encoder = encoder_for(load_tokenizer(random_model, read_config(random_model)))
    return encode_all(
        encoder, [conversation(n) for n in range(6)], mask="assistant", max_length=256, origin="valid.jsonl"
    ).rows


class Other(OtherProcess):
    """Another process that ended, with or without a result."""

    def __init__(self, result: Path | None) -> None:
        self.result = result
        self.asked: list[str] = []

    def file(self, name: str) -> Path | None:
        self.asked.append(name)
        return self.result


def test_fidelity_sees_an_adapter_survive_eight_bits_and_drown_in_two(
    base: Base, tmp_path: Path, valid: list[Encoded]
) -> None:
    found: dict[int, dict[str, Any]] = {}
    for bits in (8, 2):
        run = make_run(tmp_path / str(bits), base, size=0.05)
        stages: tuple[tuple[Stage, Any], ...] = (("fuse", fuse), ("quantize", quantize))
        for stage, make in stages:
            out = run.stage(stage)
            out.mkdir()
            make(out, run, recipe(quantize={"bits": bits, "group_size": 64}), base, Silent())
            write_manifest(out, stage)
        found[bits] = fidelity(tmp_path, run, recipe(), base, valid, Silent())
    assert found[8]["tokens"] == sum(row.trainable for row in valid)
    assert found[8]["fused"]["agreement"] == 1.0
    assert found[8]["fused"]["kl"] < 1e-6
    assert found[8]["agreement"] > 0.9 > found[2]["agreement"]
    assert found[8]["kl"] < found[2]["kl"]
    assert found[8]["cosine"]["mean"] > 0.9 > 0.7 > found[2]["cosine"]["mean"]
    alone = (tmp_path / "fidelity.json").read_bytes()
    run = RunFolder(tmp_path / "2" / "run")
    compare_part(run, recipe(), base, valid, (), (1, 2), lambda _: None).write(tmp_path / COMPARED)
    for there in (tmp_path / COMPARED, None):  # what another process measured, and one that ended without
        other = Other(there)
        assert fidelity(tmp_path, run, recipe(), base, valid, Silent(), other=other) == found[2]
        assert other.asked == [COMPARED]
        assert (tmp_path / "fidelity.json").read_bytes() == alone


def perplexity(loaded: Loaded, rows: list[Encoded]) -> float:
    """As textbooks have it, a token at a time."""
    nats: list[float] = []
    for row in rows:
        scores = np.array(loaded.model(mx.array([row.tokens])).astype(mx.float32), dtype=np.float64)[0]
        for place, (token, weight) in enumerate(zip(row.tokens[1:], row.trained[1:])):
            if weight:
                at = scores[place]
                nats.append(np.log(np.exp(at - at.max()).sum()) + at.max() - at[token])
    return math.exp(sum(nats) / len(nats))


def test_forgetting_is_the_perplexity_before_and_after(
    base: Base, tmp_path: Path, valid: list[Encoded]
) -> None:
    found: dict[float, dict[str, Any]] = {}
    for size in (0.0, 0.2):
        run = make_run(tmp_path / str(size), base, size=size)
        out = run.stage("quantize")
        out.mkdir()
        quantize(out, run, recipe(quantize={"bits": 8, "group_size": 64}), base, Silent())
        write_manifest(out, "quantize")
        measured = [
            compare_part(
                run,
                recipe(train={**TRAIN.model_dump(), "batch_size": 4}),
                base,
                (),
                valid,
                (part, 2),
                lambda _: None,
            )
            for part in (0, 1)
        ]
        found[size] = forgetting(Compared.joined(measured), valid)
        models = {"before": load_base(base), "after": adapted(run, base)}
        for what, loaded in models.items():
            assert found[size][what] == pytest.approx(perplexity(loaded, valid), rel=1e-3)
    assert found[0.0]["before"] == found[0.0]["after"] == found[0.2]["before"]
    assert found[0.2]["after"] != pytest.approx(found[0.2]["before"], rel=0.01)
    assert found[0.2]["delivered"] == pytest.approx(found[0.2]["after"], rel=0.1)
    assert found[0.2]["tokens"] == sum(row.trainable for row in valid)
    assert found[0.2]["rows"] == len(valid)


@given(st.lists(st.integers(), max_size=9), st.integers(1, 3))
def test_parts_are_put_together_in_the_order_of_the_whole(numbers: list[int], count: int) -> None:
    parts = [
        Compared(numbers[n::count], {}, {"after": [*map(float, numbers[n::count])]}) for n in range(count)
    ]
    assert Compared.joined(parts) == Compared(numbers, {}, {"after": [*map(float, numbers)]})


ROWS = st.lists(st.lists(st.floats(-5, 5, width=32), min_size=6, max_size=6), min_size=1, max_size=4)


@given(ROWS)
def test_a_model_agrees_with_itself(rows: list[list[float]]) -> None:
    scores = mx.array(rows)
    agreed, divergence = compare(reference_of(scores, 4), scores)
    assert agreed == len(rows)
    assert divergence == pytest.approx(0, abs=1e-5)


@given(ROWS, st.randoms(use_true_random=False))
def test_the_divergence_is_exact_over_all_tokens_and_a_lower_bound_over_some(
    rows: list[list[float]], random: Any
) -> None:
    other = [[random.uniform(-5, 5) for _ in row] for row in rows]
    exact = 0.0
    for mine, theirs in zip(rows, other):
        p = [math.exp(x) / sum(map(math.exp, mine)) for x in mine]
        q = [math.exp(x) / sum(map(math.exp, theirs)) for x in theirs]
        exact += sum(a * math.log(a / b) for a, b in zip(p, q))
    whole = compare(reference_of(mx.array(rows), 6), mx.array(other))[1]
    some = compare(reference_of(mx.array(rows), 2), mx.array(other))[1]
    assert whole == pytest.approx(exact, rel=1e-3, abs=1e-4)
    assert some <= exact + 1e-4


def test_the_reference_keeps_the_likeliest_tokens() -> None:
    reference = reference_of(mx.array([[0.0, 3.0, 1.0, 2.0]]), 3)
    assert reference.best.tolist() == [1]
    assert set(reference.tokens[0].tolist()) == {1, 2, 3}


def test_a_key_that_names_nothing_is_refused_with_the_names_there_are(loaded: Loaded) -> None:
    with pytest.raises(UserError, match=r"no module self_attn\.query") as caught:
        check_keys(loaded.model, TRAIN.model_copy(update={"keys": ("self_attn.query", "mlp.up_proj")}))
    assert "self_attn.q_proj" in caught.value.hint
    check_keys(loaded.model, TRAIN.model_copy(update={"keys": ("mlp.up_proj",)}))


def test_only_the_adapters_of_the_chosen_layers_and_keys_are_trained(loaded: Loaded) -> None:
    attach(loaded.model, TRAIN.model_copy(update={"layers": 1, "keys": ("mlp.up_proj",)}), seed=0)
    assert sorted(trainable(loaded.model)) == [
        "model.layers.1.mlp.up_proj.lora_a",
        "model.layers.1.mlp.up_proj.lora_b",
    ]
    assert list(updates(loaded.model)) == ["model.layers.1.mlp.up_proj"]


def test_adapters_of_another_rank_are_refused(base: Base, tmp_path: Path) -> None:
    run = make_run(tmp_path, base)
    with pytest.raises(UserError, match="do not fit the base model"):
        load_adapters(load_base(base).model, run.stage("train"), TRAIN.model_copy(update={"rank": 8}))


def test_cut_adapters_are_refused(base: Base, tmp_path: Path) -> None:
    run = make_run(tmp_path, base)
    path = run.stage("train") / "adapters.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UserError, match="is cut short"):
        load_adapters(load_base(base).model, run.stage("train"), TRAIN)


def test_mlx_lm_itself_loads_the_adapters(base: Base, tmp_path: Path) -> None:
    from mlx_lm import load

    run = make_run(tmp_path, base)
    model = load(str(base.folder), adapter_path=str(run.stage("train")))[0]
    theirs = np.array(model(mx.array(TOKENS)).astype(mx.float32))
    np.testing.assert_allclose(theirs, logits(adapted(run, base)), atol=1e-4)


def test_the_loss_is_that_of_whole_logits_under_the_mask(loaded: Loaded, valid: list[Encoded]) -> None:
    """Against a computation written out: every place's logits, and the log-probability of its next token."""
    from tunewright.train.batches import lay_out

    batch = lay_out(valid[:3])
    scores = scores_of(loaded.model)
    total, tokens = batch_loss(scores, loaded.model, *arrays(batch))
    expected = 0.0
    for row in valid[:3]:
        whole = np.array(loaded.model(mx.array([row.tokens])).astype(mx.float32))[0].astype(np.float64)
        logs = whole - np.log(np.exp(whole).sum(axis=-1, keepdims=True))
        expected -= sum(logs[at - 1, row.tokens[at]] for at in range(1, len(row)) if row.trained[at])
    assert float(total.item()) == pytest.approx(expected, rel=1e-4)
    assert float(tokens.item()) == sum(row.trainable for row in valid[:3])


def test_an_architecture_with_more_than_a_head_after_its_body_gets_whole_logits(loaded: Loaded) -> None:
    import mlx.nn as nn

    class Capped(nn.Module):
        """A decoder that scales its logits, as some do."""

        def __init__(self, inner: Any) -> None:
            super().__init__()
            self.model = inner.model
            self.lm_head: Callable[[Any], Any] = inner.model.embed_tokens.as_linear

        def __call__(self, inputs: Any) -> Any:
            return 2 * self.model.embed_tokens.as_linear(self.model(inputs))

    model: Any = Capped(loaded.model)
    inputs, at = mx.array([[1, 2, 3, 4]]), mx.array([0, 2])
    expected = model(inputs).reshape(4, -1)[at]
    assert bool(mx.allclose(scores_of(model)(model, inputs, at, None), expected).item())


def test_merging_leaves_no_quantized_layer_and_no_trace_in_the_config(base: Base, tmp_path: Path) -> None:
    import mlx.nn as nn

    run = make_run(tmp_path, base)
    loaded = load_base(base)
    nn.quantize(loaded.model, 64, 4)
    loaded.config["quantization"] = {"bits": 4, "group_size": 64}
    load_adapters(loaded.model, run.stage("train"), TRAIN)
    merged = merge(loaded)
    assert "quantization" not in merged.config
    assert not any(name.endswith((".scales", ".lora_a")) for name in weights(merged.model))


@pytest.mark.parametrize("size", [0.003, 0.02, 0.1])
def test_what_quantizing_will_keep_is_known_before_it_is_done(
    base: Base, tmp_path: Path, valid: list[Encoded], size: float
) -> None:
    from tunewright.train.fidelity import update_cosines

    run = make_run(tmp_path, base, size=size)
    for bits in (2, 4, 5, 8):
        settings = recipe(quantize={"bits": bits, "group_size": 32})
        report = Silent()
        facts: dict[str, Any] = {}
        stages: tuple[tuple[Stage, Any], ...] = (("fuse", fuse), ("quantize", quantize))
        for stage, make in stages:
            out = run.stage(stage)
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            facts |= make(out, run, settings, base, report)
            write_manifest(out, stage)
        expected = facts["kept"]
        measured = update_cosines(run, settings, base, report)
        mean = sum(measured.values()) / len(measured)
        assert expected[str(bits)] == pytest.approx(mean, abs=0.05), (bits, expected, mean)
        told = [
            data
            for kind, data in report.events
            if kind == "warning" and "rounds by more than the fine-tune" in data["message"]
        ]
        assert bool(told) is (expected[str(bits)] < 0.5)
        if told:
            better = [b for b, cosine in expected.items() if cosine >= 0.5]
            assert (
                f"quantize.bits = {better[0]} " in told[0]["hint"]
                if better
                else "No number" in told[0]["hint"]
            )


def test_adapters_whose_tensors_have_other_names_apply_to_nothing(base: Base, tmp_path: Path) -> None:
    run = make_run(tmp_path, base)
    path = run.stage("train") / "adapters.safetensors"
    arrays_: Any = mx.load(str(path))
    mx.save_safetensors(str(path), {f"base_model.{name}": array for name, array in arrays_.items()})
    with pytest.raises(UserError, match=r"0 of 28 tensors applied"):
        load_adapters(load_base(base).model, run.stage("train"), TRAIN)
    for make in (fuse, quantize):
        with pytest.raises(UserError, match=r"0 of 28 tensors applied"):
            make(tmp_path / "out", run, recipe(), base, Silent())


def test_a_group_size_that_leaves_most_of_a_narrow_model_in_floats_is_an_error(tmp_path: Path) -> None:
    narrow = Base(
        write_model(tmp_path / "narrow", hidden_size=192, head_dim=64, intermediate_size=128), "n", "float32"
    )
    run = make_run(tmp_path, narrow)
    settings = recipe(quantize={"bits": 5, "group_size": 128})
    with pytest.raises(
        UserError, match=r"came out at \d+\.\d bits a weight where 5 bits .* make 5\.25: \d+ of \d+ modules"
    ):
        quantize(tmp_path / "out", run, settings, narrow, Silent())


@pytest.mark.parametrize("broken", [False, True])
def test_a_large_vocabulary_in_half_precision_is_finite_and_a_broken_weight_is_not(
    tmp_path: Path, broken: bool
) -> None:
    """The sum of so many logits is beyond float16, and none of them is."""
    from tunewright.train.base import cast_floats
    from tunewright.train.models import save_model_folder
    from tunewright.train.quantize import check_loads

    loaded = load_folder(write_model(tmp_path / "wide", vocab_size=16_384), "float32")
    embeddings = loaded.model.model.embed_tokens
    embeddings.weight = 40 * embeddings.weight
    if broken:
        embeddings.weight[7, 7] = math.inf
    cast_floats(loaded.model, "float16")
    assert not math.isfinite(float(cast(Any, mx.abs(loaded.model(mx.array([[1, 2, 3]]))).sum()).item()))
    save_model_folder(tmp_path / "out", loaded, tmp_path / "wide")
    if broken:
        with pytest.raises(UserError, match="not finite"):
            check_loads(tmp_path / "out")
    else:
        check_loads(tmp_path / "out")
