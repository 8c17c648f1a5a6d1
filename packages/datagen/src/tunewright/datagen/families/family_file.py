"""Reads families of requests from TOML: ours, one file a topic, and files that users bring along."""

import re
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tunewright.contract.catalog import Catalog
from tunewright.contract.errors import UserError
from tunewright.datagen.families.own import own_scenarios
from tunewright.datagen.families.scenario import Scenario, comes_after

REQUESTS = Path(__file__).parent / "requests"
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
        if key != "family":
            raise UserError(f"{path}: {key}: unknown key", f"A file holds [[family]] tables. {HELP}")
    families = [_read(table, path) for written in _tables(value, path) for table in _variants(written, path)]
    if not families:
        raise UserError(f"{path}: no family in it", f"A file holds [[family]] tables. {HELP}")
    names = [family.name for family in families]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{path}: family {name}: name: is there twice", HELP)
    return tuple(families)


def _tables(value: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    tables = value.get("family", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UserError(
            f"{path}: family: not a list of tables", f"Write [[family]], with two brackets. {HELP}"
        )
    return tables


def _variants(family: dict[str, Any], path: Path) -> Iterator[dict[str, Any]]:
    """The family, or one for each of its `variants`: `<key>` in any text becomes what the variant has for the key."""
    variants = family.get("variants")
    if variants is None:
        yield family
        return
    where = f"{path}: family {family.get('name')}: variants"
    if not isinstance(variants, list) or not variants:
        raise UserError(f"{where}: not a list of tables", HELP)
    for number, variant in enumerate(variants, start=1):
        words: dict[str, Any] = dict(variant) if isinstance(variant, dict) else {}
        if "name" not in words or not all(isinstance(word, str) for word in words.values()):
            raise UserError(f"{where}: number {number} is not a table of texts with a name", HELP)
        table = {key: _put(value, words) for key, value in family.items() if key != "variants"}
        if left := re.search(r"<[A-Za-z_]+>", str(table)):
            raise UserError(f"{where}: {words['name']} has nothing for {left.group()}", HELP)
        yield table | {"name": f"{table.get('name')}.{words['name']}"}


def _put(value: Any, words: dict[str, str]) -> Any:
    """`<key>` replaced in all texts of a TOML value."""
    if isinstance(value, str):
        return re.sub(r"<(\w+)>", lambda found: words.get(found[1], found[0]), value)
    if isinstance(value, list):
        return [_put(item, words) for item in value]
    if isinstance(value, dict):
        return {key: _put(item, words) for key, item in value.items()}
    return value


def _read(table: dict[str, Any], path: Path) -> Scenario:
    try:
        return Scenario.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        name = f" {table['name']}" if table.get("name") else ""
        key = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        raise UserError(f"{path}: family{name}: {f'{key}: ' if key else ''}{reason}", HELP) from error


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
    known = [*shipped_families(), *own_scenarios(catalog), *families]
    for family in families:
        _check_links(f"{found[family.name]}: family {family.name}", family, known)
    return tuple(families)


def _check_links(where: str, family: Scenario, known: Sequence[Scenario]) -> None:
    """Raises UserError where what it comes after is not a family, or lacks a slot that it keeps."""
    for name in family.after:
        before = [other for other in known if comes_after(other, name)]
        if not before:
            raise UserError(f"{where}: after: {name} is not a family", HELP)
        for other in before:
            if lacking := set(family.keeps) - other.slots:
                raise UserError(f"{where}: keeps: {other.name} has no {{{min(lacking)}}}", HELP)
            if not other.shows_response:
                raise UserError(f"{where}: after: the output of {other.name} is not shown", HELP)


@cache
def shipped_families() -> tuple[Scenario, ...]:
    """Our own families, for the catalog `coding`, follow-ups among them."""
    families = [family for path in sorted(REQUESTS.glob("*.toml")) for family in read_families(path)]
    for family in families:
        _check_links(f"{REQUESTS}: family {family.name}", family, families)
    return tuple(families)
