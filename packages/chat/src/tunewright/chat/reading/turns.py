"""One turn of a conversation: its role by any name, its content as text or blocks, its calls and results as data. Pure.

Reading a turn has two steps. `openai_message` gives it OpenAI's names and keeps everything else that it has, so that it
can be written again. `plain_messages` says what it means: known roles, content as text, calls in `tool_calls`.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from tunewright.contract.atomic import sha256_bytes

Message = dict[str, Any]

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "chatgpt": "assistant",
    "ai": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "ipython": "tool",
    "tool_response": "tool",
    "function_response": "tool",
    "tool_result": "tool",
}
# Roles that trainers know, which stay as they are written; the others are translated.
_KNOWN_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_CALL_ROLES = frozenset({"function_call", "tool_call", "tool_calls"})
_CALL_NAME = re.compile(r"""(["'])name\1\s*:\s*(["'])([^"'\n]+)\2""")
# Kinds of content blocks. What a text block says is in `text`, or in `value` or `content` by the writer's taste.
_TEXT_BLOCKS = frozenset({"text", "input_text", "output_text", ""})
_THOUGHT_BLOCKS = frozenset({"reasoning", "thinking", "thought", "think"})
CALL_BLOCKS = frozenset({"tool_use", "tool_call", "function_call"})
_SAID_IN = ("text", "value", "content")
_THOUGHT_KEYS = ("reasoning_content", "reasoning", "thinking")


class UnknownShapeError(ValueError):
    """A row that holds no conversation we know how to read, with the reason."""


def kind_of(value: Any) -> str:
    """What a JSON value is, in a word or two."""
    return {str: "a string", list: "a list", dict: "an object", bool: "a boolean", type(None): "null"}.get(
        type(value), "a number"
    )


def openai_messages(items: Iterable[Any]) -> list[Message]:
    """A list of turns with OpenAI's names for roles and keys, and all that the turns have. Raises UnknownShapeError."""
    messages: list[Message] = []
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict):
            raise UnknownShapeError(f"message {number} is {kind_of(item)}, not an object")
        messages.append(openai_message(item, number))
    if not messages:
        raise UnknownShapeError("the list of messages is empty")
    return messages


def openai_message(item: Mapping[str, Any], number: int = 1) -> Message:
    """One turn with `role` and `content`, its calls in `tool_calls` where the turn is nothing else, and its other keys.

    A turn that has these names already comes back as it is, its blocks, nulls and unknown keys included.
    """
    said_by = item.get("role", item.get("from"))
    if not isinstance(said_by, str):
        raise UnknownShapeError(f"message {number} has no role")
    name = said_by.strip().lower()
    used = {"role" if "role" in item else "from", "content" if "content" in item else "value"}
    others = {key: value for key, value in item.items() if key not in used}
    content = item.get("content", item.get("value"))
    if name in _CALL_ROLES:
        more = others.get("tool_calls")  # null where Arrow gives every turn the keys of all
        if not isinstance(more, list | None):
            raise UnknownShapeError(f"message {number}: tool_calls is {kind_of(more)}, not a list")
        calls = calls_of(content) + (more or [])
        return {"role": "assistant", "content": "", **others, "tool_calls": calls}
    role = said_by if said_by in _KNOWN_ROLES else ROLES.get(name)
    if role is None:
        raise UnknownShapeError(f"message {number} has the role {said_by!r}")
    if not used & item.keys() & {"content", "value"}:
        return {"role": role, **others}
    return {"role": role, "content": content, **others}


def plain_messages(messages: Iterable[Message]) -> list[Message]:
    """OpenAI's messages as what they mean: one of four roles, content as text, calls in `tool_calls`.

    A message keeps `reasoning_content`, `name`, `tool_call_id` and `weight`. Anthropic's user turn with tool results
    becomes a tool message for each result, and then what the user said.
    """
    return [plain for message in messages for plain in _plain(message)]


def _plain(message: Message) -> list[Message]:
    role = ROLES[str(message["role"]).strip().lower()]
    content = message.get("content")
    blocks = content if isinstance(content, list) else []
    if role == "user" and any(_kind(block) == "tool_result" for block in blocks):
        return _results_of(blocks)
    plain: Message = {"role": role, "content": flat_text(content)}
    thoughts = [message[key] for key in _THOUGHT_KEYS if isinstance(message.get(key), str) and message[key]]
    thoughts += [thought for block in blocks if (thought := _thought(block))]
    if thoughts:
        plain["reasoning_content"] = thoughts[0] if len(thoughts) == 1 else "\n".join(thoughts)
    if calls := listed_calls(message):
        plain["tool_calls"] = calls
    for key in ("name", "tool_call_id"):
        if isinstance(message.get(key), str):
            plain[key] = message[key]
    weight = message.get("weight")
    if isinstance(weight, int | float) and 0 <= weight <= 1:  # OpenAI's: whether an answer is trained on
        plain["weight"] = weight
    return [plain]


