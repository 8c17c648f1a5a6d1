"""Schemas of tools as JSON Schema has them: datasets write types in the words of Python and of their own."""

import re
from collections.abc import Mapping
from typing import Any

_TYPES = {
    **dict.fromkeys(("string", "str", "text"), "string"),
    **dict.fromkeys(("integer", "int", "long"), "integer"),
    **dict.fromkeys(("number", "float", "double"), "number"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    **dict.fromkeys(("array", "list", "tuple", "set"), "array"),
    **dict.fromkeys(("object", "dict", "hashmap"), "object"),
    **dict.fromkeys(("null", "none"), "null"),
}
_DEEPEST = 60


def standard_schema(schema: Any, depth: int = 0) -> dict[str, Any]:
    """A schema that a validator can use: known type words, unknown ones left out, and no other parameters than those
    named unless it says so. Patterns are left out: a validator could take for ever over a hostile one.

    `{"type": "dict", "properties": {"n": {"type": "int, optional"}}}` becomes an object with an integer `n`.
    """
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return {}
    found: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "type":
            if kind := _kind(value):
                found["type"] = kind
        elif key in ("properties", "$defs", "definitions"):
            if isinstance(value, Mapping):
                found[key] = {name: standard_schema(inner, depth + 1) for name, inner in value.items()}
        elif key in ("anyOf", "oneOf", "allOf"):
            if isinstance(value, list) and value:
                found["anyOf" if key == "oneOf" else key] = [
                    standard_schema(inner, depth + 1) for inner in value
                ]
        elif key in ("items", "additionalProperties"):
            found[key] = value if isinstance(value, bool) else standard_schema(value, depth + 1)
        elif key == "required":
            if isinstance(value, list):
                found[key] = [name for name in value if isinstance(name, str)]
        elif key == "enum":
            if isinstance(value, list) and value:
                found[key] = value
        elif key in ("const", "$ref", *_BOUNDS) and value is not None:
            found[key] = value
    closed = found.get("properties") and not found.keys() & {"additionalProperties", "anyOf", "allOf", "$ref"}
    if closed and "patternProperties" not in schema:
        found["additionalProperties"] = False
    return found


_BOUNDS = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minItems",
    "maxItems",
    "uniqueItems",
)


def _kind(written: Any) -> str | list[str] | None:
    if isinstance(written, list):
        kinds = [
            _TYPES[word] for item in written if isinstance(item, str) and (word := item.lower()) in _TYPES
        ]
        return kinds if len(kinds) == len(written) else None
    if not isinstance(written, str):
        return None
    word = written.strip().lower()
    if inner := re.fullmatch(r"optional\[(.*)\]", word):
        kind = _kind(inner.group(1))
        return [kind, "null"] if isinstance(kind, str) else None
    return _TYPES.get(re.split(r"[,\[]", word)[0].strip())
