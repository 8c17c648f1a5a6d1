"""The recipes that are shipped: their models counted exactly, and which Macs are said to be fit for them."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tunewright.cli.plan_text import Plan, plan_text
from tunewright.cli.planning import memory_budget
from tunewright.contract.counts import Counts
from tunewright.contract.recipe import load_recipe
from tunewright.remote.host_facts import HostFacts, parse_facts
from tunewright.train.counting import count

ROOT = Path(__file__).parents[3]
CONFIGS = sorted((ROOT / "recipes" / "configs").glob("*.json"))
NAMES = [path.stem for path in CONFIGS]
MEMORIES = (8, 16, 24, 32, 36, 48, 64, 96, 128, 192)  # GiB


def known(name: str) -> dict[str, Any]:
    return json.loads((ROOT / "recipes" / "configs" / f"{name}.json").read_text())


@cache
def counted(name: str) -> Counts:
    return count(load_recipe(name, ROOT), known(name)["config"], known(name).get("tokens", 0))


def a_mac(gibibytes: int) -> HostFacts:
    return parse_facts({"system": "Darwin", "arch": "arm64", "memory_bytes": str(gibibytes << 30)})


@pytest.mark.parametrize("name", NAMES)
def test_a_config_belongs_to_its_recipe_and_counts_what_was_published(name: str) -> None:
    config = known(name)
    assert config["base"] == load_recipe(name, ROOT).model.base
    assert config["source"]
    assert config["checked"]
    assert counted(name).parameters + config.get("not_counted", 0) == config["published"]


def test_a_config_with_a_wrong_figure_counts_otherwise() -> None:
    config = known("qwen3-4b")
    for key, value in (("hidden_size", 2048), ("num_hidden_layers", 35), ("tie_word_embeddings", False)):
        changed = count(load_recipe("qwen3-4b", ROOT), config["config"] | {key: value})
        assert changed.parameters != config["published"], key


def test_an_expert_in_four_bits_is_counted_as_it_is_stored() -> None:
    # 13,761,316,904 bytes are in the published files, headers and indices among them.
    assert counted("gpt-oss-20b").base_bytes == pytest.approx(13_761_316_904, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_fit_is_said_of_no_mac_with_less_memory_than_training_takes(name: str) -> None:
    recipe, counts, tokens = load_recipe(name, ROOT), counted(name), known(name).get("tokens", 0)
    verdicts: list[bool] = []
    for gibibytes in MEMORIES:
        budget, source = memory_budget(a_mac(gibibytes))
        assert budget is not None
        assert budget < gibibytes << 30
        plan = Plan(
            recipe,
            "mac",
            "a Mac",
            counts,
            memory_budget=budget,
            memory_source=source,
            length_known=tokens > 0,
        )
        said = "is fit" in plan_text(plan).partition("verdict")[2]
        assert said is (counts.training.total <= budget), gibibytes
        verdicts.append(said)
    assert verdicts == sorted(verdicts), "what a small Mac holds, a larger one does"
    assert verdicts[-1], "some Mac is fit for every recipe that is shipped"


def test_a_model_that_also_sees_is_counted_by_what_it_reads() -> None:
    """Its heads and its vocabulary are in a table of the config; without them it would seem to need far less."""
    recipe, text = load_recipe("gemma-3-4b", ROOT), known("gemma-3-4b")["config"]
    whole = {
        "model_type": "gemma3",
        "text_config": {key: value for key, value in text.items() if key != "quantization"},
        "vocab_size": text["vocab_size"],
        "quantization": text["quantization"],
        "torch_dtype": "bfloat16",
    }
    assert count(recipe, whole).parameters == counted("gemma-3-4b").parameters
    assert count(recipe, whole).training.total == pytest.approx(
        counted("gemma-3-4b").training.total, rel=0.01
    )
