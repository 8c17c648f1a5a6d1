"""The calls of an answer, read strictly from its text or taken as an endpoint gave them, and the tools they can be of."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tunewright.chat.calls import CallSyntaxError, find
from tunewright.chat.tools import openai_tools, schema_of, tools_in_prompt
from tunewright.contract.example import Message
from tunewright.contract.suite import Prediction
from tunewright.eval.compare_arguments import Schema, object_schema

NATIVE = "openai"  # calls that come as data and not as text

# Dialects that write values as bare text: only the schema tells the text 5 from the number 5.
UNTYPED = frozenset({"qwen_xml", "glm45", "anthropic_xml", "minimax_xml"})
LONGEST = 200_000  # characters of an answer that is judged


@dataclass(frozen=True)
class Called:
    """One call: a tool and its arguments."""

    name: str
    arguments: Mapping[str, Any]
    id: str = ""

    @property
    def shown(self) -> str:
        """In a line: `tool({"parameter": "value"})`."""
        return f"{self.name}({json.dumps(dict(self.arguments), ensure_ascii=False, default=str)})"

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "arguments": dict(self.arguments)}


@dataclass(frozen=True)
class Answer:
    """What an answer says and calls."""

    words: str
    calls: tuple[Called, ...] = ()
    dialect: str = ""
    untyped: bool = False


def read_answer(prediction: Prediction, schemas: Mapping[str, Schema]) -> Answer:
    """An answer taken apart, strictly. Raises CallSyntaxError for anything but whole, well-formed calls."""
    if prediction.tool_calls:
        return Answer(prediction.text, tuple(_native(call) for call in prediction.tool_calls), NATIVE)
    if len(prediction.text) > LONGEST:
        raise CallSyntaxError(f"it has {len(prediction.text):,} characters, too many to be judged")
    turn = find(prediction.text, strict=True, tools=schemas or None)
    calls: list[Called] = []
    programs: set[str] = set()
    for call in turn.calls:
        # A program is one call of the tool that runs it, whatever it calls itself.
        if call.syntax == "code_mode" and call.program:
            if call.program not in programs:
                programs.add(call.program)
                calls.append(Called("execute_code", {"code": call.program}))
            continue
        calls.append(Called(call.name or "", _by_name(call.arguments, schemas.get(call.name or "", {}))))
    dialect = "+".join(turn.syntaxes)
    return Answer(turn.preamble, tuple(calls), dialect, dialect in UNTYPED)


def _native(call: Mapping[str, Any]) -> Called:
    name, arguments = call.get("name"), call.get("arguments")
    if not isinstance(name, str) or not name:
        raise CallSyntaxError("a call of the endpoint has no name")
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError) as error:
            raise CallSyntaxError(f"{name}: arguments are not JSON: {error}") from error
    if not isinstance(arguments, dict):
        raise CallSyntaxError(f"{name}: arguments are not an object")
    return Called(name, arguments)


def _by_name(arguments: Mapping[str, Any], schema: Schema) -> Mapping[str, Any]:
    """Positional arguments, read as `$0`, `$1` and so on, by the names of the parameters in their order."""
    if not any(key[:1] == "$" for key in arguments):
        return arguments
    names = list(object_schema(schema, schema)[0])
    bound: dict[str, Any] = {}
    for key, value in arguments.items():
        place = int(key[1:]) if key[:1] == "$" and key[1:].isdecimal() else None
        name = names[place] if place is not None and place < len(names) else key
        if name in bound:
            raise CallSyntaxError(f"{name} is given twice")
        bound[name] = value
    return bound


def offered_tools(
    tools: Sequence[Mapping[str, Any]], messages: Sequence[Message]
) -> Sequence[Mapping[str, Any]]:
    """The tools that are offered with a conversation, or else those that its system message lists."""
    if tools or not messages or messages[0].role != "system":
        return tools
    return _tools_of(messages[0].content)


@lru_cache(1000)
def _tools_of(prompt: str) -> list[dict[str, Any]]:
    return openai_tools([json.loads(entry["written"]) for entry in tools_in_prompt(prompt)])


def parameters_by_tool(tools: Sequence[Mapping[str, Any]]) -> dict[str, Schema]:
    """Each offered tool's JSON schema of parameters, by name; of two tools with one name the first."""
    found: dict[str, Schema] = {}
    for item in tools:
        function = item.get("function", item)
        if isinstance(function, Mapping) and isinstance(name := function.get("name"), str):
            parameters = function.get("parameters", function.get("input_schema"))
            found.setdefault(name, dict(schema_of(parameters)) if isinstance(parameters, Mapping) else {})
    return found
