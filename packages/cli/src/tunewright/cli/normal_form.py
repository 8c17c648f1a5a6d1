"""Stands in for `read_conversation(value).example()` until the chat package has it."""

import json
from typing import Any

from tunewright.chat.read.shapes import canonical
from tunewright.chat.tools import tools_in_prompt, toolset_of
from tunewright.contract.example import Example, Function, Message, Meta, ToolCall


def as_example(value: Any) -> Example:
    row = canonical(value)
    messages: list[Message] = []
    for message in row.messages:
        calls = []
        for call in message.get("tool_calls") or []:
            function = call.get("function", call)
            arguments = function.get("arguments") or {}
            calls.append(
                ToolCall(
                    id=call.get("id") or "",
                    function=Function(
                        name=function["name"],
                        arguments=json.loads(arguments) if isinstance(arguments, str) else arguments,
                    ),
                )
            )
        messages.append(
            Message(
                role=message["role"],
                content=message.get("content") or "",
                tool_calls=tuple(calls),
                tool_call_id=message.get("tool_call_id") or "",
                name=message.get("name") or "",
                weight=message.get("weight", 1),
            )
        )
    tools = toolset_of(row.tools) if row.tools else []
    if not tools and messages[0].role == "system":
        tools = tools_in_prompt(messages[0].content)
    meta = value.get("meta") if isinstance(value, dict) else None
    return Example(
        messages=tuple(messages),
        tools=tuple(
            {
                "type": "function",
                "function": {
                    "name": tool["tool"],
                    "description": tool["description"],
                    "parameters": json.loads(tool["parameters"] or "{}"),
                },
            }
            for tool in tools
        ),
        meta=Meta.model_validate(meta) if isinstance(meta, dict) else Meta(),
    )
