"""A request and its answer in two columns: prompt/completion, question/response, Alpaca's instruction/input/output."""

from typing import Any

from tunewright.chat.reading.chatml import chatml_turns, text_outside
from tunewright.chat.reading.dialogue import dialogue_turns
from tunewright.chat.reading.found import Found, Row
from tunewright.chat.reading.turns import (
    Message,
    UnknownShapeError,
    has_turns,
    kind_of,
    listed_turns,
    openai_messages,
    plain_messages,
)

REQUESTS = ("prompt", "question", "instruction", "input")


def read(row: Row) -> Found | None:
    if ("prompt" in row or "question" in row) and ("completion" in row or "response" in row):
        answer = "completion" if "completion" in row else "response"
        found = asked(row, answer, ("prompt", "question"))
        # TRL's form of KTO's data: each answer is marked as wanted or not.
        found.shape = "preference" if isinstance(row.get("label"), bool) else "prompt"
        return found
    if "output" in row and ("instruction" in row or "input" in row):
        return asked(row, "output", ("instruction", "input"))
    return None


def asked(row: Row, answer: str, names: tuple[str, ...] = REQUESTS) -> Found:
    """What was said before, the request by the first of these names that the row has, and the answer."""
    name = next((name for name in names if row.get(name) is not None), "")
    request = row[name] if name else None
    keys = (name, answer) if name else (answer,)
    if name == "instruction":
        request = "\n\n".join(str(row[key]) for key in ("instruction", "input") if row.get(key))
        keys += ("input",) if "input" in row else ()
    before = _history(row.get("history"))
    messages = before + continued(said_in(request, "user"), said_in(row[answer], "assistant"))
    lost = ""
    if isinstance(request, str) and chatml_turns(request):
        lost = text_outside(request)
    return Found("prompt", messages, (*keys, "history") if before else keys, lost=lost)


def continued(before: list[Message], after: list[Message]) -> list[Message]:
    """A prompt and what follows, which often repeats the prompt's turns."""
    opening = plain_messages(before)
    return after if before and plain_messages(after)[: len(opening)] == opening else before + after


def said_in(value: Any, role: str) -> list[Message]:
    """A text, a message or a list of messages, as messages; a text alone is said by `role`."""
    if value is None:
        return []
    if isinstance(value, dict) and ("role" in value or "from" in value):
        return openai_messages([value])
    if isinstance(value, list) or has_turns(value):
        return openai_messages(listed_turns(value) or ())
    if not isinstance(value, str):
        raise UnknownShapeError(f"{'the prompt' if role == 'user' else 'the answer'} is {kind_of(value)}")
    found = (chatml_turns(value) if role == "user" else []) or dialogue_turns(value)
    if not found:
        return [{"role": role, "content": value}]
    messages = openai_messages(found)
    if role == "user":  # a prompt often ends with the mark that an answer is to follow
        messages = [message for message in messages if message["content"] or message["role"] != "assistant"]
    return messages


def _history(value: Any) -> list[Message]:
    """LLaMA-Factory's `history`: pairs of a request and its answer, the oldest first."""
    if not value:
        return []
    if not isinstance(value, list):
        raise UnknownShapeError(f"`history` is {kind_of(value)}, not a list of pairs")
    turns: list[Any] = []
    for number, pair in enumerate(value, start=1):
        if isinstance(pair, dict):
            turns.append(pair)
        elif isinstance(pair, list) and len(pair) == 2:
            turns += [{"role": "user", "content": pair[0]}, {"role": "assistant", "content": pair[1]}]
        else:
            raise UnknownShapeError(f"`history`: entry {number} is not a pair of a request and its answer")
    return openai_messages(turns)
