"""Many assistant messages taken apart at once, as columns of the tables `calls`, `turns` and `problems`. Pure."""

from collections.abc import Sequence
from typing import Any

from tunewright.audit.json_text import dump
from tunewright.chat.calls import find

Columns = dict[str, list[Any]]
CALLS = ("example", "message", "position", "syntax", "tool", "arguments", "error", "program")
TURNS = ("example", "message", "preamble", "syntaxes", "dialect")
PROBLEMS = ("example", "message", "kind", "detail")


def read_turns(messages: Sequence[tuple[int, int, str]]) -> tuple[Columns, Columns, Columns]:
    """Messages as (example, position, content): their calls, turns and problems."""
    calls: list[tuple[Any, ...]] = []
    turns: list[tuple[Any, ...]] = []
    problems: list[tuple[Any, ...]] = []
    for example, message, content in messages:
        turn = find(content)
        if turn.calls:
            turns.append((example, message, turn.preamble, turn.syntaxes, turn.dialect))
        for number, call in enumerate(turn.calls, start=1):
            arguments = dump(call.arguments)
            calls.append(
                (example, message, number, call.syntax, call.name, arguments, call.error, call.program)
            )
        for kind, detail in turn.problems:
            problems.append((example, message, kind, detail))
    return _columns(CALLS, calls), _columns(TURNS, turns), _columns(PROBLEMS, problems)


def _columns(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Columns:
    return dict(zip(names, map(list, zip(*rows)))) if rows else {}
