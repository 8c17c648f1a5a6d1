"""Small programs over tool results, with the request that asks for each and the output it prints.

A task is drawn first (what somebody wants from a result); its request, program and output then follow
from the same values, so that every copied name is in the context it is copied from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tunewright.train.tiny import names
from tunewright.train.tiny.invented_tools import Tool, Value, sample_field, singular
from tunewright.train.tiny.source import guarded, indented, joined, literal, spaced


@dataclass(frozen=True)
class Task:
    """One thing asked of a tool."""

    goal: str
    """What is wanted, as the end of a request: "and print the owner"."""
    code: str
    output: str
    summary: str
    """The final answer, which copies from the output."""


def _missing(rng: Random, tool: Tool) -> str:
    return rng.choice(
        (
            "Not found",
            f"No {tool.noun} found",
            "Nothing found",
            "Failed",
            f"{tool.noun.capitalize()} not found",
        )
    )


def _wrap(rng: Random, tool: Tool, block: str) -> str:
    return guarded(rng, tool, block, _missing(rng, tool)) if rng.random() < 0.72 else block


def _raw(rng: Random, tool: Tool, subject: str) -> Task:
    field = rng.choice(tool.texts)
    value = sample_field(rng, field, number=False)
    return Task(
        "",
        "print(result)",
        f"{tool.noun.replace(' ', '_')}({field}={value!r})",
        f"The {spaced(field)} of {subject} is {value}.",
    )


def _scalars(rng: Random, tool: Tool, subject: str) -> Task:
    pool = [(f, False) for f in tool.texts] + [(f, True) for f in tool.numbers]
    chosen = rng.sample(pool, min(len(pool), rng.choice((1, 1, 2, 2, 3))))
    values = [sample_field(rng, f, number) for f, number in chosen]
    fields = [f for f, _ in chosen]
    said = joined([spaced(f) for f in fields])
    goal = rng.choice(
        (
            f"print the {said}",
            f"show the {said}",
            f"tell me the {said}",
            f"give me its {said}",
            f"report the {said}",
            f"what is the {said}?",
        )
    )
    style = rng.random()
    if style < 0.35:
        code, output = "\n".join(f"print(result.{f})" for f in fields), "\n".join(map(str, values))
    elif style < 0.7:
        sep = rng.choice((" ", ", ", ": ", " - ", ":"))
        code = 'print(f"' + sep.join(f"{{result.{f}}}" for f in fields) + '")'
        output = sep.join(map(str, values))
    else:
        code = "\n".join(f'print(f"{spaced(f).capitalize()}: {{result.{f}}}")' for f in fields)
        output = "\n".join(f"{spaced(f).capitalize()}: {v}" for f, v in zip(fields, values, strict=True))
    facts = joined([f"{spaced(f)} {v}" for f, v in zip(fields, values, strict=True)])
    summary = rng.choice(
        (f"{subject} has {facts}.", f"{facts[0].upper()}{facts[1:]}.", f"For {subject}: {facts}.")
    )
    return Task(goal, _wrap(rng, tool, code), output, summary)


def _count(rng: Random, tool: Tool, subject: str) -> Task:
    things = spaced(tool.list_name)
    counter = (
        f"result.{tool.numbers[0]}" if tool.numbers[0].endswith("_count") else f"len(result.{tool.list_name})"
    )
    n = names.number(rng)
    goal = rng.choice(
        (
            f"how many {things} are there?",
            f"count the {things}",
            f"tell me the number of {things}",
            f"print how many {things} it has",
        )
    )
    style = rng.random()
    if style < 0.4:
        code, output = f"print({counter})", str(n)
    elif style < 0.75:
        code, output = f'print(f"{{{counter}}} {things}")', f"{n} {things}"
    else:
        code, output = (
            f'count = {counter}\nprint(f"{things.capitalize()}: {{count}}")',
            f"{things.capitalize()}: {n}",
        )
    return Task(
        goal,
        _wrap(rng, tool, code),
        output,
        rng.choice((f"{subject} has {n} {things}.", f"There are {n} {things}.", f"{n} {things}.")),
    )


def _rows(rng: Random, fields: list[tuple[str, bool]], n: int) -> list[list[Value]]:
    return [[sample_field(rng, f, number) for f, number in fields] for _ in range(n)]


def _item_fields(rng: Random, tool: Tool) -> list[tuple[str, bool]]:
    pool = [(f, False) for f in tool.item_texts] + [(f, True) for f in tool.item_numbers]
    return rng.sample(pool, min(len(pool), rng.choice((1, 2, 2, 3))))


def _item_name(rng: Random, tool: Tool) -> str:
    return rng.choice(("item", "item", "entry", "x", singular(tool.list_name)))


def _each(rng: Random, tool: Tool, subject: str) -> Task:
    fields = _item_fields(rng, tool)
    item = _item_name(rng, tool)
    sep = rng.choice((":", ": ", " ", ", ", " - "))
    rows = _rows(rng, fields, rng.randint(1, 3))
    things, said = spaced(tool.list_name), joined([spaced(f) for f, _ in fields])
    goal = rng.choice(
        (
            f"list the {said} of each of the {things}",
            f"print the {said} for every one of its {things}",
            f"show all {things} with {said}",
            f"go through the {things} and print the {said}",
            f"for each of the {things} print the {said}",
        )
    )
    body = (
        f"print({item}.{fields[0][0]})"
        if len(fields) == 1 and rng.random() < 0.7
        else ('print(f"' + sep.join(f"{{{item}.{f}}}" for f, _ in fields) + '")')
    )
    limit = rng.randint(2, 10)
    piece = ""
    if rng.random() < 0.15:
        piece, goal = f"[:{limit}]", f"{goal}, at most {limit}"
    loop = f"for {item} in result.{tool.list_name}{piece}:\n    {body}"
    output = "\n".join(sep.join(map(str, row)) for row in rows)
    firsts = joined([str(row[0]) for row in rows])
    return Task(
        goal,
        _wrap(rng, tool, loop),
        output,
        rng.choice(
            (
                f"{subject} has {len(rows)} {things}: {firsts}.",
                f"The {things} are {firsts}.",
                f"Found {firsts}.",
            )
        ),
    )


def _filtered(rng: Random, tool: Tool, subject: str) -> Task:
    item = _item_name(rng, tool)
    text, number = rng.choice(tool.item_texts), rng.choice(tool.item_numbers)
    things = spaced(tool.list_name)
    value = sample_field(rng, text, number=False)
    if rng.random() < 0.5:
        limit = names.number(rng)
        sign, said = rng.choice(((">", "more than"), ("<", "less than"), (">", "above"), ("<", "under")))
        test, goal = (
            f"{item}.{number} {sign} {limit}",
            f"print the {spaced(text)} of those {things} with {spaced(number)} {said} {limit}",
        )
    else:
        wanted = sample_field(rng, text, number=False)
        test, goal = (
            f"{item}.{text} == {literal(wanted)}",
            f"print the {spaced(number)} of the {things} whose {spaced(text)} is {wanted}",
        )
        text, value = number, names.number(rng)
    if rng.random() < 0.6:
        code = f"for {item} in result.{tool.list_name}:\n    if {test}:\n        print({item}.{text})"
    else:
        chosen = f"chosen = [{item} for {item} in result.{tool.list_name} if {test}]"
        code = f"{chosen}\nfor {item} in chosen:\n    print({item}.{text})"
    return Task(
        goal,
        _wrap(rng, tool, code),
        str(value),
        rng.choice((f"{value}.", f"One of the {things} of {subject}: {value}.")),
    )


def _first(rng: Random, tool: Tool, subject: str) -> Task:
    fields = _item_fields(rng, tool)[:2]
    values = _rows(rng, fields, 1)[0]
    single = singular(tool.list_name)
    index, said = rng.choice((("0", "first"), ("0", "first"), ("0", "first"), ("-1", "last")))
    goal = f"{rng.choice(('print', 'show', 'give me'))} the {joined([spaced(f) for f, _ in fields])} of the {said} {single}"
    at = f"result.{tool.list_name}[{index}]"
    if rng.random() < 0.5:
        code = f"{said} = {at}\n" + 'print(f"' + ":".join(f"{{{said}.{f}}}" for f, _ in fields) + '")'
        output = ":".join(map(str, values))
    else:
        code = "\n".join(f"print({at}.{f})" for f, _ in fields)
        output = "\n".join(map(str, values))
    if rng.random() < 0.3:
        code = (
            f'if result.{tool.list_name}:\n{indented(code)}\nelse:\n    print("No {spaced(tool.list_name)}")'
        )
    else:
        code = _wrap(rng, tool, code)
    facts = joined([f"{spaced(f)} {v}" for (f, _), v in zip(fields, values, strict=True)])
    return Task(goal, code, output, f"The {said} {single} of {subject} has {facts}.")


def _conditional(rng: Random, tool: Tool, subject: str) -> Task:
    roll = rng.random()
    field = rng.choice(tool.texts)
    if roll < 0.6:
        measure = rng.choice(tool.numbers) if rng.random() < 0.5 else f"len({tool.list_name})"
        limit = names.number(rng)
        expression = f"len(result.{tool.list_name})" if measure.startswith("len") else f"result.{measure}"
        said = (
            f"it has more than {limit} {spaced(tool.list_name)}"
            if measure.startswith("len")
            else f"the {spaced(measure)} is above {limit}"
        )
        test = f"{expression} > {limit}"
    else:
        wanted = sample_field(rng, field, number=False)
        test, said = f"result.{field} == {literal(wanted)}", f"the {spaced(field)} is {wanted}"
    yes, no = rng.sample(
        (names.word(rng), names.word(rng) + " " + names.word(rng), "yes", "no", "ok", "too many", "fine"), 2
    )
    goal = rng.choice(
        (
            f'if {said} print "{yes}", otherwise "{no}"',
            f"say {yes} when {said}, else {no}",
            f"print {yes} if {said} and {no} if not",
        )
    )
    code = f'if {test}:\n    print("{yes}")\nelse:\n    print("{no}")'
    if rng.random() < 0.3:
        goal, code = f"if {said} print the {spaced(field)}", f"if {test}:\n    print(result.{field})"
        yes = no = str(sample_field(rng, field, number=False))
    answer = rng.choice((yes, no))
    return Task(goal, code, answer, rng.choice((f"{answer}.", f"The answer for {subject} is {answer}.")))


def _flagged(rng: Random, tool: Tool, subject: str) -> Task:
    field = rng.choice(tool.texts)
    value = sample_field(rng, field, number=False)
    asked = (
        ("", "did that work?")
        if tool.flag == "success"
        else (f"is it {spaced(tool.flag)}?", f"check whether it is {spaced(tool.flag)}")
    )
    goal = rng.choice(asked)
    code = f'if result.{tool.flag}:\n    print(result.{field})\nelse:\n    print("{_missing(rng, tool)}")'
    return Task(goal, code, str(value), f"Yes, {subject} has {spaced(field)} {value}.")


_TASKS: tuple[Callable[[Random, Tool, str], Task], ...] = (
    _raw,
    _scalars,
    _scalars,
    _scalars,
    _count,
    _count,
    _each,
    _each,
    _each,
    _filtered,
    _first,
    _first,
    _conditional,
    _flagged,
)


def draw_task(rng: Random, tool: Tool, subject: str) -> Task:
    """A random task over the tool's result; `subject` is what the request is about."""
    return rng.choice(_TASKS)(rng, tool, subject)
