"""Generated conversations: what the tiny base model learns to talk from.

`conversation(rng)` is pure: the same generator state gives the same conversation. Nothing in it comes
from a validation suite, and no tool of the product is named (see `tools.FORBIDDEN_TOOLS`).
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tunewright.train.tiny import names
from tunewright.train.tiny.invented_tools import Tool, Value, household, make_tool, sample_field
from tunewright.train.tiny.no_call_conversations import about_tools, draw_turn
from tunewright.train.tiny.programs import draw_task
from tunewright.train.tiny.requests import ask, quoted
from tunewright.train.tiny.source import call, literal, spaced

Message = dict[str, str]

_PREAMBLES = (
    "Let me check.",
    "Let me look that up.",
    "I'll use {tool}.",
    "I'll use the {tool} tool.",
    "I'll look up the {noun}.",
    "Checking the {noun}.",
    "One moment.",
    "I'll {verb} the {noun}.",
    "Let me find that.",
    "Sure.",
    "Let me {verb} the {noun} of {main}.",
    "I'll check {main}.",
)
_TRADES = (
    "inventory",
    "calendar",
    "weather",
    "support",
    "music",
    "network",
    "database",
    "translation",
    "travel",
    "build",
    "operations",
    "library",
    "billing",
    "project",
)


@dataclass(frozen=True)
class Conversation:
    """One conversation, and what a probe needs to judge answers to it."""

    messages: tuple[Message, ...]
    kind: str
    """`call`, `chain` or `direct`."""
    tools: tuple[str, ...] = ()
    """The functions that the program calls, in order."""
    arguments: tuple[Value, ...] = ()
    """The first call's arguments."""
    listed: int = 0
    """How many tools the system message lists."""


def render_call(program: str, preamble: str = "") -> str:
    """The assistant's content for a program, in the code-mode format."""
    block = f"<tool_call><function=execute_code>\n<parameter=code>\n{program}\n</parameter>\n</function></tool_call>"
    return f"{preamble}\n\n{block}" if preamble else block


def _system(rng: Random, tools: list[Tool]) -> str:
    name = rng.choice(names.PEOPLE) if rng.random() < 0.6 else names.coined(rng).capitalize()
    trade = rng.choice(_TRADES)
    head = rng.choice(
        (
            f"You are {name}, an AI assistant for {trade}.",
            f"You are {name}, an assistant that helps with {trade} via {names.camel(rng)}.",
            "You are a helpful assistant.",
            f"You are an AI coding assistant that helps with {trade} work.",
            f"You help the {trade} team.",
            f"You are {name}. Answer briefly.",
        )
    )
    if not tools:
        return head
    style = rng.choice((0, 0, 1, 2, 3, 3))
    label = rng.choice(("Tools:", "You can call:", "Available tools:", "Functions:"))
    return "\n".join([head, label, *(tool.listing(style) for tool in tools)])


def _preamble(rng: Random, tool: Tool, main: Value) -> str:
    if rng.random() < 0.62:
        return ""
    return rng.choice(_PREAMBLES).format(tool=tool.name, noun=tool.noun, verb=tool.spoken(rng), main=main)


def _values(rng: Random, tool: Tool) -> list[Value]:
    return [parameter.sample(rng) for parameter in tool.parameters]


def _main(tool: Tool, values: list[Value]) -> Value:
    return next(
        (v for p, v in zip(tool.parameters, values, strict=True) if p.kind not in ("number", "date")),
        values[0],
    )


def _dress(rng: Random, offered: list[Tool], middle: list[Message]) -> tuple[Message, ...]:
    """Puts a system message in front; without a listing it is sometimes left out."""
    if offered or rng.random() < 0.75:
        return ({"role": "system", "content": _system(rng, offered)}, *middle)
    return tuple(middle)


def _offer(rng: Random) -> tuple[list[Tool], Tool]:
    """The tools that are listed (none for household tools half of the time) and the one to use."""
    if rng.random() < 0.42:
        tool = rng.choice(household())
        if rng.random() < 0.6:
            return [], tool
        others = [t for t in rng.sample(household(), rng.randint(1, 2)) if t != tool]
    else:
        tool = make_tool(rng)
        others = [
            t for t in (make_tool(rng) for _ in range(rng.choice((0, 1, 1, 1, 2, 2)))) if t.name != tool.name
        ]
    offered = [tool, *others]
    rng.shuffle(offered)
    return offered, tool


def _single(rng: Random) -> Conversation:
    offered, tool = _offer(rng)
    values = _values(rng, tool)
    main = _main(tool, values)
    task = draw_task(rng, tool, str(main))
    source = call(rng, tool, values)
    program = f"result = {source}\n{task.code}"
    if task.code == "print(result)" and rng.random() < 0.3:
        program = f"print({source})"
    middle: list[Message] = [
        {"role": "user", "content": ask(rng, tool, values, task.goal)},
        {"role": "assistant", "content": render_call(program, _preamble(rng, tool, main))},
    ]
    if rng.random() < 0.36:
        middle += [{"role": "tool", "content": task.output}, {"role": "assistant", "content": task.summary}]
    return Conversation(_dress(rng, offered, middle), "call", (tool.name,), tuple(values), len(offered))


