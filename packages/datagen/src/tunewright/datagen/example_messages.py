"""Puts an example's parts together as messages, its calls in the syntax that is wanted."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tunewright.chat.calls import Call as ToolCall
from tunewright.chat.calls import write
from tunewright.chat.calls.code_mode import CallSyntaxError, Turn, render_turn
from tunewright.chat.calls.openai import tool_calls
from tunewright.datagen.program import Call
from tunewright.datagen.rejections import Rejected
from tunewright.datagen.structure import Form
from tunewright.datagen.tool_sampling import Offer

# What a tool message says when the program printed nothing: an empty message is a fault in most harnesses.
NO_OUTPUT = "(no output)"
MAX_RESULT = 1500  # characters of a single call's result, as JSON

Message = dict[str, Any]


@dataclass(frozen=True)
class Exchange:
    """A question and its answer in words."""

    question: str
    answer: str


@dataclass(frozen=True)
class Work:
    """A program and what came of it: what it printed, the answer derived from that, the calls it really made."""

    program: str = ""
    stdout: str = ""
    answer: str = ""
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True)
class Step:
    """A request that follows up on what came before it, and the work it takes."""

    request: str
    work: Work
    preamble: str = ""


def compose(
    form: Form,
    system: str,
    request: str,
    reply: str | Work,
    earlier: Exchange | None = None,
    preamble: str = "",
    syntax: str = "code_mode",
    offer: Offer | None = None,
    later: Sequence[Step] = (),
) -> list[Message]:
    """The messages of an example. `reply` is an answer in words, or work that calls do; then `later` steps may follow.

    Raises Rejected when a result is too long or a value cannot be written in the syntax.
    """
    messages: list[Message] = []
    if form.system:
        messages.append({"role": "system", "content": system})
    if form.earlier and earlier is not None:
        messages.append({"role": "user", "content": earlier.question})
        messages.append({"role": "assistant", "content": earlier.answer})
    if isinstance(reply, str):
        return [*messages, {"role": "user", "content": request}, {"role": "assistant", "content": reply}]
    for step in (Step(request, reply, preamble if form.preamble else ""), *later):
        messages.append({"role": "user", "content": step.request})
        before = f"{step.preamble}\n\n" if step.preamble else ""
        try:
            if syntax == "code_mode":
                messages += _program(form, step.work, before, offer)
            else:
                messages += _single_calls(form, step.work, before, syntax, offer)
        except CallSyntaxError as error:
            raise Rejected("a value cannot be written in the syntax") from error
    return messages


def _program(form: Form, work: Work, before: str, offer: Offer | None) -> list[Message]:
    program = offer.rename(work.program) if offer else work.program
    messages: list[Message] = [
        {"role": "assistant", "content": render_turn(Turn(before, (program,)))},
    ]
    if form.loop:
        messages.append({"role": "tool", "content": work.stdout or NO_OUTPUT})
        messages.append({"role": "assistant", "content": work.answer})
    return messages


def _single_calls(form: Form, work: Work, before: str, syntax: str, offer: Offer | None) -> list[Message]:
    """Without a program each call is a turn of its own. Raises ValueError where a form has no place for all of them."""
    if len(work.calls) > 1 and not form.loop:
        raise ValueError("several calls need their results between them")
    messages: list[Message] = []
    for number, made in enumerate(work.calls):
        name = offer.names.get(made.tool, made.tool) if offer else made.tool
        call = ToolCall(name, made.arguments)
        said = before if number == 0 else ""
        if syntax == "openai":
            calls = tool_calls([call])
            messages.append({"role": "assistant", "content": said.strip(), "tool_calls": calls})
        else:
            messages.append({"role": "assistant", "content": said + write([call], syntax)})
        if form.loop:
            result = json.dumps(made.result, ensure_ascii=False, allow_nan=False)
            if len(result) > MAX_RESULT:
                raise Rejected("a result is too long")
            answer: Message = {"role": "tool", "content": result}
            if syntax == "openai":
                answer |= {"tool_call_id": messages[-1]["tool_calls"][0]["id"], "name": name}
            messages.append(answer)
    if form.loop:
        messages.append({"role": "assistant", "content": work.answer})
    return messages
