"""A catalog's tools as OpenAI function definitions."""

from typing import Any

from tunewright.chat.tools import JSON_TYPES
from tunewright.contract.catalog import Catalog, Parameter, Tool, sentence


def catalog_tools(catalog: Catalog) -> list[dict[str, Any]]:
    """The catalog as OpenAI function definitions; each description says what the tool returns."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": _described(tool),
                "parameters": {
                    "type": "object",
                    "properties": {p.name: _schema(p) for p in tool.parameters},
                    "required": [p.name for p in tool.parameters if p.required],
                },
            },
        }
        for tool in catalog.tools
    ]


def _described(tool: Tool) -> str:
    returns = f"Returns {', '.join(tool.result)}." if tool.result else ""
    return f"{sentence(tool.description)} {returns}".strip()


def _schema(parameter: Parameter) -> dict[str, Any]:
    base = parameter.type.removesuffix(" | None")
    if base.startswith("list["):
        schema: dict[str, Any] = {"type": "array", "items": {"type": JSON_TYPES.get(base[5:-1], "object")}}
    else:
        schema = {"type": JSON_TYPES.get(base, "object")}
    if parameter.description:
        schema["description"] = parameter.description
    if not parameter.required:
        schema["default"] = parameter.default
    return schema
