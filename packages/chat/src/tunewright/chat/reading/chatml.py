"""ChatML: a `text` of turns between <|im_start|> and <|im_end|>."""

import re

from tunewright.chat.reading.found import Found, Row
from tunewright.chat.reading.turns import Message, openai_messages

_TURN = re.compile(
    r"<\|im_start\|>[ \t]*(\w+)[ \t]*\n?(.*?)(?:<\|im_end\|>|(?=<\|im_start\|>)|\Z)", re.DOTALL
)
_TOKENS = re.compile(r"(?:</?s>|<\|\w+\|>|\s)*")


def read(row: Row) -> Found | None:
    if not isinstance(text := row.get("text"), str) or not (turns := chatml_turns(text)):
        return None
    return Found("chatml", openai_messages(turns), ("text",), lost=text_outside(text))


def chatml_turns(text: str) -> list[Message]:
    """The turns between <|im_start|> and <|im_end|>; none when there are none."""
    return [{"role": role, "content": said} for role, said in _TURN.findall(text)]


def text_outside(text: str) -> str:
    """What is wrong when a text says something outside its turns; empty when it does not."""
    if _TOKENS.fullmatch(_TURN.sub("", text)):
        return ""
    return "there is text outside the <|im_start|> turns, which would be lost"
