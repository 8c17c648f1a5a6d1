"""Preference data: a wanted answer and one that is not, next to a prompt, a list of turns, or in OpenAI's own form.

`chosen` and `rejected` are a text, a turn, the answer's turns, or whole conversations that repeat the prompt (TRL,
LLaMA-Factory's ranking, HH-RLHF, UltraFeedback); ms-swift has `rejected_response` or `rejected_messages` next to
`messages` that end with the chosen answer; OpenAI has `input`, `preferred_output` and `non_preferred_output`.
Labels of single answers (KTO's `label`, LLaMA-Factory's `kto_tag`) are read in conversation.py, for any shape.
"""

from dataclasses import replace
from typing import Any

from tunewright.chat.reading import messages, sharegpt
from tunewright.chat.reading.found import Found, Row
from tunewright.chat.reading.prompt_completion import asked, continued, said_in
from tunewright.chat.reading.turns import Message, UnknownShapeError, openai_messages, plain_messages

_REJECTED = ("rejected", "rejected_messages", "rejected_response", "non_preferred_output")


def read(row: Row) -> Found | None:
    rejected = next((key for key in _REJECTED if row.get(key)), None)
    key = messages.list_in(row)
    if row.get("preferred_output") is not None and isinstance(row.get("input"), dict):
        found = _openai(row)
    elif key and (row.get("chosen") or rejected):
        found = _listed(row, key)
    elif row.get("chosen") is not None and key is None:
        found = asked(row, "chosen")
    elif rejected is None and isinstance(pair := row.get("output"), list) and _is_pair(pair):
        # LLaMA-Factory's older ranking: the wanted answer first. What is written keeps the other under `rejected`.
        found = asked({**row, "output": pair[0]}, "output", ("instruction", "input"))
        found.left["rejected"] = pair[1]
        return replace(found, shape="preference", rejected=_answer(pair[1], found.messages))
    else:
        found = None
    return found and replace(
        found, shape="preference", rejected=_answer(row[rejected], found.messages) if rejected else None
    )


def _is_pair(value: list[Any]) -> bool:
    return len(value) == 2 and all(isinstance(answer, str) for answer in value)


def _listed(row: Row, key: str) -> Found | None:
    found = sharegpt.read(row) or messages.read(row)
    if found is None or not row.get("chosen"):
        return found
    chosen = said_in(row["chosen"], "assistant")
    whole = continued(found.messages, chosen)
    if plain_messages(found.messages)[-len(chosen) :] == plain_messages(
        chosen
    ):  # UltraFeedback's list has it already
        whole = found.messages
    if key == "messages" and isinstance(row[key], list):  # the row is in the form of messages, and stays so
        return replace(found, messages=whole, own_list=found.messages)
    return replace(found, messages=whole, read_from=(key, "chosen"))


def _openai(row: Row) -> Found:
    given = row["input"]
    if not isinstance(given.get("messages"), list):
        raise UnknownShapeError("`input` has no list of messages")
    whole = continued(openai_messages(given["messages"]), said_in(row["preferred_output"], "assistant"))
    others = {key: value for key, value in given.items() if key != "messages"}
    clash = next((key for key in others if key in row), "")
    return Found(
        "preference",
        whole,
        ("input", "preferred_output"),
        left=others,
        lost=f"`{clash}` is both in the row and in its `input`" if clash else "",
    )


def _answer(value: Any, whole: list[Message]) -> list[Message] | None:
    """The answer that is not wanted without the prompt that it may repeat; None when it cannot be read."""
    try:
        found = said_in(value, "assistant")
    except UnknownShapeError:
        return None
    opening = plain_messages(whole)
    shared = 0
    while (
        shared < min(len(found), len(whole)) - 1
        and plain_messages([found[shared]]) == opening[shared : shared + 1]
    ):
        shared += 1
    return found[shared:]
