"""What `validate` makes of its flags, and how it judges."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.chat_templates import text_of
from tests.support.endpoint import STALL, LookAlike, Reply, completion, look_alike, ok
from tests.support.gold import gold, suite
from tests.support.made_run import make_run
from tests.support.random_qwen3 import write_tokenizer
from tunewright.cli import validating
from tunewright.cli.judge import suite_of
from tunewright.cli.serve_task import how_to_call
from tunewright.cli.template_fit import folder_template
from tunewright.cli.validating import (
    Limits,
    fitted,
    is_folder,
    judge,
    keep_subsets,
    keeping,
    named_suites,
    new_folder,
    predict_at,
    prediction_settings,
    read_suites,
    run_suites,
    start_validation,
    suites_of,
)
from tunewright.contract.atomic import write_jsonl
from tunewright.contract.catalog import load_catalog
from tunewright.contract.errors import CheckFailed, HostError, UserError
from tunewright.contract.recipe import Gate, Recipe, SuiteEntry, load_recipe
from tunewright.contract.run import RunFolder
from tunewright.contract.suite import Prediction, read_suite
from tunewright.eval.predictions import read_predictions
from tunewright.eval.suite_score import SuiteScore, score_predictions
from tunewright.eval.validation import ValidationFolder

ROOT = Path(__file__).parents[3]
TINY = load_recipe("tiny", ROOT)


def scored(name: str, wrong: int = 0) -> dict[str, SuiteScore]:
    cases = suite(name)
    answers = [
        Prediction(case=case.id, text="no idea <tool_call>" if number < wrong else gold(name)[case.id])
        for number, case in enumerate(cases.cases)
    ]
    return {name: score_predictions(cases, answers, load_catalog("coding"), "model")}


def with_gates(*gates: Gate) -> Any:
    return TINY.model_copy(update={"gates": gates})


def gate(**changes: Any) -> Gate:
    return Gate.model_validate({"metric": "overall", "suite": "navigation", "target": 0.8, **changes})


@pytest.mark.parametrize(("wrong", "code"), [(0, 0), (10, 3), (60, 1)])
def test_the_gates_of_a_run_decide_the_exit_code(
    wrong: int, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judge(with_gates(gate()), scored("navigation", wrong)) == code
    assert {0: "PASS", 3: "INCONCLUSIVE", 1: "FAIL"}[code] in capsys.readouterr().out


def test_gates_that_need_two_models_or_another_suite_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    recipe = with_gates(
        gate(metric="beats_base"), Gate(metric="fidelity", target=0.9), gate(suite="field_access")
    )
    assert judge(recipe, scored("navigation", 60)) == 0
    assert capsys.readouterr().out == "no gate of recipe tiny is on navigation\n"


def test_targets_beside_the_gates_are_printed_and_decide_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert judge(with_gates(gate(required=False)), scored("navigation", 60)) == 0
    said = capsys.readouterr().out
    assert "optional" in said
    assert "PASS" not in said


def test_suites_are_found_by_name_by_path_and_by_default(tmp_path: Path) -> None:
    own = tmp_path / "own.jsonl"
    own.write_text((ROOT / "suites/navigation.jsonl").read_text())
    assert [s.name for s in read_suites([]).values()] == ["navigation", "field_access"]
    assert [s.name for s in read_suites(["field_access", str(own)]).values()] == ["field_access", "own"]
    with pytest.raises(UserError):
        read_suites(["nowhere"])
    assert {len(s.cases) for s in read_suites([]).values()} == {300}
    assert {len(s.cases) for s in read_suites([], "quick").values()} == {60}
    with pytest.raises(UserError, match="--subset 'slow' is none of quick"):
        read_suites([], "slow")


def test_what_is_answered_is_what_was_named_then_what_the_recipe_says() -> None:
    def sizes(names: list[str], subset: str, recipe: Recipe | None) -> dict[str, int]:
        return {s.name: len(s.cases) for s in named_suites(names, subset, recipe).values()}

    assert sizes([], "", TINY) == {"navigation": 60, "field_access": 60}
    assert sizes([], "", None) == {"navigation": 300, "field_access": 300}
    assert sizes([], "quick", None) == {"navigation": 60, "field_access": 60}
    assert sizes(["navigation"], "", TINY) == {"navigation": 300}
    assert sizes(["navigation"], "quick", TINY) == {"navigation": 60}


def test_of_a_subset_a_file_holds_the_cases_alone(tmp_path: Path) -> None:
    whole = read_suites(["navigation"])
    assert keep_subsets(whole, tmp_path) == whole
    assert list(tmp_path.iterdir()) == []
    ((path, part),) = keep_subsets(read_suites(["navigation"], "quick"), tmp_path).items()
    assert path == tmp_path.resolve() / "suites" / "navigation.jsonl"
    assert read_suite(path).cases == part.cases
    assert len(part.cases) == 60
    made = make_run(tmp_path)
    asked = run_suites(made, [], TINY, tmp_path / "out")
    assert {len(s.cases) for s in asked.values()} == {60}
    assert [path.parent for path in asked] == [made.suites.resolve()] * 2


def test_predictions_are_scored_against_the_suite_that_was_answered(tmp_path: Path) -> None:
    made = make_run(tmp_path)
    assert suite_of(made.predictions / "base" / "navigation.jsonl") == made.suites / "navigation.jsonl"
    assert suite_of(tmp_path / "navigation.jsonl") == ROOT / "suites" / "navigation.jsonl"


def test_a_run_is_no_folder_of_a_model(tmp_path: Path) -> None:
    assert is_folder(str(tmp_path))
    (tmp_path / "spec.json").write_text("{}")
    assert not is_folder(str(tmp_path))
    assert not is_folder("20261123-093000-tiny")


def test_one_sample_is_greedy_and_several_are_drawn() -> None:
    assert prediction_settings(None, 1).temperature == 0
    several = prediction_settings(TINY, 4)
    assert several.samples == 4
    assert several.temperature > 0
    assert several.max_tokens == TINY.predict.max_tokens


@pytest.mark.parametrize("label", ["../../etc", "a/b", "..", "", "ok", "ünï code", "x" * 500])
def test_any_name_makes_one_folder_below_ours(label: str) -> None:
    folder = new_folder(label)
    assert folder.parent.name == "validations"
    assert folder.resolve().parent == folder.parent.resolve()
    assert len(folder.name) < 200


def test_what_to_type_holds_address_and_model() -> None:
    text = how_to_call("some-run", "http://localhost:8080/v1")
    assert "curl http://localhost:8080/v1/chat/completions" in text
    assert '"model": "some-run"' in text
    assert "--name some-run" in text


def test_a_model_without_a_place_for_tools_is_asked_as_train_asks_it(tmp_path: Path) -> None:
    write_tokenizer(tmp_path / "model", text_of("smollm2"))
    call = {"tool_calls": [{"name": "f", "arguments": {"a": 1}}]}
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    asked = {"id": "1", "category": "c", "messages": [{"role": "user", "content": "Go"}], "tools": [tool]}
    write_jsonl(tmp_path / "own.jsonl", [{**asked, "gold": [call]}])
    suites = read_suites([str(tmp_path / "own.jsonl")])
    base = folder_template(tmp_path / "model")
    (made,) = fitted(suites, base, None, tmp_path / "out").values()
    system, user = made.cases[0].messages
    assert "<tools>" in system.content
    assert "<tool_call>" in system.content
    assert user.content == "Go"
    recipe = TINY.model_copy(update={"data": TINY.data.model_copy(update={"syntax": "qwen_xml"})})
    (made,) = fitted(suites, base, recipe, tmp_path / "out").values()
    assert "<function=" in made.cases[0].messages[0].content
    write_tokenizer(tmp_path / "native", text_of("qwen25"))
    assert fitted(suites, folder_template(tmp_path / "native"), None, tmp_path / "out") == suites
    with pytest.raises(UserError, match=r"case 1 offers tools, and the model's chat template is not"):
        fitted(suites, None, None, tmp_path / "out")


def test_a_run_is_asked_what_train_asked_it(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    write_jsonl(
        run.suites / "valid.jsonl",
        [{"id": "1", "category": "c", "messages": [{"role": "user", "content": "placed"}]}],
    )
    held_out = TINY.model_copy(update={"suites": (SuiteEntry.model_validate({"from": "valid"}),)})
    (asked,) = run_suites(run, [], held_out, tmp_path / "out").values()
    assert asked.cases[0].messages[0].content == "placed"
    with pytest.raises(UserError, match="makes its suites out of held-out rows"):
        suites_of(held_out)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run whose base talks, and validations in a folder of this test's."""
    run = make_run(tmp_path, tuned=1.0)
    for name in ("navigation", "field_access"):
        rows = [
            {"case": case.id, "text": f"I cannot say. {case.messages[-1].content}"}
            for case in suite(name).cases
        ]
        write_jsonl(run.predictions / "base" / f"{name}.jsonl", rows)
    monkeypatch.setattr(validating, "VALIDATIONS", tmp_path / "validations")
    monkeypatch.setattr(validating, "find", {run.path.name: run}.__getitem__)
    return run


