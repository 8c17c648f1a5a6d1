"""What is found in an assistant message: its calls with their places, and what is wrong with them."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple


class CallSyntaxError(ValueError):
    """An assistant message whose calls cannot be read, or a call that a dialect cannot write, with the reason."""


class Call(NamedTuple):
    """A call to write: its tool, its values by parameter name, and its id where it has one."""

    name: str
    arguments: dict[str, Any]
    id: str = ""


@dataclass
class FoundCall:
    """One call. `arguments` are literal values; expressions are their source. `error` is empty when all is well."""

    syntax: str
    name: str | None
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    error: str = ""
    program: str = ""  # code mode: the program that makes the call
    id: str = ""
    start: int = -1  # of the text that writes this call, and perhaps others with it
    end: int = -1


@dataclass
class FoundTurn:
    """An assistant message taken apart."""

    preamble: str  # what is said before the first call; all that is said when there is none
    syntaxes: tuple[str, ...] = ()
    dialect: str = ""  # the whitespace between and just inside the tags
    calls: list[FoundCall] = field(default_factory=list[FoundCall])
    problems: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])  # (kind, detail)
    reasoning: str = ""  # the text of blocks of thoughts
    after: str = ""  # what is said after the first call


@dataclass
class Block:
    """A stretch of text that writes one or more calls, as a dialect reads it."""

    start: int
    end: int
    calls: list[FoundCall] = field(default_factory=list[FoundCall])
    problems: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
