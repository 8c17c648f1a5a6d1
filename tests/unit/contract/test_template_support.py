"""Probes tell what templates render; conversations are put into that form, and nothing is lost silently."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.chat_templates import encoder, renderer, template, write_hermes
from tests.support.conversations import TOOLS, weather
from tunewright.contract.chat_template import ChatTemplate, TemplateRefusal
from tunewright.contract.example import Example, Message
from tunewright.contract.template_support import TemplateSupport, fit, place_in_text, probe_template


@pytest.mark.parametrize(
    ("name", "differences"),
    [
        (
            "smollm2",
            {"tools": False, "calls": False, "parallel_calls": False, "reasoning": ""},
        ),
        ("qwen25", {"reasoning": ""}),
        ("qwen3", {}),
        ("llama31", {"parallel_calls": False, "text_with_calls": False, "reasoning": ""}),
        ("mistral", {"text_with_calls": False, "reasoning": ""}),
        (
            "gemma2",
            {
                "tools": False,
                "calls": False,
                "parallel_calls": False,
                "system": False,
                "tool_role": False,
                "lone_results": False,
                "reasoning": "",
            },
        ),
        (
            "gptoss",
            {
                "parallel_calls": False,
                "lone_results": False,
                "reasoning": "thinking",
                "reasoning_with_text": False,
            },
        ),
        (
            "deepseek_r1",
            {
                "tools": False,
                "text_arguments": True,
                "text_with_calls": False,
                "reasoning": "",
                "opens_thinking": True,
            },
        ),
    ],
)
def test_probes_tell_what_a_template_renders(name: str, differences: dict[str, Any]) -> None:
    assert probe_template(renderer(name)) == TemplateSupport(**differences)


def test_a_template_that_always_fails_supports_nothing() -> None:
    def refuse(*_: Any) -> str:
        raise TemplateRefusal("no")

    support = probe_template(refuse)
    assert not support.native
    assert not any((support.system, support.tool_role, support.reasoning))


def test_a_template_that_prints_what_it_is_given_in_python_gets_text() -> None:
    text = (
        "{% for m in messages %}{% for c in m.tool_calls or [] %}"
        "{{ c.function.name ~ c.function.arguments }}{% endfor %}{% endfor %}"
    )
    printing = ChatTemplate(text)
    support = probe_template(lambda rows, tools, opened: printing.render(rows, tools, opened=opened))
    assert support.text_arguments
    called = next(turn for turn in fit(weather().messages, support) if turn.row.get("tool_calls"))
    assert called.row["tool_calls"][0]["function"]["arguments"] == '{"city": "Köln"}'


def test_ids_follow_from_the_place_alone_and_results_find_their_call() -> None:
    bare = weather().messages
    named = list(bare)
    named[2] = named[2].model_copy(
        update={
            "tool_calls": tuple(
                c.model_copy(update={"id": f"call_{n}"}) for n, c in enumerate(named[2].tool_calls)
            )
        }
    )
    # Results in the other order name their calls.
    named[3], named[4] = (
        Message(role="tool", content="noon", tool_call_id="call_1"),
        Message(role="tool", content="sunny", tool_call_id="call_0"),
    )
    support = TemplateSupport()
    first, second = fit(bare, support), fit(named, support)
    assert first[2].row["tool_calls"] == second[2].row["tool_calls"]
    ids = [call["id"] for call in first[2].row["tool_calls"]]
    assert all(len(id) == 9 and id.isalnum() for id in ids)
    assert len(set(ids)) == 2
    assert [turn.row["tool_call_id"] for turn in first[3:5]] == ids
    assert [turn.row["tool_call_id"] for turn in second[3:5]] == ids[::-1]
    assert [turn.row["name"] for turn in second[3:5]] == ["clock", "weather"]


def test_kimi_gets_its_own_ids() -> None:
    turns = fit(weather().messages, TemplateSupport(kimi_ids=True))
    assert [call["id"] for call in turns[2].row["tool_calls"]] == ["functions.weather:0", "functions.clock:1"]


def test_one_call_a_turn_where_a_template_takes_no_more() -> None:
    turns = fit(weather().messages, TemplateSupport(parallel_calls=False))
    told = [
        (turn.row["role"], len(turn.row.get("tool_calls") or ()), turn.row["content"]) for turn in turns[2:6]
    ]
    assert told == [("assistant", 1, ""), ("tool", 0, "sunny"), ("assistant", 1, ""), ("tool", 0, "noon")]
    assert [turn.message for turn in turns[2:6]] == [2, 3, 2, 4]


def calls_of(messages: Sequence[Message]) -> list[tuple[str, ...]]:
    return [
        tuple(call.function.name for call in message.tool_calls) or (message.content,) for message in messages
    ]


def test_of_calls_without_a_result_one_is_kept_behind_those_that_have_one() -> None:
    """As served: the model that wrote a call waits for its result."""
    support = TemplateSupport(parallel_calls=False)
    whole = weather()
    assert calls_of(place_in_text(whole, support, write_hermes()).messages)[2:6] == [
        ("weather",), ("sunny",), ("clock",), ("noon",)
    ]  # fmt: skip
    unanswered = whole.model_copy(update={"messages": whole.messages[:3]})
    assert calls_of(place_in_text(unanswered, support, write_hermes()).messages)[2:] == [("weather",)]
    ids = [call.model_copy(update={"id": f"c{n}"}) for n, call in enumerate(whole.messages[2].tool_calls)]
    second = (
        *whole.messages[:2],
        whole.messages[2].model_copy(update={"tool_calls": tuple(ids), "content": "I look."}),
        Message(role="tool", content="noon", tool_call_id="c1"),
    )
    placed = place_in_text(whole.model_copy(update={"messages": second}), support, write_hermes())
    assert calls_of(placed.messages)[2:] == [("clock",), ("noon",), ("weather",)]
    assert [message.content for message in placed.messages[2:]] == ["I look.", "noon", ""]
    assert place_in_text(placed, support, write_hermes()) == placed, "done once"
    assert fit(placed.messages, support)[2].row["tool_calls"][0]["function"]["name"] == "clock"


@pytest.mark.parametrize("name", ["llama31", "gptoss"])
def test_templates_that_take_one_call_a_turn_are_known(name: str) -> None:
    assert encoder(name).support.one_call
    assert not encoder("smollm2").support.one_call, "calls are text there, and text may hold several"


def test_calls_become_text_and_tools_go_into_the_system_message() -> None:
    placed = place_in_text(weather(), encoder("smollm2").support, write_hermes())
    assert not any(message.tool_calls for message in placed.messages)
    assert placed.messages[2].content.count("<tool_call>") == 2
    assert placed.meta.calls == ((2, "weather"), (2, "clock"))
    system = placed.messages[0].content
    assert system.startswith("Help.\n\n")
    assert [
        json.loads(line) for line in system.split("<tools>\n")[1].split("\n</tools>")[0].splitlines()
    ] == list(TOOLS)
    assert placed.tools == TOOLS
    assert place_in_text(placed, encoder("smollm2").support, write_hermes()) == placed, "done once"


def test_a_system_message_is_made_where_there_is_none() -> None:
    messages = weather().messages[1:]
    placed = place_in_text(
        Example(messages=messages, tools=TOOLS), encoder("smollm2").support, write_hermes()
    )
    assert placed.messages[0].role == "system"
    assert placed.meta.calls == ((2, "weather"), (2, "clock"))
    assert placed.messages[1:2] == messages[:1]


def test_what_a_template_renders_itself_is_left_alone() -> None:
    example = weather()
    assert place_in_text(example, encoder("qwen3").support, write_hermes()) == example


def test_text_calls_stay_as_they_are() -> None:
    example = Example(
        messages=(Message(role="user", content="?"), Message(role="assistant", content="<tool_call>x"))
    )
    for name in ("smollm2", "qwen3"):
        assert place_in_text(example, encoder(name).support, write_hermes()) == example


@pytest.mark.parametrize(
    ("example", "says"),
    [
        (weather(), "no place for tool_calls"),
        (Example(messages=(Message(role="user", content="Hi"), Message(role="assistant", content="Ho")), tools=TOOLS),
         "no place for tools, and drops weather"),
    ],
)  # fmt: skip
def test_what_would_be_dropped_is_refused(example: Example, says: str) -> None:
    with pytest.raises(TemplateRefusal, match=says):
        encoder("smollm2").pieces(example, "assistant")
    with pytest.raises(TemplateRefusal, match=says):
        encoder("smollm2").prompt(example.messages, example.tools)


def test_templates_are_rendered_with_tools() -> None:
    text = template("qwen25").render([{"role": "user", "content": "Hi"}], list(TOOLS))
    assert '"name": "weather"' in text
