"""Recipes: what is unknown or does not fit is refused, and the message names the key."""

from pathlib import Path

import pytest

from tunewright.contract.errors import UserError
from tunewright.contract.recipe import load_recipe, parse_recipe

ROOT = Path(__file__).parents[3]
MINIMAL = 'schema = 1\nname = "x"\n[model]\nbase = "embedded:tiny"\n'


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_is_valid_and_named_after_its_file(path: Path) -> None:
    recipe = load_recipe(path.stem, ROOT)
    assert recipe.name == path.stem
    assert all((ROOT / suite.path).is_file() for suite in recipe.suites)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (MINIMAL + "[train]\nstepps = 3\n", "train.stepps: no such key"),
        (MINIMAL + "[train]\nsteps = 0\n", "train.steps: Input should be greater than or equal to 1"),
        (MINIMAL + "[train]\nlayers = 0\n", "train.layers: no layer would be trained"),
        (MINIMAL + "[train]\nlayers = -2\n", "train.layers: Input should be greater than or equal to -1"),
        (MINIMAL + '[train]\nmask = "all"\n', "train.mask: "),
        (MINIMAL + "[quantize]\nbits = 7\n", "quantize.bits: "),
        (MINIMAL.replace("embedded:tiny", "model"), "'model' is neither embedded:NAME, nor a folder"),
        (MINIMAL.replace("embedded:tiny", "org/../model"), "neither embedded:NAME"),
        (
            MINIMAL.replace("embedded:tiny", 'org/model"\nrevision = "main'),
            "not the 40 hex digits of a commit",
        ),
        (MINIMAL.replace('"x"', '"../x"'), "name: "),
        (MINIMAL + '[[gates]]\nmetric = "overall"\ntarget = 0.5\nsuite = "nope"\n', "'nope' is not among"),
        ("schema = 2\n", "schema: "),
        ("x = [", "not TOML"),
    ],
)
def test_a_mistake_is_named_by_its_key(text: str, says: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_recipe(text, "my.toml")
    assert caught.value.message.startswith("my.toml: ")
    assert says in caught.value.message


def test_an_unknown_recipe_lists_those_there_are() -> None:
    with pytest.raises(UserError, match="no recipe 'nope'") as caught:
        load_recipe("nope", ROOT)
    assert "tiny" in caught.value.hint


def test_a_recipe_may_be_given_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MINIMAL)
    assert load_recipe(str(path)).name == "x"


def test_a_recipe_survives_being_written_as_json() -> None:
    recipe = load_recipe("tiny", ROOT)
    assert type(recipe).model_validate_json(recipe.model_dump_json(by_alias=True)) == recipe


def test_a_suite_is_a_file_or_held_out_rows_and_not_both() -> None:
    text = MINIMAL + "[[suites]]\n"
    assert parse_recipe(text + 'from = "valid"\n', "r").suites[0].name == "valid"
    assert parse_recipe(text + 'path = "suites/a.jsonl"\n', "r").suite_files(Path("/c")) == [
        Path("/c/suites/a.jsonl")
    ]
    assert parse_recipe(text + 'from = "valid"\n', "r").suite_files(Path("/c")) == []
    held_out = parse_recipe(text + 'from = "valid"\n', "r")
    assert type(held_out).model_validate(held_out.model_dump(mode="json", by_alias=True)) == held_out
    for wrong in ("", 'from = "valid"\npath = "a.jsonl"\n', 'from = "train"\n'):
        with pytest.raises(UserError, match="suites"):
            parse_recipe(text + wrong, "r")


def test_a_suite_is_taken_whole_or_in_part() -> None:
    text = MINIMAL + '[[suites]]\npath = "suites/a.jsonl"\nsubset = "quick"\n'
    entry = parse_recipe(text, "r").suites[0]
    assert (entry.name, entry.subset) == ("a", "quick")
    with pytest.raises(UserError, match="subset"):
        parse_recipe(text.replace("quick", "slow"), "r")
    with pytest.raises(UserError, match="subset belongs to a suite with a path"):
        parse_recipe(text.replace('path = "suites/a.jsonl"', 'from = "valid"'), "r")


def test_the_default_recipes_answer_the_quick_subsets() -> None:
    for name in ("tiny", "smollm2"):
        assert {entry.subset for entry in load_recipe(name, ROOT).suites} == {"quick"}


def test_the_former_name_of_a_metric_is_read_and_said_to_be_former(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "old.toml"
    gate = '[[suites]]\npath = "suites/a.jsonl"\n[[gates]]\nmetric = "{}"\nsuite = "a"\ntarget = 0.8\n'
    path.write_text(MINIMAL + gate.format("field_access"))
    old = load_recipe(str(path))
    assert [(found.metric, found.measures) for found in old.gates] == [("field_access", "fields_used")]
    load_recipe(str(path))
    (line,) = capsys.readouterr().err.splitlines()
    assert "field_access is called fields_used now" in line
    assert str(path) in line
    path.write_text(MINIMAL + gate.format("fields_used"))
    assert load_recipe(str(path)).gates[0].measures == "fields_used"
    assert capsys.readouterr().err == ""
    for shipped in (ROOT / "recipes").glob("*.toml"):
        assert all(found.metric == found.measures for found in load_recipe(shipped.stem, ROOT).gates)
