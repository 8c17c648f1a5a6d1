"""Renders a row through a model's chat template and reads its calls back: what does not survive is not an example."""

import json
from collections.abc import Mapping
from typing import Any

from tunewright.chat.calls import Call, find
from tunewright.chat.calls.code_mode import parse_turn
from tunewright.chat.calls.openai import read_message
from tunewright.contract.catalog import Catalog
from tunewright.contract.chat_template import ChatTemplate, TemplateRefusal
from tunewright.contract.visible import one_line

Row = Mapping[str, Any]


def unrenderable(row: Row, template: ChatTemplate, syntax: str, catalog: Catalog) -> str | None:
    """Why the row does not survive the template; None when each message is found again, calls equal.

    Every assistant message has to be in the rendered text: as it is, or, for OpenAI's form, as calls that
    the template itself wrote in a syntax we can read.
    """
    messages = [_decoded(message) for message in row["messages"]]
    try:
        text = template.render(messages, row.get("tools"))
    except TemplateRefusal as refusal:
        return f"the chat template refuses it: {one_line(str(refusal), 80)}"
    at = 0
    for message in row["messages"]:
        if message["role"] != "assistant":
            continue
        wanted = calls_of(message, syntax, catalog)
        if message.get("tool_calls"):
            if not _written(text, wanted, catalog):
                return "the chat template does not write its calls in a form that can be read"
            continue
        said = str(message["content"]).strip()
        at = text.find(said, at)
        if at < 0:
            return "the chat template changes or drops what the assistant says"
        if calls_of({**message, "content": text[at : at + len(said)]}, syntax, catalog) != wanted:
            return "the calls do not read back equal"
        at += len(said)
    return None


def calls_of(message: Mapping[str, Any], syntax: str, catalog: Catalog) -> list[Any]:
    """What an assistant message calls: programs in code mode, calls otherwise. Raises CallSyntaxError."""
    if syntax == "code_mode":
        return list(parse_turn(str(message["content"])).programs)
    if message.get("tool_calls"):
        return [Call(call.name, call.arguments) for call in read_message(message)]
    turn = find(str(message["content"]), strict=True, dialects=[syntax], tools=_schemas(catalog))
    return [Call(call.name or "", call.arguments) for call in turn.calls]


def _schemas(catalog: Catalog) -> dict[str, Any]:
    """Which parameters of each tool are text: what dialects without quotes need to be read."""
    return {
        tool.name: {
            "properties": {
                p.name: {"type": "string"} if p.type.startswith("str") else {} for p in tool.parameters
            }
        }
        for tool in catalog.tools
    }


def _decoded(message: Mapping[str, Any]) -> dict[str, Any]:
    """The message as templates want it: arguments as objects, not as JSON text."""
    if not message.get("tool_calls"):
        return dict(message)
    calls = [
        {**call, "function": {**call["function"], "arguments": json.loads(call["function"]["arguments"])}}
        for call in message["tool_calls"]
    ]
    return {"content": "", **message, "tool_calls": calls}


def _written(text: str, wanted: list[Call], catalog: Catalog) -> bool:
    """Whether the calls are in the rendered text, in whatever dialect the template writes."""
    schemas = _schemas(catalog)
    found = [call for part in _turns(text) for call in find(part, tools=schemas).calls if not call.error]
    return all(any((each.name, each.arguments) == call[:2] for each in found) for call in wanted)


def _turns(text: str) -> list[str]:
    """The rendered text cut at the marks that templates put between turns."""
    for mark in ("<|im_end|>", "</s>", "<|eot|>", "<|eot_id|>", "<end_of_turn>"):
        text = text.replace(mark, "\0")
    parts = [part.strip() for part in text.split("\0")]
    return [part.removeprefix("<|im_start|>assistant").strip() for part in parts]
