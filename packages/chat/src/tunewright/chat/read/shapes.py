"""Every shape that chat data comes in, brought to one: OpenAI's `messages`.

The audit reads rows of the plain form in SQL (ingest.py) and all others this way; merging reads all of them so.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tunewright.chat.conversation import (
    UnknownShapeError,
    call_name,
    flat_text,
    kind_of,
    read_messages,
)
from tunewright.chat.read.transcripts import chatml, dialogue, glaive, mistral

# What is said to somebody whose rows we cannot read.
KNOWN_SHAPES = (
    "Known: messages, conversations (ShareGPT), prompt/completion, instruction/output, input/output, prompt/chosen, "
    "query/answers/tools (xLAM), system/chat (Glaive), text with <|im_start|> or [INST]; docs/checks.md has more on each."
)
LISTS = ("messages", "conversations", "conversation", "dialog", "turns")
TOOLS = ("tools", "functions", "available_tools")


@dataclass
class Row:
    """A row in canonical form. `notes` are faults found on the way, as (kind, detail); `read_from` are the keys that the
    messages stand in, those of a request and of its answer first."""

    shape: str
    messages: list[dict[str, Any]]
    tools: list[Any] | None = None
    notes: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    read_from: tuple[str, ...] = ()


def canonical(value: Any) -> Row:
    """Bring one row to `messages`. Raises UnknownShapeError."""
    if isinstance(value, list):
        return Row("messages", read_messages(value))
    if not isinstance(value, dict):
        raise UnknownShapeError(f"a row must be an object, this is {kind_of(value)}")
    row, written_tools = _conversation(value)
    if not row.messages:
        raise UnknownShapeError("the prompt and the answer are empty")
    key, system = _system(value, row.shape)
    if system and row.messages[0]["role"] != "system":
        row.messages.insert(0, {"role": "system", "content": system})
        row.read_from += (key,)
    row.tools = _tools(value, written_tools, row.notes)
    return row


def _conversation(value: Mapping[str, Any]) -> tuple[Row, str | None]:
    """What is said in the row itself, and tools that stand in the same text."""
    for key in LISTS:
        if isinstance(listed := value.get(key), list):
            first = next((item for item in listed if isinstance(item, dict)), {})
            shape = "sharegpt" if "from" in first else "messages" if key == "messages" else "conversations"
            return Row(shape, read_messages(listed), read_from=(key,)), None
    if "chosen" in value:
        return _asked("preference", value, "chosen", "prompt", "question", "instruction", "input"), None
    if ("prompt" in value or "question" in value) and ("completion" in value or "response" in value):
        shape = "preference" if isinstance(value.get("label"), bool) else "prompt"
        answer = "completion" if "completion" in value else "response"
        return _asked(shape, value, answer, "prompt", "question"), None
    if "output" in value and ("instruction" in value or "input" in value):
        return _asked("prompt", value, "output", "instruction", "input"), None
    if all(key in value for key in ("query", "answers", "tools")):
        messages = [*read_messages([_user(value["query"])]), _answers(value["answers"])]
        return Row("xlam", messages, read_from=("query", "answers")), None
    if isinstance(chat := value.get("chat"), str):
        return Row("glaive", glaive(chat), read_from=("chat",)), None
    if isinstance(text := value.get("text"), str):
        if found := chatml(text):
            return Row("chatml", read_messages(found), read_from=("text",)), None
        found, tools = mistral(text)
        if found:
            return Row("mistral", found, read_from=("text",)), tools
        raise UnknownShapeError("`text` holds no turns in <|im_start|> or [INST]")
    keys = ", ".join(map(str, list(value)[:8])) or "none"
    raise UnknownShapeError(f"no conversation in it; its keys are: {keys}")


def _system(value: Mapping[str, Any], shape: str) -> tuple[str, str]:
    """The key and the text of the system message that stands beside the conversation; empty without one."""
    # What `system_prompt` is beside a list of messages, no trainer agrees on; there the list has to have it.
    listed = any(isinstance(value.get(key), list) for key in LISTS)
    for key in ("system",) if listed else ("system", "system_prompt"):
        said = value.get(key)
        if isinstance(said, str | list) and (text := flat_text(said)):
            return key, text.removeprefix("SYSTEM:").strip() if shape == "glaive" else text
    return "", ""


def _asked(shape: str, value: Mapping[str, Any], answer: str, *names: str) -> Row:
    """What was said before, the request by the first of these names that the row has, and the answer."""
    name = next((name for name in names if value.get(name) is not None), "")
    request = value[name] if name else None
    keys = (name, answer) if name else (answer,)
    if name == "instruction":
        request = "\n\n".join(str(value[key]) for key in ("instruction", "input") if value.get(key))
        keys += ("input",) if "input" in value else ()
    before = _history(value.get("history"))
    messages = before + _continued(request, value[answer])
    return Row(shape, messages, read_from=(*keys, "history") if before else keys)


def _history(value: Any) -> list[dict[str, Any]]:
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
            turns += [_user(pair[0]), {"role": "assistant", "content": pair[1]}]
        else:
            raise UnknownShapeError(f"`history`: entry {number} is no pair of a request and its answer")
    return read_messages(turns)


def _user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def _answers(value: Any) -> dict[str, Any]:
    """xLAM's `answers`: a list of calls, or its JSON text. What holds no call is an answer in words."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    try:
        calls = json.loads(text)
    except ValueError:
        calls = []
        if text.lstrip()[:1] in ("[", "{"):
            calls = [{"name": call_name(text), "arguments": text}]
    calls = [calls] if isinstance(calls, dict) else calls
    if not isinstance(calls, list) or not calls:
        return {"role": "assistant", "content": text}
    return {"role": "assistant", "content": "", "tool_calls": [{"function": call} for call in calls]}


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
        return read_messages(value)
    if not isinstance(value, str):
        raise UnknownShapeError(f"{'the prompt' if role == 'user' else 'the answer'} is {kind_of(value)}")
    found = (chatml(value) if role == "user" else []) or dialogue(value)
    if not found:
        return [{"role": role, "content": value}]
    messages = read_messages(found)
    if role == "user":  # a prompt often ends with the mark that an answer is to follow
        messages = [message for message in messages if message["content"] or message["role"] != "assistant"]
    return messages


def _tools(value: Mapping[str, Any], written: str | None, notes: list[tuple[str, str]]) -> list[Any] | None:
    """Tools that the row offers; several datasets keep the list as JSON text. What cannot be read is noted."""
    found: list[Any] | None = None
    for key, listed in (*((key, value.get(key)) for key in TOOLS), ("[AVAILABLETOOLS]", written)):
        if isinstance(listed, str):
            if not listed.strip():
                continue
            # Rows have other things by these names: only what looks like a list of tools is missed there.
            missed = key not in TOOLS[1:] or listed.lstrip()[0] in "[{"
            try:
                listed = json.loads(listed)
            except ValueError as error:
                if missed:
                    notes.append(("tools", f"{key} is text that is not JSON: {error}"))
                continue
        if isinstance(listed, list):
            if listed:
                return listed
            found = listed
        elif listed and (key not in TOOLS[1:] or isinstance(listed, dict)):
            notes.append(("tools", f"{key} is {kind_of(listed)}, not a list"))
    return found
