"""Conversations to train on in tests."""

from tunewright.contract.example import Example, Message


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
