"""Messages of any form made OpenAI's: roles by other names, typed content blocks, calls and results as turns."""

import json
import re
from collections.abc import Mapping
from typing import Any

from tunewright.contract.atomic import sha256_bytes

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
}
_CALL_ROLES = frozenset({"function_call", "tool_call"})
_CALL_NAME = re.compile(r"""(["'])name\1\s*:\s*(["'])([^"'\n]+)\2""")


class UnknownShapeError(ValueError):
    """A row that holds no conversation we know how to read, with the reason."""


def kind_of(value: Any) -> str:
    """What a JSON value is, in a word or two."""
    return {str: "a string", list: "a list", dict: "an object", bool: "a boolean", type(None): "null"}.get(
        type(value), "a number"
    )


def read_messages(items: list[Any]) -> list[dict[str, Any]]:
    """A list of messages in canonical form. Raises UnknownShapeError."""
    if not items:
        raise UnknownShapeError("the list of messages is empty")
    messages: list[dict[str, Any]] = []
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict):
            raise UnknownShapeError(f"message {number} is {kind_of(item)}, not an object")
        messages += _read_message(item, number)
    return messages


def _read_message(item: Mapping[str, Any], number: int) -> list[dict[str, Any]]:
    said = item.get("role", item.get("from"))
    if not isinstance(said, str):
        raise UnknownShapeError(f"message {number} has no role")
    name = said.strip().lower()
    content = item.get("content", item.get("value"))
    if name in _CALL_ROLES:
        return [{"role": "assistant", "content": "", "tool_calls": calls_of(content)}]
    role = ROLES.get(name)
    if role is None:
        raise UnknownShapeError(f"message {number} has the role {said!r}")
    if role == "user" and isinstance(content, list) and any(_is(block, "tool_result") for block in content):
        return _results_of(content)
    message: dict[str, Any] = {"role": role, "content": flat_text(content)}
    calls = item.get("tool_calls")
    if isinstance(calls, list) and calls:
        message["tool_calls"] = calls
    elif isinstance(call := item.get("function_call"), dict):
        message["tool_calls"] = [{"type": "function", "function": call}]
    elif isinstance(content, list) and (used := [block for block in content if _is(block, "tool_use")]):
        message["tool_calls"] = [
            {"id": block.get("id"), "function": {"name": block.get("name"), "arguments": block.get("input")}}
            for block in used
        ]
    for key in ("name", "tool_call_id"):
        if isinstance(item.get(key), str):
            message[key] = item[key]
    if item.get("weight") in (0, 1):  # OpenAI's: whether an answer is trained on
        message["weight"] = item["weight"]
    return [message]


def _is(block: Any, kind: str) -> bool:
    return isinstance(block, dict) and block.get("type") == kind


def _results_of(blocks: list[Any]) -> list[dict[str, Any]]:
    """Anthropic's user turn with `tool_result` blocks: one tool message each, then what the user said beside them."""
    messages: list[dict[str, Any]] = []
    rest: list[Any] = []
    for block in blocks:
        if not _is(block, "tool_result"):
            rest.append(block)
            continue
        message: dict[str, Any] = {"role": "tool", "content": flat_text(block.get("content"))}
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
    except ValueError:
        value = {"name": call_name(content), "arguments": content}
    return [{"function": call} for call in (value if isinstance(value, list) else [value])]


def flat_text(content: Any) -> str:
    """Typed content blocks as one text: what is not text leaves a mark of its kind."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(_block(block) for block in content)
    return json.dumps(content, ensure_ascii=False)


def _block(block: Any) -> str:
    if isinstance(block, str):
        return block
    if isinstance(block, dict):
        if isinstance(text := block.get("text"), str):
            return text
        if block.get("type") == "tool_result":
            return flat_text(block.get("content"))
        if block.get("type") == "tool_use":
            return ""
        kind = block.get("type", "block")
        # Two images are two contents. Parquet gives every block the keys of all, so that what is null says nothing.
        held = {key: value for key, value in block.items() if key != "type" and value is not None}
        if not held:
            return f"[{kind}]"
        return f"[{kind} {sha256_bytes(json.dumps(held, sort_keys=True).encode())[:8]}]"
    return json.dumps(block, ensure_ascii=False)
