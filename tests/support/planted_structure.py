"""Rows in which structure decides the tool, in which it does not, and in which nothing does."""

from random import Random
from typing import Any

SYSTEMS = ("You help a programmer.", "You work in a large repository.")
# By tool: what is asked for it. Each of the first two shares its wording with one of the last two.
PLAIN = {
    "goto_definition": "Where is {} defined?",
    "find_references": "Who calls {}?",
    "run_command": "Run the script {} now",
    "read_file": "Print the text of {}",
}
SHARED = {
    "goto_definition": "Look at {}",
    "find_references": "List all of {}",
    "run_command": "Look at {}",
    "read_file": "List all of {}",
}
_PARTS = (
    "net",
    "bus",
    "tag",
    "row",
    "map",
    "key",
    "job",
    "cell",
    "page",
    "unit",
    "lock",
    "node",
    "path",
    "view",
)


def name(random: Random) -> str:
    return "_".join(random.sample(_PARTS, 3))


def _row(request: str, tool: str, system: str) -> dict[str, Any]:
    call = {"type": "function", "function": {"name": tool, "arguments": {"symbol": request.split()[-1]}}}
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": request})
    messages.append({"role": "assistant", "content": "", "tool_calls": [call]})
    return {"messages": messages}


def by_structure(count: int, seed: int = 1) -> list[dict[str, Any]]:
    """The two navigation tools have no system message, the other two have one; the wording does not tell them apart."""
    random = Random(seed)
    rows: list[dict[str, Any]] = []
    for number in range(count):
        tool = list(SHARED)[number % 4]
        system = "" if tool in ("goto_definition", "find_references") else random.choice(SYSTEMS)
        rows.append(_row(SHARED[tool].format(name(random)), tool, system))
    return rows


def by_request(count: int, seed: int = 1) -> list[dict[str, Any]]:
    """Every tool has the same structure, and its own wording."""
    random = Random(seed)
    rows: list[dict[str, Any]] = []
    for number in range(count):
        tool = list(PLAIN)[number % 4]
        system = random.choice(["", *SYSTEMS])
        rows.append(_row(PLAIN[tool].format(name(random)), tool, system))
    return rows


def by_chance(count: int, seed: int = 1) -> list[dict[str, Any]]:
    """The tool is drawn: neither structure nor request tells it."""
    random = Random(seed)
    rows: list[dict[str, Any]] = []
    for _ in range(count):
        wording = random.choice(list(PLAIN.values()))
        system = random.choice(["", *SYSTEMS])
        rows.append(_row(wording.format(name(random)), random.choice(list(PLAIN)), system))
    return rows
