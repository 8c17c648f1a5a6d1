"""The big recipe's architecture at the smallest size: experts are adapted, merged, quantized and compared."""

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from tests.support.conversations import conversation
from tests.support.random_qwen3 import CONFIG, write_tokenizer
from tunewright.contract.manifest import write_manifest
from tunewright.contract.recipe import Recipe, Train
from tunewright.contract.run import RunFolder
from tunewright.train.base import Base, load_base, load_tokenizer, read_config
from tunewright.train.encode import encode_all, encoder_for
from tunewright.train.fidelity import fidelity
from tunewright.train.fuse import base_weight, fuse, intended_update
from tunewright.train.lora import attach, load_adapters, save_adapters, trainable, updates
from tunewright.train.models import open_model
from tunewright.train.quantize import quantize

TRAIN = Train(
    rank=2,
    scale=4.0,
    layers=-1,
    keys=("self_attn.q_proj", "mlp.switch_mlp.down_proj", "mlp.switch_mlp.up_proj", "model.embed_tokens"),
)


class Silent:
    """Takes what stages report."""

    def event(self, kind: str, stage: str | None = None, /, **data: Any) -> None: ...
    def progress(self, step: int, total: int | None = None, left: float | None = None) -> None: ...
    def check(self) -> None: ...


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    from mlx.utils import tree_flatten
    from mlx_lm.models import qwen3_moe

    folder = tmp_path_factory.mktemp("moe")
    config: dict[str, Any] = CONFIG | {
        "model_type": "qwen3_moe",
        "vocab_size": write_tokenizer(folder),
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "moe_intermediate_size": 64,
        "norm_topk_prob": True,
    }
    (folder / "config.json").write_text(json.dumps(config))
    mx.random.seed(1)
    model: Any = qwen3_moe.Model(qwen3_moe.ModelArgs.from_dict(config))
    flat: Any = tree_flatten(model.parameters())
    mx.save_safetensors(str(folder / "model.safetensors"), dict(flat), metadata={"format": "mlx"})
    return Base(folder, "moe", "float32")


@pytest.fixture
def run(base: Base, tmp_path: Path) -> RunFolder:
    """A run with adapters of random values."""
    made = RunFolder(tmp_path / "run")
    model = load_base(base).model
    attach(model, TRAIN, seed=1)
    arrays = {
        name: array + 0.1 * mx.random.normal(array.shape, key=mx.random.key(number))
        for number, (name, array) in enumerate(trainable(model).items())
    }
    made.stage("train").mkdir(parents=True)
    save_adapters(made.stage("train"), arrays, TRAIN)
    write_manifest(made.stage("train"), "train")
    return made


def test_the_intended_update_is_what_fusing_adds_to_every_kind_of_layer(base: Base, run: RunFolder) -> None:
    model = load_base(base).model
    load_adapters(model, run.stage("train"), TRAIN)
    found = updates(model)
    kinds = {type(module).__name__ for module in found.values()}
    assert kinds == {"LoRALinear", "LoRASwitchLinear", "LoRAEmbedding"}
    for module in found.values():
        added = np.array(module.fuse(dequantize=True).weight - base_weight(module))
        np.testing.assert_allclose(added, np.array(intended_update(module)), atol=1e-6)
        assert np.abs(added).max() > 1e-3


def test_experts_go_all_the_way_and_the_router_keeps_its_eight_bits(
    base: Base, run: RunFolder, tmp_path: Path
) -> None:
    recipe = Recipe.model_validate(
        {
            "schema": 1,
            "name": "moe",
            "model": {"base": str(base.folder), "dtype": "float32"},
            "train": TRAIN.model_dump(),
            "quantize": {"bits": 5, "group_size": 64},
        }
    )
    for stage, make in (("fuse", fuse), ("quantize", quantize)):
        out = run.path / stage
        out.mkdir()
        make(out, run, recipe, base, Silent())
        write_manifest(out, stage)
    config = json.loads((run.stage("quantize") / "config.json").read_text())
    assert config["quantization"]["bits"] == 5
    assert config["quantization"]["model.layers.0.mlp.gate"]["bits"] == 8

    encoder = encoder_for(load_tokenizer(base.folder, read_config(base.folder)))
    valid = encode_all(
        encoder, [conversation(n) for n in range(4)], mask="assistant", max_length=256, origin="valid.jsonl"
    ).rows
    facts = fidelity(tmp_path, run, recipe, base, valid, Silent())
    assert facts["fused"]["agreement"] == 1.0
    assert facts["agreement"] > 0.8
    assert facts["cosine"]["smallest"] > 0.5
    assert open_model("quantized", run, recipe, base).model(mx.array([[1, 2, 3]])).shape[1] == 3
