"""A base's own answers become rows only where they are answers, and some are never trained on."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.conversations import TOOLS
from tunewright.chat.similar import NearDuplicates
from tunewright.chat.split import NEAR
from tunewright.contract.example import Example, Message
from tunewright.contract.rehearsal import REHEARSED, answered_by, rehearsed_rows
from tunewright.contract.suite import Case, Prediction
from tunewright.eval.held_out import HeldOutRow, make_cases
from tunewright.eval.rehearsal_rows import (
    choose_prompts,
    direct_prompts,
    make_prompt,
    rehearsal,
    rehearsed_row,
    with_structure,
)
from tunewright.eval.words import Fault

GOOD = "A tuple is a sequence that cannot be changed once it exists, so it can be a key of a dict."
CODE = """Sort it with a key:

```python
rows.sort(key=lambda row: (row["a"], row["b"]))
rows.sort(key=lambda row: (row["a"], row["b"]))
x = {k: v for k, v in d.items() if k in {"[", "]", "{", "}", "(", ")", "<", ">"}}
```

The second call changes nothing."""


def chat(*texts: str, system: str = "", tools: Sequence[Any] = (), source: str = "") -> Example:
    roles = ("user", "assistant")
    turns = [Message(role="system", content=system)] if system else []
    turns += [Message(role=roles[n % 2], content=text) for n, text in enumerate(texts)]
    return Example.model_validate(
        {"messages": [turn.row() for turn in turns], "tools": tools, "meta": {"source": source}}
    )


def prompt(text: str, system: str = "") -> Case:
    return make_prompt(chat(text, system=system).messages)


def answered(text: str, **values: Any) -> Example | Fault:
    asked = prompt("What is a tuple?", "You help.")
    return rehearsed_row(asked, Prediction(case=asked.id, text=text, **values), "base")


@pytest.mark.parametrize(
    ("text", "values", "kind"),
    [
        ("", {}, "empty"),
        (" \n", {}, "empty"),
        ("- - -", {}, "empty"),
        (GOOD, {"finish": "length"}, "cut"),
        (GOOD, {"error": "503"}, "not answered"),
        ("What is a tuple?", {}, "request repeated"),
        ("the the the the the the", {}, "degenerate"),
        ("A tuple is a tuple is a tuple is a tuple is a tuple is a tuple.", {}, "degenerate"),
        ("A tuple is fixed and ordered. A tuple is fixed and ordered.", {}, "degenerate"),
        ("entryentryentryentryentryentryentry", {}, "degenerate"),
        ("It says <|endoftext|> and goes on with other words.", {}, "mark"),
        ('<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>', {}, "call"),
        ('Let me look.\n<tool_call>\n{"name": "weather", "arguments": {}}\n</tool_call>', {}, "call"),
        ("Let me look. <tool_call>", {}, "call"),
        ("I'll look it up.", {"tool_calls": ({"name": "weather", "arguments": "{}"},)}, "call"),
        ("<think>The user asks about tuples.</think>", {}, "empty"),
    ],
)
def test_what_is_no_answer_is_rejected(text: str, values: dict[str, Any], kind: str) -> None:
    found = answered(text, **values)
    assert isinstance(found, Fault)
    assert found.kind == kind
    assert found.detail


@pytest.mark.parametrize("text", [GOOD, CODE, f"\n{GOOD}\n\n", "Ein Tupel ist eine feste Folge."])
def test_an_answer_becomes_the_last_message_and_what_came_before_stays(text: str) -> None:
    found = answered(text)
    assert isinstance(found, Example)
    assert [message.role for message in found.messages] == ["system", "user", "assistant"]
    assert found.messages[:2] == prompt("What is a tuple?", "You help.").messages
    assert found.messages[2].content == text.strip()
    assert rehearsed_rows([found, chat("a", "b")]) == [found]
    assert answered_by([found]) == ["base"]


def test_thoughts_are_kept_apart_from_the_answer() -> None:
    found = answered(f"<think>Easy.</think>\n\n{GOOD}")
    assert isinstance(found, Example)
    assert (found.messages[2].content, found.messages[2].reasoning_content) == (GOOD, "Easy.")
    apart = answered(GOOD, reasoning="Easy.")
    assert isinstance(apart, Example)
    assert apart.messages == found.messages


def test_only_direct_questions_outside_of_train_are_asked() -> None:
    calling = chat("Where is x?", '<tool_call>\n{"name": "weather", "arguments": {}}\n</tool_call>')
    later = chat("Hello.", "Hi.", "What is a set?", "A set is …", system="You help.", tools=TOOLS)
    ends_with_user = chat("One?", "Two.", "Three?")
    rows = {
        "train": [chat("What is a list?", "A list is …")],
        "valid": [calling, later, ends_with_user, chat("What is a base?", "A …", source=REHEARSED)],
        "test": [chat("What is a dict?", "A dict is …")],
    }
    asked = direct_prompts(rows)
    assert [case.messages for case in asked] == [later.messages[:-1], rows["test"][0].messages[:-1]]
    assert asked[0].tools == later.tools


def test_single_requests_get_the_structure_of_rows() -> None:
    rows = [chat("a", "b", system="You help.", tools=TOOLS), chat("a", "b")]
    cases = with_structure([f"question {n}" for n in range(200)], rows, 1)
    systems = [case for case in cases if case.messages[0].role == "system"]
    assert 60 < len(systems) < 140
    assert all(case.tools == rows[0].tools for case in systems)
    assert all(not case.tools for case in cases if case not in systems)
    assert [case.messages[-1].content for case in cases] == [f"question {n}" for n in range(200)]
    assert cases == with_structure([f"question {n}" for n in range(200)], rows, 1)
    assert with_structure(["q"], [], 1)[0].messages == chat("q").messages


WORDS = st.lists(st.sampled_from(["why", "is", "the", "list", "a", "set", "growing"]), min_size=1, max_size=8)
TEXTS = st.lists(WORDS.map(" ".join), max_size=12)


@given(TEXTS, TEXTS, TEXTS, st.integers(1, 5))
def test_no_prompt_asks_what_train_a_suite_or_another_prompt_asks(
    texts: list[str], trained: list[str], cases: list[str], most: int
) -> None:
    suite = NearDuplicates(NEAR)
    for text in cases:
        suite.add(text)
    train = [chat("Hello.", "Hi.", text, "Yes.") for text in trained]
    chosen = choose_prompts(
        [prompt(text) for text in texts], train, lambda text: "asked" if suite.knows(text) else None, most, 1
    )
    found = [case.messages[-1].content for case in chosen.prompts]
    assert len(found) <= most
    assert len(found) + chosen.left_out.total() == len(texts)
    for number, text in enumerate(found):
        near = NearDuplicates(NEAR)
        for other in [*trained, *cases, *found[:number]]:
            near.add_all(other)
        assert not near.knows(text)


def test_some_answers_are_held_out_and_near_prompts_stay_together() -> None:
    prompts = [
        prompt(f"Why did alpha{n} leave beta{n} without gamma{n} and delta{n} in place{n}") for n in range(30)
    ]
    prompts += [prompt(case.messages[-1].content + " please") for case in prompts]
    answers = {case.id: Prediction(case=case.id, text=GOOD) for case in prompts[:-1]}
    made = rehearsal(prompts, answers, "base", 1)
    assert {split: len(rows) > 0 for split, rows in made.rows.items()} == {"train": True, "test": True}
    assert sum(map(len, made.rows.values())) == 59
    assert made.reasons == {"not answered": 1}
    asked = {
        split: {row.request.removesuffix(" please") for row in rows} for split, rows in made.rows.items()
    }
    assert not asked["train"] & asked["test"]
    assert 0.1 < len(made.rows["test"]) / 59 < 0.35


def test_what_a_base_said_is_no_case_of_a_suite() -> None:
    rows = [
        HeldOutRow("test.jsonl", 1, chat("a?", "b.", source=REHEARSED)),
        HeldOutRow("test.jsonl", 2, chat("c?", "d.")),
    ]
    made = make_cases(rows)
    assert [case.messages[0].content for case in made.cases] == ["c?"]
    assert [place for place, _ in made.left_out] == ["test.jsonl:1"]
