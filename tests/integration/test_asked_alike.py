"""`validate` asks a folder's model and a server with the very prompts of `train`, compared token by token."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from tests.support.endpoint import look_alike
from tests.support.random_qwen3 import write_model
from tunewright.cli import inputs as inputs_module
from tunewright.cli import template_fit, validating
from tunewright.cli.inputs import prepare_inputs
from tunewright.cli.validating import folder_question, validate
from tunewright.contract.atomic import write_jsonl
from tunewright.contract.example import Message
from tunewright.contract.recipe import Recipe, load_recipe
from tunewright.contract.run import RunSpec
from tunewright.contract.suite import Suite, read_suite
from tunewright.eval.validation import ValidationFolder
from tunewright.train import predict
from tunewright.train.base import Loaded, load_folder
from tunewright.train.encode import encoder_for
from tunewright.train.predict_folder import Question, predict_folder

Prompts = dict[str, list[int]]  # case -> tokens
LIST = "- read_file(path: str)"
NOTE = "To use tools, answer with a Python program"


def case(name: str, request: str, system: str = "") -> dict[str, Any]:
    said = [{"role": "system", "content": system}] if system else []
    return {"id": name, "category": "c", "messages": [*said, {"role": "user", "content": request}]}


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe that lists its tools and tells its base, with a model, rows and a suite."""
    for module in (inputs_module, template_fit):
        monkeypatch.setattr(module, "WORK", tmp_path / "work")
    monkeypatch.setattr(validating, "VALIDATIONS", tmp_path / "validations")
    folder = write_model(tmp_path / "model")
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"What is {n}?"},
                {"role": "assistant", "content": f"{n}."},
            ]
        }
        for n in range(30)
    ]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    cases = [
        case("plain", "Read a.py."),
        case("with", "Read b.py, please.", "You help."),
        case("third", "Hm?"),
    ]
    write_jsonl(tmp_path / "few.jsonl", cases)
    path = tmp_path / "listed.toml"
    path.write_text(
        f'schema = 1\nname = "listed"\n[model]\nbase = "{folder}"\ndtype = "float32"\n'
        f'[data]\npath = "{tmp_path}/rows.jsonl"\ntools = ["read_file", "write_file"]\nlisted = true\n'
        f'[predict]\ntell_base = true\nmax_tokens = 1\n[[suites]]\npath = "{tmp_path}/few.jsonl"\n'
    )
    return path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Prompts:
    """What the trainer's own code makes of each case, as it is asked."""
    found: Prompts = {}
    plain: Callable[[Loaded, Suite], list[list[int]]] = predict.encode_prompts

    def recorded(loaded: Loaded, suite: Suite) -> list[list[int]]:
        prompts = plain(loaded, suite)
        found.update(zip((case.id for case in suite.cases), prompts, strict=True))
        return prompts

    monkeypatch.setattr(predict, "encode_prompts", recorded)
    return found


def of_train(recipe: Recipe, model: str, asked: Prompts) -> Prompts:
    """The prompts that a run puts to one of its models."""
    inputs = prepare_inputs(recipe, Path(recipe.data.path))
    spec = RunSpec(
        id="a", created="", recipe=recipe, data={}, suites={}, environment="", base_note=inputs.base_note
    )
    suite = predict.asked_of(model, read_suite(inputs.suites["few"]), spec)
    asked.clear()
    predict.answer_suite(
        load_folder(Path(recipe.model.base)), suite, recipe.predict, 1, lambda _done, _worth: None
    )
    return dict(asked)


def nobody_looks(suite: str, done: int, total: int, worth: float | None = None) -> None:
    """No progress is wanted."""


def answer_here(model: Path, folder: ValidationFolder, settings: Any) -> None:
    """`predict_here` in this process."""
    predict_folder(Question.model_validate(folder_question(model, folder, settings)), nobody_looks)


@pytest.mark.parametrize("flags", [{"base": True}, {}], ids=["said to be the base", "found to be the base"])
def test_a_folder_that_is_the_base_is_asked_as_train_asks_it(
    recipe: Path, asked: Prompts, monkeypatch: pytest.MonkeyPatch, flags: dict[str, bool]
) -> None:
    read = load_recipe(str(recipe))
    wanted = of_train(read, "base", asked)
    monkeypatch.setattr(validating, "predict_here", answer_here)
    asked.clear()
    validate(Context(), model=read.model.base, recipe=str(recipe), **flags)
    assert asked == wanted
    text = load_folder(Path(read.model.base)).tokenizer.decode(wanted["with"])
    assert text.count(LIST) == 1
    assert text.count(NOTE) == 1


def test_another_folder_is_asked_as_a_fine_tuned_model(
    recipe: Path, asked: Prompts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    read = load_recipe(str(recipe))
    wanted = of_train(read, "quantized", asked)
    assert wanted != of_train(read, "base", asked)
    other = write_model(tmp_path / "tuned", seed=1)
    monkeypatch.setattr(validating, "predict_here", answer_here)
    asked.clear()
    validate(Context(), model=str(other), recipe=str(recipe))
    assert asked == wanted


@pytest.mark.parametrize(("base", "model"), [(True, "base"), (False, "quantized")])
def test_a_server_is_asked_with_the_prompts_of_train(
    recipe: Path, asked: Prompts, base: bool, model: str
) -> None:
    read = load_recipe(str(recipe))
    wanted = of_train(read, model, asked)
    with look_alike() as server:
        validate(Context(), endpoint=server.url, name="ours", recipe=str(recipe), base=base)
        bodies = [body for _, _, body in server.asked]
    encoder = encoder_for(load_folder(Path(read.model.base)).tokenizer)
    got = [
        encoder.prompt(
            [Message.model_validate(message) for message in body["messages"]], body.get("tools", ())
        )
        for body in bodies
    ]
    assert sorted(got) == sorted(wanted.values())


def test_tools_are_listed_once_however_often_a_suite_is_fitted(recipe: Path, tmp_path: Path) -> None:
    data = load_recipe(str(recipe)).data
    once = template_fit.fit_suite(tmp_path / "few.jsonl", tmp_path / "once", None, data)
    twice = template_fit.fit_suite(once, tmp_path / "twice", None, data)
    assert twice == once
    assert all(c.messages[0].content.count(LIST) == 1 for c in read_suite(once).cases)


def test_tools_are_listed_where_nobody_knows_the_bases_template(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(recipe: Recipe, host: str) -> None:
        """No template of any base."""

    monkeypatch.setattr(inputs_module, "find_template", nowhere)
    read = load_recipe(str(recipe))
    asked = read_suite(prepare_inputs(read, Path(read.data.path)).suites["few"])
    assert all(LIST in c.messages[0].content for c in asked.cases)


def test_a_flag_that_cannot_be_true_is_told_in_a_line(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Exit) as caught:
        validate(Context(), model=str(recipe.parent / "model"), base=True)
    assert caught.value.code == 2
    assert "the base of which recipe" in capsys.readouterr().err
    assert not (recipe.parent / "validations").exists()
