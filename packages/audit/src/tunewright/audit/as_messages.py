"""A row of any shape as `messages`, with everything kept that it has beside its conversation. Pure.

`canonical` of shapes.py reads a row; here it is made ready to be written again. Rows in the form of `messages` stay
as they are, to the last key.
"""

import re
from typing import Any

from tunewright.audit.message import Message
from tunewright.contract.shapes import ROLES, UnknownShapeError, canonical

Row = dict[str, Any]
_LISTS = ("messages", "conversations", "conversation", "dialog", "turns")
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
    if any(isinstance(value.get(key), list) for key in _LISTS):
        return False
    if "chosen" in value:
        return True
    answered = "prompt" in value and ("completion" in value or "response" in value)
    return answered and isinstance(value.get("label"), bool)


def as_messages(value: Any) -> Row:
    """One row as an object with `messages`, in its place, and all other keys. Raises UnknownShapeError."""
    read = canonical(value)
    if not isinstance(value, dict):
        return {"messages": [_message(item) for item in value]}
    key = next((key for key in _LISTS if isinstance(value.get(key), list)), None)
    used: tuple[str, ...]
    if key:
        used, messages = (key,), [_message(item) for item in value[key]]
    elif "prompt" in value and ("completion" in value or "response" in value):
        answer = "completion" if "completion" in value else "response"
        used, messages = ("prompt", answer), _continued(read.messages, value["prompt"], value[answer])
    elif "instruction" in value and "output" in value:
        used, messages = (
            ("instruction", "input", "output", "history"),
            [*_history(value.get("history")), *read.messages],
        )
    else:
        _nothing_outside(value["text"])
        used, messages = ("text",), read.messages
    if isinstance(system := value.get("system"), str) and system and messages and not _is_system(messages[0]):
        used, messages = (*used, "system"), [{"role": "system", "content": system}, *messages]
    if not messages:
        raise UnknownShapeError("the prompt and the answer are empty")
    row: Row = {}
    for name, kept in value.items():
        if name == used[0]:
            row["messages"] = messages
        elif name not in used and name != "messages":
            row[name] = kept
    return row


def _is_system(message: Message) -> bool:
    return ROLES[message["role"]] == "system"


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


def _history(history: Any) -> list[Message]:
    """Alpaca's earlier exchanges: pairs of a request and an answer. Raises UnknownShapeError."""
    messages: list[Message] = []
    for pair in history or ():
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(isinstance(s, str) for s in pair):
            raise UnknownShapeError("`history` is no list of pairs of texts")
        messages += [{"role": "user", "content": pair[0]}, {"role": "assistant", "content": pair[1]}]
    return messages
