"""Made-up tools and calls, wrong variants of an answer, and harmless ones: what grading by calls is measured on."""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from tunewright.chat.calls import DIALECTS, write
from tunewright.contract.example import Function, Message, ToolCall
from tunewright.contract.suite import Case, GoldCalls, Prediction

CITIES = ("Lisbon", "Porto", "New York", "São Paulo", "Aix-en-Provence", "Den Haag")
LONG_TEXT = (
    "Dear team, the quarterly figures for the northern region are attached; please read them before Thursday and "
    "send me your remarks on page 4, so that I can answer the board in time."
)
OTHER_TEXT = (
    "Our cat sleeps on warm windowsills whenever the afternoon sun reaches them, and nobody in this old house "
    "would ever think about disturbing her while she purrs."
)


def _tool(name: str, description: str, required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "parameters": {"type": "object", "properties": properties, "required": required},
        },
    }


TEXT = {"type": "string"}
TOOLS = (
    _tool(
        "get_forecast",
        "Weather of the coming days.",
        ["city", "days"],
        city=TEXT,
        days={"type": "integer"},
        unit={"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
        hourly={"type": "boolean"},
    ),
    _tool(
        "book_room",
        "Book a hotel room.",
        ["hotel", "arrival", "guests"],
        hotel=TEXT,
        arrival={"type": "string"},
        nights={"type": "integer", "default": 1},
        guests={
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": TEXT, "age": {"type": "integer"}, "vegetarian": {"type": "boolean"}},
                "required": ["name"],
            },
        },
        extras={"type": "array", "items": TEXT, "uniqueItems": True},
    ),
    _tool(
        "read_lines",
        "Lines of a file.",
        ["path", "range"],
        path=TEXT,
        range={
            "type": "object",
            "properties": {"start": {"type": "integer"}, "end": {"type": "integer"}},
            "required": ["start", "end"],
        },
        encoding={"type": "string", "default": "utf-8"},
    ),
    _tool(
        "send_mail",
        "Send an e-mail.",
        ["to", "body"],
        to=TEXT,
        body=TEXT,
        urgent={"type": "boolean", "default": False},
    ),
    _tool(
        "transfer",
        "Move money between accounts.",
        ["amount", "currency", "to"],
        amount={"type": "number"},
        currency={"type": "string", "enum": ["EUR", "USD", "GBP"]},
        to=TEXT,
        note=TEXT,
    ),
)
NAMES = tuple(tool["function"]["name"] for tool in TOOLS)
SCHEMAS = {tool["function"]["name"]: tool["function"]["parameters"]["properties"] for tool in TOOLS}
REQUIRED = {tool["function"]["name"]: tool["function"]["parameters"]["required"] for tool in TOOLS}

Call = tuple[str, dict[str, Any]]
# Programs are judged by running them, and calls that are data are not written.
WRITTEN = tuple(name for name in DIALECTS if name not in ("code_mode", "openai"))


def made_call(random: Random, name: str = "") -> Call:
    """One right call of one of the tools."""
    name = name or random.choice(NAMES)
    word = (
        f"{random.choice(('Grand', 'Little', 'Old', 'Blue'))} {random.choice(('Harbour', 'Mill', 'Crown'))}"
    )
    arguments: dict[str, Any] = {
        "get_forecast": lambda: {
            "city": random.choice(CITIES),
            "days": random.randint(2, 14),
            "hourly": random.random() < 0.5,
        },
        "book_room": lambda: {
            "hotel": f"{word} Hotel",
            "arrival": f"2027-{random.randint(1, 12):02}-{random.randint(1, 27):02}",
            "nights": random.randint(2, 9),
            "guests": [
                {"name": guest, "age": random.randint(20, 80), "vegetarian": random.random() < 0.5}
                for guest in random.sample(("Ada", "Ben", "Cleo", "Dan", "Eve"), random.randint(2, 4))
            ],
            "extras": random.sample(("breakfast", "parking", "late checkout", "crib"), 2),
        },
        "read_lines": lambda: {
            "path": f"src/{random.choice(('app', 'core', 'web'))}/{random.choice(('views', 'models'))}.py",
            "range": {"start": random.randint(1, 50), "end": random.randint(51, 99)},
        },
        "send_mail": lambda: {"to": f"{random.choice(('kim', 'lee'))}@example.org", "body": LONG_TEXT},
        "transfer": lambda: {
            "amount": random.randint(100, 99999) / 100,
            "currency": random.choice(("EUR", "USD", "GBP")),
            "to": f"DE{random.randint(10**8, 10**9)}",
            "note": word,
        },
    }[name]()
    return name, arguments


