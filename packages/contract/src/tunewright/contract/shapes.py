"""Every shape that chat data comes in, brought to one: OpenAI's `messages`.

The audit reads rows of the plain form in SQL (ingest.py) and all others this way; merging reads all of them so.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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
_CHATML = re.compile(
    r"<\|im_start\|>[ \t]*(\w+)[ \t]*\n?(.*?)(?:<\|im_end\|>|(?=<\|im_start\|>)|\Z)", re.DOTALL
)


@dataclass
class Row:
    """A row in canonical form. `notes` are faults found on the way, as (kind, detail)."""

    shape: str
    messages: list[dict[str, Any]]
    tools: list[Any] | None = None
    notes: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


class UnknownShapeError(ValueError):
    """A row that holds no conversation we know how to read, with the reason."""


def canonical(value: Any) -> Row:
    """Bring one row to `messages`. Raises UnknownShapeError."""
    if isinstance(value, list):
        return Row("messages", _messages(value))
    if not isinstance(value, dict):
        raise UnknownShapeError(f"a row must be an object, this is {_kind(value)}")
    tools = _tools(value)
    for key in ("messages", "conversations", "conversation", "dialog", "turns"):
        if isinstance(listed := value.get(key), list):
            first = next((item for item in listed if isinstance(item, dict)), {})
            shape = "sharegpt" if "from" in first else "messages" if key == "messages" else "conversations"
            messages = _messages(listed)
            if isinstance(system := value.get("system"), str) and system and messages[0]["role"] != "system":
                messages.insert(0, {"role": "system", "content": system})
            return Row(shape, messages, tools)
    if "chosen" in value:
        return Row("preference", _continued(value.get("prompt"), value["chosen"]), tools)
    if "prompt" in value and any(key in value for key in ("completion", "response")):
        answer = value.get("completion", value.get("response"))
        shape = "preference" if isinstance(value.get("label"), bool) else "prompt"
        return Row(shape, _continued(value["prompt"], answer), tools)
    if "instruction" in value and "output" in value:
        request = "\n\n".join(str(value[k]) for k in ("instruction", "input") if value.get(k))
        return Row("prompt", _continued(request, value["output"]), tools)
    if isinstance(text := value.get("text"), str):
        if found := _CHATML.findall(text):
            return Row("chatml", _messages([{"role": role, "content": said} for role, said in found]), tools)
        raise UnknownShapeError("`text` holds no <|im_start|> turns")
    keys = ", ".join(map(str, list(value)[:8])) or "none"
    raise UnknownShapeError(f"no conversation in it; its keys are: {keys}")


def _kind(value: Any) -> str:
    return {str: "a string", list: "a list", dict: "an object", bool: "a boolean", type(None): "null"}.get(
        type(value), "a number"
    )


def _continued(prompt: Any, answer: Any) -> list[dict[str, Any]]:
    """A prompt and what follows, each a text or a list of messages."""
    before = _as_messages(prompt, "user")
    after = _as_messages(answer, "assistant")
    # `chosen` often repeats the prompt's turns.
    return after if before and after[: len(before)] == before else before + after


def _as_messages(value: Any, role: str) -> list[dict[str, Any]]:
    if value is None:
        return []
    if isinstance(value, list):
        return _messages(value)
    if isinstance(value, str):
        if role == "user" and (found := _CHATML.findall(value)):
            return [
                message
                for message in _messages([{"role": r, "content": said} for r, said in found])
                if message["content"] or message["role"] != "assistant"
            ]
        return [{"role": role, "content": value}]
    raise UnknownShapeError(f"{'the prompt' if role == 'user' else 'the answer'} is {_kind(value)}")


def _messages(items: list[Any]) -> list[dict[str, Any]]:
    if not items:
        raise UnknownShapeError("the list of messages is empty")
    messages: list[dict[str, Any]] = []
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict):
            raise UnknownShapeError(f"message {number} is {_kind(item)}, not an object")
        messages.append(_message(item, number))
    return messages


def _message(item: Mapping[str, Any], number: int) -> dict[str, Any]:
    said = item.get("role", item.get("from"))
    if not isinstance(said, str):
        raise UnknownShapeError(f"message {number} has no role")
    name = said.strip().lower()
    content = item.get("content", item.get("value"))
    if name in _CALL_ROLES:
        return {"role": "assistant", "content": "", "tool_calls": _calls_of(content)}
    role = ROLES.get(name)
    if role is None:
        raise UnknownShapeError(f"message {number} has the role {said!r}")
    message: dict[str, Any] = {"role": role, "content": _text(content)}
    calls = item.get("tool_calls")
    if isinstance(calls, list) and calls:
        message["tool_calls"] = calls
    elif isinstance(call := item.get("function_call"), dict):
        message["tool_calls"] = [{"type": "function", "function": call}]
    elif isinstance(content, list) and (used := [block for block in content if _is_call(block)]):
        message["tool_calls"] = [
            {"id": block.get("id"), "function": {"name": block.get("name"), "arguments": block.get("input")}}
            for block in used
        ]
    for key in ("name", "tool_call_id"):
        if isinstance(item.get(key), str):
            message[key] = item[key]
    return message


def _is_call(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") == "tool_use"


def _calls_of(content: Any) -> list[Any]:
    """ShareGPT's `function_call` turns: a JSON object, or a list of them, as text."""
    try:
        value = json.loads(content) if isinstance(content, str) else content
    except ValueError:
        value = {"name": None, "arguments": content}
    return [{"function": call} for call in (value if isinstance(value, list) else [value])]


def _text(content: Any) -> str:
    """Typed content blocks flattened: what is not text leaves a mark of its kind."""
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
            return _text(block.get("content"))
        if block.get("type") == "tool_use":
            return ""
        return f"[{block.get('type', 'block')}]"
    return json.dumps(block, ensure_ascii=False)


def _tools(value: Mapping[str, Any]) -> list[Any] | None:
    """Tools that the row offers; several datasets keep the list as JSON text."""
    for key in ("tools", "functions", "available_tools"):
        listed = value.get(key)
        if isinstance(listed, str):
            try:
                listed = json.loads(listed)
            except ValueError:
                continue
        if isinstance(listed, list):
            return listed
    return None
