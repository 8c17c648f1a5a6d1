"""Tools written as no standard says: as JSON anywhere in a prompt, or with parameters that no schema surrounds."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

MOST_MISSES = 20  # places in a text where JSON seems to begin and does not
_START = re.compile(r'\[\s*\{|\{\s*"')
_GAPS = re.compile(r"[\s,]+")
_DECODER = json.JSONDecoder()
_TYPES = {
    **{"str": "string", "string": "string", "int": "integer", "integer": "integer", "bool": "boolean"},
    **{"float": "number", "number": "number", "boolean": "boolean", "list": "array", "array": "array"},
    **{"tuple": "array", "dict": "object", "object": "object"},
}


def json_values(text: str) -> tuple[list[Any], str]:
    """The JSON objects, and lists of them, that stand in a text one after the other, and the text that is left."""
    values: list[Any] = []
    left: list[str] = []
    at = begin = misses = 0
    while misses < MOST_MISSES and (found := _START.search(text, at)):
        try:
            value, end = _DECODER.raw_decode(text, found.start())
        except (ValueError, RecursionError):
            misses += 1
            at = found.start() + 1
            continue
        values.append(value)
        left += text[begin : found.start()], " "
        at = begin = end
    return values, "".join([*left, text[begin:]])


def tools_in_json(text: str) -> tuple[list[Any], str]:
    """Tools that stand in a text as JSON, in lists or each alone, and the text without its JSON. Other data are left alone:
    tools have a name each, and a schema of parameters or a description; a list with anything else in it is none, and one
    of all has a schema."""
    values, left = json_values(text)
    tools = [tool for value in values for tool in _tools_of(value)]
    if not any(_is_schema(_parameters(_function(tool))) for tool in tools):
        return [], text
    return tools, _GAPS.sub(" ", left)


def _tools_of(value: Any) -> Iterator[Any]:
    if isinstance(value, dict) and _is_tool(value):
        yield value
        return
    for listed in value.values() if isinstance(value, dict) else [value]:
        if isinstance(listed, list) and all(_is_tool(item) for item in listed):
            yield from listed


def _function(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = tool.get("function")
    return inner if isinstance(inner, dict) else tool


def _parameters(tool: Mapping[str, Any]) -> Any:
    return tool.get("parameters", tool.get("input_schema"))


def _is_tool(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    tool = _function(value)
    if not isinstance(tool.get("name"), str):
        return False
    parameters = _parameters(tool)
    return _is_schema(parameters) or (not parameters and isinstance(tool.get("description"), str))


def _is_schema(parameters: Any) -> bool:
    """Whether it says which parameters there are; the arguments of a call that is shown as an example do not."""
    if not isinstance(parameters, dict):
        return False
    return "properties" in parameters or parameters.get("type") in ("object", "dict") or _is_flat(parameters)


def _is_flat(parameters: Mapping[str, Any]) -> bool:
    return bool(parameters) and all(
        isinstance(said, dict) and ("type" in said or "description" in said) for said in parameters.values()
    )


def schema_of(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Parameters as JSON schema. xLAM has each by its name and with Python's word for its type (`str, optional`); which of
    them a call needs, it does not say."""
    if "properties" in parameters or not _is_flat(parameters):
        return parameters
    properties = {
        name: {key: value for key, value in said.items() if key != "type"} | _type(said.get("type"))
        for name, said in parameters.items()
    }
    return {"type": "object", "properties": properties}


def _type(written: Any) -> dict[str, str]:
    word = re.split(r"[,\[]", written)[0].strip().lower() if isinstance(written, str) else ""
    return {"type": _TYPES[word]} if word in _TYPES else {}
