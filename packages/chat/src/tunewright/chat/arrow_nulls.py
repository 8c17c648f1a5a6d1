"""Nulls that Arrow adds when rows go through Parquet or a hub's library: found, and removed. Pure.

Arrow gives all structs of a column the same members, so a tool gets the parameters of every other tool, and a call
the arguments of every other call, as nulls. A null is padding

- in a list of tools: as a parameter's schema, a keyword, a member of a tool, or a struct whose members are all null. No
  JSON schema is null; only `default`, `const`, `enum` and `examples` may mean one, so they are never touched;
- in a call's arguments: where the called tool is offered, its schema names its parameters, and this is none of them. A null
  for a parameter that the tool has was meant;
- in a message: for a key that another message of the row has a value for; `content` may be null and mean it;
- in a content block: everywhere, for a key of another kind of block.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_MAY_BE_NULL = frozenset({"default", "const", "enum", "examples", "example"})
_NAMED_SCHEMAS = frozenset({"properties", "patternProperties", "$defs", "definitions"})
_NOTHING: dict[str, Any] = {}


def padding(tools: Sequence[Any], messages: Sequence[Mapping[str, Any]]) -> str:
    """Where Arrow has added nulls, in words; empty where it has not."""
    listed = list(_dropped(list(tools), without(tools), "tools")) if _has_null(tools) else []
    return _in_words([*listed, *_message_places(tools, messages)])


def message_padding(tools: Sequence[Any], messages: Sequence[Mapping[str, Any]]) -> str:
    """The same of the messages alone; `tools` are those that the row offers."""
    return _in_words(_message_places(tools, messages))


def _message_places(tools: Sequence[Any], messages: Sequence[Mapping[str, Any]]) -> list[str]:
    if not any(_has_null(message) for message in messages):
        return []
    # A message's own nulls do no harm: every reader takes `tool_calls: null` for no calls.
    said = [{key: value for key, value in message.items() if value is not None} for message in messages]
    return list(_dropped(said, of_messages(said, tools), "messages"))


def _in_words(places: Sequence[str]) -> str:
    if not places:
        return ""
    return f"{len(places)} nulls that Arrow adds for keys of other rows or tools, the first is {places[0]}"


def of_row(row: Mapping[str, Any], tools: Sequence[Any] | None) -> dict[str, Any]:
    """A row of `messages` without padding in its messages and its tools; `tools` are those that it offers."""
    new = dict(row)
    if isinstance(listed := row.get("messages"), list):
        new["messages"] = of_messages(listed, tools or ())
    if isinstance(listed := row.get("tools"), list):
        new["tools"] = without(listed)
    return new


def without(tools: Sequence[Any]) -> list[Any]:
    """A list of tools without padding."""
    return [_member(tool) for tool in tools if not _is_null(tool)] if _has_null(tools) else list(tools)


def _member(value: Any) -> Any:
    """A tool, a schema or a part of one, without the nulls that mean nothing."""
    if isinstance(value, list):
        return [_member(item) for item in value if not _is_null(item)]
    if not isinstance(value, dict):
        return value
    kept: dict[str, Any] = {}
    for key, inner in value.items():
        if key in _MAY_BE_NULL:
            kept[key] = inner
        elif key in _NAMED_SCHEMAS and inner is not None:
            kept[key] = _named(inner)
        elif not _is_null(inner):
            kept[key] = _member(inner)
    return kept


def _named(schemas: Any) -> Any:
    if not isinstance(schemas, dict):
        return schemas
    return {name: _member(schema) for name, schema in schemas.items() if not _is_null(schema)}


def of_messages(messages: Sequence[Mapping[str, Any]], tools: Sequence[Any]) -> list[dict[str, Any]]:
    """Messages without padding. `tools` are those that the row offers."""
    schemas = schemas_of(without(tools))
    used = {key for message in messages for key, value in message.items() if not _is_null(value)}
    return [_message(message, used, schemas) for message in messages]


def _message(message: Mapping[str, Any], used: set[str], schemas: Mapping[str, Any]) -> dict[str, Any]:
    new = {
        key: value
        for key, value in message.items()
        if key == "content" or key not in used or not _is_null(value)
    }
    if isinstance(blocks := new.get("content"), list):
        new["content"] = [_block(block) for block in blocks]
    if isinstance(calls := new.get("tool_calls"), list):
        new["tool_calls"] = [_call(call, schemas) for call in calls if not _is_null(call)]
    return new


def _block(block: Any) -> Any:
    if not isinstance(block, dict):
        return block
    return {key: value for key, value in block.items() if not _is_null(value)}


def _call(call: Any, schemas: Mapping[str, Any]) -> Any:
    if not isinstance(call, dict):
        return call
    if isinstance(function := call.get("function"), dict):
        return {**call, "function": _call(function, schemas)}
    if isinstance(arguments := call.get("arguments"), dict) and isinstance(name := call.get("name"), str):
        return {**call, "arguments": given(arguments, schemas.get(name))}
    return call


def schemas_of(tools: Sequence[Any]) -> dict[str, Any]:
    """The schema of each offered tool's parameters by the tool's name."""
    found: dict[str, Any] = {}
    for tool in tools:
        inner = tool.get("function", tool) if isinstance(tool, dict) else None
        if isinstance(inner, dict) and isinstance(name := inner.get("name"), str):
            found[name] = inner.get("parameters", inner.get("input_schema"))
    return found


def given(value: Any, schema: Any) -> Any:
    """A call's arguments, or a value inside them, without the nulls for which the schema has no parameter."""
    if isinstance(value, list):
        return [given(item, _dict(schema).get("items")) for item in value]
    properties = _dict(schema).get("properties")
    if (
        not isinstance(value, dict)
        or not isinstance(properties, dict)
        or _dict(schema).get("additionalProperties")
    ):
        return value
    return {
        key: given(inner, properties.get(key))
        for key, inner in value.items()
        if key in properties or not _is_null(inner)
    }


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else _NOTHING


def _is_null(value: Any) -> bool:
    """Null, or a struct whose members are all null."""
    return value is None or (isinstance(value, dict) and bool(value) and all(map(_is_null, value.values())))


def _has_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_null, value.values()))
    return value is None or (isinstance(value, list | tuple) and any(map(_has_null, value)))


def _dropped(old: Any, new: Any, path: str) -> Iterator[str]:
    """The places that `old` has and `new`, made from it by leaving things out, has not."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key, value in old.items():
            if key not in new:
                yield f"{path}.{key}"
            else:
                yield from _dropped(value, new[key], f"{path}.{key}")
    elif isinstance(old, list) and isinstance(new, list):
        kept = iter(new) if len(new) == len(old) else None
        for number, value in enumerate(old):
            if kept is not None:
                yield from _dropped(value, next(kept), f"{path}[{number}]")
            elif _is_null(value):
                yield f"{path}[{number}]"
