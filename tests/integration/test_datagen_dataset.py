"""A generated dataset is what its recipe says, true, and the same every time."""

import ast
import json
import shutil
from pathlib import Path

import pytest

from tests.support.small_dataset import ROOT, small_dataset, small_recipe
from tunewright.chat.calls.code_mode import Expression, calls_in, parse_turn
from tunewright.contract.catalog import load_catalog
from tunewright.contract.errors import UserError
from tunewright.contract.example import Example, read_examples
from tunewright.contract.manifest import DatasetManifest
from tunewright.datagen.generate import generate_dataset

pytestmark = pytest.mark.slow


def examples(split: str = "train") -> list[Example]:
    return read_examples(small_dataset() / f"{split}.jsonl")


def programs(example: Example) -> list[str]:
    turns = [m.content for m in example.messages if m.role == "assistant"]
    return [code for turn in turns for code in parse_turn(turn).programs]


def test_the_splits_hold_what_the_recipe_asks_for() -> None:
    manifest = DatasetManifest.model_validate_json((small_dataset() / "dataset.json").read_bytes())
    assert {name: split.examples for name, split in manifest.splits.items()} == {"train": 36, "valid": 12}
    assert len(examples("train")) == 36


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    generate_dataset(small_recipe(), tmp_path / "again", root=ROOT)
    for name in ("train.jsonl", "valid.jsonl"):
        assert (tmp_path / "again" / name).read_bytes() == (small_dataset() / name).read_bytes()


def test_what_is_finished_is_found_and_not_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(small_dataset(), folder)
    before = (folder / "dataset.json").read_bytes()
    done: list[int] = []
    generate_dataset(small_recipe(), folder, report=lambda what, n, total: done.append(n), root=ROOT)
    assert not done
    assert (folder / "dataset.json").read_bytes() == before


def test_another_seed_does_not_overwrite_what_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(small_dataset(), folder)
    before = (folder / "train.jsonl").read_bytes()
    with pytest.raises(UserError, match="other inputs"):
        generate_dataset(small_recipe(), folder, seed=5, root=ROOT)
    assert (folder / "train.jsonl").read_bytes() == before


def test_a_changed_split_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(small_dataset(), folder)
    with (folder / "train.jsonl").open("a") as file:
        file.write("{}\n")
    with pytest.raises(UserError, match=r"train\.jsonl is not what was generated"):
        generate_dataset(small_recipe(), folder, root=ROOT)


def test_every_program_calls_only_tools_of_the_catalog_with_their_parameters() -> None:
    catalog = load_catalog("coding")
    for example in examples():
        for code in programs(example):
            calls = calls_in(code)
            assert calls
            assert calls[0].name == example.meta.tool
            for call in calls:
                tool = catalog.tool(call.name)
                if tool is not None:
                    call.bind(tool.parameter_names)
                else:
                    assert call.name in {"str", "len", "sorted"}, call.name


def test_every_literal_argument_stands_in_the_request() -> None:
    for example in examples():
        said = " ".join(message.content for message in example.messages if message.role == "user")
        for code in programs(example):
            for call in calls_in(code, load_catalog("coding").tool_names):
                for value in call.positional:
                    if isinstance(value, Expression):
                        continue
                    parts = str(value).replace("grep -n ", "").replace("'", " ").split()
                    assert all(part in said for part in parts), (value, said)


def test_a_direct_answer_has_no_call_and_an_example_with_a_tool_has_one() -> None:
    for example in examples():
        assert bool(programs(example)) == bool(example.meta.tool)


def test_every_program_is_python_and_every_row_is_plain() -> None:
    for line in (small_dataset() / "train.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        assert set(row) == {"messages", "meta"}
        assert all(set(message) == {"role", "content"} for message in row["messages"])
    for example in examples():
        for code in programs(example):
            ast.parse(code)


def test_the_structure_is_met_within_each_tool() -> None:
    rows = examples() + examples("valid")
    assert all(example.messages[0].role == "system" for example in rows)
    several = [len(example.messages) > 3 for example in rows]
    assert abs(sum(several) / len(rows) - 0.37) < 0.1


def test_a_tool_that_cannot_be_shown_is_named(tmp_path: Path) -> None:
    recipe = small_recipe()
    data = recipe.data.model_copy(update={"tools": ("goto_definition", "no_such_tool")})
    with pytest.raises(UserError, match="no_such_tool"):
        generate_dataset(recipe.model_copy(update={"data": data}), tmp_path / "x", root=ROOT)
    assert not (tmp_path / "x").exists()


def test_the_audit_finds_no_fault_and_structure_says_no_more_than_the_majority() -> None:
    from tunewright.audit.audited import audit_dataset

    report = audit_dataset([small_dataset()])
    # With a dozen rows in valid a tool may well be missing there; the recipe's own 80 have them all.
    failed = [f.check for f in report.findings if f.severity == "fail" and f.check != "split.class_coverage"]
    assert not failed
    assert report.headline["structure_only"] <= report.headline["majority"] + 0.02
