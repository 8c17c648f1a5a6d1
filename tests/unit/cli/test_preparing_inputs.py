"""What is trained and asked, put into the base's form on the laptop: what does not fit is left out, with its place."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.chat_templates import text_of
from tests.support.random_qwen3 import write_tokenizer
from tunewright.cli import inputs as inputs_module
from tunewright.cli import pipeline, template_fit
from tunewright.cli.inputs import Inputs, prepare_inputs
from tunewright.cli.pipeline import Audited, audit_gate, few_bad_rows
from tunewright.contract.atomic import write_jsonl
from tunewright.contract.errors import CheckFailed, UserError
from tunewright.contract.example import read_examples
from tunewright.contract.recipe import Recipe
from tunewright.contract.suite import Case, Prediction, read_suite
from tunewright.eval.grade_calls import grade_calls

TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": f"Tells the {name}.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
    for name in ("weather", "clock")
]


def row(number: int, *tools: str, results: bool = True, city: str = "") -> dict[str, Any]:
    """A request, the calls, and their results with an answer."""
    city = city or f"city {number}"
    names = tools or (("weather", "clock")[number % 2],)
    calls = [
        {"id": f"c{n}", "type": "function", "function": {"name": name, "arguments": {"city": city}}}
        for n, name in enumerate(names)
    ]
    turns: list[dict[str, Any]] = [
        {"role": "user", "content": f"The {' and the '.join(names)} of {city}, number {number * 7919}?"},
        {"role": "assistant", "content": "", "tool_calls": calls},
    ]
    if results:
        turns += [
            {"role": "tool", "tool_call_id": f"c{n}", "content": f"{name} {n}"}
            for n, name in enumerate(names)
        ]
        turns.append({"role": "assistant", "content": f"So it is, number {number}."})
    return {"tools": TOOLS, "messages": turns}


Prepare = Callable[..., Inputs]


@pytest.fixture
def prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    for module in (inputs_module, template_fit):
        monkeypatch.setattr(module, "WORK", tmp_path / "work")

    def made(
        template: str,
        train: list[dict[str, Any]],
        valid: list[dict[str, Any]] | None = None,
        *,
        syntax: str = "hermes_json",
        suites: list[dict[str, str]] | None = None,
    ) -> Inputs:
        folder = tmp_path / "model"
        write_tokenizer(folder, text_of(template))
        write_jsonl(tmp_path / "data" / "train.jsonl", train)
        write_jsonl(tmp_path / "data" / "valid.jsonl", valid or [row(n) for n in range(100, 104)])
        recipe = Recipe.model_validate(
            {
                "name": "test",
                "model": {"base": str(folder)},
                "data": {"syntax": syntax},
                "train": {"max_seq_length": 4096},
                "suites": suites or [{"from": "valid"}],
            }
        )
        return prepare_inputs(recipe, tmp_path / "data")

    return made


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_call_that_the_dialect_cannot_write_is_dropped_with_its_line(
    prepare: Prepare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row(n) for n in range(8)]
    rows[4] = row(4, city="</tool_call>")
    inputs = prepare("smollm2", rows)
    [dropped] = lines(inputs.folder / "dropped.jsonl")
    assert (Path(dropped["file"]), dropped["line"]) == (tmp_path / "data" / "train.jsonl", 5)
    assert dropped["reason"] == "a call cannot be written as hermes_json"
    assert "</tool_call" in dropped["detail"]
    assert len(read_examples(inputs.folder / "train.jsonl")) == 7
    told = capsys.readouterr().err
    assert "left out: 1 a call cannot be written as hermes_json (the first: " in told
    assert "train.jsonl:5" in told


def test_without_a_row_whose_calls_can_be_written_nothing_is_prepared(prepare: Prepare) -> None:
    with pytest.raises(UserError, match=r"train\.jsonl:1: a call cannot be written as hermes_json"):
        prepare("smollm2", [row(n, city=f"</tool_call> {n}") for n in range(8)])


def test_a_train_split_without_a_readable_row_is_not_a_missing_one(prepare: Prepare) -> None:
    with pytest.raises(UserError, match=r"no row that can be trained: .*train\.jsonl:1: no conversation"):
        prepare("smollm2", [{"nothing": 1}])


def test_a_row_that_the_template_refuses_is_dropped_with_its_line(prepare: Prepare) -> None:
    rows = [row(n) for n in range(8)]
    rows[2]["messages"].insert(1, {"role": "user", "content": "Well?"})
    inputs = prepare("mistral", rows)
    [dropped] = lines(inputs.folder / "dropped.jsonl")
    assert (dropped["line"], dropped["reason"]) == (3, "the base's chat template refuses it")
    assert "must alternate" in dropped["detail"]


def test_a_case_that_the_template_refuses_is_told_with_its_line_before_anything_long(
    prepare: Prepare, tmp_path: Path
) -> None:
    path = tmp_path / "own.jsonl"
    messages = [{"role": "user", "content": "Hi"}, {"role": "user", "content": "Well?"}]
    asked = {"category": "x", "tools": TOOLS, "gold": [{"tool_calls": []}]}
    write_jsonl(
        path, [{"id": "a", "messages": messages[:1], **asked}, {"id": "b", "messages": messages, **asked}]
    )
    with pytest.raises(UserError, match=r"own\.jsonl:2: case b: the base's chat template refuses it"):
        prepare("mistral", [row(n) for n in range(8)], suites=[{"path": str(path)}])


def says(case: Case, *names: str) -> str:
    """The result of an answer that calls these tools with the city that is asked for."""
    city = case.gold_calls[0].tool_calls[0].function.arguments["city"]
    calls = tuple({"name": name, "arguments": {"city": city}} for name in names)
    return grade_calls(case, Prediction(case=case.id, text="", tool_calls=calls)).result


@pytest.mark.parametrize("template", ["llama31", "gptoss"])
def test_where_a_turn_holds_one_call_rows_and_cases_have_one_after_another(
    template: str, prepare: Prepare, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row(n) for n in range(6)] + [
        row(6, "clock", "weather"),
        row(7, "clock", "weather", results=False),
    ]
    inputs = prepare(
        template, rows, [row(101, "weather", "clock"), row(102, "clock", "weather", results=False)]
    )
    shipped = read_examples(inputs.folder / "train.jsonl")
    assert max(len(m.tool_calls) for example in shipped for m in example.messages) == 1
    assert [m.role for m in shipped[6].messages] == ["user", *["assistant", "tool"] * 2, "assistant"]
    assert [m.role for m in shipped[7].messages] == ["user", "assistant"], (
        "its second call was never asked for"
    )
    cases = {case.id: case for case in read_suite(inputs.suites["valid"]).cases}
    assert list(cases) == ["1-1", "1-1.2", "1-4", "2-1"]
    first, second, alone = cases["1-1"], cases["1-1.2"], cases["2-1"]
    for case in (first, alone):
        assert (says(case, "weather"), says(case, "clock")) == ("right", "right")
        assert says(case, "weather", "clock") == "extra_call"
        assert case.category == "one of several calls, first turn"
    assert [m.role for m in second.messages] == ["user", "assistant", "tool"]
    assert (says(second, "clock"), says(second, "weather")) == ("right", "wrong_tool")
    told = capsys.readouterr().err
    assert "takes one call a turn: 4 rows with several" in told
    assert "2 calls are left out" in told


def test_where_a_turn_holds_several_calls_rows_and_cases_stay_as_they_are(prepare: Prepare) -> None:
    inputs = prepare("qwen25", [row(n, "clock", "weather") for n in range(8)], [row(101, "weather", "clock")])
    assert len(read_examples(inputs.folder / "train.jsonl")[0].messages[1].tool_calls) == 2
    (case, _) = read_suite(inputs.suites["valid"]).cases
    assert (says(case, "weather"), says(case, "weather", "clock")) == ("missing_call", "right")


def test_a_suite_s_file_asks_for_any_of_several_calls_where_a_turn_holds_one(
    prepare: Prepare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "own.jsonl"
    call = [{"name": name, "arguments": {"city": "x"}} for name in ("weather", "clock")]
    asked = {"messages": [{"role": "user", "content": "Both?"}], "tools": TOOLS, "category": "c"}
    linked = [call[0], {"name": "clock", "arguments": {"city": "{{weather}}"}}]
    write_jsonl(
        path,
        [
            {"id": "any", **asked, "gold": [{"tool_calls": call}]},
            {"id": "first", **asked, "gold": [{"tool_calls": linked}]},
        ],
    )
    inputs = prepare("llama31", [row(n) for n in range(8)], suites=[{"path": str(path)}])
    free, ordered = read_suite(inputs.suites["own"]).cases
    assert (says(free, "weather"), says(free, "clock")) == ("right", "right")
    assert (says(ordered, "weather"), says(ordered, "clock")) == ("right", "wrong_tool")
    assert "in 2 cases that ask for several any one of them is right" in capsys.readouterr().err


def test_a_tool_that_only_comes_second_without_a_result_stops_the_run(prepare: Prepare) -> None:
    rows = [row(n, "weather", "clock", results=False) for n in range(8)]
    with pytest.raises(UserError, match=r"no call of clock can be trained: .* one call a turn"):
        prepare("llama31", rows)


def own_suite(path: Path, call: dict[str, Any], tools: list[dict[str, Any]]) -> list[dict[str, str]]:
    asked = {"messages": [{"role": "user", "content": "And?"}], "category": "c"}
    right = {"name": "weather", "arguments": {"city": "x"}}
    write_jsonl(
        path,
        [
            {"id": "a", **asked, "tools": TOOLS, "gold": [{"tool_calls": [right]}]},
            {"id": "b", **asked, "tools": tools, "gold": [{"tool_calls": [call]}]},
        ],
    )
    return [{"path": str(path)}]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ({"name": "weather", "arguments": {"town": "x"}}, "weather breaks its own schema"),
        ({"name": "weather", "arguments": {"city": 5}}, "weather breaks its own schema: city"),
        ({"name": "sunset", "arguments": {}}, "it calls sunset, which is not offered"),
    ],
)
def test_gold_that_no_schema_allows_is_told_with_its_line(
    call: dict[str, Any], says: str, prepare: Prepare, tmp_path: Path
) -> None:
    suites = own_suite(tmp_path / "own.jsonl", call, TOOLS)
    with pytest.raises(UserError, match=rf"own\.jsonl:2: case b: its gold cannot be right: {says}"):
        prepare("qwen25", [row(n) for n in range(8)], suites=suites)


def test_a_suite_whose_tools_changed_is_told_with_its_line(
    prepare: Prepare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = json.loads(json.dumps(TOOLS).replace("Tells the", "Says the"))
    same = {"name": "weather", "arguments": {"city": "x"}}
    prepare("qwen25", [row(n) for n in range(8)], suites=own_suite(tmp_path / "own.jsonl", same, words))
    assert "warning" not in capsys.readouterr().err, "another description is not another tool"
    renamed = json.loads(json.dumps(TOOLS).replace("city", "town"))
    changed = {"name": "weather", "arguments": {"town": "x"}}
    prepare("qwen25", [row(n) for n in range(8)], suites=own_suite(tmp_path / "own.jsonl", changed, renamed))
    told = capsys.readouterr().err
    assert "own.jsonl:2: weather takes town; no row of train offers it so" in told
    assert "train.jsonl:1). 1 cases offer tools that changed" in told


def test_held_out_rows_that_also_appear_in_train_are_told_with_the_user_s_own_lines(
    prepare: Prepare, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"nothing": 1}, *(row(n) for n in range(8))]
    prepare("qwen25", rows, [row(100), row(3)])
    told = capsys.readouterr().err
    assert "valid: 1 rows also appear in train; the first: " in told
    assert "data/valid.jsonl:2 is " in told
    assert "data/train.jsonl:5" in told
    with pytest.raises(
        UserError, match=r"valid split gives no case .*valid\.jsonl:1 is .*train\.jsonl:5 in train"
    ):
        prepare("qwen25", rows, [row(3)])


def audited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]], **flags: bool
) -> Audited:
    monkeypatch.setattr(pipeline, "WORK", tmp_path / "work")
    write_jsonl(tmp_path / "data.jsonl", rows)
    recipe = Recipe.model_validate({"name": "test", "model": {"base": "embedded:tiny"}})
    return audit_gate(tmp_path / "data.jsonl", recipe, flags.get("force", False))


def varied(count: int, *broken: int) -> list[dict[str, Any]]:
    rows = [row(n, ("weather", "clock")[(n * n // 3) % 2]) for n in range(count)]
    for n in broken:
        rows[n]["messages"][1]["tool_calls"][0]["function"]["arguments"] = {"city": 5}
    return rows


def test_a_few_rows_that_alone_fail_the_audit_are_left_out_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], prepare: Prepare
) -> None:
    found = audited(tmp_path, monkeypatch, varied(100, 41))
    [(place, reason)] = found.left_out.items()
    assert (Path(place[0]), place[1]) == (tmp_path / "data.jsonl", 42)
    assert "call.arguments" in reason
    assert "it fails by 1 rows alone, which are left out" in capsys.readouterr().err
    made = inputs_module.prepare_inputs(
        Recipe.model_validate(
            {"name": "test", "model": {"base": "embedded:tiny"}, "data": {"syntax": "hermes_json"}}
        ),
        tmp_path / "data.jsonl",
        left_out=found.left_out,
    )
    [dropped] = lines(made.folder / "dropped.jsonl")
    assert (dropped["line"], dropped["reason"]) == (42, "left out by the audit")
    assert "call.arguments" in dropped["detail"]
    assert not audited(tmp_path, monkeypatch, varied(100, 41), force=True).left_out, "forced is forced"


def test_many_bad_rows_fail_it_and_the_first_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CheckFailed, match=r"the first: .*data\.jsonl:53: call\.arguments"):
        audited(tmp_path, monkeypatch, varied(100, 41, 52, 63))


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ({}, 1),
        ({"check": "split.leak_exact"}, 0),
        ({"count": 2}, 0),
        ({"severity": "warn"}, 0),
    ],
)
def test_only_single_rows_with_a_broken_call_can_be_left_out(change: dict[str, Any], left: int) -> None:
    finding = {
        "check": "call.arguments",
        "severity": "fail",
        "message": "m",
        "count": 1,
        "rows": [{"file": "a", "line": 1}],
    }
    audit = {"dataset": {"files": [{"examples": 100}]}, "findings": [finding | change]}
    assert len(few_bad_rows(audit)) == left
