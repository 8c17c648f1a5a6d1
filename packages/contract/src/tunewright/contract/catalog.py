"""The typed tools a model may call: their parameters, and the fields of each result."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Data

SHIPPED = ("coding", "streaming", "completion")
SCALARS = frozenset({"str", "int", "float", "bool"})
_TYPE = re.compile(r"^(?:list\[(?P<item>\w+)\]|(?P<name>\w+))(?P<optional> \| None)?$")


class Parameter(BaseModel):
    """One argument of a tool. `default` is meaningful only when `required` is false."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    type: str
    required: bool = True
    default: str | int | float | bool | None = None
    description: str = ""


class Tool(BaseModel):
    """A tool: what it takes, and the fields of what it returns (`name -> type`); none where they are not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str
    parameters: tuple[Parameter, ...] = ()
    result: dict[str, str]

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """In the order in which positional arguments fill them."""
        return tuple(parameter.name for parameter in self.parameters)

    def signature(self) -> str:
        """`name(a: str, b: int = 0)`, as a model is shown it."""
        parts = [f"{p.name}: {p.type}" + ("" if p.required else f" = {p.default!r}") for p in self.parameters]
        return f"{self.name}({', '.join(parts)})"


class Catalog(BaseModel):
    """Tools and the record types their results are made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    types: dict[str, dict[str, str]] = {}
    tools: tuple[Tool, ...]

    @model_validator(mode="after")
    def _types_exist(self) -> "Catalog":
        known = SCALARS | self.types.keys()
        names: set[str] = set()
        for tool in self.tools:
            if not tool.name.isidentifier():
                raise ValueError(f"tool {tool.name!r}: the name is not a Python identifier")
            if tool.name in names:
                raise ValueError(f"tool {tool.name}: defined twice")
            names.add(tool.name)
            typed = [(p.name, p.type) for p in tool.parameters] + list(tool.result.items())
            for field, annotation in typed:
                _check_type(f"tool {tool.name}, field {field}", annotation, known)
        for record, fields in self.types.items():
            for field, annotation in fields.items():
                _check_type(f"type {record}, field {field}", annotation, known)
        return self

    def tool(self, name: str) -> Tool | None:
        """The tool of that name, or None."""
        return next((tool for tool in self.tools if tool.name == name), None)

    @property
    def tool_names(self) -> tuple[str, ...]:
        return tuple(tool.name for tool in self.tools)

    def listing(self) -> str:
        """One line a tool, with the fields of what it returns and of a list's entries: what a system message lists."""
        return "\n".join(
            f"- {tool.signature()}{self._returns(tool)}: {sentence(tool.description)}" for tool in self.tools
        )

    def system_list(self) -> str:
        """What is added to a system message for these tools."""
        return f"\n\nTools:\n{self.listing()}"

    def _returns(self, tool: Tool) -> str:
        fields: list[str] = []
        for name, annotation in tool.result.items():
            inner = self.types.get(item_type(annotation), {})
            if is_list(annotation):
                fields.append(f"{name}[{', '.join(inner)}]" if inner else name)
            else:
                fields += [f"{name}.{key}" for key in inner] or [name]
        return f" -> {', '.join(fields)}" if fields else ""

    def only(self, *names: str) -> "Catalog":
        """The same catalog with just these tools, in this order. Raises UserError for an unknown name."""
        chosen: list[Tool] = []
        for name in names:
            tool = self.tool(name)
            if tool is None:
                raise UserError(
                    f"catalog {self.name} has no tool {name}", f"It has: {', '.join(self.tool_names)}."
                )
            chosen.append(tool)
        return self.model_copy(update={"tools": tuple(chosen)})


def item_type(annotation: str) -> str:
    """The record or scalar inside an annotation: `list[Location]` and `Location | None` give `Location`."""
    match = _TYPE.match(annotation)
    if match is None:
        raise ValueError(f"not a type: {annotation!r}")
    return match.group("item") or match.group("name")


def is_list(annotation: str) -> bool:
    return annotation.startswith("list[")


def sentence(description: str) -> str:
    """A description with the full stop that it may lack."""
    return description + "." if description and description[-1] not in ".!?:" else description


def _check_type(where: str, annotation: str, known: set[str] | frozenset[str]) -> None:
    match = _TYPE.match(annotation)
    if match is None or (match.group("item") or match.group("name")) not in known:
        raise ValueError(f"{where}: invalid type {annotation!r}; known: {', '.join(sorted(known))}")


def parse_catalog(value: Any, origin: str) -> Catalog:
    """Validate a catalog. Raises UserError that names the tool and the field."""
    try:
        return Catalog.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        raise UserError(
            f"{origin}: {where + ': ' if where else ''}{reason}", "See docs/formats.md, section catalog."
        ) from error


def recipe_catalog(data: Data) -> Catalog:
    """The tools of a recipe's data."""
    catalog = load_catalog(data.catalog)
    return catalog.only(*data.tools) if data.tools else catalog


@cache
def load_catalog(name: str) -> Catalog:
    """The shipped catalog of that name, several joined by `+` (`coding+streaming`), or the JSON file at that path."""
    names = name.split("+")
    if 1 < len(names) == len(set(names) & set(SHIPPED)):
        parts = [load_catalog(each) for each in names]
        types = {record: fields for part in parts for record, fields in part.types.items()}
        return Catalog(name=name, types=types, tools=tuple(tool for part in parts for tool in part.tools))
    path = Path(__file__).parent / "catalogs" / f"{name}.json" if name in SHIPPED else Path(name)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"catalog {name}: {error.strerror}",
            f"Give a shipped name ({', '.join(SHIPPED)}, or several joined by +) or a path.",
        ) from error
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error})", "A catalog is one JSON object.") from error
    return parse_catalog(value, str(path))
