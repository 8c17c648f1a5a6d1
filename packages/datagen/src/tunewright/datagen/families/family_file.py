"""Reads families of requests from TOML: ours, one file a topic, and files that users bring along."""

import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tunewright.contract.catalog import Catalog
from tunewright.contract.errors import UserError
from tunewright.datagen.families.fields import Listing, filtered_scenarios, listing_scenarios
from tunewright.datagen.families.scenario import Scenario

REQUESTS = Path(__file__).parent / "requests"
TOPICS = (
    *(
        "definitions",
        "references",
        "navigation",
        "checks",
        "runs",
        "files",
        "commands",
        "chains",
        "check_chains",
    ),
    *("symbols", "git", "failures", "unannounced_tool_errors"),
)
Model = TypeVar("Model", bound=BaseModel)
HELP = "Every key is explained in docs/families.md."


def read_families(path: Path) -> tuple[Scenario, ...]:
    """The families of a file. Raises UserError that names the file, the family and the key."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error})", "Give a TOML file of families.") from error
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not TOML ({error})", HELP) from error
    for key in value:
        if key not in ("family", "listing"):
            raise UserError(f"{path}: {key}: unknown key", f"A file holds [[family]] tables. {HELP}")
    families = [_read(Scenario, table, path, "family") for table in _tables(value, "family", path)]
    for listing in (_read(Listing, table, path, "listing") for table in _tables(value, "listing", path)):
        families += listing_scenarios(listing, listing.subsets)
        for some in listing.filters:
            families += filtered_scenarios(listing, some, some.subsets)
    if not families:
        raise UserError(f"{path}: no family in it", f"A file holds [[family]] tables. {HELP}")
    names = [family.name for family in families]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{path}: family {name}: name: is there twice", HELP)
    return tuple(families)


def _tables(value: dict[str, Any], key: str, path: Path) -> list[dict[str, Any]]:
    tables = value.get(key, [])
    if not isinstance(tables, list):
        raise UserError(f"{path}: {key}: not a list of tables", f"Write [[{key}]], with two brackets. {HELP}")
    return tables


def _read(model: type[Model], table: Any, path: Path, key: str) -> Model:
    try:
        return model.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        name = table.get("name") if isinstance(table, dict) else None
        where = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        raise UserError(
            f"{path}: {key}{f' {name}' if name else ''}: {where + ': ' if where else ''}{reason}", HELP
        ) from error


def own_families(paths: Sequence[Path], catalog: Catalog) -> tuple[Scenario, ...]:
    """The families of a user's files, whose tools have to be in the catalog. Raises UserError as `read_families` does."""
    found: dict[str, Path] = dict.fromkeys((family.name for family in shipped_families()), REQUESTS)
    families: list[Scenario] = []
    for path in paths:
        for family in read_families(path):
            if family.name in found:
                raise UserError(
                    f"{path}: family {family.name}: name: {found[family.name]} has one of that name", HELP
                )
            found[family.name] = path
            for tool in family.tools:
                if catalog.tool(tool) is None:
                    raise UserError(
                        f"{path}: family {family.name}: tools: the catalog {catalog.name} has no {tool}",
                        f"It has {', '.join(catalog.tool_names)}.",
                    )
            families.append(family)
    return tuple(families)


@cache
def shipped_families() -> tuple[Scenario, ...]:
    """Our own families, for the catalog `coding`."""
    return tuple(family for topic in TOPICS for family in read_families(REQUESTS / f"{topic}.toml"))
