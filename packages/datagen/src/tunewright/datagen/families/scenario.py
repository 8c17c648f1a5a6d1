"""One kind of request: its wordings, the program that does it, and how its output becomes an answer."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import Template
from typing import Literal

Family = Literal[
    "discrimination", "one_call", "field_access", "conditional", "iteration", "workflow", "failure"
]
Site = Literal[
    "symbol",
    "file",
    "short_file",
    "folder",
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
    "maybe_symbol",
    "maybe_query",
    "maybe_outside",
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

    `answer` may use the request's slots and of the output `{out}` (all of it), `{out1}`, `{out2}` … (its words),
    `{n}` (its lines), `{items}` (its lines in a row), `{quoted}` (each of them in backticks) and `{rest}` (all lines
    but the first). `when` has the answers to outputs that are words, such as yes or unused; `nothing` is said when
    the program printed nothing.
    """

    name: str
    family: Family
    tool: str  # the first one called
    site: Site
    requests: tuple[str, ...]
    program: str
    answer: str = ""
    nothing: str = ""
    when: Mapping[str, str] = field(default_factory=dict[str, str])
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
        """The final answer: nothing in it that is neither in the request nor in the output.

        Raises KeyError when a scenario has answers to certain outputs only, and this is another one.
        """
        lines = [line for line in stdout.splitlines() if line.strip()]
        if not lines:
            return ended(fill(self.nothing, slots))
        out = "\n".join(lines)
        answer = self.when.get(out, self.answer) if self.answer else self.when[out]
        words = {f"out{number}": word for number, word in enumerate(out.split(), start=1)}
        more = {"n": len(lines), "items": _row(lines), "rest": _row(lines[1:])}
        quoted = _row([f"`{line}`" if "`" not in line else line for line in lines])
        return ended(fill(answer, {**words, **slots, "out": out, "quoted": quoted, **more}))


def yes_or_no(claim: str, denial: str) -> dict[str, str]:
    """Answers to an output that is yes or no."""
    return {"yes": f"Yes, {claim}.", "no": f"No, {denial}."}


def _row(lines: Sequence[str]) -> str:
    if not lines:
        return "nothing"
    shown = ", ".join(lines[:MAX_LISTED])
    return shown + (f" and {len(lines) - MAX_LISTED} more" if len(lines) > MAX_LISTED else "")


def ended(text: str) -> str:
    """Without the full stop where a value's own ending makes one too many."""
    return text[:-1] if re.search(r"[.:;,!?]\.$", text) else text


_SLOT = re.compile(r"\{(\w+)(?::([^{}|]*)\|([^{}|]*))?\}")


def fill(template: str, slots: Mapping[str, str | int]) -> str:
    """Replace `{name}` by its slot, and `{name:line|lines}` by the one word when the slot is 1 and by the other when not.

    All in one pass: a value's own braces stay what they are. Raises KeyError for a slot that is not there.
    """

    def filled(match: "re.Match[str]") -> str:
        value = str(slots[match.group(1)])
        if match.group(2) is None:
            return value
        return match.group(2) if value == "1" else match.group(3)

    return _SLOT.sub(filled, template)


def literal(value: str | int) -> str:
    """A Python literal, strings in double quotes."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
