"""Whole conversations written as one text: ChatML, Mistral's [INST], Glaive's USER and ASSISTANT, Human and Assistant."""

import json
import re
from typing import Any

from tunewright.chat.conversation import UnknownShapeError, call_name

Turns = list[dict[str, Any]]

_CHATML = re.compile(
    r"<\|im_start\|>[ \t]*(\w+)[ \t]*\n?(.*?)(?:<\|im_end\|>|(?=<\|im_start\|>)|\Z)", re.DOTALL
)
_MARK = re.compile(r"</?s>|\[(/?)(INST|AVAILABLE_TOOLS|TOOL_RESULTS|SYSTEM_PROMPT)\]")
_INSIDE = {"INST": "user", "TOOL_RESULTS": "tool", "SYSTEM_PROMPT": "system"}
_SYS = re.compile(r"\s*<<SYS>>(.*?)<</SYS>>(.*)", re.DOTALL)
_GLAIVE = re.compile(r"(?:\A|\n)[ \t]*(USER|ASSISTANT|FUNCTION RESPONSE):")
_GLAIVE_ROLES = {"USER": "user", "ASSISTANT": "assistant", "FUNCTION RESPONSE": "tool"}
_GLAIVE_CALL = "<functioncall>"
# Glaive puts the arguments, which are JSON, between single quotes.
_QUOTED_ARGUMENTS = re.compile(r"""["']arguments["']\s*:\s*'(.*)'\s*\}\s*\Z""", re.DOTALL)
_SPEAKER = re.compile(r"(?:\A|\n\n)\s*(Human|Assistant):")


def chatml(text: str) -> Turns:
    """The turns between <|im_start|> and <|im_end|>; none when there are none."""
    return [{"role": role, "content": said} for role, said in _CHATML.findall(text)]


def mistral(text: str) -> tuple[Turns, str | None]:
    """The turns of a text with [INST] … [/INST], and what stands in [AVAILABLE_TOOLS]; no turns without an [INST].

    Calls stay in the answer as they are written, behind [TOOL_CALLS]. Llama 2 writes alike, with <<SYS>> for the system.
    """
    if "[INST]" not in text or "[/INST]" not in text:
        return [], None
    turns: Turns = []
    tools: str | None = None
    inside = ""
    at = 0
    for mark in (*_MARK.finditer(text), None):
        said = text[at : mark.start() if mark else len(text)].strip()
        if inside == "AVAILABLE_TOOLS":
            tools = said
        elif inside == "INST" and (found := _SYS.fullmatch(said)):
            turns += [
                {"role": role, "content": part.strip()}
                for role, part in zip(("system", "user"), found.groups())
            ]
        elif said or inside == "INST":
            turns.append({"role": _INSIDE.get(inside, "assistant"), "content": said})
        if mark:
            at = mark.end()
            inside = "" if mark.group(1) else mark.group(2) or ""
    return turns, tools


def glaive(chat: str) -> Turns:
    """The turns of Glaive's `chat`, its `<functioncall>`s as tool_calls. Raises UnknownShapeError."""
    before, *parts = _GLAIVE.split(chat)
    if before.strip() or not parts:
        raise UnknownShapeError(
            "`chat` is not all turns that begin with USER:, ASSISTANT: or FUNCTION RESPONSE:"
        )
    return [_glaive_turn(speaker, said) for speaker, said in zip(parts[::2], parts[1::2])]


def _glaive_turn(speaker: str, said: str) -> dict[str, Any]:
    said = said.replace("<|endoftext|>", "").strip()
    if speaker != "ASSISTANT" or _GLAIVE_CALL not in said:
        return {"role": _GLAIVE_ROLES[speaker], "content": said}
    before, *written = said.split(_GLAIVE_CALL)
    return {
        "role": "assistant",
        "content": before.strip(),
        "tool_calls": [{"function": _glaive_call(call.strip())} for call in written],
    }


def _glaive_call(text: str) -> dict[str, Any]:
    try:
        call = json.loads(text)
    except ValueError:
        call = None
    if isinstance(call, dict):
        return {"name": call.get("name"), "arguments": call.get("arguments")}
    quoted = _QUOTED_ARGUMENTS.search(text)
    arguments = quoted.group(1).replace("\\'", "'") if quoted else text
    return {"name": call_name(text), "arguments": arguments}


def dialogue(text: str) -> Turns:
    """The turns of a text that begins with `Human:` and goes on with `Assistant:`; none for any other text."""
    before, *parts = _SPEAKER.split(text)
    if before.strip() or parts[:1] != ["Human"] or "Assistant" not in parts[::2]:
        return []
    roles = {"Human": "user", "Assistant": "assistant"}
    return [{"role": roles[who], "content": said.strip()} for who, said in zip(parts[::2], parts[1::2])]
