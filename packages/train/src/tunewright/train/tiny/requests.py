"""How people ask: the sentence that carries the arguments of a call."""

from __future__ import annotations

from random import Random

from tunewright.train.tiny.invented_tools import Parameter, Tool, Value

_OPENERS = (
    "",
    "",
    "",
    "",
    "",
    "Please ",
    "Can you ",
    "Could you ",
    "I need you to ",
    "Now ",
    "Hey, ",
    "Next, ",
)
_MAIN = ("for {v}", "of {v}", "{v}", "called {v}", "named {v}", "for {v}", "with {v}")
_SIDES: dict[str, tuple[str, ...]] = {
    "path": ("in {v}", "from {v}", "in the file {v}", "inside {v}", "({v})", "under {v}"),
    "number": ("with {n} {v}", "({n} {v})", "{n} {v}", "and {n} {v}", "at {n} {v}"),
    "date": ("on {v}", "since {v}", "for {v}", "{n} {v}", "before {v}"),
    "version": ("in version {v}", "at {v}", "for release {v}", "{n} {v}"),
    "host": ("on {v}", "at {v}", "on host {v}"),
    "person": ("for {v}", "by {v}", "of {v}", "{n} {v}"),
    "city": ("in {v}", "near {v}", "at {v}"),
    "word": ("in {v}", "from the {v} {n}", "for {v}", "{n} {v}"),
}
_FALLBACK = ("for {v}", "{n} {v}", "with {n} {v}", "about {v}")


def quoted(rng: Random, value: Value) -> str:
    """The value as it is written in a sentence: bare, or in one of three quotes."""
    text = str(value)
    if isinstance(value, int):
        return text
    roll = rng.random()
    if " " in text:
        return f"'{text}'" if roll < 0.4 else (f'"{text}"' if roll < 0.8 else text)
    return (
        text if roll < 0.68 else f"`{text}`" if roll < 0.82 else f"'{text}'" if roll < 0.92 else f'"{text}"'
    )


def _position(rng: Random, values: dict[str, Value]) -> str:
    """Where something is in a file, in one of the usual ways."""
    path, line, column = values["path"], values["line"], values.get("column")
    if column is None:
        return rng.choice(
            (
                f"in {path} at line {line}",
                f"at {path}:{line}",
                f"on line {line} of {path}",
                f"({path}, line {line})",
                f"{path} line {line}",
            )
        )
    return rng.choice(
        (
            f"in {path} at line {line}, column {column}",
            f"at {path}:{line}:{column}",
            f"({path}:{line}:{column})",
            f"in {path}, line {line}, column {column}",
            f"on line {line}, column {column} of {path}",
            f"{path} line {line} column {column}",
            f"in {path} ({line}:{column})",
            f"at line {line} col {column} in {path}",
            f"{path} {line}:{column}",
        )
    )


def _side(rng: Random, parameter: Parameter, value: Value) -> str:
    template = rng.choice(_SIDES.get(parameter.kind, _FALLBACK))
    return template.format(v=quoted(rng, value), n=parameter.name.replace("_", " "))


def _split(rng: Random, tool: Tool, values: list[Value]) -> tuple[str, list[str]]:
    """The main argument as said, and what is said about the others."""
    by_name = dict(zip((p.name for p in tool.parameters), values, strict=True))
    rest = list(zip(tool.parameters, values, strict=True))
    sides: list[str] = []
    if {"path", "line"} <= by_name.keys() and rng.random() < 0.85:
        sides.append(_position(rng, by_name))
        rest = [(p, v) for p, v in rest if p.name not in ("path", "line", "column")]
    main = ""
    if rest:
        best = next((i for i, (p, _) in enumerate(rest) if p.kind not in ("number", "date")), 0)
        _, value = rest.pop(best)
        main = quoted(rng, value)
    sides += [_side(rng, p, v) for p, v in rest]
    rng.shuffle(sides)
    return main, sides


def ask(rng: Random, tool: Tool, values: list[Value], goal: str) -> str:
    """One request that names every argument and says what is wanted of the result."""
    main, sides = _split(rng, tool, values)
    where = " ".join(sides)
    noun = tool.noun
    verb = tool.spoken(rng)
    about = rng.choice(_MAIN).format(v=main) if main else ""
    roll = rng.random()
    question = goal.endswith("?")
    if question and roll < 0.4:
        return _clean(f"{goal[0].upper()}{goal[1:-1]} in the {noun} {about} {where}?")
    if question:
        return _clean(
            f"For the {noun} {about} {where}: {goal}"
            if roll < 0.7
            else f"{verb.capitalize()} the {noun} {about} {where}. {goal[0].upper()}{goal[1:]}"
        )
    if not goal:
        shapes = (
            f"{{o}}{verb} the {noun} {about} {where}.",
            f"{{o}}{verb} {noun} {main} {where}",
            f"Where is the {noun} {main} {where}?",
            f"What is the {noun} {about} {where}?",
            f"{noun} {about} {where}",
            f"{main} {where}: {verb} its {noun}",
            f"What {noun} does {main} have {where}?" if main else f"Which {noun} is there {where}?",
            f"{{o}}{verb} the {noun} {about} {where}?",
        )
        text = rng.choice(shapes)
    elif roll < 0.45:
        link = rng.choice((" and", ", then", ". Then", ", and"))
        text = f"{{o}}{verb} the {noun} {about} {where}{link} {goal}."
    elif roll < 0.65:
        text = f"{{o}}{goal} for the {noun} {about} {where}"
    elif roll < 0.8:
        text = f"In the {noun} {about} {where}, {goal}"
    elif roll < 0.9:
        text = f"{where + ', ' if where else ''}{verb} the {noun} {about}: {goal}"
    else:
        text = f"{noun} {main} {where}: {goal}"
    return _clean(text.replace("{o}", rng.choice(_OPENERS)))


def _clean(text: str) -> str:
    """Single spaces, none before punctuation, a capital at the start unless it is a name."""
    text = " ".join(text.split())
    for mark in ".,:?":
        text = text.replace(f" {mark} ", f"{mark} ")
        text = text.removesuffix(f" {mark}") + (mark if text.endswith(f" {mark}") else "")
    first = text.split(" ", 1)[0]
    return text[0].upper() + text[1:] if first.isalpha() and first.islower() else text
