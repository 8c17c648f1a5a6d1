"""Mistral's and Llama 2's text: [INST] … [/INST], with <<SYS>> or [SYSTEM_PROMPT], tools in [AVAILABLE_TOOLS].

Calls stay in the answer as they are written, after [TOOL_CALLS].
"""

import re

from tunewright.chat.reading.found import Found, Row
from tunewright.chat.reading.turns import Message, UnknownShapeError

_MARK = re.compile(r"</?s>|\[(/?)(INST|AVAILABLE_TOOLS|TOOL_RESULTS|SYSTEM_PROMPT)\]")
_INSIDE = {"INST": "user", "TOOL_RESULTS": "tool", "SYSTEM_PROMPT": "system"}
_SYS = re.compile(r"\s*<<SYS>>(.*?)<</SYS>>(.*)", re.DOTALL)


def read(row: Row) -> Found | None:
    if not isinstance(text := row.get("text"), str):
        return None
    if "[INST]" not in text or "[/INST]" not in text:
        raise UnknownShapeError("`text` holds no turns in <|im_start|> or [INST]")
    turns: list[Message] = []
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
    return Found("mistral", turns, ("text",), tools=tools)