def made_case(random: Random, number: int) -> tuple[Case, list[Call]]:
    """A case whose gold is one call, several independent ones, or two of which one needs the other's result."""
    kind = random.random()
    if kind < 0.6:
        calls = [made_call(random)]
    elif kind < 0.85:
        calls = [made_call(random, name) for name in random.sample(NAMES, random.randint(2, 3))]
    else:
        first = made_call(random, random.choice(("get_forecast", "read_lines", "transfer")))
        calls = [
            first,
            ("send_mail", {"to": "kim@example.org", "body": f"Here it is: $call_{number}.result$"}),
        ]
    return case_of(f"case-{number}", calls), calls


def case_of(name: str, calls: list[Call]) -> Case:
    return Case(
        id=name,
        category="made up",
        messages=(Message(role="user", content="Please do it."),),
        tools=TOOLS,
        gold=(GoldCalls(tool_calls=tuple(as_tool_calls(calls))),),
    )


def as_tool_calls(calls: list[Call]) -> list[ToolCall]:
    return [ToolCall(function=Function(name=name, arguments=arguments)) for name, arguments in calls]


@dataclass(frozen=True)
class Variant:
    """An answer made from a right one: what was done to it, the prediction, and the dialect that is asked for."""

    kind: str
    prediction: Prediction
    dialect: str = ""


def said(case: str, calls: list[Call], dialect: str = "hermes_json", preamble: str = "") -> Prediction:
    text = write(as_tool_calls(calls), dialect) if calls else ""
    return Prediction(case=case, text=preamble + text)


# Wrong answers ---------------------------------------------------------------------------------------------------------


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value that is no object or list."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _places(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _places(inner, (*path, number))
    else:
        yield path


def _changed(
    arguments: dict[str, Any], path: tuple[Any, ...], change: Callable[[Any], Any]
) -> dict[str, Any]:
    copied = copy.deepcopy(arguments)
    place: Any = copied
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = change(place[path[-1]])
    return copied


def _other_value(value: Any, random: Random) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + random.choice((-1, 1, 10, 100))
    if isinstance(value, float):
        return round(value + random.choice((-1.0, 0.01, 10.0)), 2)
    if value == LONG_TEXT:
        return OTHER_TEXT
    if value in ("EUR", "USD", "GBP"):
        return {"EUR": "USD", "USD": "GBP", "GBP": "EUR"}[value]
    if "-" in value and value[:4].isdigit():
        return value[:-1] + str((int(value[-1]) + 1) % 9 + 1 if value[-1] != "9" else 1)
    return random.choice((f"{value} annex", f"other {value}", value[:-2], value + "x", ""))


