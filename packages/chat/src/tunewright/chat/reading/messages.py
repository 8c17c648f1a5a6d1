"""OpenAI's shape: a list of messages with `role` and `content`, under `messages` or another name, or as JSON text."""

from tunewright.chat.reading.found import Found, Row
from tunewright.chat.reading.turns import listed_turns, openai_messages

LISTS = ("messages", "conversations", "conversation", "dialog", "turns")


def list_in(row: Row) -> str | None:
    """The name of the row's list of turns: the first that holds a turn, else the first that is empty."""
    lists = [(key, turns) for key in LISTS if (turns := listed_turns(row.get(key))) is not None]
    return next((key for key, turns in lists if turns), lists[0][0] if lists else None)


def read(row: Row) -> Found | None:
    key = list_in(row)
    if key is None:
        return None
    messages = openai_messages(listed_turns(row[key]) or ())
    return Found("messages" if key == "messages" else "conversations", messages, (key,))
