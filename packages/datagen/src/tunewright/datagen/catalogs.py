"""Catalogs from where tools are already described: Python functions, an MCP server's list, OpenAI's JSON.

    read_catalog("coding")            a shipped one
    read_catalog("tools.json")        our own form, MCP's `tools/list`, or OpenAI's list of functions
    read_catalog("tools.py")          public functions whose results are pydantic models

Users add tools this way without touching ours. Functions can also be run, so examples about them are grounded
like all others; a list of descriptions alone cannot, and serves offers and questions.
"""

import importlib.util
import inspect
import json
import re
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from tunewright.contract.catalog import SHIPPED, Catalog, load_catalog, parse_catalog
from tunewright.contract.errors import UserError

Function = Callable[..., Any]

_SCALARS: dict[Any, str] = {str: "str", int: "int", float: "float", bool: "bool"}
_JSON_SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
ROOT = "root"  # a function's parameter of this name gets the repository's folder, and is not shown


@dataclass
class _Build:
    """A catalog in the making: record types are collected on the way."""

    name: str
    types: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    tools: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def finish(self, origin: str) -> Catalog:
        return parse_catalog({"name": self.name, "types": self.types, "tools": self.tools}, origin)


def read_catalog(name: str) -> tuple[Catalog, dict[str, Function]]:
    """The catalog of that name or path, and the functions behind its tools where they are Python's.

    Raises UserError that names the tool and the field.
    """
    path = Path(name)
    if path.suffix == ".py":
        functions = load_functions(path)
        return catalog_from_functions(path.stem, functions.values()), functions
    if path.suffix == ".json":
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise UserError(
                f"catalog {name}: {error.strerror}", "Give a shipped name (coding) or a path."
            ) from error
        except ValueError as error:
            raise UserError(f"{path}: not JSON ({error})", "A catalog is one JSON document.") from error
        return catalog_from_json(path.stem, value, str(path)), {}
    return load_catalog(name), {}


def shipped_tools(catalog: Catalog) -> frozenset[str]:
    """The names of the tools that are ours, as we know them: a namesake with other arguments or results is another."""
    shipped = load_catalog("+".join(SHIPPED))
    return frozenset(
        tool.name
        for tool in catalog.tools
        if (known := shipped.tool(tool.name)) is not None
        and (known.parameter_names, known.result) == (tool.parameter_names, tool.result)
    )


def catalog_from_json(name: str, value: Any, origin: str) -> Catalog:
    """A catalog from our own form, an MCP `tools/list` result, or OpenAI function definitions.

    Where no schema describes a tool's result, its `result` is empty: nothing is known of it.
    """
    listed = value.get("result", value).get("tools") if isinstance(value, dict) else value
    if not isinstance(listed, list) or not all(isinstance(tool, dict) for tool in listed):
        raise UserError(
            f"{origin}: no list of tools in it", "Give our own form, MCP's tools/list or OpenAI's functions."
        )
    if listed and all("result" in tool for tool in listed):
        return parse_catalog(value if isinstance(value, dict) else {"name": name, "tools": value}, origin)
    build = _Build(name)
    for number, tool in enumerate(listed, start=1):
        described: dict[str, Any] = tool.get("function") if "function" in tool else tool
        if not isinstance(described, dict) or not isinstance(described.get("name"), str):
            raise UserError(f"{origin}: tool {number} has no name", "Each tool needs a name.")
        tool_name = described["name"]
        schema = described.get("inputSchema") or described.get("parameters") or {}
        result = described.get("outputSchema") or {}
        where = f"{origin}: tool {tool_name}"
        build.tools.append(
            {
                "name": _identifier(tool_name),
                "description": _first_line(described.get("description") or ""),
                "parameters": _schema_parameters(build, schema, where),
                "result": _schema_fields(build, result, where, tool_name),
            }
        )
    return build.finish(origin)


def _identifier(name: str) -> str:
    """MCP allows dots, dashes and slashes in names; a program needs an identifier."""
    return re.sub(r"\W", "_", name)


def _schema_parameters(build: _Build, schema: dict[str, Any], where: str) -> list[dict[str, Any]]:
    required = set(schema.get("required") or ())
    parameters: list[dict[str, Any]] = []
    for key, part in (schema.get("properties") or {}).items():
        parameter = {
            "name": key,
            "type": _schema_type(build, part, f"{where}, parameter {key}", key),
            "required": key in required,
            "description": _first_line(part.get("description") or ""),
        }
        default = part.get("default")
        if key not in required and isinstance(default, str | int | float | bool):
            parameter["default"] = default
        parameters.append(parameter)
    return sorted(parameters, key=lambda parameter: not parameter["required"])


def _schema_fields(build: _Build, schema: dict[str, Any], where: str, record: str) -> dict[str, str]:
    return {
        key: _schema_type(build, part, f"{where}, field {key}", f"{record}_{key}")
        for key, part in (schema.get("properties") or {}).items()
    }


