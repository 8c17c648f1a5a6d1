"""Catalogs: an invalid type is named by tool and field."""

import json
from pathlib import Path
from typing import Any

import pytest

from tunewright.contract.catalog import SHIPPED, load_catalog, parse_catalog
from tunewright.contract.errors import UserError


def catalog(**changes: Any) -> dict[str, Any]:
    tool = {
        "name": "find",
        "description": "Finds.",
        "parameters": [{"name": "path", "type": "str"}],
        "result": {"success": "bool", "hits": "list[Hit]"},
    }
    return {"name": "c", "types": {"Hit": {"line": "int"}}, "tools": [{**tool, **changes}]}


def test_the_shipped_catalog_has_the_tools_of_the_story() -> None:
    shipped = load_catalog("coding")
    assert {"goto_definition", "find_references", "typecheck", "pytest_run", "write_file"} <= set(
        shipped.tool_names
    )
    references = shipped.tool("find_references")
    assert references is not None
    assert references.signature() == (
        "find_references(file: str, line: int, symbol: str, include_declaration: bool = False)"
    )


@pytest.mark.parametrize("names", [("coding", "streaming"), ("coding", "completion"), SHIPPED])
def test_catalogs_are_joined_by_a_plus(names: tuple[str, ...]) -> None:
    joined = load_catalog("+".join(names))
    parts = [load_catalog(name) for name in names]
    assert joined.tools == tuple(tool for part in parts for tool in part.tools)
    assert joined.types == {record: fields for part in parts for record, fields in part.types.items()}
    assert not {"stream_command", "completion"} & set(parts[0].tool_names)


def test_what_is_no_catalog_is_not_joined() -> None:
    for wrong in ("coding+coding", "coding+nothing", "+coding"):
        with pytest.raises(UserError, match="No such file"):
            load_catalog(wrong)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"result": {"hits": "list[Hitt]"}}, "tool find, field hits: invalid type 'list[Hitt]'"),
        (
            {"parameters": [{"name": "path", "type": "string"}]},
            "tool find, field path: invalid type 'string'",
        ),
        ({"result": {"hits": "dict[str, int]"}}, "tool find, field hits: invalid type"),
        ({"name": "not a name"}, "'not a name': the name is not a Python identifier"),
        ({"extra": 1}, "tools.0.extra"),
    ],
)
def test_a_mistake_is_named_by_tool_and_field(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_catalog(catalog(**changes), "c.json")
    assert says in caught.value.message


def test_a_tool_defined_twice_is_refused() -> None:
    twice = catalog()
    twice["tools"] *= 2
    with pytest.raises(UserError, match="defined twice"):
        parse_catalog(twice, "c.json")


def test_a_catalog_may_be_given_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(catalog()))
    assert load_catalog(str(path)).tool_names == ("find",)


def test_choosing_tools_keeps_their_order_and_refuses_unknown_ones() -> None:
    shipped = load_catalog("coding")
    assert shipped.only("typecheck", "hover").tool_names == ("typecheck", "hover")
    with pytest.raises(UserError, match="no tool nope"):
        shipped.only("nope")


def test_a_missing_catalog_is_a_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="catalog"):
        load_catalog(str(tmp_path / "none.json"))