def _other_type(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return [value]


def wrong_variants(case: Case, calls: list[Call], random: Random) -> Iterator[Variant]:
    """Answers of every wrong kind that the right calls allow."""

    def one(kind: str, changed: list[Call], dialect: str = "", wanted: str = "") -> Variant:
        return Variant(kind, said(case.id, changed, dialect or random.choice(WRITTEN)), wanted)

    number = random.randrange(len(calls))
    name, arguments = calls[number]
    rest = [*calls[:number]], [*calls[number + 1 :]]

    def swapped(call: Call) -> list[Call]:
        return [*rest[0], call, *rest[1]]

    yield one("tool: another one", swapped((random.choice([n for n in NAMES if n != name]), arguments)))
    yield one("tool: misspelt", swapped((name.replace("_", "", 1) if "_" in name else name + "s", arguments)))
    for path in _places(arguments):
        value: Any = arguments
        for key in path:
            value = value[key]
        depth = "nested value" if len(path) > 1 else "argument"
        yield one(
            f"{depth}: other {type(value).__name__}",
            swapped((name, _changed(arguments, path, lambda v: _other_value(v, random)))),
        )
        yield one(
            f"{depth}: other type", swapped((name, _changed(arguments, path, _other_type))), "hermes_json"
        )
        yield one(f"{depth}: null", swapped((name, _changed(arguments, path, lambda _: None))))
    if "body" in arguments and arguments["body"] == LONG_TEXT:
        yield one(
            "long text: other number", swapped((name, {**arguments, "body": LONG_TEXT.replace("4", "7")}))
        )
        yield one("long text: gibberish", swapped((name, {**arguments, "body": "the team " * 20})))
        yield one("long text: cut", swapped((name, {**arguments, "body": LONG_TEXT[:30]})))
    if name == "transfer":
        yield one("identifier: other case", swapped((name, {**arguments, "to": arguments["to"].lower()})))
        yield one("argument: sign", swapped((name, {**arguments, "amount": -arguments["amount"]})))
        mixed = {**arguments, "to": arguments["note"], "note": arguments["to"]}
        yield one("arguments: exchanged", swapped((name, mixed)))
    for key in arguments:
        yield one("argument: missing", swapped((name, {k: v for k, v in arguments.items() if k != key})))
        renamed = {f"{k}_value" if k == key else k: v for k, v in arguments.items()}
        yield one("argument: renamed", swapped((name, renamed)))
    yield one("argument: unknown one", swapped((name, {**arguments, "verbose": True})))
    for key, value in arguments.items():
        if isinstance(value, list) and len(value) > 1:
            yield one("list: item missing", swapped((name, {**arguments, key: value[:-1]})))
            yield one("list: item twice", swapped((name, {**arguments, key: [*value, value[0]]})))
            if not SCHEMAS[name][key].get("uniqueItems"):
                yield one("list: other order", swapped((name, {**arguments, key: value[::-1]})))
    yield one("call: missing", [*rest[0], *rest[1]])
    yield one("call: extra", [*calls, made_call(random)])
    yield one("call: twice", [*calls, calls[-1]])
    if any("result$" in json.dumps(args) for _, args in calls):
        yield one("calls: wrong order", calls[::-1])
    yield one("wrong dialect", calls, random.choice(("qwen_xml", "pythonic", "mistral")), "hermes_json")
    arguments_said = ", ".join(f"{key}={json.dumps(value)}" for key, value in arguments.items())
    for text in (
        f"I would call {name}({arguments_said}) for that.",
        f"You could use the tool `{name}` with {arguments_said}.",
        f"The function {name} takes {', '.join(arguments)}; shall I run it?",
        "I'm sorry, I can't help with that.",
        "",
        name,
        f"{name} {name} {name} {name}",
    ):
        yield Variant("words instead", Prediction(case=case.id, text=text))
    right = said(case.id, calls).text
    for cut in (len(right) // 3, len(right) - len("</tool_call>"), len(right) - 3):
        yield Variant("broken: cut off", Prediction(case=case.id, text=right[:cut], finish="length"))
        yield Variant("broken: not closed", Prediction(case=case.id, text=right[:cut]))
    yield Variant("broken: JSON", Prediction(case=case.id, text=right.replace('":', '"', 1)))
    yield Variant("never ends", Prediction(case=case.id, text=right + " and" * 50, finish="length"))


# Harmless rewrites -----------------------------------------------------------------------------------------------------


def harmless_variants(case: Case, calls: list[Call], random: Random) -> Iterator[Variant]:
    """Answers that say the same in another way."""

    def one(kind: str, changed: list[Call], dialect: str = "hermes_json", preamble: str = "") -> Variant:
        return Variant(kind, said(case.id, changed, dialect, preamble))

    def each(change: Callable[[str, dict[str, Any]], dict[str, Any] | None]) -> list[Call] | None:
        changed = [(name, change(name, copy.deepcopy(arguments))) for name, arguments in calls]
        if all(new is None for _, new in changed):
            return None
        return [(name, old if new is None else new) for (name, old), (_, new) in zip(calls, changed)]

    yield one("as it is", calls)
    yield one("preamble", calls, preamble="Let me look that up.\n\n")
    for dialect in random.sample(WRITTEN, 5):
        yield one("in another dialect", calls, dialect)
    native = tuple({"name": name, "arguments": json.dumps(arguments)} for name, arguments in calls)
    yield Variant("data of an endpoint", Prediction(case=case.id, text="", tool_calls=native))
    spaced = "\n".join(
        f"<tool_call>\n{json.dumps({'name': n, 'arguments': a}, indent=2, ensure_ascii=True)}\n</tool_call>"
        for n, a in calls
    )
    yield Variant("other JSON", Prediction(case=case.id, text=spaced))
    if len(calls) > 1 and not any("result$" in json.dumps(arguments) for _, arguments in calls):
        yield one("calls in another order", calls[::-1])
    changes: list[tuple[str, Callable[[str, dict[str, Any]], dict[str, Any] | None]]] = [
        ("arguments in another order", lambda _, a: dict(reversed(a.items())) if len(a) > 1 else None),
        ("numbers as floats", _floats),
        ("defaults said", _defaults),
        ("null for what is not given", _nulls),
        ("path from here", lambda _, a: {**a, "path": "./" + a["path"]} if "path" in a else None),
        (
            "path with a detour",
            lambda _, a: {**a, "path": a["path"].replace("/", "//", 1)} if "path" in a else None,
        ),
        ("date written out", _dates),
        ("another case", _cases),
        ("spaces and a full stop", _spaces),
        ("set in another order", lambda _, a: {**a, "extras": a["extras"][::-1]} if "extras" in a else None),
        ("long text, a word changed", _reworded),
    ]
    for kind, change in changes:
        if (changed := each(change)) is not None:
            yield one(kind, changed)


def _floats(_: str, arguments: dict[str, Any]) -> dict[str, Any] | None:
    text = json.dumps(arguments)
    read = json.loads(text, parse_int=lambda digits: float(digits))
    return read if json.dumps(read) != text else None


def _defaults(name: str, arguments: dict[str, Any]) -> dict[str, Any] | None:
    more = {k: s["default"] for k, s in SCHEMAS[name].items() if "default" in s and k not in arguments}
    return {**arguments, **more} if more else None


def _nulls(name: str, arguments: dict[str, Any]) -> dict[str, Any] | None:
    more = {key: None for key in SCHEMAS[name] if key not in arguments and key not in REQUIRED[name]}
    return {**arguments, **more} if more else None


def _dates(_: str, arguments: dict[str, Any]) -> dict[str, Any] | None:
    if "arrival" not in arguments:
        return None
    year, month, day = arguments["arrival"].split("-")
    return {**arguments, "arrival": f"{year}/{int(month)}/{int(day)}"}


def _cases(_: str, arguments: dict[str, Any]) -> dict[str, Any] | None:
    keys = [key for key in ("city", "hotel", "note") if key in arguments]
    return {**arguments, **{key: arguments[key].lower() for key in keys}} if keys else None


def _spaces(_: str, arguments: dict[str, Any]) -> dict[str, Any] | None:
    keys = [key for key in ("city", "hotel", "note") if key in arguments]
    changed = {key: f" {arguments[key].replace(' ', '  ')}." for key in keys}
    return {**arguments, **changed} if keys else None


def _reworded(_: str, arguments: dict[str, Any]) -> dict[str, Any] | None:
    if arguments.get("body") != LONG_TEXT:
        return None
    return {**arguments, "body": LONG_TEXT.replace("remarks", "comments").replace("Dear team", "Hello team")}


def with_case(variant: Variant, case: str) -> Variant:
    return replace(variant, prediction=variant.prediction.model_copy(update={"case": case}))
