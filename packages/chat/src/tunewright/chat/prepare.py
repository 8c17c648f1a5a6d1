"""Rows of any shape made ready for training: the normal form, and the reason for each row that cannot be trained. Pure.

A call that a dialect writes as text becomes data, so that the base model's own template can write it again; tools in a
system message become the row's list of tools. Programs (code mode) stay text: they are what the model is to write. What
is done to one row's structure is done to all rows of a dataset, or else the structure would tell them apart.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tunewright.chat.calls import find
from tunewright.chat.tools import bare_prompt, openai_tools, tools_in_prompt
from tunewright.contract.example import Example, Function, Message, ToolCall

CODE_MODE = "code_mode"
_RESPONSE = re.compile(r"<tool_response>\s*(.*?)\s*</tool_response>", re.DOTALL)
_ONLY_RESPONSES = re.compile(r"\s*(?:<tool_response>.*?</tool_response>\s*)+", re.DOTALL)
# What the templates of Qwen and Hermes say around the tools that they list; it goes with the list.
_AROUND_TOOLS = re.compile(
    r"\s*(?:# Tools\s*)?(?:You may call one or more functions to assist with the user query\.\s*)?"
    r"(?:You are provided with function signatures within <tools></tools> XML tags:\s*)?"
    r"<tools>.*?</tools>"
    r"(?:\s*For each function call, return a json object with function name and arguments within "
    r"<tool_call></tool_call> XML tags:\s*<tool_call>\s*\{.*?\}\s*</tool_call>)?\s*",
    re.DOTALL,
)
# What Glaive's system message says before the tools that follow it.
_ANNOUNCED = re.compile(r" with access to the following functions\. Use them if required -\s*\Z")


class Untrainable(ValueError):
    """Why a row cannot be trained, in a few words that are the same for all rows of a kind; `detail` says more."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Prepared:
    """A row in the normal form, and how its calls were written. `as_text` is the row with calls in text left there."""

    example: Example
    as_text: Example
    dialects: tuple[str, ...] = ()


def prepare(example: Example) -> Prepared:
    """A row whose calls are data, or programs; without what follows its last answer. Raises Untrainable."""
    names = {str(tool.get("function", {}).get("name")) for tool in example.tools} | {
        tool["tool"]
        for message in example.messages[:1]
        if message.role == "system"
        for tool in tools_in_prompt(message.content)
    }
    made: list[Message] = []
    dialects: list[str] = []
    for message in example.messages:
        turn, found = _turn(message, names)
        made += turn
        dialects += found
    answers = [message for message in made if message.role == "assistant"]
    if not answers:
        raise Untrainable("no answer in it")
    if not any(message.weight and (message.content.strip() or message.tool_calls) for message in answers):
        raise Untrainable(
            "every answer has weight 0" if any(not m.weight for m in answers) else "every answer is empty"
        )
    return Prepared(
        _ended(example, _linked(made)), _ended(example, example.messages), tuple(dict.fromkeys(dialects))
    )


def _ended(example: Example, messages: Sequence[Message]) -> Example:
    """The example with these messages up to the last answer: nothing is trained after it."""
    last = max(number for number, message in enumerate(messages) if message.role == "assistant")
    return example.model_copy(update={"messages": tuple(messages[: last + 1])})


def _turn(message: Message, names: set[str]) -> tuple[list[Message], list[str]]:
    """One message, or the results that it holds, and the dialects of its calls."""
    content = message.content
    if message.role == "user" and _ONLY_RESPONSES.fullmatch(content):
        return [Message(role="tool", content=text) for text in _RESPONSE.findall(content)], []
    if message.role == "tool":
        whole = _RESPONSE.fullmatch(content.strip())
        return [message.model_copy(update={"content": whole.group(1)}) if whole else message], []
    if message.role != "assistant":
        return [message], []
    if message.tool_calls:
        return [message], ["openai"]
    found = find(content, tools=names or None)
    dialects = list(found.syntaxes)
    if CODE_MODE in dialects:
        return [message], dialects
    if message.weight and (problem := next(iter(found.problems), None)):
        raise Untrainable("a call cannot be read", problem[1])
    if not found.calls:
        return [message], []
    for call in found.calls:
        if call.error or not call.name:
            raise Untrainable("a call cannot be read", call.error or "it has no name")
    calls = tuple(
        ToolCall(id=call.id, function=Function(name=call.name or "", arguments=call.arguments))
        for call in found.calls
    )
    said = "\n".join(part for part in (found.preamble, found.after.strip()) if part)
    thought = "\n".join(part for part in (message.reasoning_content, found.reasoning) if part)
    return [
        message.model_copy(update={"content": said, "reasoning_content": thought, "tool_calls": calls})
    ], dialects


def with_tools_of_prompt(example: Example) -> Example:
    """The tools that a row's system message lists as the row's own; a system message of nothing else goes.

    For datasets without programs: in code mode the list is part of the prompt.
    """
    first = example.messages[0]
    if example.tools or first.role != "system" or not (listed := tools_in_prompt(first.content)):
        return example
    tools = tuple(openai_tools([json.loads(tool["written"]) for tool in listed]))
    text = _AROUND_TOOLS.sub("\n\n", first.content)
    left = _ANNOUNCED.sub(".", text if text != first.content else bare_prompt(first.content)).strip()
    kept = (first.model_copy(update={"content": left}),) if left else ()
    return example.model_copy(update={"messages": (*kept, *example.messages[1:]), "tools": tools})


def _linked(messages: list[Message]) -> list[Message]:
    """Tool messages with the id and the name of the call that they answer, where the data leave them out."""
    waiting: list[ToolCall] = []
    made: list[Message] = []
    for message in messages:
        if message.role == "assistant":
            waiting = list(message.tool_calls)
        elif message.role == "tool" and waiting:
            answered = next((c for c in waiting if c.id and c.id == message.tool_call_id), None) or next(
                (c for c in waiting if c.function.name == message.name), waiting[0]
            )
            waiting.remove(answered)
            message = message.model_copy(
                update={
                    "tool_call_id": message.tool_call_id or answered.id,
                    "name": message.name or answered.function.name,
                }
            )
        made.append(message)
    return made
