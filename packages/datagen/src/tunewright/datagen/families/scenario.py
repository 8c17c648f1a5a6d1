"""One kind of request: its wordings, the program that does it, and how its output becomes an answer."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import Template
from typing import Literal

Family = Literal[
    "discrimination", "one_call", "field_access", "conditional", "iteration", "workflow", "failure"
]
Site = Literal[
    "symbol",
    "file",
    "short_file",
    "missing_file",
    "lint_file",
    "type_file",
    "test_file",
    "text",
    "new_file",
    "new_module",
    "command",
    "failing_command",
    "any_command",
    "command_file",
    "file+command",
    "file+other",
    "test_file+command",
    "test_file+other",
    "query",
    "changed_file",
    "maybe_changed_file",
    "nowhere",
    "absent_symbol",
    "definition",
    "slow_command",
]

# Ways to say where a symbol stands; `{at}` in a wording becomes one of them.
PLACES = (
    *("{file}:{line}", "{file}, line {line}", "line {line} of {file}", "{file} line {line}"),
    *("line {line} in {file}", "{file} on line {line}", "{file} at line {line}"),
)
MAX_LISTED = 4  # items of a list that an answer repeats


@dataclass(frozen=True)
class Scenario:
    """`requests` fill `{slots}`; `program` fills `$slots` with Python literals (`$$` is a dollar).

    `answer` may use the request's slots and of the output `{out}` (all of it), `{n}` (its lines) and
    `{items}` (its lines in a row); `nothing` is said when the program printed nothing.
    """

    name: str
    family: Family
    tool: str  # the first one called
    site: Site
    requests: tuple[str, ...]
    program: str
    answer: str
    nothing: str = ""
    tools: tuple[str, ...] = ()  # all that are called, in order; empty: `tool` alone
    volatile: bool = False  # prints what differs from run to run, so that its response cannot be shown
    printed_whole: bool = False  # prints whole files, so that its response is too long to be shown

    @property
    def called(self) -> tuple[str, ...]:
        return self.tools or (self.tool,)

    @property
    def shows_response(self) -> bool:
        """Whether an example may show what the program printed."""
        return not (self.volatile or self.printed_whole)

    def fill_program(self, slots: Mapping[str, str | int]) -> str:
        """The program with its slots as literals; `$bare_name` is the slot `name` without quotes."""
        literals = {key: literal(value) for key, value in slots.items()}
        bare = {f"bare_{key}": str(value) for key, value in slots.items()}
        return Template(self.program).substitute(literals | bare)

    def fill_answer(self, slots: Mapping[str, str | int], stdout: str) -> str:
        """The final answer: nothing in it that is neither in the request nor in the output."""
        lines = [line for line in stdout.splitlines() if line.strip()]
        if not lines:
            return fill(self.nothing, slots)
        shown = ", ".join(lines[:MAX_LISTED])
        if len(lines) > MAX_LISTED:
            shown += f" and {len(lines) - MAX_LISTED} more"
        return fill(self.answer, {**slots, "out": "\n".join(lines), "n": len(lines), "items": shown})


def fill(template: str, slots: Mapping[str, str | int]) -> str:
    """Replace `{name}` by its slot in one pass; a value's own braces stay what they are.

    Raises KeyError for a slot that is not there.
    """
    return re.sub(r"\{(\w+)\}", lambda match: str(slots[match.group(1)]), template)


def literal(value: str | int) -> str:
    """A Python literal, strings in double quotes."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
