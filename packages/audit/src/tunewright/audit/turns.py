"""Many assistant messages taken apart at once, as rows of the tables `calls`, `turns` and `problems`. Pure."""

from collections.abc import Sequence
from typing import Any

from tunewright.audit.wire import dump
from tunewright.chat.calls import find

Rows = list[dict[str, Any]]


def read_turns(messages: Sequence[tuple[int, int, str]]) -> tuple[Rows, Rows, Rows]:
    """Messages as (example, position, content): their calls, turns and problems."""
    calls: Rows = []
    turns: Rows = []
    problems: Rows = []
    for example, message, content in messages:
        turn = find(content)
        where = {"example": example, "message": message}
        if turn.calls:
            turns.append(
                where | {"preamble": turn.preamble, "syntaxes": turn.syntaxes, "dialect": turn.dialect}
            )
        calls += [
            where
            | {
                "position": number,
                "syntax": call.syntax,
                "tool": call.name,
                "arguments": dump(call.arguments),
                "error": call.error,
                "program": call.program,
            }
            for number, call in enumerate(turn.calls, start=1)
        ]
        problems += [where | {"kind": kind, "detail": detail} for kind, detail in turn.problems]
    return calls, turns, problems
