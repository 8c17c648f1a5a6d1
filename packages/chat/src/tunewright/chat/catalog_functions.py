"""A catalog as OpenAI's function definitions."""

from typing import Any

from tunewright.contract.catalog import Catalog, Parameter, Tool, sentence


def openai_tools(catalog: Catalog) -> list[dict[str, Any]]:
    """The catalog as OpenAI function definitions; what each returns stands in its description."""
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


_JSON_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}


def _schema(parameter: Parameter) -> dict[str, Any]:
    base = parameter.type.removesuffix(" | None")
    if base.startswith("list["):
        schema: dict[str, Any] = {"type": "array", "items": {"type": _JSON_TYPES.get(base[5:-1], "object")}}
    else:
        schema = {"type": _JSON_TYPES.get(base, "object")}
    if parameter.description:
        schema["description"] = parameter.description
    if not parameter.required:
        schema["default"] = parameter.default
    return schema
