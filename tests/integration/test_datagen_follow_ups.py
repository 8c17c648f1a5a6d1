"""Conversations of several steps: each later request refers to what was said before it, and its calls use nothing else."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.conversations import later_steps
from tests.support.small_dataset import ROOT, small_recipe
from tunewright.contract.recipe import Recipe, Structure
from tunewright.datagen.check_families import try_families
from tunewright.datagen.families.family_file import shipped_families
from tunewright.datagen.generate import generate_dataset

pytestmark = pytest.mark.slow


def recipe(**changes: Any) -> Recipe:
    small = small_recipe(24, 24)
    structure = Structure(multi_turn=1.0, follow_ups=1.0)
    return small.model_copy(
        update={"data": small.data.model_copy(update={"structure": structure, **changes})}
    )


@pytest.mark.parametrize("syntax", ["code_mode", "hermes_json"])
def test_a_later_call_is_given_only_what_was_said_before_it(tmp_path: Path, syntax: str) -> None:
    generate_dataset(recipe(syntax=syntax), tmp_path / "data", root=ROOT)
    conversations = from_outputs = 0
    for split in ("train", "valid"):
        for line in (tmp_path / "data" / f"{split}.jsonl").read_text(encoding="utf-8").splitlines():
            messages = json.loads(line)["messages"]
            steps = list(later_steps(messages))
            assert len(steps) <= 5
            assert not [value for step in steps for value in step.made_up()]
            assert re.fullmatch(
                "(system )?(user assistant )?(user assistant |(user assistant (tool assistant )+)+)",
                "".join(f"{message['role']} " for message in messages),
            )
            conversations += bool(steps)
            from_outputs += sum(step.from_output() for step in steps)
    assert conversations >= 8
    assert from_outputs >= 3


def test_the_same_conversations_again(tmp_path: Path) -> None:
    small = recipe(tools=("read_file", "ruff_check", "typecheck"), navigation=0, other=12)
    for name in ("one", "two"):
        generate_dataset(small, tmp_path / name, root=ROOT)
    assert (tmp_path / "one" / "train.jsonl").read_bytes() == (tmp_path / "two" / "train.jsonl").read_bytes()


def test_a_follow_up_is_shown_after_a_family_that_it_can_follow() -> None:
    families = {family.name: family for family in shipped_families()}
    family = families["then.which_findings"]
    (tried,) = try_families([family], recipe().data, known=list(families.values()))
    assert tried.made is not None
    assert tried.made.tools[0] == "ruff_check"
    assert len(tried.made.later) == 1
    assert tried.made.later[0].request in tried.text()
    assert tried.made.later[0].work.stdout in tried.text().replace("\n    ", "\n")
