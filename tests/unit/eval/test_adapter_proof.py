"""Who answers: the run's model, its base, or another one? A real endpoint, and a run with both models' answers."""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.support.endpoint import Reply, completion, look_alike, ok
from tests.support.made_run import make_run
from tunewright.contract.atomic import write_jsonl
from tunewright.contract.run import RunFolder
from tunewright.contract.suite import Prediction, Suite, read_suite
from tunewright.eval.adapter_proof import NEEDED, PROMPTS, Proof, fixed_prompts, prove
from tunewright.eval.endpoint_client import Endpoint, answer_suite
from tunewright.eval.predictions import read_predictions

Text = Callable[[str, str, str], str]  # of the request, the run's answer and its base's


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Its base talks; its own model calls tools."""
    made = make_run(tmp_path, tuned=1.0)
    for name in ("navigation", "field_access"):
        rows = [
            {
                "case": case.id,
                "text": f"I am sorry, {case.messages[-1].content} is nothing that I can see from here.",
            }
            for case in read_suite(made.suites / f"{name}.jsonl").cases
        ]
        write_jsonl(made.predictions / "base" / f"{name}.jsonl", rows)
    return made


def served(run: RunFolder, text: Text, **changes: Any) -> Proof:
    """The verdict about an endpoint that says `text`."""
    known: dict[str, tuple[str, str]] = {}
    for name in ("navigation", "field_access"):
        suite = read_suite(run.suites / f"{name}.jsonl")
        by_model = [
            {p.case: p.text for p in read_predictions(run.predictions / model / f"{name}.jsonl")}
            for model in ("quantized", "base")
        ]
        for case in suite.cases:
            said = json.dumps([message.row() for message in case.messages])
            known[said] = (by_model[0][case.id], by_model[1][case.id])

    def behave(body: dict[str, Any]) -> Reply:
        assert body["temperature"] == 0
        asked = json.dumps(body["messages"])
        return ok(completion(text(asked, *known[asked])))

    with look_alike() as server:
        server.behave = behave
        place = Endpoint(server.url, "ours")
        return prove(run, lambda suite: answer_suite(place, suite).predictions)


def damaged(text: str, asked: str, share: float) -> str:
    """Some words are others, as another quantization or batch brings about."""
    random = Random(asked)
    return " ".join("other" if random.random() < share else word for word in text.split(" "))


def test_the_runs_own_model_is_known(run: RunFolder) -> None:
    proof = served(run, lambda asked, tuned, base: tuned)
    assert (proof.who, proof.prompts, proof.closer_to_run) == ("run", PROMPTS, PROMPTS)
    assert proof.like_run == 1
    assert proof.text.startswith("the run's model answers: of 12 fixed prompts 12 ")


def test_a_lost_adapter_is_noticed(run: RunFolder) -> None:
    proof = served(run, lambda asked, tuned, base: base)
    assert (proof.who, proof.closer_to_base) == ("base", PROMPTS)
    assert "the base, not the adapter, answers" in proof.text


@pytest.mark.parametrize(("pick", "who"), [(0, "run"), (1, "base")])
def test_other_numerics_do_not_hide_who_answers(run: RunFolder, pick: int, who: str) -> None:
    assert served(run, lambda asked, tuned, base: damaged((tuned, base)[pick], asked, 0.15)).who == who


@pytest.mark.parametrize(
    "text", ["", "Yes.", "yes " * 200, "{}", "<tool_call>", "42 is the answer to all of it"]
)
def test_another_model_is_neither(run: RunFolder, text: str) -> None:
    assert served(run, lambda asked, tuned, base: text).who == "other"


def test_half_and_half_proves_nothing(run: RunFolder) -> None:
    order = iter(range(100))
    proof = served(run, lambda asked, tuned, base: tuned if next(order) % 2 else base)
    assert proof.who == "indistinguishable"


def test_a_model_that_says_what_its_base_says_is_indistinguishable(run: RunFolder) -> None:
    for name in ("navigation", "field_access"):
        own = run.predictions / "quantized" / f"{name}.jsonl"
        own.write_bytes((run.predictions / "base" / f"{name}.jsonl").read_bytes())
    proof = served(run, lambda asked, tuned, base: tuned)
    assert proof.who == "indistinguishable"
    assert proof.text == (
        "the run's model is indistinguishable from its base: both said nearly the same to all but 0 of the run's 120 cases"
    )


def test_a_run_without_its_base_proves_nothing(tmp_path: Path) -> None:
    run = make_run(tmp_path, base=None)
    assert fixed_prompts(run) == "the run did not ask its base"
    assert prove(run, lambda suite: pytest.fail("nothing is to be asked")).who == "indistinguishable"


def test_the_prompts_are_always_the_same(run: RunFolder) -> None:
    first, again = fixed_prompts(run), fixed_prompts(run)
    assert first == again
    assert len(first) == PROMPTS >= NEEDED


def test_no_answer_is_no_proof(run: RunFolder) -> None:
    def fail(suite: Suite) -> list[Prediction]:
        return [Prediction(case=case.id, text="", error="reset") for case in suite.cases]

    assert prove(run, fail).who == "indistinguishable"


def test_calls_that_a_server_took_apart_are_the_same_calls(run: RunFolder) -> None:
    """The endpoint's own parser returns the program as data."""
    prompts = fixed_prompts(run)
    assert not isinstance(prompts, str)
    from tunewright.chat.calls.code_mode import parse_turn

    def ask(suite: Suite) -> list[Prediction]:
        from tunewright.eval.chat_completion import read_reply

        found: list[Prediction] = []
        for prompt, case in zip(prompts, suite.cases):
            turn = parse_turn(prompt.tuned.text)
            calls = [
                {"function": {"name": "execute_code", "arguments": json.dumps({"code": program})}}
                for program in turn.programs
            ]
            found.append(read_reply(completion(turn.preamble, tool_calls=calls), case.id, 0, 0.0)[0])
        return found

    assert prove(run, ask).who == "run"
