"""ShareGPT's shape: a list of turns with `from` and `value`; a call is a turn from `function_call`."""

from dataclasses import replace

from tunewright.chat.reading import messages
from tunewright.chat.reading.found import Found, Row
from tunewright.chat.reading.turns import listed_turns


def read(row: Row) -> Found | None:
    key = messages.list_in(row)
    first = next((turn for turn in listed_turns(row[key]) or () if isinstance(turn, dict)), {}) if key else {}
    found = messages.read(row) if "from" in first else None
    return found and replace(found, shape="sharegpt")
