"""What the reader of one shape finds in a row."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tunewright.chat.reading.turns import Message

Row = Mapping[str, Any]


@dataclass
class Found:
    """A conversation, and the keys of the row that it was read from: the request's first, then the answer's.

    `messages` are OpenAI's, with everything that the turns have, and end with the answer to be imitated.
    """

    shape: str
    messages: list[Message]
    read_from: tuple[str, ...]
    rejected: list[Message] | None = None  # the answer that is not wanted, in the place of the last one
    tools: Any = None  # offered inside the text or the column that was read: a list, or its JSON text
    # The messages that the row's own list holds, where the wanted answer is kept next to it.
    own_list: list[Message] | None = None
    left: dict[str, Any] = field(
        default_factory=dict[str, Any]
    )  # of a column that is taken apart: its other keys
    lost: str = ""  # why the row cannot be written as messages without losing something