def _schema_type(build: _Build, part: Any, where: str, record: str) -> str:
    if not isinstance(part, dict):
        raise UserError(f"{where}: not a schema: {part!r}", "Give it a JSON schema with a type.")
    kind: Any = part.get("type")
    options = part.get("anyOf") or part.get("oneOf") or []
    if isinstance(kind, list):
        options = [{**part, "type": one} for one in kind]
    if options:
        real = [one for one in options if one.get("type") != "null"]
        if len(real) == 1:
            optional = len(real) < len(options)
            return _schema_type(build, real[0], where, record) + (" | None" if optional else "")
        raise UserError(f"{where}: a choice of types is not supported", "Give it one type.")
    if kind in _JSON_SCALARS:
        return _JSON_SCALARS[kind]
    if kind == "array":
        inner = _schema_type(build, part.get("items") or {"type": "string"}, where, record)
        return f"list[{inner}]"
    if kind == "object" and part.get("properties"):
        title = _record_name(str(part.get("title") or record))
        build.types[title] = _schema_fields(build, part, where, title)
        return title
    if "enum" in part and all(isinstance(value, str) for value in part["enum"]):
        return "str"
    raise UserError(
        f"{where}: invalid type {kind!r}",
        "Known: string, integer, number, boolean, array, object with properties.",
    )


def _record_name(text: str) -> str:
    words = re.split(r"[\W_]+", text)
    return "".join(word[:1].upper() + word[1:] for word in words if word) or "Record"


def _first_line(text: str) -> str:
    return text.strip().split("\n")[0].strip()


def load_functions(path: Path) -> dict[str, Function]:
    """Public functions that a Python file defines. The file is run: give only one you trust."""
    if not path.is_file():
        raise UserError(f"catalog {path}: no such file", "Give a shipped name (coding) or a path.")
    spec = importlib.util.spec_from_file_location(f"catalog_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"catalog {path}: cannot be loaded", "Give a Python file.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UserError(
            f"catalog {path}: {type(error).__name__}: {error}", "The file must run by itself."
        ) from error
    found = {
        name: value
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    }
    if not found:
        raise UserError(f"catalog {path}: no public functions", "Each public function becomes a tool.")
    return found


def catalog_from_functions(name: str, functions: typing.Iterable[Function]) -> Catalog:
    """A catalog of typed functions that return pydantic models; the docstring's first line describes the tool."""
    build = _Build(name)
    for function in functions:
        tool = function.__name__
        try:
            hints = typing.get_type_hints(function)
        except (NameError, TypeError) as error:
            raise UserError(
                f"tool {tool}: {error}", "Annotate it with types that its file imports."
            ) from error
        returned = hints.pop("return", None)
        if not (inspect.isclass(returned) and issubclass(returned, BaseModel)):
            raise UserError(
                f"tool {tool}: it returns {_type_name(returned)}, not a pydantic model",
                "Return a BaseModel whose fields are the result's.",
            )
        parameters: list[dict[str, Any]] = []
        for key, parameter in inspect.signature(function).parameters.items():
            if key == ROOT:
                continue
            if key not in hints:
                raise UserError(f"tool {tool}, field {key}: no type", "Annotate every parameter.")
            entry: dict[str, Any] = {
                "name": key,
                "type": _python_type(build, hints[key], f"tool {tool}, field {key}"),
            }
            if parameter.default is not inspect.Parameter.empty:
                entry |= {"required": False, "default": parameter.default}
            parameters.append(entry)
        build.tools.append(
            {
                "name": tool,
                "description": _first_line(inspect.getdoc(function) or ""),
                "parameters": parameters,
                "result": _model_fields(build, returned, f"tool {tool}"),
            }
        )
    return build.finish(f"catalog {name}")


def _model_fields(build: _Build, model: type[BaseModel], where: str) -> dict[str, str]:
    return {
        key: _python_type(build, info.annotation, f"{where}, field {key}")
        for key, info in model.model_fields.items()
    }


def _python_type(build: _Build, annotation: Any, where: str) -> str:
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (types.UnionType, typing.Union):
        real = [one for one in arguments if one is not type(None)]
        if len(real) == 1 and len(real) < len(arguments):
            return f"{_python_type(build, real[0], where)} | None"
    if origin in (list, tuple) and arguments:
        return f"list[{_python_type(build, arguments[0], where)}]"
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        if annotation.__name__ not in build.types:
            build.types[annotation.__name__] = {}
            build.types[annotation.__name__] = _model_fields(build, annotation, annotation.__name__)
        return annotation.__name__
    raise UserError(
        f"{where}: invalid type {_type_name(annotation)}",
        "Known: str, int, float, bool, a pydantic model, a list of these, or one of these and None.",
    )


def _type_name(annotation: Any) -> str:
    return getattr(annotation, "__name__", None) or str(annotation)


def takes_root(function: Function) -> bool:
    """Whether a function wants the repository's folder."""
    return ROOT in inspect.signature(function).parameters
