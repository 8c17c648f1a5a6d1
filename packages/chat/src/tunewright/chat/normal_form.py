"""From a conversation that was read to the one normal form, whose types are in `contract`."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from tunewright.chat import arrow_nulls
from tunewright.chat.conversation import Conversation, UnknownShapeError
from tunewright.chat.reading.turns import Message, kind_of
from tunewright.chat.tools import openai_tools
from tunewright.contract.example import Example, Function, Meta, ToolCall
from tunewright.contract.example import Message as NormalMessage


def normal_form(conversation: Conversation) -> Example:
    """The conversation as an example. Raises UnknownShapeError for a call whose arguments are not an object."""
    source = conversation.source if isinstance(conversation.source, dict) else {}
    meta = source.get("meta")
    known = {
        key: value
        for key, value in (meta.items() if isinstance(meta, dict) else ())
        if key not in Meta.model_fields or (isinstance(value, str) and key != "calls")
    }
    tools = openai_tools(arrow_nulls.without(conversation.tools or []))
    schemas = arrow_nulls.schemas_of(tools)
    try:
        messages = tuple(
            _normal(message, n, schemas) for n, message in enumerate(conversation.plain, start=1)
        )
        return Example(messages=messages, tools=tuple(tools), meta=Meta.model_validate(known))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UnknownShapeError(f"{where}: {first['msg']}") from error


def _normal(message: Message, number: int, schemas: Mapping[str, Any]) -> NormalMessage:
    calls: list[ToolCall] = []
    for place, value in enumerate(message.get("tool_calls", ()), start=1):
        call = _call(value, f"message {number}, call {place}")
        arguments = arrow_nulls.given(call.function.arguments, schemas.get(call.function.name))
        calls.append(
            call.model_copy(update={"function": Function(name=call.function.name, arguments=arguments)})
        )
    return NormalMessage.model_validate({**message, "tool_calls": calls})


def _call(value: Any, where: str) -> ToolCall:
    inner = value.get("function") if isinstance(value, dict) else None
    function = inner if isinstance(inner, dict) else value
    if not isinstance(function, dict) or not isinstance(name := function.get("name"), str) or not name:
        raise UnknownShapeError(f"{where} has no name")
    arguments = function.get("arguments", function.get("parameters"))
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments) if arguments.strip() else {}
        except (ValueError, RecursionError) as error:
            raise UnknownShapeError(f"{where}: arguments are not JSON ({error})") from error
    if not isinstance(arguments, dict | None):
        raise UnknownShapeError(f"{where}: arguments are {kind_of(arguments)}, not an object")
    given_id = value.get("id")
    return ToolCall(
        id=given_id if isinstance(given_id, str) else "",
        function=Function(name=name, arguments=arguments or {}),
    )
