"""What mlx-lm's server would hand on of an answer to a client that offers tools: text, and calls by its own parser."""

import json
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from mlx_lm.generate import TextStateMachine, make_text_state_machine
from mlx_lm.server import ToolCallFormatter

from tunewright.contract.suite import ServedAnswer


def served_answer(
    tokenizer: Any, prompt: Sequence[int], tools: Sequence[dict[str, Any]], text: str, *, stopped: bool
) -> ServedAnswer:
    """An answer as it leaves the server; without a parser's name, and otherwise empty, when mlx-lm has none for the model.

    `stopped` by an end mark; otherwise cut off. Follows `APIHandler.handle_completion`, whose parts it uses.
    """
    if not tokenizer.has_tool_calling:
        return ServedAnswer(parser="", version=version("mlx-lm"))
    segments = _segments(tokenizer, prompt, text, stopped=stopped)
    content, written = "".join(part for state, part in segments if state == "normal"), _calls(segments)
    calls: list[dict[str, Any]] = []
    failed: list[str] = []
    formatter = ToolCallFormatter(_noted(tokenizer.tool_parser, failed), list(tools) or None)
    for call in written:
        try:
            handed = formatter([call])
        except Exception as error:  # noqa: BLE001 - whatever the server trips over, it ends the call
            failed.append(f"{type(error).__name__}: {error}")
            continue
        calls += [_plain(entry) for entry in handed]
    return ServedAnswer(
        parser=str(tokenizer.init_kwargs.get("tool_parser_type", "")),
        version=version("mlx-lm"),
        content=content,
        tool_calls=tuple(calls),
        failed=tuple(failed),
    )


def _segments(tokenizer: Any, prompt: Sequence[int], text: str, *, stopped: bool) -> list[tuple[str, str]]:
    """The text by the state that the server is in when it reads it: normal, reasoning or tool."""
    state = make_text_state_machine(tokenizer).make_state(_first_state(tokenizer, prompt))
    state, segments = TextStateMachine.split(state, text)
    if not stopped:
        state, rest, name = TextStateMachine.flush(state)
        segments.append((name, rest))
    return segments


def _first_state(tokenizer: Any, prompt: Sequence[int]) -> str:
    if tokenizer.response_initial_state:
        return tokenizer.response_initial_state
    if not tokenizer.has_thinking:
        return "normal"
    opened = tokenizer.rfind_think_start(list(prompt)) > tokenizer.rfind_think_end(list(prompt))
    return "reasoning" if opened else "normal"


def _calls(segments: Sequence[tuple[str, str]]) -> list[str]:
    """The text of each call: what one stay in the state `tool` read."""
    calls: list[str] = []
    inside, previous = "", ""
    for state, part in segments:
        if state == "tool":
            inside += part
        elif state == "normal" and previous == "tool":
            calls.append(inside)
            inside = ""
        previous = state
    return [*calls, inside] if previous == "tool" and inside else calls


def _noted(parser: Any, failed: list[str]) -> Any:
    """The parser, whose failures are kept: the server logs them and drops the call."""

    def parse(text: str, tools: Any) -> Any:
        try:
            return parser(text, tools)
        except ValueError as error:
            failed.append(f"{type(error).__name__}: {error}")
            raise

    return parse


def _plain(entry: dict[str, Any]) -> dict[str, Any]:
    """A call without its random id, arguments as the value that their JSON text holds."""
    function = entry["function"]
    return {"name": function.get("name"), "arguments": json.loads(function["arguments"])}
