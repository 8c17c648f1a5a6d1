"""OpenAI: a message's `tool_calls`. They are data and not text: no text is ever a call of this dialect."""

from collections.abc import Mapping, Sequence
from typing import Any

from tunewright.chat.calls.found import Block, Call, CallSyntaxError
from tunewright.chat.calls.json_calls import call_of
from tunewright.chat.calls.text import Text, dump
from tunewright.contract.atomic import sha256_json

NAME = "openai"
OPENINGS = ()


def call_id(call: Call, number: int) -> str:
    """Nine letters and digits that follow from the call: what Mistral's and OpenAI's forms need."""
    dump(call.arguments)  # what JSON cannot hold is refused in words
    return sha256_json([call.name, call.arguments, number])[:9]


def tool_calls(calls: Sequence[Call]) -> list[dict[str, Any]]:
    """Calls as a message's `tool_calls`, their arguments as JSON text."""
    return [
        {
            "id": call.id or f"call_{call_id(call, number)}",
            "type": "function",
            "function": {"name": call.name, "arguments": dump(call.arguments)},
        }
        for number, call in enumerate(calls)
    ]


def read_message(message: Mapping[str, Any]) -> list[Call]:
    """The calls of a message's `tool_calls`. Raises CallSyntaxError."""
    calls: list[Call] = []
    for value in message.get("tool_calls") or ():
        found = call_of(Text(""), NAME, value["function"])
        if found.error or found.name is None:
            raise CallSyntaxError(found.error)
        calls.append(Call(found.name, found.arguments, str(value.get("id", ""))))
    return calls


def read(_text: Text, _start: int) -> Block | None:
    return None


def write(_calls: Sequence[Call]) -> str:
    raise CallSyntaxError(f"{NAME} writes calls as data, and not as text")
