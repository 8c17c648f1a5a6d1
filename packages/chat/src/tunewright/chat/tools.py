"""Lists of offered tools: from a row's own `tools`, its system prompt or any JSON; their JSON schema."""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any
from warnings import catch_warnings, simplefilter

_BLOCK = re.compile(r"<tools>(.*?)</tools>", re.DOTALL)
MOST_MISSES = 20  # places in a text where JSON seems to begin and does not
_START = re.compile(r'\[\s*\{|\{\s*"')
_GAPS = re.compile(r"[\s,]+")
_DECODER = json.JSONDecoder()
_WRITTEN_TYPES = {
    **{"str": "string", "string": "string", "int": "integer", "integer": "integer", "bool": "boolean"},
    **{"float": "number", "number": "number", "boolean": "boolean", "list": "array", "array": "array"},
    **{"tuple": "array", "dict": "object", "object": "object"},
}
MOST_BRACKETS = 20  # of a line; a signature has few
# Which prompts are looked at for tools (RE2 syntax).
LISTS_TOOLS = r"""<tools>|"name"\s*:\s*"|(?m:^\s*(?:[-*]|\d+[.)])\s+`?[A-Za-z_]\w*\()"""
JSON_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
_HEADING = re.compile(r"\b(?:tools|functions)\b", re.IGNORECASE)
_SIGNATURE = re.compile(r"\s*(?:[-*]|\d+[.)])\s+`?([A-Za-z_]\w*)(\(.*)")


def toolset_of(tools: Any) -> list[dict[str, Any]]:
    """One entry a named tool: position from 1, tool, description, parameters (JSON schema as text), written."""
    entries: list[dict[str, Any]] = []
    for position, item in enumerate(tools if isinstance(tools, list) else [], start=1):
        tool = _named(item)
        if tool is None:
            continue
        parameters = tool.get("parameters", tool.get("input_schema"))
        entries.append(
            {
                "position": position,
                "tool": tool["name"],
                "description": str(tool.get("description") or ""),
                "parameters": json.dumps(schema_of(parameters)) if isinstance(parameters, dict) else "",
                "written": json.dumps(item, ensure_ascii=False),
            }
        )
    return entries


def _named(item: Any) -> dict[str, Any] | None:
    """An entry of a list of tools as its inner object; None when it has no name."""
    tool = item.get("function", item) if isinstance(item, dict) else {"name": item}
    return tool if isinstance(tool, dict) and isinstance(tool.get("name"), str) else None


def unread_entries(tools: Any) -> str:
    """What is wrong with a list of tools, of which `toolset_of` leaves out the entries without a name; empty when all
    have one."""
    places = [n for n, item in enumerate(tools if isinstance(tools, list) else [], 1) if _named(item) is None]
    return (
        f"{len(places)} of {len(tools)} offered tools have no name, the first is number {places[0]}"
        if places
        else ""
    )


def tools_in_prompt(content: str) -> list[dict[str, Any]]:
    """Tools that a system prompt lists: in `<tools>` (Hermes, Qwen), as JSON anywhere (ToolACE, Glaive), or as Python
    signatures in a list under a heading that speaks of tools. Empty when none can be read."""
    tools = [tool for block in _BLOCK.findall(content) for tool in _read_block(block)[0]]
    return toolset_of(tools or tools_in_json(content)[0] or _signatures(content))


def bare_prompt(content: str) -> str:
    """A system prompt without the tools that it lists as JSON: what is left is the same whatever is offered."""
    return tools_in_json(_BLOCK.sub("", content))[1]


def unread_block(content: str) -> str:
    """What is wrong with the `<tools>` of a system prompt, as far as it cannot be read; empty when all is well."""
    for block in _BLOCK.findall(content):
        tools, left = _read_block(block)
        if "{" in left:
            return f"<tools> holds what is not JSON: {left.strip()[:80]}"
        if missing := unread_entries(tools):
            return missing
    return ""


def _signatures(content: str) -> list[Any]:
    """`- name(a: str, b: int = 0) -> …: what it does`, a line each. A list with anything else in it does not list tools."""
    tools: list[Any] = []
    listing = False
    for line in content.splitlines():
        if found := _SIGNATURE.match(line):
            tool = _signature(*found.groups()) if listing else None
            if listing and tool is None:
                return []
            tools += [tool] if tool else []
        elif line.strip():
            if tools:
                break
            listing = bool(_HEADING.search(line))
    return tools


def _signature(name: str, rest: str) -> dict[str, Any] | None:
    """One line of a list, from its bracket on, as a tool; None when it is not a signature."""
    found = _definition(name, rest)
    if found is None:
        return None
    parsed, rest = found
    given = parsed.args
    listed = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    optional = len(given.defaults) + sum(default is not None for default in given.kw_defaults)
    properties = {
        argument.arg: {"type": JSON_TYPES.get(ast.unparse(argument.annotation))}
        if argument.annotation
        else {}
        for argument in listed
    }
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {key: value if value.get("type") else {} for key, value in properties.items()},
        "required": [argument.arg for argument in listed[: len(listed) - optional]],
    }
    if given.vararg or given.kwarg:
        schema["additionalProperties"] = True
    described = rest.partition(":")[2] or rest
    return {"name": name, "description": described.strip(" `-\u2013\u2014"), "parameters": schema}


def _definition(name: str, text: str) -> tuple[ast.FunctionDef, str] | None:
    """The signature that a text begins with, and what follows it. Its last bracket is the first that makes it Python."""
    for end in [match.end() for match in islice(re.finditer(r"\)", text), MOST_BRACKETS)]:
        try:
            parsed = ast.parse(f"def {name}{text[:end]}: ...").body[0]
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        if isinstance(parsed, ast.FunctionDef):
            return parsed, text[end:]
    return None


def _read_block(block: str) -> tuple[list[Any], str]:
    """The tools of a block, one JSON object after the other or in a list, and the rest of its text."""
    values, left = json_values(block)
    if not values and "{" in left:
        with suppress(ValueError, TypeError, SyntaxError, RecursionError, MemoryError), catch_warnings():
            simplefilter("ignore")
            values, left = [ast.literal_eval(block.strip())], ""  # as Python prints a list
    return [tool for value in values for tool in (value if isinstance(value, list) else [value])], left


def json_values(text: str) -> tuple[list[Any], str]:
    """The JSON objects, and lists of them, in a text, and the text that is left."""
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
    """Tools that a text holds as JSON, in lists or each alone, and the text without its JSON. Other data are left alone:
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
    return {"type": _WRITTEN_TYPES[word]} if word in _WRITTEN_TYPES else {}


def openai_tools(tools: Any) -> list[dict[str, Any]]:
    """A list of tools, each as OpenAI's function definition; entries without a name are left out."""
    definitions: list[dict[str, Any]] = []
    for item in tools if isinstance(tools, list) else []:
        if (tool := _named(item)) is None:
            continue
        parameters = tool.get("parameters", tool.get("input_schema"))
        others = {
            key: value for key, value in tool.items() if key not in ("parameters", "input_schema", "type")
        }
        if isinstance(parameters, dict):
            others["parameters"] = schema_of(parameters)
        definitions.append({"type": "function", "function": others})
    return definitions
