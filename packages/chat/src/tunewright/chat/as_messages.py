"""A row of any shape as `messages`, with everything kept that it has beside its conversation. Pure.

`canonical` of shapes.py reads a row; here it is made ready to be written again. Rows in the form of `messages` stay
as they are, to the last key.
"""

import re
from typing import Any

from tunewright.chat.conversation import ROLES
from tunewright.chat.message import Message
from tunewright.chat.read.shapes import LISTS, TOOLS, UnknownShapeError, canonical

Row = dict[str, Any]
_BESIDE = ("system", "system_prompt", "history")
# Roles that trainers know; ShareGPT's and others are translated.
_KNOWN_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_NOT_TRAINED_ON = ("chosen", "rejected", "rejected_response", "rejected_messages")
_CHATML_TURN = re.compile(r"<\|im_start\|>.*?(?:<\|im_end\|>|(?=<\|im_start\|>)|\Z)", re.DOTALL)
_TOKENS = re.compile(r"(?:</?s>|<\|\w+\|>|\s)*")


def is_preference(value: Any) -> bool:
    """Whether a row says which answer is better, or whether one is wanted: not all in it is there to be imitated."""
    if not isinstance(value, dict):
        return False
    if any(value.get(key) for key in _NOT_TRAINED_ON):
        return True
    if any(isinstance(value.get(key), list) for key in LISTS):
        return False
    if "chosen" in value:
        return True
    answered = ("prompt" in value or "question" in value) and ("completion" in value or "response" in value)
    return answered and isinstance(value.get("label"), bool)


def as_messages(value: Any) -> Row:
    """One row as an object with `messages`, in its place, and all other keys. Raises UnknownShapeError."""
    read = canonical(value)
    if not isinstance(value, dict):
        return {"messages": [_message(item) for item in value]}
    for kind, detail in read.notes:
        if not any(value.get(key) for key in TOOLS):  # they stand in the text that is taken apart
            raise UnknownShapeError(f"{kind} would be lost: {detail}")
    used = read.read_from
    first = used[0]
    # What is said beside the conversation comes first; what is in it is made from the row itself.
    inner = canonical({key: said for key, said in value.items() if key not in _BESIDE}).messages
    beside, messages = read.messages[: len(read.messages) - len(inner)], inner
    if first in LISTS:
        messages = [_message(item) for item in value[first]]
    elif read.shape == "chatml":
        _nothing_outside(value["text"])
    elif read.shape == "prompt" and len(used) > 1 and used[1] not in _BESIDE:
        request = "" if first == "instruction" else value[first]
        messages = _continued(inner, request, value[used[1]])
    if "system" in used and isinstance(value["system"], list):
        beside = [{"role": "system", "content": value["system"]}, *beside[1:]]
    messages = [*beside, *messages]
    row: Row = {}
    for name, kept in value.items():
        if name == first:
            row["messages"] = messages
        elif name not in used and name != "messages":
            row[name] = kept
    if read.tools and not any(value.get(key) for key in TOOLS):
        row["tools"] = read.tools
    return row


def _message(item: Message) -> Message:
    """One item of a list of messages, its role and content under these names."""
    known = str(item.get("role")).strip().lower() in ROLES
    if known and ("content" in item or "value" not in item):
        return (
            dict(item)
            if item["role"] in _KNOWN_ROLES
            else {**item, "role": ROLES[item["role"].strip().lower()]}
        )
    plain = canonical([item]).messages[0]
    content = item.get("content", item.get("value"))
    if isinstance(content, list) and not plain.get("tool_calls"):
        plain["content"] = content
    others = {key: kept for key, kept in item.items() if key not in ("role", "from", "content", "value")}
    return {**plain, **others}


def _continued(read: list[Message], prompt: Any, answer: Any) -> list[Message]:
    """A prompt and its answer: what was a text is a message now, what was a list of messages stays what it was."""
    messages = list(read)
    if isinstance(prompt, str) and "<|im_start|>" in prompt:
        _nothing_outside(prompt)
    before = prompt if isinstance(prompt, list) else []
    after = answer if isinstance(answer, list) else []
    # The answer's list may repeat the prompt; then the prompt has been left out of what was read.
    if len(before) + (len(after) or answer is not None) == len(messages):
        messages[: len(before)] = [_message(item) for item in before]
    if after:
        messages[-len(after) :] = [_message(item) for item in after]
    return messages


def _nothing_outside(text: str) -> None:
    if not _TOKENS.fullmatch(_CHATML_TURN.sub("", text)):
        raise UnknownShapeError("there is text outside the <|im_start|> turns, which would be lost")
