"""Cards: the hub's own library reads them, Croissant names existing files, and nothing that exists is replaced."""

import json
from pathlib import Path

import pytest
import yaml
from huggingface_hub import DatasetCard, ModelCard
from syrupy.assertion import SnapshotAssertion

from tests.support.commands import Inv, commands_on
from tests.support.conversations import conversation
from tests.support.made_run import RUN_ID, make_run
from tunewright.contract.atomic import sha256_file

HOSTILE = '"]}\n---\nlicense: evil\n# [x](http://example.org) <script>'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for split, numbers in (("train", range(60)), ("valid", range(60, 80))):
        path = tmp_path / "set" / f"{split}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(conversation(number).row()) + "\n" for number in numbers))
    return tmp_path


@pytest.fixture
def inv(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Inv:
    monkeypatch.chdir(checkout)
    return commands_on(checkout, monkeypatch)


def test_a_dataset_card_says_what_is_there_and_what_is_wrong(
    inv: Inv, checkout: Path, snapshot: SnapshotAssertion
) -> None:
    outputs = ["--out", "set/README.md", "--croissant", "set/croissant.json"]
    said = inv("card", "--data", "set", *outputs, "--licence", "mit")
    assert said.code == 0, said.err
    card = DatasetCard.load(checkout / "set" / "README.md")
    assert card.data.to_dict()["license"] == "mit"
    assert sha256_file(checkout / "set" / "train.jsonl") in card.text
    assert (checkout / "set" / "README.md").read_text() == snapshot

    metadata = json.loads((checkout / "set" / "croissant.json").read_text())
    assert metadata["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    files = {entry["@id"]: entry for entry in metadata["distribution"]}
    assert files.keys() == {"train.jsonl", "valid.jsonl"}
    for name, entry in files.items():
        assert entry["sha256"] == sha256_file(checkout / "set" / name)
        assert entry["contentSize"] == f"{(checkout / 'set' / name).stat().st_size} B"
    columns = set(json.loads((checkout / "set" / "train.jsonl").read_text().splitlines()[0]))
    for records in metadata["recordSet"]:
        assert {field["source"]["extract"]["column"] for field in records["field"]} == columns
        assert all(field["source"]["fileObject"]["@id"] in files for field in records["field"])


def test_a_model_card_has_each_number_with_its_interval(
    inv: Inv, checkout: Path, snapshot: SnapshotAssertion
) -> None:
    make_run(checkout / "runs", tuned=0.9)
    said = inv("card", "--run", RUN_ID)
    assert said.code == 0, said.err
    assert said.out == snapshot
    card = ModelCard(said.out)
    value = card.data.to_dict()
    assert value["library_name"] == "mlx"
    assert "base_model" not in value  # an embedded model is in no repository
    (model,) = value["model-index"]
    results = {entry["dataset"]["name"]: entry["metrics"] for entry in model["results"]}
    assert results.keys() == {"navigation", "field_access"}
    assert all(0 < metric["value"] <= 1 for metrics in results.values() for metric in metrics)


def test_a_strangers_words_are_no_front_matter(inv: Inv, checkout: Path) -> None:
    folder = checkout / HOSTILE.replace("/", "_")
    (checkout / "set").rename(folder)
    said = inv("card", "--data", str(folder))
    assert said.code == 0, said.err
    _, front, rest = said.out.split("---\n", 2)
    value = yaml.safe_load(front)
    assert value["license"] == "unknown"
    assert value["pretty_name"].endswith("<script>")
    assert "<script>" not in rest
    assert "[x](" not in rest


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--data", "set", "--out", "set/train.jsonl"], "set/train.jsonl exists"),
        (["--data", "set", "--out", "elsewhere/README.md"], "is not in elsewhere"),
        (["--data", "set", "--run", "x"], "two cards"),
        (["--run", "x", "--croissant", "c.json"], "describes a dataset"),
        (["--data", "nowhere"], "no data at nowhere"),
        ([], "no runs in"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_written(
    inv: Inv, checkout: Path, arguments: list[str], says: str
) -> None:
    (checkout / "elsewhere").mkdir()
    before = {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file()}
    said = inv("card", *arguments)
    assert said.code == 2
    assert says in said.err
    assert {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file()} == before
