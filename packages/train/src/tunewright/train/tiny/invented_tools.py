"""Invented tools: what they are called, what they take, what their results hold.

Two kinds are used. Household tools come from a fixed seed, so that they are the same in every
conversation and may be called without being listed. Passing tools are made anew for one
conversation, whose system message lists them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from tunewright.train.tiny import names

FORBIDDEN_TOOLS = frozenset(
    names.words(
        """
    goto_definition find_references hover document_symbols workspace_symbols typecheck ruff_check pytest_run
    git_status git_diff git_log read_file write_file run_command
    """
    )
)
"""The product's own tools: no conversation may name them, or the base model would know its exam."""

Value = str | int | bool

_KINDS: dict[str, tuple[Callable[[Random], Value], tuple[str, ...]]] = {
    "symbol": (names.symbol, ("name", "key", "target", "label", "component", "subject", "entity", "element")),
    "path": (names.path, ("path", "source", "folder", "document", "file", "location")),
    "number": (
        names.number,
        ("limit", "page", "amount", "offset", "level", "days", "row", "position", "line", "column", "depth"),
    ),
    "phrase": (names.phrase, ("text", "topic", "title", "phrase", "keywords", "pattern")),
    "code": (names.code, ("id", "ticket", "code", "serial", "reference", "sku", "token")),
    "host": (names.host, ("host", "server", "domain", "node", "address")),
    "date": (names.date, ("date", "day", "since", "start", "until")),
    "version": (names.version, ("version", "release", "build", "tag")),
    "person": (names.person, ("person", "owner", "member", "customer", "author")),
    "city": (lambda rng: rng.choice(names.CITIES), ("city", "place", "region", "station", "office")),
    "word": (names.word, ("category", "queue", "channel", "table", "group", "kind")),
}
_MAIN_KINDS = (
    ("symbol",) * 6 + ("path",) * 3 + ("code", "code", "phrase", "host", "person", "city", "word", "version")
)
_SIDE_KINDS = ("path",) * 5 + ("number",) * 5 + ("date", "version", "word", "symbol", "host", "person")

_TEXT_FIELDS = names.words(
    """
    name owner status path title kind region host label color city message version author category format
    level source target unit currency summary file module state priority address carrier genre language
    scope signature reason comment detail parent type text role
    """
)
_NUMBER_FIELDS = names.words(
    """
    count total price size line column duration quantity score port width latency page rating temperature
    age weight progress capacity height year distance humidity position balance length row number uptime
    exit_code rank
    """
)
_LIST_FIELDS = names.words(
    """
    items rows entries results records matches tracks files hosts events errors warnings steps routes parts
    members lines orders tickets alerts notes changes tasks nodes tags values pages jobs links issues stops
    shifts forecasts layers children usages places points versions
    """
)
_FLAGS = (
    "found",
    "active",
    "available",
    "valid",
    "enabled",
    "complete",
    "online",
    "locked",
    "is_open",
    "passed",
    "ready",
)
_TOOL_VERBS = {
    "lookup": ("look up", "find"),
    "fetch": ("fetch", "get"),
    "list": ("list", "show"),
    "count": ("count", "count"),
    "check": ("check", "inspect"),
    "locate": ("locate", "find"),
    "scan": ("scan", "go through"),
    "get": ("get", "show"),
    "resolve": ("resolve", "work out"),
    "measure": ("measure", "check"),
    "search": ("search", "look for"),
    "inspect": ("inspect", "look at"),
    "describe": ("describe", "explain"),
    "trace": ("trace", "follow"),
    "query": ("query", "ask for"),
    "show": ("show", "display"),
    "find": ("find", "search for"),
    "load": ("load", "get"),
    "convert": ("convert", "turn around"),
    "plan": ("plan", "work out"),
    "book": ("book", "reserve"),
    "verify": ("verify", "check"),
}


@dataclass(frozen=True)
class Parameter:
    """One parameter: its name and the kind of value it takes."""

    name: str
    kind: str

    def sample(self, rng: Random) -> Value:
        """A random value of this kind."""
        return _KINDS[self.kind][0](rng)


@dataclass(frozen=True)
class Tool:
    """An invented tool with the fields of its result."""

    name: str
    verb: str
    noun: str
    parameters: tuple[Parameter, ...]
    texts: tuple[str, ...]
    numbers: tuple[str, ...]
    flag: str
    list_name: str
    item_texts: tuple[str, ...]
    item_numbers: tuple[str, ...]

    def spoken(self, rng: Random) -> str:
        """The verb as a person would say it."""
        return rng.choice(_TOOL_VERBS[self.verb])

    def listing(self, style: int) -> str:
        """The tool as a system message lists it."""
        arguments = ", ".join(p.name for p in self.parameters)
        items = ", ".join((*self.item_texts, *self.item_numbers))
        scalars = ", ".join((self.flag, *self.texts, *self.numbers))
        if style == 0:
            return f"- {self.name}({arguments}) -> {scalars}, {self.list_name}[{items}]"
        if style == 1:
            return f"- {self.name}({arguments}): {scalars}; {self.list_name}: {items}"
        if style == 2:
            return f"{self.name}({arguments}) returns {scalars} and {self.list_name} ({items})"
        return f"- {self.name}({arguments})"


