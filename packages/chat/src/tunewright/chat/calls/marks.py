"""What is looked for in a message: the marks that begin and end calls and thoughts, and calls that have no mark."""

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import chain

from tunewright.chat.calls.dialects import DIALECTS, Dialect, part

NESTED = ("code_mode", "qwen_xml", "function_tag", "hermes_json", "python_in_tool_call", "glm45")
THOUGHTS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "[THINK]": "[/THINK]",
    "<|START_THINKING|>": "<|END_THINKING|>",
}
JSON_DIALECTS = ("json", "llama_json")
_FENCE = r"(?m:^)[ \t]*```[^\n`]*\n"
_JSON = r'(?m:^)[ \t]*(?:```\w*[ \t]*\n\s{0,9})?[\[{][\s\[{]{0,20}"'
_BEGINNING = re.compile(r"<[^<\[]{2}|\[/?T", re.DOTALL)

# Matches every text in which `find` finds a call or a fault: what SQL asks before anything is read in Python (RE2).
MARKER = (
    "|".join(
        dict.fromkeys(
            chain.from_iterable(
                (
                    *map(re.escape, dialect.OPENINGS),
                    *map(re.escape, part(dialect, "CLOSINGS") or ()),
                    *filter(None, [part(dialect, "PATTERN")]),
                )
                for dialect in DIALECTS.values()
            )
        )
    )
    + r"|</?tool_call>|</?function\b|</?parameter\b"
)


@dataclass(frozen=True)
class Plan:
    """What is looked for when a message is read for some dialects."""

    names: tuple[str, ...]
    openings: dict[str, tuple[Dialect, ...]]
    closings: frozenset[str]
    unmarked: tuple[tuple[Dialect, "re.Pattern[str]"], ...]  # dialects that write calls without a mark
    hints: tuple[tuple[str, str], ...]  # what has to be in a text for one of these, and its name
    beginnings: dict[
        str, tuple[str, ...]
    ]  # all marks by how they begin; under "" where that is not a bracket
    nested: bool


@cache
def plan_of(chosen: tuple[str, ...]) -> Plan:
    dialects = [DIALECTS[name] for name in chosen]
    openings: dict[str, tuple[Dialect, ...]] = {}
    for dialect in dialects:
        for opening in dialect.OPENINGS:
            openings[opening] = (*openings.get(opening, ()), dialect)
    closings = frozenset(chain.from_iterable(part(dialect, "CLOSINGS") or () for dialect in dialects))
    unmarked = [dialect for dialect in dialects if part(dialect, "PATTERN")]
    beginnings: dict[str, tuple[str, ...]] = {}
    for mark in dict.fromkeys(chain(openings, closings, THOUGHTS)):
        begins = _BEGINNING.match(mark)
        beginning = begins.group() if begins else ""
        beginnings[beginning] = (*beginnings.get(beginning, ()), mark)
    return Plan(
        chosen,
        openings,
        closings,
        tuple((dialect, re.compile(part(dialect, "PATTERN"))) for dialect in unmarked),
        tuple((hint, dialect.NAME) for dialect in unmarked for hint in part(dialect, "HINTS")),
        beginnings,
        any(name in chosen for name in NESTED),
    )


def marks_in(whole: str, plan: Plan) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The marks that are in a text, and the names of the dialects without marks that may be in it."""
    groups = plan.beginnings
    marks = [
        mark
        for beginning in {*_BEGINNING.findall(whole), ""}
        for mark in groups.get(beginning, ())
        if mark in whole
    ]
    names = dict.fromkeys([name for hint, name in plan.hints if hint in whole])
    if "```" in whole and (marks or names):
        names["fence"] = None
    return tuple(sorted(marks)), tuple(names)


@lru_cache(500)
def expression(marks: tuple[str, ...], names: tuple[str, ...]) -> "re.Pattern[str] | None":
    """One expression for all that may begin something."""
    parts: list[str] = []
    for name in names:
        if name in JSON_DIALECTS:
            parts = [_group("json", _JSON), *(each for each in parts if "(?P<json>" not in each)]
        elif name != "fence":
            parts.append(_group(name, part(DIALECTS[name], "PATTERN")))
    if "fence" in names:
        parts.append(_group("fence", _FENCE))
    parts += [re.escape(mark) for mark in sorted(marks, key=len, reverse=True)]
    return re.compile("|".join(parts)) if parts else None


def _group(name: str, pattern: str) -> str:
    return f"(?P<{name}>{pattern})"
