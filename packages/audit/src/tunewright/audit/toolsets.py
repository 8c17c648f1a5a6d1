"""Lists of offered tools: from a row's own `tools`, or from a `<tools>` block in its system prompt."""

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

    from tunewright.contract.catalog import Catalog
    from tunewright.contract.recipe import Recipe

_BLOCK = re.compile(r"<tools>(.*?)</tools>", re.DOTALL)


def toolset_of(tools: Any) -> list[dict[str, Any]]:
    """One entry a named tool: position from 1, tool, description, parameters (JSON schema as text), written."""
    entries: list[dict[str, Any]] = []
    for position, item in enumerate(tools if isinstance(tools, list) else [], start=1):
        tool = item.get("function", item) if isinstance(item, dict) else {"name": item}
        if not isinstance(tool, dict) or not isinstance(name := tool.get("name"), str):
            continue
        parameters = tool.get("parameters", tool.get("input_schema"))
        entries.append(
            {
                "position": position,
                "tool": name,
                "description": str(tool.get("description") or ""),
                "parameters": json.dumps(parameters) if isinstance(parameters, dict) else "",
                "written": json.dumps(item, ensure_ascii=False),
            }
        )
    return entries


def tools_in_prompt(content: str) -> list[dict[str, Any]]:
    """Tools inside `<tools>`: one JSON object a line, or one JSON array (Hermes, Qwen). Empty when none can be read."""
    tools: list[Any] = []
    for block in _BLOCK.findall(content):
        tools += _read_block(block)
    return toolset_of(tools)


def _read_block(block: str) -> list[Any]:
    try:
        value = json.loads(block)
        return value if isinstance(value, list) else [value]
    except ValueError:
        pass
    found: list[Any] = []
    for line in block.splitlines():
        if line.strip():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
    return found


_JSON_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}


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


def offer_catalog(connection: "duckdb.DuckDBPyConnection", recipe: "Recipe") -> None:
    """Put the recipe's catalog into `offered` as the toolset `catalog`: for rows that list no tools of their own."""
    from tunewright.audit.database import insert
    from tunewright.contract.catalog import load_catalog

    catalog = load_catalog(recipe.data.catalog)
    if recipe.data.tools:
        catalog = catalog.only(*recipe.data.tools)
    insert(
        connection,
        "offered",
        '{"toolset":"VARCHAR","position":"INTEGER","tool":"VARCHAR","description":"VARCHAR","parameters":"VARCHAR",'
        '"written":"VARCHAR"}',
        [{"toolset": "catalog", **tool} for tool in toolset_of(catalog_tools(catalog))],
    )
