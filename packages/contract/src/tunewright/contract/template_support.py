"""What a chat template renders, found by rendering probes, and conversations put into the form that it renders.

Templates drop silently what they have no place for, or refuse it. A template without tool calls gets the tools in the
system message and the calls as text (`place_in_text`, done before a run is shipped, as it needs a writer of calls). The
other differences need no writer and are handled wherever a conversation is rendered (`fit`).
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tunewright.contract.atomic import sha256_json
from tunewright.contract.chat_template import TemplateRefusal
from tunewright.contract.example import Example, Message, Meta, ToolCall

Row = dict[str, Any]
# `render(messages, tools, opened)`: the conversation as one text, ending with the opening of an answer when `opened`.
# Raises TemplateRefusal.
Render = Callable[[Sequence[Row], Sequence[Row] | None, bool], str]
WriteCalls = Callable[[Sequence[ToolCall]], str]

_KIMI = "<|tool_call_argument_begin|>"  # a template that prints ids as `functions.NAME:NUMBER`
_USER: Row = {"role": "user", "content": "zq_request"}
_SAID: Row = {"role": "assistant", "content": "\u241fzq_answer"}


def _probe_tool(name: str) -> Row:
    schema = {"type": "object", "properties": {"zq_key": {"type": "string", "description": "zq_meaning"}}}
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": "zq_purpose",
            "parameters": schema | {"required": ["zq_key"]},
        },
    }


def _probe_calls(*values: str, text: bool = False) -> list[Row]:
    """An assistant's turn with a call for each value, and the calls' results."""
    calls: list[Row] = []
    results: list[Row] = []
    for number, value in enumerate(values):
        arguments: Any = {"zq_key": value}
        call = {"name": "zq_tool", "arguments": json.dumps(arguments) if text else arguments}
        calls.append({"id": f"zq000000{number}", "type": "function", "function": call})
        result = {"content": "zq_result", "name": "zq_tool", "tool_call_id": f"zq000000{number}"}
        results.append({"role": "tool", **result})
    return [{"role": "assistant", "content": "", "tool_calls": calls}, *results]


@dataclass(frozen=True)
class TemplateSupport:
    """What a chat template has a place for."""

    tools: bool = True
    calls: bool = True
    text_arguments: bool = False  # calls' arguments have to be JSON text; objects otherwise
    parallel_calls: bool = True  # several calls in one turn
    text_with_calls: bool = True  # what is said in the turn of a call
    kimi_ids: bool = False
    system: bool = True
    tool_role: bool = True
    lone_results: bool = True  # a tool message after an answer whose calls are text
    reasoning: str = "reasoning_content"  # the message key that it renders reasoning from; empty: none
    reasoning_with_text: bool = True  # in the turn of a call, next to what is said
    opens_thinking: bool = False  # a prompt ends inside a think block

    @property
    def native(self) -> bool:
        """Whether tools and calls are rendered as the model was trained on them."""
        return self.tools and self.calls

    @property
    def one_call(self) -> bool:
        """Whether the model calls one tool a turn, and the next when it has the result."""
        return self.native and not self.parallel_calls


def probe_answer(row: Row, support: TemplateSupport) -> Row:
    """An answer of the same kind as another one, in words or a call, that no conversation holds."""
    return _probe_calls("zq_value", text=support.text_arguments)[0] if row.get("tool_calls") else _SAID


def probe_template(render: Render) -> TemplateSupport:
    """Find out what a template renders; it never raises, as what is refused has no place."""

    def shows(
        word: str, rows: Sequence[Row], tools: Sequence[Row] | None = None, opened: bool = True
    ) -> bool:
        return word in text_of(rows, tools, opened)

    def text_of(rows: Sequence[Row], tools: Sequence[Row] | None = None, opened: bool = True) -> str:
        try:
            return render(rows, tools, opened)
        except TemplateRefusal:
            return ""

    # Another tool is offered than the one that is called, so that the call cannot be mistaken for the offer.
    other = [_probe_tool("zq_other")]
    objects = text_of([_USER, *_probe_calls("zq_value")], other)
    # Python's own notation of an object is not a dialect: the template expected text.
    printed = "zq_tool" in objects and "zq_value" in objects and "{'zq_key'" not in objects
    as_text = "" if printed else text_of([_USER, *_probe_calls("zq_value", text=True)], other)
    calls = printed or ("zq_tool" in as_text and "zq_value" in as_text and r"\"zq_key\"" not in as_text)
    two = text_of([_USER, *_probe_calls("zq_value", "zq_second", text=not printed)], other)
    call, result = _probe_calls("zq_value", text=not printed)
    lone_results = shows("zq_result", [_USER, _SAID, result])
    reasoning = next(
        (
            key
            for key in ("reasoning_content", "thinking", "reasoning")
            if shows("zq_thought", [_USER, {**_SAID, key: "zq_thought"}], opened=False)
        ),
        "",
    )
    return TemplateSupport(
        tools=shows("zq_other", [_USER], other),
        calls=calls,
        text_arguments=calls and not printed,
        parallel_calls="zq_value" in two and "zq_second" in two,
        text_with_calls=not calls or shows("zq_said", [_USER, {**call, "content": "zq_said"}, result], other),
        kimi_ids=_KIMI in objects,
        system=shows("zq_system", [{"role": "system", "content": "zq_system"}, _USER]),
        tool_role=shows("zq_result", [_USER, call, result]) if calls else lone_results,
        lone_results=lone_results,
        reasoning=reasoning,
        reasoning_with_text=not (reasoning and calls)
        or shows("zq_said", [_USER, {**call, "content": "zq_said", reasoning: "zq_thought"}, result], other),
        opens_thinking=text_of([_USER]).rstrip().endswith("<think>"),
    )


@dataclass
class Turn:
    """A message as a chat template reads it. `message` is its number in the conversation, from 0."""

    row: Row
    message: int
    weight: float = 0.0  # of its loss; 0 for all but the assistant's
    reasoning: str = ""
    lone: bool = False  # a tool message without a call that is data


def fit(messages: Sequence[Message], support: TemplateSupport) -> list[Turn]:
    """The conversation as turns that the template takes; calls get ids that follow from their place alone."""
    numbered = list(enumerate(messages)) if support.parallel_calls else one_call_a_turn(messages)
    turns = _with_ids([_turn(number, message, support) for number, message in numbered], support)
    if support.text_arguments:
        _arguments_as_text(turns)
    if any(refused := [_is_refused_result(turn, support) for turn in turns]):
        turns = _joined(_as_user(turn) if bad else turn for turn, bad in zip(turns, refused))
    if not support.system and any(turn.row["role"] == "system" for turn in turns):
        turns = _joined(
            Turn({**turn.row, "role": "user"}, turn.message) if turn.row["role"] == "system" else turn
            for turn in turns
        )
    return turns


def _turn(number: int, message: Message, support: TemplateSupport) -> Turn:
    row = message.row()
    row.pop("weight", None)
    reasoning = row.pop("reasoning_content", "")
    if message.role != "assistant":
        return Turn(row, number)
    if reasoning and message.content and message.tool_calls and not support.reasoning_with_text:
        reasoning, row["content"] = f"{reasoning}\n\n{message.content}", ""
    if reasoning and support.reasoning:
        row[support.reasoning] = reasoning
    return Turn(row, number, message.weight, reasoning)


def _with_ids(turns: Sequence[Turn], support: TemplateSupport) -> list[Turn]:
    """Calls with ids, and results that name the call they answer, however the data named them.

    Nine letters and digits are what Mistral's templates insist on; others take what they get.
    """
    fitted: list[Turn] = []
    waiting: list[tuple[str, Row]] = []  # the data's id, and the call, of calls without a result
    count = 0
    for turn in turns:
        row, lone = dict(turn.row), False
        if calls := row.get("tool_calls"):
            waiting, numbered = [], []
            for call in calls:
                function = dict(call["function"])
                name = function["name"]
                new = (
                    f"functions.{name}:{count}"
                    if support.kimi_ids
                    else sha256_json([name, function["arguments"], count])[:9]
                )
                count += 1
                numbered.append({"id": new, "type": "function", "function": function})
                waiting.append((call.get("id", ""), numbered[-1]))
            row["tool_calls"] = numbered
        elif row["role"] == "tool" and waiting:
            said = row.get("tool_call_id", "")
            at = next((i for i, (given, _) in enumerate(waiting) if given and given == said), 0)
            _, call = waiting.pop(at)
            row |= {"tool_call_id": call["id"], "name": row.get("name") or call["function"]["name"]}
        elif row["role"] == "tool":
            row["tool_call_id"] = sha256_json(["result", count])[:9]
            count += 1
            lone = True
        fitted.append(Turn(row, turn.message, turn.weight, turn.reasoning, lone))
    return fitted


def one_call_a_turn(messages: Sequence[Message]) -> list[tuple[int, Message]]:
    """The messages with their numbers, from 0, several calls of one turn as turns one after the other.

    Each call is followed by its result: a model that writes one call a turn writes the next when it has that. So of calls
    without a result only one is kept, behind those that have one.
    """
    made: list[tuple[int, Message]] = []
    at = 0
    while at < len(messages):
        message, turn = messages[at], at
        at += 1
        if len(message.tool_calls) < 2:
            made.append((turn, message))
            continue
        waiting = dict(enumerate(message.tool_calls))
        results: dict[int, tuple[int, Message]] = {}  # by the call's place in its turn
        while at < len(messages) and messages[at].role == "tool" and waiting:
            said = messages[at].tool_call_id
            place = next((n for n, call in waiting.items() if call.id and call.id == said), min(waiting))
            del waiting[place]
            results[place] = (at, messages[at])
            at += 1
        for count, place in enumerate([*sorted(results), *list(waiting)[:1]]):
            said_before = {"content": "", "reasoning_content": ""} if count else {}
            call = message.model_copy(update={**said_before, "tool_calls": (message.tool_calls[place],)})
            made.append((turn, call))
            if place in results:
                made.append(results[place])
    return made


def _arguments_as_text(turns: Iterable[Turn]) -> None:
    for turn in turns:
        for call in turn.row.get("tool_calls") or ():
            call["function"]["arguments"] = json.dumps(call["function"]["arguments"], ensure_ascii=False)


def _is_refused_result(turn: Turn, support: TemplateSupport) -> bool:
    return turn.row["role"] == "tool" and not (support.lone_results if turn.lone else support.tool_role)


def _as_user(turn: Turn) -> Turn:
    content = f"<tool_response>\n{turn.row['content']}\n</tool_response>"
    return Turn({"role": "user", "content": content}, turn.message)


def _joined(turns: Iterable[Turn]) -> list[Turn]:
    """Neighbouring turns of the user as one: templates without other roles want user and assistant to alternate."""
    joined: list[Turn] = []
    for turn in turns:
        if joined and turn.row["role"] == joined[-1].row["role"] == "user":
            content = f"{joined[-1].row['content']}\n\n{turn.row['content']}"
            joined[-1] = Turn({"role": "user", "content": content}, turn.message)
        else:
            joined.append(turn)
    return joined


def place_in_text(example: Example, support: TemplateSupport, write: WriteCalls) -> Example:
    """The example with what the template would drop as text: tools in the system message, calls in the content.

    Where the template takes one call a turn, several become turns one after the other (`one_call_a_turn`). Reasoning that
    the template has no place for goes into `<think>`. `meta.calls` keeps which message called what.
    Raises what `write` raises for values that its dialect cannot hold.
    """
    has_place = support.reasoning or support.opens_thinking
    messages = [message if has_place else _thinking(message) for message in example.messages]
    if support.one_call:
        messages = [message for _, message in one_call_a_turn(messages)]
    if support.native or not (example.tools or any(message.tool_calls for message in messages)):
        return example.model_copy(update={"messages": tuple(messages)})
    messages = with_tools(messages, example.tools, write)
    called: list[tuple[int, str]] = []
    for number, message in enumerate(messages):
        if message.tool_calls:
            called += [(number, call.function.name) for call in message.tool_calls]
            parts = [message.content, write(message.tool_calls)]
            update = {"content": "\n\n".join(part for part in parts if part), "tool_calls": ()}
            messages[number] = message.model_copy(update=update)
    meta = Meta.model_validate(example.meta.model_dump() | {"calls": called}) if called else example.meta
    return example.model_copy(update={"messages": tuple(messages), "meta": meta})


def _thinking(message: Message) -> Message:
    if not message.reasoning_content:
        return message
    thought = f"<think>\n{message.reasoning_content.strip()}\n</think>"
    content = f"{thought}\n\n{message.content}" if message.content else thought
    return message.model_copy(update={"content": content, "reasoning_content": ""})


def with_tools(messages: Sequence[Message], tools: Sequence[Row], write: WriteCalls) -> list[Message]:
    """The conversation with the tools in its system message, unless that names them all already."""
    system = messages[0].content if messages[0].role == "system" else ""
    if not missing_tools(system, tools):
        return list(messages)
    listed = tools_prompt(tools, write)
    content = f"{system}\n\n{listed}" if system else listed
    rest = messages[1:] if messages[0].role == "system" else messages
    return [Message(role="system", content=content), *rest]


def tools_prompt(tools: Sequence[Row], write: WriteCalls) -> str:
    """The tools, one JSON object a line, and how a call of one is written."""
    call = ToolCall.model_validate({"function": {"name": "tool_name", "arguments": {"parameter": "value"}}})
    listed = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
    return (
        f"You can call these tools:\n<tools>\n{listed}\n</tools>\n\n"
        f"To call a tool, answer in this form:\n{write([call])}"
    )


def missing_tools(text: str, tools: Iterable[Row]) -> list[str]:
    """Names of tools that do not appear in a text."""
    names = [str(tool.get("function", tool).get("name", "")) for tool in tools]
    return [name for name in names if name and name not in text]
