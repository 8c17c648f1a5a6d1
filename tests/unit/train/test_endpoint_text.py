"""What a client of the endpoint gets of an answer with a call in it."""

from types import SimpleNamespace
from typing import Any

import pytest

from tunewright.train.endpoint import PlainCalls
from tunewright.train.endpoint_rules import Refused, check_sender

ANSWER = "I look.\n\n<tool_call><function=execute_code>\n<parameter=code>\nprint(1)\n</parameter>\n</function></tool_call>"


def tokenizer() -> Any:
    return SimpleNamespace(
        has_tool_calling=True,
        tool_call_start="<tool_call>",
        tool_call_end="</tool_call>",
        has_thinking=False,
        structural_markers=[],
        response_transitions={},
    )


def shown(which: Any) -> str:
    """The text that mlx-lm's server sends of `ANSWER`, which comes in small pieces."""
    from mlx_lm.generate import TextStateMachine, make_text_state_machine

    machine: Any = make_text_state_machine(which, [])
    state = machine.make_state("normal")
    text = ""
    for at in range(0, len(ANSWER), 5):
        state, segments = TextStateMachine.split(state, ANSWER[at : at + 5])
        text += "".join(piece for name, piece in segments if name == "normal")
    state, rest, name = TextStateMachine.flush(state)
    return text + (rest if name == "normal" else "")


def test_mlx_lm_takes_calls_out_of_the_text_and_plain_calls_keeps_them() -> None:
    assert "execute_code" not in shown(tokenizer())
    assert shown(PlainCalls(tokenizer())) == ANSWER


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        (None, None),
        ("localhost:8080", None),
        ("127.0.0.1", "http://localhost:3000"),
        ("[::1]:8080", None),
        ("LOCALHOST", None),
    ],
)
def test_this_machine_may_ask(host: str | None, origin: str | None) -> None:
    check_sender(host, origin)


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("example.org", None),
        ("localhost.example.org:80", None),
        ("", None),
        ("[", None),
        (None, "https://example.org"),
        (None, "null"),
        (None, "http://localhost@example.org"),
        (None, "file://"),
    ],
)
def test_nobody_else_may(host: str | None, origin: str | None) -> None:
    with pytest.raises(Refused) as error:
        check_sender(host, origin)
    assert error.value.status == 403
