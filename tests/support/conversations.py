"""Conversations to train on in tests."""

from typing import Any

from tunewright.contract.example import Example, Function, Message, ToolCall


def conversation(number: int) -> Example:
    """A conversation whose length and words depend on `number`."""
    turns = [
        Message(role="system", content="You help."),
        Message(role="user", content=f"Where is name_{number}?" + " please" * (number % 5)),
        Message(role="assistant", content=f'<tool_call>goto_definition("name_{number}")</tool_call>'),
    ]
    if number % 3 == 0:
        turns += [
            Message(role="tool", content=f"src/{number}.py"),
            Message(role="assistant", content=f"It is in src/{number}.py."),
        ]
    return Example(messages=tuple(turns))


TOOLS: tuple[dict[str, Any], ...] = tuple(
    {
        "type": "function",
        "function": {
            "name": name,
            "description": f"Tells the {name}.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
    for name in ("weather", "clock")
)


def calls(*names: str) -> tuple[ToolCall, ...]:
    return tuple(ToolCall(function=Function(name=name, arguments={"city": "Köln"})) for name in names)


def weather() -> Example:
    """Two rounds: one with reasoning, two calls and their results, and one in words."""
    return Example(
        tools=TOOLS,
        messages=(
            Message(role="system", content="Help."),
            Message(role="user", content="Weather and time?"),
            Message(
                role="assistant",
                content="",
                reasoning_content="Two calls.",
                tool_calls=calls("weather", "clock"),
            ),
            Message(role="tool", content="sunny"),
            Message(role="tool", content="noon"),
            Message(role="assistant", content="Sunny, at noon."),
            Message(role="user", content="Thanks."),
            Message(role="assistant", content="Any time.", reasoning_content="Be polite."),
        ),
    )
