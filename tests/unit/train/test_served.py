"""What mlx-lm's server would hand on: its own parser on the raw text, and nothing where it has none."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.support.chat_templates import text_of
from tests.support.conversations import TOOLS
from tests.support.random_qwen3 import TEMPLATE, write_tokenizer
from tunewright.train.base import load_tokenizer
from tunewright.train.served import served_answer

GOOD = '<tool_call>\n{"name": "weather", "arguments": {"city": "Köln"}}\n</tool_call>'


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("served")
    write_tokenizer(folder, text_of("qwen25"))
    return load_tokenizer(folder, {"eos_token_id": 2})


def serve(tokenizer: Any, text: str, *, stopped: bool = True) -> Any:
    return served_answer(tokenizer, [1, 2], TOOLS, text, stopped=stopped)


def test_calls_are_taken_out_of_the_text(tokenizer: Any) -> None:

    found = serve(tokenizer, f"One moment. {GOOD} {GOOD}")
    assert (found.parser, found.version) == ("json_tools", version("mlx-lm"))
    assert found.content == "One moment.  "
    assert found.tool_calls == ({"name": "weather", "arguments": {"city": "Köln"}},) * 2
    assert found.failed == ()


def test_a_call_that_the_server_cannot_read_is_dropped_with_its_reason(tokenizer: Any) -> None:
    found = serve(tokenizer, f"<tool_call>{{not json}}</tool_call>{GOOD}")
    assert len(found.tool_calls) == 1
    assert len(found.failed) == 1
    assert found.failed[0].startswith("JSONDecodeError")
    # A call without arguments ends the server's answer with an error of its own.
    assert serve(tokenizer, '<tool_call>{"name": "weather"}</tool_call>').failed == ("KeyError: 'arguments'",)
    assert serve(tokenizer, "<tool_call>3</tool_call>").tool_calls == ()


def test_a_call_that_was_cut_off_is_read_as_far_as_it_goes(tokenizer: Any) -> None:
    whole = GOOD.removesuffix("</tool_call>")
    assert len(serve(tokenizer, whole, stopped=False).tool_calls) == 1
    assert len(serve(tokenizer, whole[:-4], stopped=False).failed) == 1
    # What may be the beginning of a tag is kept back: thrown away at an end mark, and told when the answer is cut.
    assert serve(tokenizer, "a <tool", stopped=True).content == "a "
    assert serve(tokenizer, "a <tool", stopped=False).content == "a <tool"


def test_words_alone_stay_words(tokenizer: Any) -> None:
    found = serve(tokenizer, "No call: weather(city)")
    assert (found.content, found.tool_calls, found.failed) == ("No call: weather(city)", (), ())


def test_a_model_without_a_parser_is_said_to_have_none(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, TEMPLATE)
    found = serve(load_tokenizer(tmp_path, {"eos_token_id": 2}), GOOD)
    assert (found.parser, found.version) == ("", version("mlx-lm"))
    assert (found.content, found.tool_calls, found.failed) == ("", (), ())


def test_it_is_what_the_server_itself_answers(tokenizer: Any) -> None:
    """The handler of mlx-lm, fed the same text piece by piece."""
    from mlx_lm.generate import TextStateMachine, make_text_state_machine
    from mlx_lm.server import ToolCallFormatter

    text = f"Let me see. {GOOD}\n<tool_call>{{broken</tool_call> Done."
    state = make_text_state_machine(tokenizer).make_state("normal")
    normal, inside, previous, raw = "", "", "normal", list[str]()
    for character in text:
        state, segments = TextStateMachine.split(state, character)
        for name, part in segments:
            if name == "tool":
                inside += part
            else:
                if previous == "tool":
                    raw.append(inside)
                    inside = ""
                normal += part
            previous = name
    handed = ToolCallFormatter(tokenizer.tool_parser, list(TOOLS))(raw)
    found = serve(tokenizer, text)
    assert found.content == normal
    assert [call["function"]["name"] for call in handed] == [call["name"] for call in found.tool_calls]