def _parameters(rng: Random) -> tuple[Parameter, ...]:
    if rng.random() < 0.22:
        # A position in a file: the shape that most editor tools share.
        position = [Parameter("path", "path"), Parameter("line", "number"), Parameter("column", "number")]
        position = position[: rng.choice((2, 3, 3))]
        name = Parameter(rng.choice(_KINDS["symbol"][1]), "symbol")
        return tuple(rng.choice(([*position, name], [name, *position], position)))
    kinds = [rng.choice(_MAIN_KINDS)]
    kinds += rng.sample(_SIDE_KINDS, rng.choice((0, 0, 1, 1, 2)))
    made = [Parameter(rng.choice(_KINDS[kind][1]), kind) for kind in dict.fromkeys(kinds)]
    if rng.random() < 0.3:
        rng.shuffle(made)
    return tuple(made)


def _field(rng: Random, pool: tuple[str, ...]) -> str:
    return f"{names.word(rng)}_{rng.choice(pool)}" if rng.random() < 0.15 else rng.choice(pool)


def _fields(rng: Random, pool: tuple[str, ...], low: int, high: int, taken: set[str]) -> tuple[str, ...]:
    wanted = rng.randint(low, high)
    chosen: list[str] = []
    while len(chosen) < wanted:
        field = _field(rng, pool)
        if field not in taken:
            taken.add(field)
            chosen.append(field)
    return tuple(chosen)


def make_tool(rng: Random, noun: str | None = None) -> Tool:
    """A random tool about `noun`, or about a random thing."""
    noun = noun or (rng.choice(names.WORDS) if rng.random() < 0.85 else names.coined(rng))
    if rng.random() < 0.25:
        noun = f"{rng.choice(names.WORDS)}_{noun}"
    verb = rng.choice(tuple(_TOOL_VERBS))
    name = rng.choice(
        (f"{verb}_{noun}", f"{verb}_{noun}", f"{verb}_{noun}s", f"{noun}_{verb}", f"{noun}_info")
    )
    taken: set[str] = set()
    flag = "success" if rng.random() < 0.85 else rng.choice(_FLAGS)
    taken.add(flag)
    list_name = _field(rng, _LIST_FIELDS)
    taken.add(list_name)
    texts = _fields(rng, _TEXT_FIELDS, 1, 2, taken)
    numbers = _fields(rng, _NUMBER_FIELDS, 1, 2, taken)
    if rng.random() < 0.3:
        numbers = (f"{singular(list_name)}_count", *numbers[:1])
    items: set[str] = set()
    return Tool(
        name,
        verb,
        noun.replace("_", " "),
        _parameters(rng),
        texts,
        numbers,
        flag,
        list_name,
        _fields(rng, _TEXT_FIELDS, 1, 2, items),
        _fields(rng, _NUMBER_FIELDS, 1, 1 + (rng.random() < 0.3), items),
    )


def singular(name: str) -> str:
    """The last word of a list's name for one of its items."""
    last = name.rsplit("_", 1)[-1]
    return {"entries": "entry", "matches": "match", "children": "child"}.get(last, last.removesuffix("s"))


def sample_field(rng: Random, field: str, number: bool) -> Value:
    """A plausible value for a result field."""
    if number:
        return names.number(rng)
    last = field.rsplit("_", 1)[-1]
    if last in ("path", "file", "source"):
        return names.path(rng)
    if last in ("owner", "author"):
        return names.person(rng)
    if last in ("status", "state", "priority", "level"):
        return rng.choice(names.STATES)
    if last in ("city", "region"):
        return rng.choice(names.CITIES)
    if last in ("host", "address"):
        return names.host(rng)
    if last == "version":
        return names.version(rng)
    if last in ("message", "summary", "title", "reason", "comment", "detail", "text"):
        return names.phrase(rng)
    if last in ("name", "parent", "module", "type", "signature", "target", "scope"):
        return names.symbol(rng)
    return names.word(rng)


@lru_cache(maxsize=1)
def household() -> tuple[Tool, ...]:
    """The fixed tools, the same in every conversation."""
    rng = names.seeded(20_261)
    nouns = rng.sample(names.WORDS, 40)
    return tuple(make_tool(rng, noun) for noun in nouns)
