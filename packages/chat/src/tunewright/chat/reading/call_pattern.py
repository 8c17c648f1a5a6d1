"""A user's own way to write a call, given as a regular expression in `[calls]`.

    [calls]
    ours = '@(?P<name>\\w+)\\((?P<arguments>\\{.*?\\})\\)'

The group `name` is the tool; the group `arguments`, which may be missing, is a JSON object or Python's named values.
"""

import ast
import json
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from tunewright.contract.errors import UserError


@dataclass(frozen=True)
class CallPattern:
    """One dialect of the user's."""

    dialect: str
    pattern: "re.Pattern[str]"

    def calls(self, text: str) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """The calls in a text: where each begins and ends, and its name and arguments."""
        for found in self.pattern.finditer(text):
            groups = found.groupdict()
            yield (
                found.start(),
                found.end(),
                {"name": groups["name"], "arguments": _arguments(groups.get("arguments"))},
            )


# The patterns that are in force while a dataset is normalized, where messages are looked at one by one.
_DECLARED: ContextVar[tuple[CallPattern, ...]] = ContextVar("declared", default=())


@contextmanager
def declared(patterns: tuple[CallPattern, ...]) -> Generator[None]:
    """Let `declared_calls` find calls by these patterns for the time of the context."""
    token = _DECLARED.set(patterns)
    try:
        yield
    finally:
        _DECLARED.reset(token)


def declared_calls(text: str) -> list[tuple[int, str]]:
    """The calls that a user's own patterns find in a text: where each begins, and its tool, in order."""
    return sorted((start, call["name"]) for each in _DECLARED.get() for start, _, call in each.calls(text))


def _arguments(text: str | None) -> Any:
    """An object; the text as it is where it is neither JSON nor named values of Python."""
    if text is None or not text.strip():
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return _python_arguments(text)
    return value if isinstance(value, dict) else text


def _python_arguments(text: str) -> Any:
    try:
        call = ast.parse(f"call({text})", mode="eval").body
        if isinstance(call, ast.Call) and not call.args:
            return {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        pass
    return text


def take_out(text: str, patterns: Sequence[CallPattern]) -> tuple[str, list[dict[str, Any]]]:
    """A text without the calls that the patterns find, and these calls as `tool_calls` in the order of the text."""
    found = sorted((call for pattern in patterns for call in pattern.calls(text)), key=lambda call: call[:2])
    left: list[str] = []
    calls: list[dict[str, Any]] = []
    at = 0
    for start, end, function in found:
        if start < at:  # inside another one
            continue
        left.append(text[at:start])
        calls.append({"type": "function", "function": function})
        at = end
    return ("".join([*left, text[at:]]).strip(), calls) if calls else (text, [])


def parse_patterns(value: Any, origin: str) -> tuple[CallPattern, ...]:
    """Check a `[calls]` table. Raises UserError that names the key."""
    if not isinstance(value, dict):
        raise UserError(f"{origin}: calls: a table is needed", _EXAMPLE)
    patterns: list[CallPattern] = []
    for name, text in value.items():
        if not isinstance(text, str):
            raise UserError(f"{origin}: calls.{name}: a regular expression is needed", _EXAMPLE)
        try:
            pattern = re.compile(text, re.DOTALL)
        except (re.error, OverflowError, RecursionError) as error:
            raise UserError(
                f"{origin}: calls.{name}: not a regular expression ({error})", _EXAMPLE
            ) from error
        if "name" not in pattern.groupindex:
            raise UserError(f"{origin}: calls.{name}: no group (?P<name>…) in it", _EXAMPLE)
        if pattern.match(""):
            raise UserError(f"{origin}: calls.{name}: it matches where nothing is", _EXAMPLE)
        patterns.append(CallPattern(name, pattern))
    return tuple(patterns)


_EXAMPLE = r"""[calls] ours = '@(?P<name>\w+)\((?P<arguments>\{.*?\})\)'"""