def _chain(rng: Random) -> Conversation:
    """Two calls: on two subjects, one after the other, or one for each item of the first."""
    if rng.random() < 0.5:
        pair = rng.sample(household(), 2)
        first, second = pair
        offered = pair if rng.random() < 0.4 else []
    else:
        first, second = make_tool(rng), make_tool(rng)
        offered = [first, second] if rng.random() < 0.5 else [second, first]
    values = _values(rng, first)
    rest = _values(rng, second)
    field = rng.choice(first.texts)
    item_field = rng.choice(first.item_texts)
    shown = rng.choice(second.texts)
    roll = rng.random()
    source = call(rng, first, values)
    start = ask(rng, first, values, "").rstrip(".?")
    others = [f"{p.name} {quoted(rng, v)}" for p, v in zip(second.parameters[1:], rest[1:], strict=True)]
    extra = f" with {', '.join(others)}" if others else ""
    if roll < 0.25:
        other = _values(rng, first)
        said = ", ".join(quoted(rng, v) for v in other)
        request = f"{start}, then the same for {said} and print the {spaced(field)} of both"
        program = f"a = {source}\nb = {call(rng, first, other)}\nprint(a.{field})\nprint(b.{field})"
        called = (first.name, first.name)
    elif roll < 0.65:
        step = f"{second.spoken(rng)} the {second.noun} for its {spaced(field)}{extra}"
        request = f"{start}, then {step} and print the {spaced(shown)}"
        follow = call(rng, second, rest, f"result.{field}")
        inner = f"other = {follow}\nprint(other.{shown})"
        if rng.random() < 0.6:
            inner = f"if result.{first.flag}:\n    " + inner.replace("\n", "\n    ")
        program, called = f"result = {source}\n{inner}", (first.name, second.name)
    elif roll < 0.85:
        each = f"for the {spaced(item_field)} of each of the {spaced(first.list_name)}"
        request = (
            f"{start}, and {each} {second.spoken(rng)} the {second.noun}{extra}; print the {spaced(shown)}"
        )
        inner = f"    other = {call(rng, second, rest, f'item.{item_field}')}\n    print(other.{shown})"
        program = f"result = {source}\nfor item in result.{first.list_name}:\n{inner}"
        called = (first.name, second.name)
    else:
        also = f"Also {second.spoken(rng)} the {second.noun} of {', '.join(quoted(rng, v) for v in rest)}"
        request = f"{start}. {also}. Print {spaced(field)} and {spaced(shown)}"
        program = (
            f"first = {source}\nsecond = {call(rng, second, rest)}\nprint(first.{field}, second.{shown})"
        )
        called = (first.name, second.name)
    middle: list[Message] = [
        {"role": "user", "content": request},
        {"role": "assistant", "content": render_call(program, _preamble(rng, first, _main(first, values)))},
    ]
    if rng.random() < 0.25:
        value = sample_field(rng, shown, number=False)
        middle += [
            {"role": "tool", "content": str(value)},
            {"role": "assistant", "content": f"The {spaced(shown)} is {value}."},
        ]
    return Conversation(_dress(rng, offered, middle), "chain", called, tuple(values), len(offered))


def _direct(rng: Random) -> Conversation:
    """One to three turns without a call, in front of listed tools or none."""
    tools = [make_tool(rng) for _ in range(rng.randint(1, 2))] if rng.random() < 0.25 else []
    middle: list[Message] = []
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3))):
        about = tools or [rng.choice(household()) for _ in range(2)]
        asked, answer = about_tools(rng, about) if rng.random() < 0.15 else draw_turn(rng)
        middle += [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
    return Conversation(_dress(rng, tools, middle), "direct", listed=len(tools))


def drill(rng: Random) -> Conversation:
    """Many short copies in one conversation: `literal` forms of names that the user lists."""
    makers = (names.symbol, names.path, names.code, names.snake, names.camel, names.host)
    maker = rng.choice(makers)
    values: list[Value] = [maker(rng) for _ in range(rng.randint(3, 7))]
    fn = names.snake(rng)
    styles: tuple[tuple[str, str], ...] = (
        (
            f"Call {fn} on each: " + ", ".join(map(str, values)),
            render_call("\n".join(f"{fn}({literal(v)})" for v in values)),
        ),
        ("Make a list of " + ", ".join(map(str, values)), f"[{', '.join(literal(v) for v in values)}]"),
        ("One per line: " + " ".join(map(str, values)), "\n".join(map(str, values))),
    )
    asked, answer = rng.choice(styles)
    return Conversation(
        _dress(rng, [], [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]),
        "direct",
    )


def conversation(rng: Random) -> Conversation:
    """A random conversation."""
    roll = rng.random()
    if roll < 0.62:
        return _single(rng)
    if roll < 0.74:
        return _chain(rng)
    if roll < 0.92:
        return _direct(rng)
    return drill(rng)
