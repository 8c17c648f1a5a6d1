"""Tool calls in assistant messages, one dialect a file."""

from collections.abc import Collection, Sequence
from types import ModuleType
from typing import Any

from tunewright.chat.calls import code_mode
from tunewright.chat.calls import find as _find
from tunewright.chat.calls import write as _write
from tunewright.chat.calls.code_mode import CallSyntaxError
from tunewright.chat.calls.find import MARKER, FoundCall, FoundTurn
from tunewright.contract.example import ToolCall

__all__ = ["DIALECTS", "MARKER", "CallSyntaxError", "FoundCall", "FoundTurn", "find", "write"]

DIALECTS: dict[str, ModuleType] = {
    "code_mode": code_mode,
    **dict.fromkeys(("qwen_xml", "hermes_json", "openai", "pythonic", "mistral"), _find),
}


def find(
    text: str,
    *,
    strict: bool = False,
    dialects: Sequence[str] | None = None,
    tools: Collection[str] | None = None,
) -> FoundTurn:
    """The calls of one assistant message. Strict: raises CallSyntaxError for what is not a whole call."""
    turn = _find.read_turn(text)
    if dialects is not None:
        turn.calls = [call for call in turn.calls if call.syntax in dialects]
    if strict:
        for fault in (*(call.error for call in turn.calls), *(detail for _, detail in turn.problems)):
            if fault:
                raise CallSyntaxError(fault)
    return turn


def write(calls: Sequence[ToolCall | tuple[str, dict[str, Any]]], dialect: str) -> str:
    """Calls as text. Raises CallSyntaxError when a value would break the dialect."""
    pairs = [
        _write.ToolCall(call.function.name, call.function.arguments)
        if isinstance(call, ToolCall)
        else _write.ToolCall(*call)
        for call in calls
    ]
    return _write.write_calls(pairs, dialect)  # pyright: ignore[reportArgumentType]
