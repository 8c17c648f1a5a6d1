"""Twenty rows with tools, as anybody has them, prepared on the laptop and trained by the real worker."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_train_worker import RECIPE, kinds, worker
from tests.support.chat_templates import text_of
from tests.support.random_qwen3 import write_model
from tunewright.cli import inputs as inputs_module
from tunewright.cli import template_fit
from tunewright.cli.inputs import Inputs, prepare_inputs
from tunewright.contract.atomic import sha256_file, write_jsonl
from tunewright.contract.errors import UserError
from tunewright.contract.example import read_examples
from tunewright.contract.manifest import read_manifest
from tunewright.contract.recipe import Recipe
from tunewright.contract.run import RunFolder, RunSpec
from tunewright.contract.suite import Prediction, read_suite

pytestmark = [pytest.mark.timeout(400)]

CITIES = ("Bonn", "Köln", "Łódź", "Paris", "Quito")
TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": f"Tells the {name}.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["city"],
            },
        },
    }
    for name in ("weather", "clock")
]


def row(number: int, *, as_text: bool = False) -> dict[str, Any]:
    """A row as OpenAI writes it: null content next to calls, and arguments as text or objects."""
    city, tool = CITIES[number % len(CITIES)], ("weather", "clock")[number % 2]
    arguments: Any = {"city": city, "days": number}
    call = {"name": tool, "arguments": json.dumps(arguments, ensure_ascii=False) if as_text else arguments}
    return {
        "tools": TOOLS,
        "messages": [
            {"role": "user", "content": f"The {tool} in {city}, number {number}?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": f"call_{number}", "type": "function", "function": call}],
            },
            {"role": "tool", "tool_call_id": f"call_{number}", "content": f"RESULT-{number}"},
            {"role": "assistant", "content": f"That is all of number {number}."},
        ],
    }


@pytest.fixture
def prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Recipe, Inputs]]:
    for module in (inputs_module, template_fit):
        monkeypatch.setattr(module, "WORK", tmp_path / "work")

    def made(base: str, rows: list[dict[str, Any]], **train: Any) -> tuple[Recipe, Inputs]:
        data = tmp_path / f"data-{len(list(tmp_path.glob('data-*')))}"
        write_jsonl(data / "train.jsonl", rows)
        write_jsonl(data / "valid.jsonl", [row(number) for number in range(100, 106)])
        recipe = Recipe.model_validate(
            RECIPE
            | {
                "model": {"base": base, "dtype": "float32"},
                "train": RECIPE["train"]
                | {"steps": 4, "warmup": 1, "batch_size": 2, "max_seq_length": 1024, "validate_every": 4}
                | train,
                "data": {"syntax": "hermes_json"},
                "predict": {"models": ["base", "quantized"], "max_tokens": 8},
                "suites": [{"from": "valid"}],
            }
        )
        return recipe, prepare_inputs(recipe, data)

    return made


def ship(root: Path, recipe: Recipe, inputs: Inputs) -> RunFolder:
    """The run's folder as it arrives on a host."""
    run = RunFolder(root / "runs" / "one")
    data = {split: inputs.folder / f"{split}.jsonl" for split in ("train", "valid")}
    for kind, files in (("data", data), ("suites", inputs.suites)):
        for name, path in files.items():
            target = run.path / "inputs" / kind / f"{name}.jsonl"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    spec = {split: sha256_file(path) for split, path in data.items()}
    suites = {name: sha256_file(path) for name, path in inputs.suites.items()}
    created = "2026-11-23T00:00:00+00:00"
    run.write_spec(
        RunSpec(id="one", created=created, recipe=recipe, data=spec, suites=suites, environment="")
    )
    return run


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model of random weights whose chat template has a place for tools and calls."""
    folder = tmp_path_factory.mktemp("qwen")
    return str(write_model(folder, template=text_of("qwen25"), max_position_embeddings=2048))


@pytest.mark.slow
@pytest.mark.parametrize("base", ["embedded:tiny", "qwen"])
def test_rows_with_tools_are_trained_and_answered(
    base: str, qwen: str, tmp_path: Path, prepare: Callable[..., tuple[Recipe, Inputs]]
) -> None:
    recipe, inputs = prepare(qwen if base == "qwen" else base, [row(number) for number in range(20)])
    run = ship(tmp_path, recipe, inputs)
    assert worker("run", run)["state"] == "done", run.log.read_text() if run.log.exists() else ""
    (event,) = kinds(run, "tool_tokens")
    told = json.loads((inputs.folder / "dataset.json").read_text())["facts"]["tool_tokens"]
    assert event["tokens"] == told
    assert set(told) == {"weather", "clock"}
    assert all(told.values())
    manifest = read_manifest(run.stage("train"))
    assert manifest is not None
    assert manifest.facts["tool_tokens"] == told
    assert (manifest.facts["examples"], manifest.facts["rows"]) == (20, 20)
    cases = read_suite(run.suites / "valid.jsonl").cases
    assert len(cases) == 12
    lines = (run.predictions / "base" / "valid.jsonl").read_text().splitlines()
    predictions = [Prediction.model_validate_json(line) for line in lines]
    # The prompt holds both tools, as the template's own list or in the system message.
    assert all(prediction.prompt_tokens > 100 for prediction in predictions)
    if base == "qwen":
        assert {p.served.parser for p in predictions if p.served} == {"json_tools"}
    else:
        assert {p.served.parser for p in predictions if p.served} == {""}
        assert all("<tools>" in case.messages[0].content for case in cases)


def both(number: int) -> dict[str, Any]:
    """A row whose first turn calls both tools."""
    made, other = row(number), row(number + 1)
    for of_both, of_other in zip(made["messages"][1:3], other["messages"][1:3]):
        if of_both["role"] == "assistant":
            of_both["tool_calls"] += of_other["tool_calls"]
    made["messages"].insert(3, other["messages"][2])
    return made


@pytest.mark.slow
def test_a_model_that_writes_one_call_a_turn_is_trained_and_asked_so(
    tmp_path: Path, prepare: Callable[..., tuple[Recipe, Inputs]]
) -> None:
    base = write_model(tmp_path / "llama", template=text_of("llama31"), max_position_embeddings=2048)
    recipe, inputs = prepare(str(base), [both(number) for number in range(20)], max_seq_length=2048)
    run = ship(tmp_path, recipe, inputs)
    assert worker("run", run)["state"] == "done", run.log.read_text() if run.log.exists() else ""
    (event,) = kinds(run, "tool_tokens")
    told = json.loads((inputs.folder / "dataset.json").read_text())["facts"]
    assert (told["one_call_a_turn"], told["calls_left_out"]) == (20, 0)
    assert event["tokens"] == told["tool_tokens"]
    assert set(event["tokens"]) == {"weather", "clock"}
    assert all(event["tokens"].values())
    shipped = read_examples(inputs.folder / "train.jsonl")
    assert {len(message.tool_calls) for example in shipped for message in example.messages} == {0, 1}
    assert (run.predictions / "base" / "valid.jsonl").is_file()


@pytest.mark.parametrize("base", ["embedded:tiny", "qwen"])
def test_arguments_as_text_and_as_objects_are_the_same_bytes_on_the_host(
    base: str, qwen: str, prepare: Callable[..., tuple[Recipe, Inputs]]
) -> None:
    model = qwen if base == "qwen" else base
    shipped = [
        [
            (made.folder / "train.jsonl").read_bytes(),
            (made.folder / "valid.jsonl").read_bytes(),
            made.suites["valid"].read_bytes(),
        ]
        for _, made in (
            prepare(model, [row(number, as_text=as_text) for number in range(20)])
            for as_text in (False, True)
        )
    ]
    assert shipped[0] == shipped[1]


def test_calls_become_text_where_the_template_has_no_place_for_them(
    qwen: str, prepare: Callable[..., tuple[Recipe, Inputs]]
) -> None:
    rows = [row(number) for number in range(20)]
    native = read_examples(prepare(qwen, rows)[1].folder / "train.jsonl")[0]
    assert native.messages[1].tool_calls[0].function.arguments == {"city": "Bonn", "days": 0}
    text = read_examples(prepare("embedded:tiny", rows)[1].folder / "train.jsonl")[0]
    assert [message.role for message in text.messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert '{"name": "weather", "arguments": {"city": "Bonn", "days": 0}}' in text.messages[2].content
    assert text.meta.calls == ((2, "weather"),)
    assert all(f'"name": "{name}"' in text.messages[0].content for name in ("weather", "clock"))


def unwanted(number: int) -> dict[str, Any]:
    """Every call of the clock is context."""
    made = row(number)
    if number % 2:
        made["messages"][1]["weight"] = 0
    return made


def test_a_tool_whose_calls_train_nothing_stops_before_anything_is_shipped(
    prepare: Callable[..., tuple[Recipe, Inputs]],
) -> None:
    with pytest.raises(UserError, match="no token of any call of clock is trained"):
        prepare("embedded:tiny", [unwanted(number) for number in range(20)])
    with pytest.raises(UserError, match="no token of any call of clock, weather is trained"):
        prepare("embedded:tiny", [row(number) for number in range(20)], mask="last_assistant")


def test_the_host_stops_at_once_where_the_laptop_could_not_know(
    tmp_path: Path, qwen: str, prepare: Callable[..., tuple[Recipe, Inputs]]
) -> None:
    """Without the base's tokenizer the laptop ships the normal form as it is."""
    recipe, inputs = prepare(qwen, [row(number) for number in range(20)])
    unwanted_rows = [
        json.dumps(unwanted(number)).replace('"content": null', '"content": ""') for number in range(20)
    ]
    train = inputs.folder / "train.jsonl"
    train.write_text("\n".join(unwanted_rows) + "\n")
    failed = worker("run", ship(tmp_path / "a", recipe, inputs))
    assert failed["message"] == "train.jsonl: no token of any call of clock is trained"

    train.write_text(json.dumps(row(1)).replace('"content": null', '"content": ""') + "\n")
    moved = write_model(tmp_path / "smol", template=text_of("smollm2"), max_position_embeddings=2048)
    other = recipe.model_copy(update={"model": recipe.model.model_copy(update={"base": str(moved)})})
    failed = worker("run", ship(tmp_path / "b", other, inputs))
    assert (
        "train.jsonl, example 1: the chat template refuses it (it has no place for tool_calls)"
        in failed["message"]
    )