def listed_calls(message: Mapping[str, Any]) -> list[Any]:
    """Calls that are data and not text: `tool_calls`, `function_call`, or blocks that are calls."""
    calls = message.get("tool_calls")
    if isinstance(calls, str) and calls.lstrip()[:1] in ("[", "{"):
        return calls_of(calls)
    if isinstance(calls, list) and calls:
        return calls
    if isinstance(call := message.get("function_call"), dict):
        return [{"type": "function", "function": call}]
    content = message.get("content")
    blocks = content if isinstance(content, list) else []
    return [call for block in blocks if _kind(block) in CALL_BLOCKS for call in _block_calls(block)]


def _kind(block: Any) -> str:
    kind = block.get("type") if isinstance(block, dict) else None
    return kind if isinstance(kind, str) else ""


def _block_calls(block: Mapping[str, Any]) -> list[Any]:
    if isinstance(name := block.get("name"), str):
        arguments = next((block[key] for key in ("input", "arguments", "parameters") if key in block), None)
        return [
            {
                "id": block.get("id", block.get("call_id")),
                "function": {"name": name, "arguments": arguments},
            }
        ]
    keys = (*_SAID_IN, "tool_call", "function_call", "function")
    return calls_of(next((block[key] for key in keys if block.get(key) is not None), {}))


def _thought(block: Any) -> str:
    if _kind(block) not in _THOUGHT_BLOCKS:
        return ""
    said = (block.get(key) for key in ("thinking", "reasoning", *_SAID_IN))
    return next((text for text in said if isinstance(text, str)), "")


def _results_of(blocks: list[Any]) -> list[Message]:
    """Anthropic's user turn with `tool_result` blocks: one tool message each, then what the user said with them."""
    messages: list[Message] = []
    rest: list[Any] = []
    for block in blocks:
        if _kind(block) != "tool_result":
            rest.append(block)
            continue
        message: Message = {"role": "tool", "content": flat_text(block.get("content"))}
        if isinstance(call := block.get("tool_use_id"), str):
            message["tool_call_id"] = call
        messages.append(message)
    said = flat_text(rest)
    return [*messages, {"role": "user", "content": said}] if said.strip() else messages


def call_name(text: str) -> str | None:
    """The name in a call that is not JSON, which Python's quotes may surround; None when none can be read."""
    found = _CALL_NAME.search(text)
    return found.group(3) if found else None


def calls_of(content: Any) -> list[Any]:
    """Calls as an object or a list of them, or as their JSON text. What is not JSON keeps its name, if it shows one."""
    try:
        value = json.loads(content) if isinstance(content, str) else content
    except (ValueError, RecursionError):
        value = {"name": call_name(content), "arguments": content}
    listed = value if isinstance(value, list) else [value]
    return [
        call if isinstance(call, dict) and isinstance(call.get("function"), dict) else {"function": call}
        for call in listed
    ]


def flat_text(content: Any) -> str:
    """Typed content blocks as one text. Thoughts and calls are left out; other blocks leave a mark of their kind."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(_block_text(block) for block in content)
    return json.dumps(content, ensure_ascii=False)


def text_key(block: Any) -> str | None:
    """The key that a text block says its text in; None for a block of another kind."""
    if not isinstance(block, dict):
        return None
    if isinstance(block.get("text"), str) and _kind(block) not in CALL_BLOCKS | _THOUGHT_BLOCKS:
        return "text"
    if _kind(block) not in _TEXT_BLOCKS:
        return None
    return next((key for key in _SAID_IN if isinstance(block.get(key), str)), None)


def _block_text(block: Any) -> str:
    if isinstance(block, str):
        return block
    if not isinstance(block, dict):
        return json.dumps(block, ensure_ascii=False)
    if key := text_key(block):
        return block[key]
    kind = _kind(block)
    if kind == "tool_result":
        return flat_text(block.get("content"))
    if kind in CALL_BLOCKS or (kind in _THOUGHT_BLOCKS and _thought(block)):
        return ""
    # Two images are two contents. Parquet gives every block the keys of all, so that what is null says nothing.
    held = {key: value for key, value in block.items() if key != "type" and value is not None}
    name = block.get("type", "block")
    if not held:
        return f"[{name}]"
    return f"[{name} {sha256_bytes(json.dumps(held, sort_keys=True).encode())[:8]}]"


def json_text(value: Any) -> Any:
    """The list or object that a text holds as JSON; any other value as it is, a text that is not JSON too."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def listed_turns(value: Any) -> list[Any] | None:
    """A list of turns, or its JSON text; None for anything else."""
    value = json_text(value)
    return value if isinstance(value, list) else None


def has_turns(value: Any) -> bool:
    """Whether a value is a list, or its JSON text, in which every entry names a speaker we know."""
    turns = listed_turns(value)
    names = [
        turn.get("role", turn.get("from")) if isinstance(turn, dict) else None for turn in turns or [None]
    ]
    known = ROLES.keys() | _CALL_ROLES
    return all(isinstance(name, str) and name.strip().lower() in known for name in names)
