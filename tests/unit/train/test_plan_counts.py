"""Counting a recipe from a config alone."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunewright.contract.counts import Counts
from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Recipe, load_recipe
from tunewright.train.counting import count

ROOT = Path(__file__).parents[3]
GIB = 1 << 30


@pytest.fixture(scope="module")
def big() -> dict[str, Any]:
    return json.loads((ROOT / "recipes/configs/qwen3-coder-30b-a3b.json").read_text())["config"]


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load_recipe("qwen3-coder-30b-a3b", ROOT)


@pytest.fixture(scope="module")
def counted(big: dict[str, Any], recipe: Recipe) -> Counts:
    return count(recipe, big, tokens=430)


def small(**changes: Any) -> dict[str, Any]:
    return {
        "model_type": "qwen3",
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "intermediate_size": 128,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 32,
        "vocab_size": 256,
        "max_position_embeddings": 128,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1000.0,
        "tie_word_embeddings": True,
        **changes,
    }


def with_train(recipe: Recipe, **changes: Any) -> Recipe:
    return recipe.model_copy(update={"train": recipe.train.model_copy(update=changes)})


def test_the_30b_model_has_the_parameters_that_are_known_of_it(counted: Counts) -> None:
    assert counted.parameters == 30_532_122_624
    assert counted.float16_bytes / GIB == pytest.approx(56.87, abs=0.005)


def test_lora_on_eight_layers_of_it_trains_the_known_number(counted: Counts) -> None:
    assert counted.trained == 70_459_392
    assert round(100 * counted.trained_share, 3) == 0.231


def test_at_five_bits_it_takes_the_known_bytes(counted: Counts) -> None:
    assert round(counted.bits_per_weight, 3) == 5.501
    assert counted.quantized_bytes / GIB == pytest.approx(19.55, abs=0.005)


def test_its_memory_estimate_agrees_with_the_reported_peak(counted: Counts) -> None:
    assert counted.training.total / 1e9 == pytest.approx(20.98, rel=0.05)


@pytest.mark.parametrize(("tokens", "peak"), [(256, 1.224e9), (512, 2.017e9), (1024, 4.050e9)])
def test_the_estimate_on_a_cpu_is_within_a_tenth_of_measured_peaks(tokens: int, peak: float) -> None:
    """The peaks are those of benchmarks/plan_peaks.py: the trainer's own step, of batches of four rows."""
    config = json.loads((ROOT / "recipes/configs/smollm2.json").read_text())["config"]
    counted = count(load_recipe("smollm2", ROOT), config, tokens, 0.25, on_cpu=True)
    assert counted.training.total == pytest.approx(peak, rel=0.1)
    assert counted.training.batch_tokens == 4 * tokens


def test_a_quantized_base_is_counted_unquantized_and_held_quantized(counted: Counts) -> None:
    assert counted.base_bytes / GIB == pytest.approx(16.0, abs=0.1)
    assert counted.training.weights == counted.base_bytes


def test_a_fused_model_too_large_to_store_takes_no_disk(counted: Counts) -> None:
    assert counted.disk.fuse == 0
    assert counted.disk.quantize == counted.quantized_bytes


def test_on_a_cpu_a_quantized_base_is_expanded_and_counted_so(big: dict[str, Any], recipe: Recipe) -> None:
    there = count(recipe, big, tokens=430, on_cpu=True)
    assert there.base_bytes == 2 * there.parameters
    assert there.disk.base == count(recipe, big, tokens=430).base_bytes


def test_five_bits_are_five_bits_whatever_type_was_trained_in() -> None:
    recipe = load_recipe("smollm2", ROOT)
    assert recipe.model.dtype == "float32"
    config = json.loads((ROOT / "recipes/configs/smollm2.json").read_text())["config"]
    counts = count(recipe, config)
    assert counts.parameters == 134_515_008
    assert counts.bits_per_weight == pytest.approx(5.503, abs=0.01)


def test_parameters_of_a_small_model_add_up_by_hand() -> None:
    recipe = load_recipe("tiny", ROOT)
    counts = count(with_train(recipe, keys=("self_attn.q_proj",), rank=4), small())
    layer = 64 * 64 * 2 + 64 * 32 * 2 + 64 * 128 * 3 + 2 * 64 + 2 * 32
    assert counts.parameters == 256 * 64 + 2 * layer + 64
    assert counts.trained == 2 * (64 * 4 + 4 * 64)
    assert counts.adapter_bytes == 4 * counts.trained
    assert counts.base_bytes == 4 * counts.parameters


