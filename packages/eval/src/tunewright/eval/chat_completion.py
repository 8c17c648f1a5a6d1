"""OpenAI's chat completions as data: the request for a case, and a reply read as a prediction. Pure.

Servers differ in what they send: content as text or as a list of parts, calls as `tool_calls` or the older
`function_call`, thoughts as `reasoning_content`, `reasoning` or a part of the content, and the model's id with or
without its organisation.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tunewright.chat.calls.code_mode import CallSyntaxError, render_program
from tunewright.contract.example import Message
from tunewright.contract.suite import Case, Prediction

# Parameters that some servers refuse, and what is sent instead; None: nothing.
REPLACED: Mapping[str, str | None] = {
    "max_tokens": "max_completion_tokens",
    "temperature": None,
    "seed": None,
}
_DATED = re.compile(r"[-@](\d{4}-\d\d-\d\d|\d{8}|\d{6}|\d{4})|:latest")


class NotACompletion(Exception):
    """What a server sent is not a chat completion."""


def completion_request(
    model: str, case: Case, temperature: float, max_tokens: int, sample: int = 0
) -> dict[str, Any]:
    """The request's body. Several samples of a case have seeds of their own."""
    body: dict[str, Any] = {
        "model": model,
        "messages": message_rows(case.messages),
        "temperature": temperature,
        "max_tokens": max_tokens,
        "stream": False,
    }
    if case.tools:
        body["tools"] = list(case.tools)
    return body | ({"seed": sample + 1} if temperature > 0 else {})


def refused_parameter(body: Mapping[str, Any], said: str) -> str | None:
    """The parameter of a request that an error message names and that can be replaced."""
    return next((name for name in REPLACED if name in body and re.search(rf"\b{name}\b", said)), None)


def replace_parameters(body: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """A request without the parameters that the server does not take, or with what it takes instead."""
    changed = {key: value for key, value in body.items() if key not in names}
    for name in names:
        if name in body and (other := REPLACED[name]):
            changed[other] = body[name]
    return changed


def message_rows(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Messages as OpenAI's API takes them: arguments are JSON text there, and calls and their results share an id. Where the
    data have none, results answer calls in their order."""
    rows = [message.row() for message in messages]
    waiting: list[str] = []
    for number, row in enumerate(rows):
        row.pop("weight", None)
        for place, call in enumerate(row.get("tool_calls", ())):
            call.setdefault("id", f"call_{number}_{place}")
            call["function"] = {
                **call["function"],
                "arguments": json.dumps(call["function"]["arguments"], ensure_ascii=False),
            }
            waiting.append(call["id"])
        if row["role"] == "tool" and waiting:
            answered = row.setdefault("tool_call_id", waiting[0])
            waiting = [known for known in waiting if known != answered]
    return rows


def same_model(asked: str, answered: str) -> bool:
    """Whether a server's name for its model is the one that was asked for.

    A date after it (`model-2026-11-01`) and `:latest` do not count; nor does the organisation or folder before it
    (`org/model`, `/models/model`) when only one of the two names has one.
    """
    asked_folder, _, asked_name = asked.rstrip("/").rpartition("/")
    folder, _, name = answered.rstrip("/").rpartition("/")
    if asked_folder and folder and asked_folder != folder:
        return False
    rest = name.removeprefix(asked_name) if name.startswith(asked_name) else None
    return rest == "" or bool(rest and _DATED.fullmatch(rest))


def read_reply(reply: Mapping[str, Any], case: str, sample: int, seconds: float) -> tuple[Prediction, bool]:
    """A chat completion as a prediction, and whether its calls had to be written down again.

    Raises NotACompletion.
    """
    try:
        choice = reply["choices"][0]
        message = choice["message"]
        content, thoughts = _content(message.get("content"))
        calls = _calls(message)
        parts = [content or _text(message.get("refusal")), *(_call_text(call) for call in calls)]
        usage = reply.get("usage")
        prediction = Prediction(
            case=case,
            sample=sample,
            text=_sound("\n\n".join(part for part in parts if part) if calls else parts[0]),
            prompt_tokens=_count(usage, "prompt_tokens"),
            tokens=_count(usage, "completion_tokens"),
            seconds=round(seconds, 4),
            finish="length" if choice.get("finish_reason") in ("length", "max_tokens") else "stop",
            tool_calls=tuple(_native_call(call) for call in calls),
            reasoning=_sound(
                thoughts or _text(message.get("reasoning_content")) or _text(message.get("reasoning"))
            ),
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise NotACompletion(f"not a chat completion ({type(error).__name__}: {error})") from error
    return prediction, bool(calls)


def _content(value: Any) -> tuple[str, str]:
    """The text of a message's content, and the thoughts in it. Raises TypeError for what is neither text nor parts."""
    if value is None or isinstance(value, str):
        return value or "", ""
    if not isinstance(value, list):
        raise TypeError("content is neither text nor a list of parts")
    text: list[str] = []
    thoughts: list[str] = []
    for part in value:
        if isinstance(part, str):
            text.append(part)
        elif (kind := part["type"]) in ("thinking", "reasoning"):
            inner = part.get(kind, part.get("text"))
            thoughts.append(inner if isinstance(inner, str) else _content(inner)[0])
        elif kind in ("text", "output_text", "refusal"):
            said = part["refusal" if kind == "refusal" else "text"]
            if not isinstance(said, str):
                raise TypeError(f"a part of type {kind} holds no text")
            text.append(said)
        else:
            raise TypeError(f"content has a part of type {kind!r}")
    return "".join(text), "".join(thoughts)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _sound(text: str) -> str:
    """A lone surrogate is valid in JSON and cannot be written to a file."""
    return text.encode(errors="replace").decode()


def _count(usage: Any, name: str) -> int:
    """A number of tokens; 0 where the server counts none. It decides nothing, so that no answer is lost for it."""
    value = usage.get(name) if isinstance(usage, Mapping) else None
    return value if isinstance(value, int) and value > 0 else 0


def _calls(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The functions that a message calls, `{"name", "arguments"}` as the server wrote them."""
    calls = [call["function"] for call in message.get("tool_calls") or ()]
    if not calls and message.get("function_call"):
        calls = [message["function_call"]]
    for function in calls:
        if not isinstance(function, Mapping):
            raise TypeError("a call is not an object")
    return calls


def _native_call(function: Mapping[str, Any]) -> dict[str, Any]:
    """A call as the server wrote it, well formed or not."""
    call = {key: function.get(key) for key in ("name", "arguments")}
    return json.loads(json.dumps(call, ensure_ascii=False).encode(errors="replace"))


def _call_text(function: Mapping[str, Any]) -> str:
    arguments = function.get("arguments")
    try:
        value = json.loads(arguments) if isinstance(arguments, str) else arguments
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):  # one malformed call is one wrong answer
        return f"<tool_call><function={function.get('name')}>\n{arguments}"
    if function.get("name") == "execute_code" and set(value) == {"code"}:
        try:
            return render_program(str(value["code"]))
        except CallSyntaxError:
            return f"<tool_call>{value['code']}"  # what cannot be written as a call is not right either
    lines = "".join(f"<parameter={key}>\n{each}\n</parameter>\n" for key, each in value.items())
    return f"<tool_call><function={function.get('name')}>\n{lines}</function></tool_call>"
