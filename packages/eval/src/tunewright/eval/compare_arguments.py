"""Arguments of a call compared with the right ones, each value by its type and its schema. Pure.

The right value's own type decides what it is compared as, because a right value that does not fit its schema never
gets into a suite. The schema adds what the value cannot show: its enum, its format, defaults, and parameter names.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tunewright.eval.same_text import Loose, same_text

DEEPEST = 20  # references and alternatives of a schema inside each other

Schema = dict[str, Any]  # as it was read from JSON

_COMBINED = frozenset({"$ref", "allOf", "anyOf", "oneOf"})


@dataclass(frozen=True)
class Difference:
    """One argument that is not as it should be. `path` is as in `filters[0].value`; a value that is not there is None."""

    path: str
    reason: str
    expected: Any = None
    actual: Any = None

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "reason": self.reason,
            "expected": self.expected,
            "actual": self.actual,
        }


@dataclass(frozen=True)
class Compared:
    """`loose` are the long texts that count as right and are not the same: near, or only about the same thing."""

    differences: tuple[Difference, ...] = ()
    loose: tuple[tuple[str, Loose], ...] = ()

    @property
    def same(self) -> bool:
        return not self.differences


def compare_arguments(
    expected: Mapping[str, Any], actual: Mapping[str, Any], schema: Schema, *, untyped: bool = False
) -> Compared:
    """What differs between two calls' arguments.

    `schema` is the tool's JSON schema of parameters, `{}` where there is none. `untyped`: the answer's dialect writes
    every value as bare text, so that whether `5` is a number or a text follows from the right value alone.
    """
    found = _Comparison(schema, untyped)
    found.objects(expected, actual, schema, "")
    return Compared(tuple(found.differences), tuple(found.loose))


class _Comparison:
    def __init__(self, root: Schema, untyped: bool) -> None:
        self.root = root
        self.untyped = untyped
        self.differences: list[Difference] = []
        self.loose: list[tuple[str, Loose]] = []

    def differs(self, path: str, reason: str, expected: Any = None, actual: Any = None) -> None:
        self.differences.append(Difference(path, reason, expected, actual))

    def same(self, expected: Any, actual: Any, schema: Schema) -> bool:
        """Whether two values are the same, without saying where they differ."""
        trial = _Comparison(self.root, self.untyped)
        trial.values(expected, actual, schema, "")
        return not trial.differences

    def objects(
        self, expected: Mapping[str, Any], actual: Mapping[str, Any], schema: Schema, path: str
    ) -> None:
        properties, required, is_open = object_schema(schema, self.root)
        for key, value in expected.items():
            inner = properties.get(key, {})
            where = f"{path}.{key}" if path else key
            if key in actual:
                self.values(value, actual[key], inner, where)
            elif value is not None and not self.is_default(value, inner):
                self.differs(where, f"{where} is missing; right is {shown(value)}", value)
        for key, value in actual.items():
            if key in expected:
                continue
            inner = properties.get(key, {})
            where = f"{path}.{key}" if path else key
            if key not in properties and properties and not is_open:
                self.differs(where, f"there is no parameter {where}", actual=value)
            elif not (value is None and key not in required) and not self.is_default(value, inner):
                self.differs(where, f"{where} was not asked for, is {shown(value)}", actual=value)

    def is_default(self, value: Any, schema: Schema) -> bool:
        schema = resolved(schema, self.root)
        return "default" in schema and self.same(schema["default"], value, schema)

    def values(self, expected: Any, actual: Any, schema: Schema, path: str) -> None:
        schema = resolved(schema, self.root)
        if isinstance(expected, str):
            self.texts(expected, actual, schema, path)
        elif isinstance(expected, dict):
            if isinstance(actual, dict):
                self.objects(expected, actual, schema, path)
            else:
                self.wrong(path, expected, actual)
        elif isinstance(expected, list):
            self.lists(expected, actual, schema, path)
        elif not same_scalar(expected, actual):
            self.wrong(path, expected, actual)

    def wrong(self, path: str, expected: Any, actual: Any) -> None:
        self.differs(path, f"{path} must be {shown(expected)}, is {shown(actual)}", expected, actual)

    def lists(self, expected: list[Any], actual: Any, schema: Schema, path: str) -> None:
        if not isinstance(actual, list):
            self.wrong(path, expected, actual)
            return
        items = schema.get("items")
        inner: Schema = items if isinstance(items, dict) else {}
        if schema.get("uniqueItems") is True:
            if not self._same_set(expected, actual, inner):
                self.wrong(path, expected, actual)
            return
        if len(expected) != len(actual):
            self.differs(path, f"{path} must have {len(expected)} items, has {len(actual)}", expected, actual)
            return
        for number, (right, given) in enumerate(zip(expected, actual)):
            self.values(right, given, inner, f"{path}[{number}]")

    def _same_set(self, expected: list[Any], actual: list[Any], schema: Schema) -> bool:
        left = list(actual)
        for value in expected:
            place = next((n for n, given in enumerate(left) if self.same(value, given, schema)), None)
            if place is None:
                return False
            del left[place]
        return not left

    def texts(self, expected: str, actual: Any, schema: Schema, path: str) -> None:
        if not isinstance(actual, str):
            if not (self.untyped and _reads_as(expected, actual)):
                self.wrong(path, expected, actual)
            return
        how = same_text(expected, actual, schema)
        if how is None:
            self.wrong(path, expected, actual)
        elif how != "same":
            self.loose.append((path, how))


def same_scalar(expected: Any, actual: Any) -> bool:
    """Numbers by value, so that 1 is 1.0; booleans are not numbers; null is null."""
    if isinstance(expected, bool) or expected is None:
        return type(actual) is type(expected) and actual == expected
    if isinstance(actual, bool) or not isinstance(actual, int | float):
        return False
    if isinstance(expected, int) and isinstance(actual, int):
        return expected == actual
    try:
        return math.isclose(expected, actual, rel_tol=1e-9)
    except OverflowError:  # an integer beyond all floats
        return False


def _reads_as(text: str, value: Any) -> bool:
    """Whether a bare text reads as this value."""
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return json.dumps(read, sort_keys=True) == json.dumps(value, sort_keys=True)


def resolved(schema: Any, root: Schema, depth: int = 0) -> Schema:
    """A schema with its local `$ref` followed, and the members of `allOf`, `anyOf` and `oneOf` put together.

    Which of several alternatives a value belongs to does not matter here: where they disagree about a key, the first
    that has it is taken. References to themselves end.
    """
    if not isinstance(schema, dict) or depth > DEEPEST:
        return {}
    if _COMBINED.isdisjoint(schema):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        found: Any = root
        for part in reference[2:].split("/"):
            found = found.get(part) if isinstance(found, dict) else None
        return resolved(found, root, depth + 1)
    members = [
        resolved(member, root, depth + 1)
        for key in ("allOf", "anyOf", "oneOf")
        if isinstance(listed := schema.get(key), list)
        for member in listed
    ]
    if not members:
        return schema
    merged: dict[str, Any] = {}
    for member in members:
        inner = member.get("properties")
        if isinstance(inner, dict):
            merged["properties"] = {**inner, **merged.get("properties", {})}
        for key, value in member.items():
            merged.setdefault(key, value)
    values = [member for member in members if member.get("type") != "null"]
    if all(isinstance(member.get("enum"), list) for member in values):
        merged["enum"] = [value for member in values for value in member["enum"]]
    else:
        merged.pop("enum", None)
    return {**merged, **schema}


def object_schema(schema: Schema, root: Schema) -> tuple[Mapping[str, Any], frozenset[str], bool]:
    """An object's parameters by name, which of them it must have, and whether it may have others."""
    schema = resolved(schema, root)
    properties = schema.get("properties")
    required = schema.get("required")
    names = (
        frozenset(name for name in required if isinstance(name, str)) if isinstance(required, list) else ()
    )
    more = schema.get("additionalProperties")
    is_open = bool(more) or isinstance(schema.get("patternProperties"), dict)
    return (properties if isinstance(properties, dict) else {}), frozenset(names), is_open


def shown(value: Any) -> str:
    """A value as JSON, cut where it is too long to be read."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."
