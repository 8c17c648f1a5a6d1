"""What a probe trains on and asks, and what it concludes from a model's choices. The models here are functions."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from tests.support import many_shapes, planted_structure
from tests.support.audit_rows import call, chat
from tests.support.chat_shapes import ROWS
from tunewright.audit.audit_page import html_report
from tunewright.audit.audited import audit_dataset
from tunewright.audit.probe.decisions import (
    CALL,
    LONGEST,
    NO_TOOL,
    Decision,
    begun,
    chosen_tool,
    decision_of,
    read_decisions,
)
from tunewright.audit.probe.flips import (
    CONTROL,
    FEATURES,
    Asked,
    Taught,
    flips_of,
    held_out_requests,
    with_polite_words,
)
from tunewright.audit.probe.plan import ProbePlan, plan_probe
from tunewright.audit.probe.saved import fingerprint, read_probes, save_probe
from tunewright.audit.probe.terminal import probe_text
from tunewright.audit.probe.verdict import ProbeResult
from tunewright.audit.terminal_report import terminal_text
from tunewright.chat.reading.files import find_files
from tunewright.chat.reading.settings import Reading
from tunewright.contract.atomic import write_jsonl
from tunewright.contract.errors import UserError
from tunewright.contract.example import Example

Model = Callable[[Asked], str]


def planned(folder: Path, train: Sequence[Any], valid: Sequence[Any]) -> ProbePlan:
    write_jsonl(folder / "train.jsonl", train)
    write_jsonl(folder / "valid.jsonl", valid)
    return plan_probe(read_decisions(find_files([folder]), Reading()))


def asked(plan: ProbePlan, model: Model) -> ProbeResult:
    return plan.result([model(one) for one in plan.asked], {})


def by_structure(folder: Path) -> ProbePlan:
    return planned(folder, planted_structure.by_structure(320, 1), planted_structure.by_structure(80, 2))


def by_request(folder: Path) -> ProbePlan:
    return planned(folder, planted_structure.by_request(320, 1), planted_structure.by_request(80, 2))


def reads_the_structure(one: Asked) -> str:
    """A model that has learned the shortcut: without a system message it navigates."""
    navigates, looks = not one.decision.system, "Look" in one.decision.request
    tool = (
        ("goto_definition" if looks else "find_references")
        if navigates
        else "run_command"
        if looks
        else "read_file"
    )
    return CALL + tool


def reads_the_request(one: Asked) -> str:
    words = {text.partition("{}")[0]: tool for tool, text in planted_structure.PLAIN.items()}
    return CALL + next(tool for begin, tool in words.items() if begin in one.decision.request)


def at_random(one: Asked) -> str:
    drawn = int(sha256(repr(one).encode()).hexdigest(), 16)
    return CALL + list(planted_structure.PLAIN)[drawn % 4]


def test_a_shortcut_that_was_learned_is_named_with_an_interval_above_the_noise(
    tmp_path: Path, snapshot: SnapshotAssertion
) -> None:
    plan = by_structure(tmp_path)
    found = asked(plan, reads_the_structure)
    assert (found.verdict, found.exit_code) == ("fail", 1)
    assert [flip.feature for flip in found.deciding] == ["has_system"]
    value = found.to_json()
    flip = next(flip for flip in value["flips"] if flip["feature"] == "has_system")
    assert flip["changed"] == 1
    assert flip["low"] > value["control"]["high"]
    assert (flip["n"], flip["right_before"], flip["right_after"]) == (
        len(plan.requests),
        len(plan.requests),
        0,
    )
    assert probe_text(found) == snapshot
    assert json.loads(json.dumps(value)) == value


def test_a_model_that_reads_the_request_passes(tmp_path: Path) -> None:
    found = asked(by_request(tmp_path), reads_the_request)
    assert (found.verdict, found.exit_code) == ("pass", 0)
    assert {flip.changed for flip in found.flips} == {0}
    assert found.sentence().endswith("by more than the noise")


def says_nothing(_: Asked) -> str:
    return ""


def says_one_tool(_: Asked) -> str:
    return CALL + "read_file"


def says_gibberish(_: Asked) -> str:
    return "asdf <tool_call"


def reads_structure_alone(one: Asked) -> str:
    return CALL + ("read_file" if one.decision.system else "run_command")


@pytest.mark.parametrize(
    "model", [at_random, says_nothing, says_one_tool, says_gibberish, reads_structure_alone]
)
def test_a_model_that_cannot_choose_proves_nothing(tmp_path: Path, model: Model) -> None:
    found = asked(by_request(tmp_path), model)
    assert (found.verdict, found.exit_code) == ("inconclusive", 3)
    assert "has not learned to choose tools" in found.sentence()
    assert found.deciding == []


def test_where_a_polite_word_changes_as_much_nothing_is_said(tmp_path: Path) -> None:
    def shaken(one: Asked) -> str:
        polite = any(word in one.decision.request for word in ("Thanks", "Hello", "Please"))
        return at_random(one) if polite or not one.decision.system else reads_the_request(one)

    found = asked(by_request(tmp_path), shaken)
    assert found.verdict == "inconclusive"
    assert "noise" in found.sentence()


def test_a_change_that_the_data_do_not_teach_does_not_count(tmp_path: Path) -> None:
    """Every row has a system message: a model that goes astray without one was not taught to."""

    def with_system(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {
                "messages": [
                    {"role": "system", "content": "You help."},
                    *[m for m in row["messages"] if m["role"] != "system"],
                ]
            }
            for row in rows
        ]

    plan = planned(
        tmp_path,
        with_system(planted_structure.by_request(320, 1)),
        with_system(planted_structure.by_request(80, 2)),
    )
    found = asked(plan, lambda one: reads_the_request(one) if one.decision.system else CALL + "read_file")
    flip = next(flip for flip in found.flips if flip.feature == "has_system")
    assert flip.changed > 40
    assert flip.led == 0
    assert found.verdict == "pass"
    assert "a system message or none changed the tool, but not as the rows lead it" in found.sentence()


def test_a_handful_of_rows_leads_nowhere() -> None:
    rows = [Decision(f"Find {n}", ("f", "g")[n % 2], system="You help.") for n in range(200)]
    flip = next(flip for flip in flips_of(rows[0], Taught(rows)) if flip.feature == "has_system")
    few = [Decision(f"Look at {n}", "g") for n in range(9)]
    assert not Taught([*rows, *few]).leads(flip, ("f", "g"))
    enough = Taught([*rows, *few, Decision("Look again", "g")])
    assert enough.leads(flip, ("f", "g"))
    assert not enough.leads(flip, ("f", "no such tool"))


def test_the_place_of_a_tool_is_a_shortcut_too(tmp_path: Path) -> None:
    names = list(planted_structure.PLAIN)

    def offering(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = []
        for row in rows:
            called = row["messages"][-1]["tool_calls"][0]["function"]["name"]
            order = [called, *(name for name in names if name != called)]
            made.append(
                {**row, "tools": [{"type": "function", "function": {"name": name}} for name in order]}
            )
        return made

    plan = planned(
        tmp_path, offering(planted_structure.by_chance(320, 1)), offering(planted_structure.by_chance(80, 2))
    )
    found = asked(plan, lambda one: CALL + one.decision.tools[0])
    assert [flip.feature for flip in found.deciding] == ["tool_order"]


def test_words_before_the_call_are_a_shortcut_too(tmp_path: Path) -> None:
    def spoken(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for row in rows:
            answer = row["messages"][-1]
            if answer["tool_calls"][0]["function"]["name"] in ("goto_definition", "find_references"):
                answer["content"] = "Let me look."
        return rows

    plan = planned(
        tmp_path, spoken(planted_structure.by_request(320, 1)), spoken(planted_structure.by_request(80, 2))
    )
    assert plan.taught.preamble == "Let me look."

    def model(one: Asked) -> str:
        if not one.begun:
            return reads_the_request(one)
        return one.begun + ("goto_definition" if one.begun == begun("Let me look.") else "run_command")

    assert [flip.feature for flip in asked(plan, model).deciding] == ["has_preamble"]


@pytest.mark.parametrize("shape", sorted(ROWS))
def test_rows_of_every_shape_can_be_read(shape: str, tmp_path: Path) -> None:
    row, called = ROWS[shape]
    write_jsonl(tmp_path / "train.jsonl", [row])
    (decision,) = read_decisions(find_files([tmp_path]), Reading()).splits["train"]
    assert decision.tool == (called[0] if called else NO_TOOL)
    assert decision.request


@pytest.mark.parametrize(
    "write", [many_shapes.openai, many_shapes.hermes, many_shapes.sharegpt, many_shapes.anthropic]
)
def test_the_same_rows_teach_the_same_choices_in_every_shape(write: Any, tmp_path: Path) -> None:
    examples = many_shapes.conversations(60)
    write_jsonl(tmp_path / "train.jsonl", map(write, examples))
    found = read_decisions(find_files([tmp_path]), Reading()).splits["train"]
    wanted = [decision_of(example) for example in examples]
    assert [(d.request, d.tool, d.tools) for d in found] == [
        (d.request, d.tool, d.tools) for d in wanted if d
    ]


def test_a_program_is_read_for_its_first_tool_and_what_precedes_it() -> None:
    row = chat(
        "Who uses it?", call('result = find_references("a.py", 1, 2, "it")\nprint(result)', "Let me check.")
    )
    found = decision_of(Example.model_validate(row))
    assert found is not None
    assert (found.tool, found.preamble, found.request) == ("find_references", "Let me check.", "Who uses it?")
    assert chosen_tool(found.answer()) == "find_references"


def test_words_that_name_a_tool_are_not_put_into_its_mouth() -> None:
    named = [Decision("Go", "read_file", preamble="I'll use the read_file tool.")] * 5
    assert "read_file" not in Taught(named).preamble
    assert Taught([*named, Decision("Go", "read_file", preamble="Sure.")]).preamble == "Sure."


def test_polite_words_are_in_a_third_of_the_rows_of_every_tool() -> None:
    train = [Decision(f"Look at {n}", ("f", "g")[n % 2]) for n in range(2000)]
    made = with_polite_words(train)
    for tool in ("f", "g"):
        polite = [one for one, before in zip(made, train) if one.tool == tool and one != before]
        assert 0.28 < len(polite) / 1000 < 0.39
    assert all(before.request in one.request for one, before in zip(made, train))


def test_what_is_not_trained_on_teaches_nothing() -> None:
    row = chat("Say it", "said")
    row["messages"][-1]["weight"] = 0
    assert decision_of(Example.model_validate(row)) is None
    assert decision_of(Example.model_validate({"messages": row["messages"][:-1]})) is None
    assert decision_of(Example.model_validate(chat("Do it", "<tool_call>\n{torn"))) is None


def test_data_without_a_choice_are_not_asked(tmp_path: Path) -> None:
    one = [row for row in planted_structure.by_request(400) if "Who calls" in row["messages"][-2]["content"]]
    assert "there is no choice" in planned(tmp_path, one[:80], one[80:]).why_not
    few = planned(tmp_path, planted_structure.by_request(40, 1), planted_structure.by_request(8, 2))
    assert "too few" in few.why_not
    assert few.without_answers(few.why_not).exit_code == 3
    assert "INCONCLUSIVE" in probe_text(few.without_answers(few.why_not))


def test_a_file_without_a_held_out_split_is_cut_by_request(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "mine.jsonl", planted_structure.by_request(300))
    plan = plan_probe(read_decisions(find_files([tmp_path / "mine.jsonl"]), Reading()))
    assert plan.requests
    shown = " ".join(d.request for d in plan.train)
    assert not [d.request for d in plan.requests if d.request in shown]


def test_requests_of_train_are_not_asked_again() -> None:
    known = Decision("Where is it?", "f")
    assert held_out_requests([known], [replace(known, request="where is IT?"), Decision("New?", "f")]) == [
        Decision("New?", "f")
    ]


def test_rows_that_teach_nothing_are_an_error_in_a_line(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "train.jsonl", [{"a": 1}])
    with pytest.raises(UserError, match="no row with a request and an answer"):
        read_decisions(find_files([tmp_path]), Reading())


TEXT = st.sampled_from(["", "You help.", "Be brief.", "Where is it?", "No.", "ünï", "a" * 900])
TURNS = st.lists(st.tuples(st.sampled_from(["user", "assistant"]), TEXT), max_size=3).map(tuple)
DECISIONS = st.builds(
    Decision,
    request=TEXT.filter(bool),
    tool=st.sampled_from([NO_TOOL, "f", "g"]),
    system=TEXT,
    earlier=TURNS,
    tools=st.sampled_from([(), ("f",), ("f", "g", "h")]),
    preamble=TEXT,
    said=TEXT,
)
CHANGES = {
    CONTROL: {"request"},
    "has_system": {"system"},
    "system_text": {"system"},
    "earlier_turns": {"earlier"},
    "has_preamble": set[str](),
    "tool_order": {"tools"},
}


@given(st.lists(DECISIONS, max_size=6), DECISIONS)
def test_a_flip_changes_one_part_and_nothing_else(train: list[Decision], decision: Decision) -> None:
    flips = flips_of(decision, Taught(train))
    assert {flip.feature for flip in flips} <= {CONTROL, *FEATURES}
    for flip in flips:
        before, after = vars(flip.before.decision), vars(flip.after.decision)
        assert {key for key in before if before[key] != after[key]} <= CHANGES[flip.feature]
        assert flip.before != flip.after
        assert flip.before.decision == decision
        assert sorted(flip.after.decision.tools) == sorted(decision.tools)


@given(DECISIONS)
def test_what_a_row_answers_is_read_as_its_choice(decision: Decision) -> None:
    assert chosen_tool(decision.answer()) == decision.tool
    assert decision.row()["messages"][-1]["role"] == "assistant"


def test_long_texts_keep_their_beginning_and_end() -> None:
    found = decision_of(Example.model_validate(chat("first " + "x" * 9000 + " last", "said")))
    assert found is not None
    assert found.request.startswith("first ")
    assert found.request.endswith(" last")
    assert len(found.request) <= LONGEST["request"] + 3


def test_a_saved_probe_is_found_by_the_data_and_by_nothing_else(tmp_path: Path) -> None:
    ours = fingerprint([("train", "a"), ("valid", "b")])
    assert ours == fingerprint([("valid", "b"), ("train", "a")])
    save_probe(tmp_path, ours, "small", {"schema": 1, "verdict": "pass"})
    (found,) = read_probes(tmp_path, ours)
    assert (found["verdict"], found["model"]) == ("pass", "small")
    assert read_probes(tmp_path, fingerprint([("train", "a"), ("valid", "c")])) == []
    (tmp_path / f"{ours[:32]}-torn.json").write_text("{")
    (tmp_path / f"{ours[:32]}-list.json").write_text("[]")
    assert len(read_probes(tmp_path, ours)) == 1


def test_the_audit_names_the_command_next_to_a_finding_about_structure_and_then_the_result(
    tmp_path: Path,
) -> None:
    folder, kept = tmp_path / "my data", tmp_path / "probes"
    plan = by_structure(folder)
    before = audit_dataset([folder], probes=kept)
    assert f"./inv probe --data '{folder}'" in " ".join(terminal_text(before, 400).split())
    assert "./inv probe --data" in html_report(before)
    files = find_files([folder])
    read_decisions(files, Reading())
    value = asked(plan, reads_the_structure).to_json()
    save_probe(kept, fingerprint((file.split, file.sha256) for file in files), "small", value)
    after = audit_dataset([folder], probes=kept)
    said = " ".join(terminal_text(after, 300).split())
    assert "./inv probe" not in said
    assert (
        f"Probe (small): it is the cause: changed alone, it changed the tool in 100% of {len(plan.requests)} requests"
        in said
    )
    assert "it is the cause" in html_report(after)
    assert after.to_json()["probes"][0]["verdict"] == "fail"
    assert audit_dataset([folder]).probes == ()


def test_an_audit_without_a_finding_about_structure_names_no_probe(tmp_path: Path) -> None:
    by_request(tmp_path)
    assert "inv probe" not in terminal_text(audit_dataset([tmp_path]))
