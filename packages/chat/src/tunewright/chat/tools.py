"""Lists of offered tools: from a row's own `tools`, or from its system prompt."""

import ast
import json
import re
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, simplefilter

from tunewright.chat.written_tools import json_values, schema_of, tools_in_json

if TYPE_CHECKING:
    from tunewright.contract.catalog import Catalog

_BLOCK = re.compile(r"<tools>(.*?)</tools>", re.DOTALL)
MOST_BRACKETS = 20  # of a line; a signature has few
# Which prompts are looked at for tools (RE2 syntax).
LISTS_TOOLS = r"""<tools>|"name"\s*:\s*"|(?m:^\s*(?:[-*]|\d+[.)])\s+`?[A-Za-z_]\w*\()"""
_JSON_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
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
    """A system prompt without the tools that stand in it as JSON: what is left is the same whatever is offered."""
    return tools_in_json(_BLOCK.sub("", content))[1]


def unread_block(content: str) -> str:
    """What is wrong with the `<tools>` of a system prompt, as far as it cannot be read; empty when all is well."""
    for block in _BLOCK.findall(content):
        tools, left = _read_block(block)
        if "{" in left:
            return f"in <tools> stands what is not JSON: {left.strip()[:80]}"
        if missing := unread_entries(tools):
            return missing
    return ""


def _signatures(content: str) -> list[Any]:
    """`- name(a: str, b: int = 0) -> …: what it does`, a line each. A list with anything else in it is no list of tools."""
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
    """One line of a list, from its bracket on, as a tool; None when it is no signature."""
    found = _definition(name, rest)
    if found is None:
        return None
    parsed, rest = found
    given = parsed.args
    listed = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    optional = len(given.defaults) + sum(default is not None for default in given.kw_defaults)
    properties = {
        argument.arg: {"type": _JSON_TYPES.get(ast.unparse(argument.annotation))}
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
    """The tools of a block, one JSON object after the other or in a list, and what is no JSON in it."""
    values, left = json_values(block)
    if not values and "{" in left:
        with suppress(ValueError, TypeError, SyntaxError, RecursionError, MemoryError), catch_warnings():
            simplefilter("ignore")
            values, left = [ast.literal_eval(block.strip())], ""  # as Python prints a list
    return [tool for value in values for tool in (value if isinstance(value, list) else [value])], left


def catalog_tools(catalog: "Catalog") -> list[dict[str, Any]]:
    """A catalog's tools as if a row offered them, parameters as JSON schema."""
    tools: list[dict[str, Any]] = []
    for tool in catalog.tools:
        properties = {
            p.name: {
                "type": "array"
                if p.type.startswith("list[")
                else _JSON_TYPES.get(p.type.removesuffix(" | None"))
            }
            for p in tool.parameters
        }
        required = [p.name for p in tool.parameters if p.required]
        schema = {"type": "object", "properties": properties, "required": required}
        tools.append({"name": tool.name, "description": tool.description, "parameters": schema})
    return tools