def started(run: RunFolder | None, server: LookAlike) -> ValidationFolder:
    folder = ValidationFolder(new_folder("ours"))
    suites = keep_subsets(read_suites(["navigation"], "quick"), folder.path)
    settings = prediction_settings(TINY, 1)
    start_validation(folder, "ours", suites, settings, "coding", server.url, "", run)
    return folder


def who_says(run: RunFolder, model: str) -> Callable[[dict[str, Any]], Reply]:
    said = {
        json.dumps([m.row() for m in case.messages]): answer.text
        for name in ("navigation", "field_access")
        for case, answer in zip(
            suite(name).cases, read_predictions(run.predictions / model / f"{name}.jsonl"), strict=True
        )
    }
    return lambda body: ok(completion(said[json.dumps(body["messages"])]))


def test_the_runs_model_is_proven_and_on_record(place: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    with look_alike() as server:
        server.behave = who_says(place, "quantized")
        folder = started(place, server)
        predict_at(folder, Limits())
    proof = folder.read_spec().proof
    assert proof is not None
    assert (proof["who"], proof["closer_to_run"]) == ("run", 12)
    assert len(server.asked) == 72
    assert "proof     the run's model answers" in capsys.readouterr().err
    assert len(read_predictions(folder.predictions("navigation"))) == 60


def test_a_base_in_the_adapters_place_is_not_scored(place: RunFolder) -> None:
    with look_alike() as server:
        server.behave = who_says(place, "base")
        folder = started(place, server)
        with (
            pytest.raises(CheckFailed, match="the base, not the adapter, answers"),
            keeping(folder, fresh=True),
        ):
            predict_at(folder, Limits())
    assert len(server.asked) == 12
    assert not folder.path.exists()


def test_a_deadline_is_for_all_answers_together(place: RunFolder) -> None:
    with look_alike() as server:
        good = who_says(place, "quantized")

        def behave(body: dict[str, Any]) -> Reply:
            return good(body) if len(server.asked) <= 30 else STALL

        server.behave = behave
        folder = started(None, server)
        with pytest.raises(HostError, match="deadline") as error, keeping(folder, fresh=True):
            predict_at(folder, Limits(deadline=4))
        assert f"--resume {folder.path.name}" in error.value.hint
        assert 1 <= len(folder.read_answers("navigation")) <= 30
        server.behave = good
        predict_at(folder, Limits())
    assert len(read_predictions(folder.predictions("navigation"))) == 60
    assert not folder.journal("navigation").exists()


def test_ctrl_c_says_how_to_go_on(place: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    with look_alike() as server:
        folder = started(place, server)
        folder.append("navigation", Prediction(case="direct_answer-01", text="a"))
        with pytest.raises(KeyboardInterrupt), keeping(folder, fresh=True):
            raise KeyboardInterrupt
    assert f"--resume {folder.path.name}" in capsys.readouterr().err
    assert len(folder.read_answers("navigation")) == 1


def test_two_measurements_of_one_second_have_folders_of_their_own() -> None:
    assert len({new_folder("a model") for _ in range(20)}) == 20
