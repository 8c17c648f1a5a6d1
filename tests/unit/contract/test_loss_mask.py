"""What is trained is what is answered: behind the very prompt that the model is served, and nothing else."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.chat_templates import ENDS, encoder, write_hermes
from tests.support.conversations import TOOLS, calls, weather
from tunewright.contract.example import Example, Message
from tunewright.contract.loss_mask import CONTEXT, Mask, Piece
from tunewright.contract.template_support import place_in_text


@st.composite
def conversations(draw: st.DrawFn) -> Example:
    """A conversation in the normal form. Each text is of its own; results begin with RESULT."""
    messages: list[Message] = []
    words = st.sampled_from(("sun", "rain", "é", "a < b", "\n- one\n- two", "</s", "{}"))

    def text(kind: str) -> str:
        return f"{kind}{len(messages)} {draw(words)}".strip()

    def answer(**more: Any) -> Message:
        thought = text("THOUGHT") if draw(st.booleans()) else ""
        weight = draw(st.sampled_from((1.0, 1.0, 0.0, 0.5)))
        return Message(role="assistant", reasoning_content=thought, weight=weight, **more)

    if draw(st.booleans()):
        messages.append(Message(role="system", content=text("SYSTEM")))
    for _ in range(draw(st.integers(1, 3))):
        messages.append(Message(role="user", content=text("USER")))
        for _ in range(draw(st.integers(0, 2))):
            made = calls(*draw(st.sampled_from((("weather",), ("clock", "weather"), ("weather", "weather")))))
            messages.append(answer(content=draw(st.sampled_from(("", "One moment."))), tool_calls=made))
            messages += [Message(role="tool", content=text("RESULT")) for _ in made]
        messages.append(answer(content=text("ANSWER")))
    return Example(messages=tuple(messages), tools=TOOLS if draw(st.booleans()) else ())


def placed(example: Example, name: str) -> Example:
    return place_in_text(example, encoder(name).support, write_hermes())


def prompt_text(name: str, example: Example, before: int) -> str:
    return "".join(chr(token) for token in encoder(name).prompt(example.messages[:before], example.tools))


@pytest.mark.parametrize("name", ENDS)
@given(original=conversations(), mask=st.sampled_from(("assistant", "last_assistant")))
@settings(max_examples=60, deadline=None)
def test_every_trained_turn_follows_the_prompt_that_it_answers(
    name: str, original: Example, mask: Mask
) -> None:
    example = placed(original, name)
    trained: list[int] = []
    said: dict[int, str] = {}
    support = encoder(name).support
    for row in encoder(name).pieces(example, mask):
        for at, piece in enumerate(row):
            if not piece.trained:
                continue
            message = example.messages[piece.message]
            assert piece.weight == message.weight
            assert "RESULT" not in piece.text
            assert "USER" not in piece.text
            assert piece.text.endswith(tuple(ENDS[name]))
            said[piece.message] = said.get(piece.message, "") + piece.text
            # Of a message that had to become several turns, the prompt is that of the first.
            if piece.message not in trained:
                before = "".join(other.text for other in row[:at])
                assert before == prompt_text(name, example, piece.message)
            trained.append(piece.message)
    for number, text in said.items():
        message = example.messages[number]
        assert message.content.strip() in text or (message.tool_calls and not support.text_with_calls)
        assert all(call.function.name in text for call in message.tool_calls)
        assert not support.reasoning or message.reasoning_content in text
    answers = [n for n, message in enumerate(example.messages) if message.role == "assistant"]
    wanted = [n for n in (answers if mask == "assistant" else answers[-1:]) if example.messages[n].weight]
    assert sorted(set(trained)) == wanted
    assert len(trained) == sum(turns_of(name, example.messages[n]) for n in wanted)


def turns_of(name: str, message: Message) -> int:
    return 1 if encoder(name).support.parallel_calls else max(1, len(message.tool_calls))


def trained(name: str, example: Example, mask: Mask = "assistant") -> list[list[str]]:
    rows = encoder(name).pieces(placed(example, name), mask)
    return [[piece.text for piece in row if piece.trained] for row in rows]


def call(name: str, key: str = "arguments") -> str:
    return f'{{"name": "{name}", "{key}": {{"city": "Köln"}}}}'


HERMES = f"<tool_call>\n{call('weather')}\n</tool_call>\n<tool_call>\n{call('clock')}\n</tool_call>"


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        (
            "smollm2",
            [
                [
                    f"<think>\nTwo calls.\n</think>\n\n{HERMES}<|im_end|>",
                    "Sunny, at noon.<|im_end|>",
                    "<think>\nBe polite.\n</think>\n\nAny time.<|im_end|>",
                ]
            ],
        ),
        (
            "qwen3",
            [
                ["<think>\nBe polite.\n</think>\n\nAny time.<|im_end|>"],
                [
                    f"<think>\nTwo calls.\n</think>\n\n{HERMES}<|im_end|>",
                    "<think>\n\n</think>\n\nSunny, at noon.<|im_end|>",
                ],
            ],
        ),
        (
            "llama31",
            [
                [
                    f"{call('weather', 'parameters')}<|eot_id|>",
                    f"{call('clock', 'parameters')}<|eot_id|>",
                    "Sunny, at noon.<|eot_id|>",
                    "<think>\nBe polite.\n</think>\n\nAny time.<|eot_id|>",
                ]
            ],
        ),
        (
            "gptoss",
            [
                [
                    "<|channel|>analysis<|message|>Be polite.<|end|>"
                    "<|start|>assistant<|channel|>final<|message|>Any time.<|return|>"
                ],
                ["<|channel|>final<|message|>Sunny, at noon.<|return|>"],
                [
                    "<|channel|>analysis<|message|>Two calls.<|end|><|start|>assistant to=functions.weather"
                    '<|channel|>commentary json<|message|>{"city": "Köln"}<|call|>',
                    ' to=functions.clock<|channel|>commentary json<|message|>{"city": "Köln"}<|call|>',
                ],
            ],
        ),
        (
            "deepseek_r1",
            [
                ["Be polite.\n</think>\n\nAny time.<｜end▁of▁sentence｜>"],
                ["\n</think>\n\nSunny, at noon.<｜end▁of▁sentence｜>"],
                [f"Two calls.\n</think>\n\n{HERMES}<｜end▁of▁sentence｜>"],
            ],
        ),
    ],
)
def test_what_is_trained_of_each_template(name: str, rows: list[list[str]]) -> None:
    assert trained(name, weather()) == rows


def test_a_template_that_moves_the_tools_gives_a_row_a_request() -> None:
    rows = encoder("mistral").pieces(weather(), "assistant")
    texts = ["".join(piece.text for piece in row) for row in rows]
    assert [text.count("[AVAILABLE_TOOLS]") for text in texts] == [1, 1, 1]
    answers = [piece.text for row in rows for piece in row if piece.trained]
    assert answers[1] == " Sunny, at noon.</s>"
    assert answers[2].startswith('[TOOL_CALLS] [{"name": "weather"')


def test_weights_are_obeyed_under_every_mask() -> None:
    messages = list(weather().messages)
    messages[5] = messages[5].model_copy(update={"weight": 0.0})
    messages[7] = messages[7].model_copy(update={"weight": 0.25})
    example = Example(messages=tuple(messages), tools=TOOLS)

    def weights(mask: Mask, example: Example) -> dict[int, float]:
        rows = encoder("qwen25").pieces(placed(example, "qwen25"), mask)
        return {piece.message: piece.weight for row in rows for piece in row if piece.message != CONTEXT}

    assert weights("assistant", example) == {2: 1.0, 5: 0.0, 7: 0.25}
    assert weights("last_assistant", example) == {2: 0.0, 5: 0.0, 7: 0.25}
    assert weights("none", example) == {2: 1.0, 5: 0.0, 7: 0.25}
    messages[7] = messages[7].model_copy(update={"weight": 0.0})
    assert set(weights("last_assistant", Example(messages=tuple(messages))).values()) == {0.0}


def test_none_trains_every_token_that_is_no_unwanted_answer() -> None:
    (row,) = encoder("qwen25").pieces(placed(weather(), "qwen25"), "none")
    assert all(piece.trained for piece in row)


def test_a_conversation_without_an_answer_trains_nothing() -> None:
    (row,) = encoder("qwen25").pieces(
        Example(messages=(Message(role="user", content="Anybody?"),)), "assistant"
    )
    assert row == [Piece(row[0].text, 0.0)]


def test_the_first_message_may_be_an_answer() -> None:
    example = Example(
        messages=(Message(role="assistant", content="Hello."), Message(role="user", content="Hi"))
    )
    assert trained("smollm2", example) == [["Hello.<|im_end|>"]]
