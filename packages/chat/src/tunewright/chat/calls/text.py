"""A message's text as dialects read it: searches in time proportional to the text, JSON at a place, parameter values."""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from tunewright.chat.calls.found import CallSyntaxError

DEEPEST = 100  # levels of lists and objects in one call: more is an attack, not an argument
_SPACE = re.compile(r"\s*")
_CONSTANTS: dict[str, Any] = {
    **{"true": True, "false": False, "null": None},
    **{"True": True, "False": False, "None": None},
}
_JSON_BEGINS = frozenset('-0123456789[{"')


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


class Text:
    """A message's text. `tools` are the names offered, perhaps with each tool's JSON Schema; None when unknown."""

    def __init__(self, text: str, strict: bool = False, tools: Collection[str] | None = None) -> None:
        self.text = text
        self.strict = strict
        self.tools = tools
        self._found: dict[str, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self.text)

    def find(self, literal: str, start: int) -> int:
        """`str.find`. Searches that move forward take linear time together, also for what is not there."""
        begun, place = self._found.get(literal, (start, -2))
        if place == -2 or start < begun or (place != -1 and start > place):
            place = self.text.find(literal, start)
            self._found[literal] = (start, place)
        return place

    def stop(self, start: int, *literals: str) -> int:
        """Where the first of these begins; the end of the text when none follows."""
        return min(
            (place for each in literals if (place := self.find(each, start)) >= 0), default=len(self.text)
        )

    def skip(self, start: int) -> int:
        """The first place that is not whitespace."""
        found = _SPACE.match(self.text, start)
        return found.end() if found else start

    def ends(self, start: int) -> bool:
        """Whether nothing but whitespace follows."""
        return self.skip(start) == len(self.text)

    def json(self, start: int) -> tuple[Any, int]:
        """The JSON value at a place, and its end. Raises ValueError for what is not JSON, or nested too deeply."""
        try:
            value, end = _DECODER.raw_decode(self.text, start)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
        if self.text.count("{", start, end) + self.text.count("[", start, end) > DEEPEST and is_deep(value):
            raise ValueError("nested too deeply")
        return value, end

    def schema(self, tool: str, parameter: str) -> Any:
        """The JSON Schema of a parameter; None when it is not known."""
        found = self.tools.get(tool) if isinstance(self.tools, Mapping) else None
        properties = found.get("properties") if isinstance(found, dict) else None
        return properties.get(parameter) if isinstance(properties, dict) else None

    def value(self, tool: str, parameter: str, written: str) -> Any:
        """A parameter's text as a value: by its schema where that is known, or else by JSON, or else as text.

        Raises CallSyntaxError in strict reading, where schemas are given, for a parameter without one and for text that does
        not fit.
        """
        schema = self.schema(tool, parameter)
        types = schema.get("type") if isinstance(schema, dict) else None
        if types == "string":
            return written
        if self.strict and isinstance(self.tools, Mapping) and schema is None:
            raise CallSyntaxError(f"{tool} has no parameter {parameter!r}")
        stripped = written.strip()
        if stripped in _CONSTANTS:  # templates print booleans as Python does
            return _CONSTANTS[stripped]
        try:
            if stripped[:1] not in _JSON_BEGINS:
                raise ValueError("Expecting value")  # as the decoder says it, which takes ten times as long
            return load(stripped)
        except ValueError as error:
            if self.strict and isinstance(types, str):
                raise CallSyntaxError(f"{tool}: {parameter} is not JSON: {error}") from error
        return written


def load(text: str) -> Any:
    """A text that is one JSON value. Raises ValueError."""
    value, end = Text(text).json(0)
    if end != len(text):
        raise ValueError("text after the JSON value")
    return value


def is_deep(value: Any) -> bool:
    """Whether lists and objects are nested more than DEEPEST levels."""
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        level = [
            item
            for each in level
            if isinstance(each, list | dict)
            for item in (each.values() if isinstance(each, dict) else each)
            if isinstance(item, list | dict)
        ]
        if not level:
            return False
    return True


def dump(value: Any) -> str:
    """One line of JSON, as most chat templates write it. Raises CallSyntaxError for what JSON cannot hold."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (ValueError, TypeError, RecursionError) as error:
        raise CallSyntaxError(f"a value cannot be written as JSON: {error}") from error
