"""A recipe made for a dataset is one that loads, and each of its values follows from the data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from tunewright.cli.new_recipe import (
    DataFacts,
    ModelFacts,
    choose_batch,
    choose_length,
    choose_steps,
    recipe_text,
)
from tunewright.cli.recipes import check_model
from tunewright.contract.errors import UserError
from tunewright.contract.recipe import parse_recipe


def facts(lengths: list[int], **others: object) -> DataFacts:
    given: dict[str, object] = {
        "path": "my.jsonl",
        "rows": len(lengths),
        "valid": 0,
        "lengths": sorted(lengths),
        "exact": True,
        "longest_answer": 40,
        "rows_with_calls": len(lengths),
        "dialect": "hermes_json",
    }
    return DataFacts(**{**given, **others})  # pyright: ignore[reportArgumentType]


MODEL = ModelFacts("embedded:tiny", parameters=2_000_000, context=2048, cpu=True)


@given(
    st.lists(st.integers(1, 5000), min_size=1, max_size=300),
    st.booleans(),
    st.integers(0, 50),
    st.integers(0, 500),
    st.text(max_size=30).filter(lambda text: "\x00" not in text and text.isprintable()),
)
def test_any_facts_make_a_recipe_that_loads(
    lengths: list[int], exact: bool, valid: int, calls: int, path: str
) -> None:
    data = facts(lengths, exact=exact, valid=valid, rows_with_calls=calls, path=path or "x")
    recipe = parse_recipe(recipe_text("my", data, MODEL), "my.toml")
    assert recipe.data.path == (path or "x")
    assert recipe.suites[0].held_out == "valid"
    assert [gate.metric for gate in recipe.gates] == (["beats_base"] if calls else []) + ["fidelity"]


def test_a_recipe_as_a_whole(snapshot: SnapshotAssertion) -> None:
    data = facts([100] * 99 + [130], valid=20, rows_with_calls=80)
    assert recipe_text("my", data, MODEL) == snapshot


def test_the_longest_row_sets_the_length_unless_it_is_alone() -> None:
    assert choose_length(facts([100] * 99 + [130]), MODEL).value == 192
    alone = choose_length(facts([100] * 299 + [1900]), MODEL)
    assert alone.value == 128
    assert "1 of 300 rows are longer and left out" in alone.why


def test_no_length_exceeds_the_models_context() -> None:
    assert choose_length(facts([4000] * 10), MODEL).value == 2048


def test_an_estimate_leaves_room_and_says_that_it_is_one() -> None:
    counted, guessed = (choose_length(facts([1000] * 9, exact=exact), MODEL) for exact in (True, False))
    assert guessed.value > counted.value
    assert "estimated" in guessed.why
    assert "estimated" not in counted.why


def test_the_batch_is_the_largest_that_fits() -> None:
    data = facts([100] * 1000)
    assert choose_batch(data, 128, lambda size, tokens: size * tokens <= 300).value == 2
    assert choose_batch(data, 128, lambda size, tokens: True).value == 8
    assert choose_batch(data, 128, lambda size, tokens: False).value == 1
    assert choose_batch(facts([100] * 30), 128, lambda size, tokens: True).value == 1


def test_steps_are_whole_passes_over_the_rows_that_fit() -> None:
    assert choose_steps(facts([100] * 90 + [900] * 10), 128, 4).value == 68
    assert choose_steps(facts([100] * 30_000), 128, 4).value == 7500


@pytest.mark.parametrize(
    "model", ["embedded:tiny", "embedded:smollm2-135m", "embedded:gguf:/a.gguf", "/models/a", "org/name"]
)
def test_models_that_may_exist_pass(model: str) -> None:
    check_model(model)


def test_a_packaged_model_that_does_not_exist_is_told() -> None:
    with pytest.raises(UserError, match="embedded:nonsense: no such model") as caught:
        check_model("embedded:nonsense")
    assert "embedded:tiny" in caught.value.hint
