"""A dialogue in one text, as HH-RLHF has it: Human: and Assistant:, a blank line before each."""

import re

from tunewright.chat.reading.turns import Message

_SPEAKER = re.compile(r"(?:\A|\n\n)\s*(Human|Assistant):")
_ROLES = {"Human": "user", "Assistant": "assistant"}


def dialogue_turns(text: str) -> list[Message]:
    """The turns of a text that begins with `Human:` and goes on with `Assistant:`; none for any other text."""
    before, *parts = _SPEAKER.split(text)
    if before.strip() or parts[:1] != ["Human"] or "Assistant" not in parts[::2]:
        return []
    return [{"role": _ROLES[who], "content": said.strip()} for who, said in zip(parts[::2], parts[1::2])]
