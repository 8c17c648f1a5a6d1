"""What a program does with tools: the record that following it leaves behind."""

import ast
from dataclasses import dataclass, field
from typing import Literal

from tunewright.eval.values import Value

# Steps. An answer of 512 tokens takes one or two thousand; what takes more was made to be slow to judge.
_BUDGET = 30_000


class TooLarge(Exception):
    """A program too large or too deeply nested to be followed."""


@dataclass(frozen=True)
class Guard:
    """A condition or a loop, and the result fields that decide it."""

    kind: Literal["if", "for"]
    deps: frozenset[str]


@dataclass(frozen=True)
class TracedCall:
    """A tool call in the order of execution, with the conditions and loops around it."""

    tool: str
    positional: tuple[Value, ...]
    named: tuple[tuple[str, Value], ...]
    guards: tuple[Guard, ...]
    line: int
    readable: bool = True  # False: arguments given by `*` or `**` of something unknown


@dataclass
class Trace:
    """Everything that following a program brings to light.

    `used` holds the paths whose values were printed, tested or passed on; a field that is only copied into
    a variable is not among them. `faults` are errors that would certainly happen, as sentences.
    """

    calls: list[TracedCall] = field(default_factory=list[TracedCall])
    guards: list[Guard] = field(default_factory=list[Guard])
    used: set[str] = field(default_factory=set[str])
    faults: list[str] = field(default_factory=list[str])
    open_guards: list[Guard] = field(default_factory=list[Guard])
    seen: set[tuple[ast.Call, ...]] = field(default_factory=set[tuple[ast.Call, ...]])
    steps: int = 0

    def fault(self, line: int, text: str) -> None:
        sentence = f"line {line}: {text}"
        if sentence not in self.faults:
            self.faults.append(sentence)

    def use(self, value: Value) -> None:
        self.used |= value.deps

    def guard(self, kind: Literal["if", "for"], value: Value) -> Guard:
        guard = Guard(kind, value.deps)
        if guard not in self.guards:
            self.guards.append(guard)
        if kind == "if":
            self.use(value)
        return guard

    def step(self) -> None:
        self.steps += 1
        if self.steps > _BUDGET:
            raise TooLarge