@given(st.integers(1, 4), st.integers(1, 6), st.integers(8, 400))
@settings(max_examples=8, deadline=None)
def test_more_of_anything_never_needs_less_memory(layers: int, batch: int, length: int) -> None:
    recipe = load_recipe("tiny", ROOT)
    keys = ("self_attn.q_proj", "mlp.up_proj")
    config = small(num_hidden_layers=4)

    def total(layers: int, batch: int, length: int) -> int:
        train = with_train(recipe, keys=keys, layers=layers, batch_size=batch)
        return count(train, config, tokens=length).training.total

    here = total(layers, batch, length)
    assert total(layers, batch + 1, length) > here
    assert total(layers, batch, length + 1) > here
    assert total(-1, batch, length) >= here


def test_the_estimate_is_near_what_a_real_training_step_needs() -> None:
    import mlx.core as mx
    import mlx.nn as nn
    import mlx.optimizers as optimizers
    from mlx_lm.models import qwen3

    from tunewright.train.lora import attach
    from tunewright.train.loss import batch_loss, scores_of

    config = small(hidden_size=256, intermediate_size=768, num_hidden_layers=3, vocab_size=4096)
    recipe = with_train(load_recipe("tiny", ROOT), batch_size=4, max_seq_length=128, rank=8)
    estimate = count(recipe, config).training.total

    model: Any = qwen3.Model(qwen3.ModelArgs.from_dict(config))
    attach(model, recipe.train, 1)
    model.train()
    optimizer: Any = optimizers.Adam(learning_rate=1e-4)
    optimizer.init(model.trainable_parameters())
    scores = scores_of(model)
    inputs, places = mx.random.randint(0, 4096, (4, 128)), mx.arange(512)
    targets, weights = mx.random.randint(0, 4096, (512,)), mx.ones(512)

    def loss(model: Any, *batch: Any) -> Any:
        total, tokens = batch_loss(scores, model, *batch)
        return total / tokens

    mx.eval(model.parameters(), optimizer.state, inputs, places, targets, weights)
    mx.clear_cache()
    before = mx.get_active_memory()
    mx.reset_peak_memory()
    value, gradients = nn.value_and_grad(model, loss)(model, inputs, places, targets, weights)
    optimizer.update(model, gradients)
    mx.eval(model.trainable_parameters(), optimizer.state, value)
    held = sum(int(a.nbytes) for a in _flat(model.parameters())) + 2 * sum(
        int(a.nbytes) for a in _flat(model.trainable_parameters())
    )
    peak = mx.get_peak_memory() - before + held
    assert 0.7 * peak < estimate < 1.6 * peak


def _flat(tree: Any) -> list[Any]:
    from mlx.utils import tree_flatten

    found: Any = tree_flatten(tree)
    return [array for _, array in found]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "names no model_type"),
        ({"model_type": "no_such_model"}, "cannot build no_such_model"),
        ({"model_type": "qwen3", "hidden_size": 64}, "cannot build qwen3"),
        (small(model_file="run_me.py"), "code of its own"),
    ],
)
def test_a_config_that_cannot_be_built_is_the_users_mistake(config: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        count(load_recipe("tiny", ROOT), config)


def ask(question: str) -> tuple[int, dict[str, Any], str]:
    done = subprocess.run(
        [sys.executable, "-m", "tunewright.train.counting"],
        input=question,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ},
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 1, done.stderr
    return done.returncode, json.loads(lines[0]), done.stderr


def test_the_command_answers_in_one_line_of_json() -> None:
    recipe = load_recipe("tiny", ROOT)
    question = {"recipe": recipe.model_dump(mode="json", by_alias=True), "config": small(), "tokens": 100}
    code, answer, said = ask(json.dumps(question))
    assert code == 0, said
    assert Counts.model_validate(answer["counts"]) == count(recipe, small(), tokens=100)


@pytest.mark.parametrize("question", ["", "nonsense", "[1]", '{"recipe": {}, "config": {}}'])
def test_garbage_is_answered_with_an_error_and_no_traceback(question: str) -> None:
    code, answer, said = ask(question)
    assert code == 2
    assert answer["error"]
    assert "Traceback" not in said


def test_the_embedded_model_is_counted_as_its_file_holds_it() -> None:
    from tunewright.train.tensors import promised_size
    from tunewright.train.tiny import model_folder

    folder = model_folder()
    counts = count(load_recipe("tiny", ROOT), json.loads((folder / "config.json").read_text()))
    header = promised_size(folder / "model.safetensors") - counts.disk.base
    assert 0 < header < 50_000  # names and shapes, before the numbers themselves
