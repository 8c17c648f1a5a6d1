"""Tools described elsewhere become a catalog, and a wrong type is named with its tool and field."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from tunewright.chat.catalog_tools import catalog_tools
from tunewright.contract.errors import UserError
from tunewright.datagen.catalogs import (
    catalog_from_functions,
    catalog_from_json,
    load_functions,
    read_catalog,
)
from tunewright.datagen.families.direct import questions
from tunewright.datagen.tool_worker import answer


class Place(BaseModel):
    file: str
    line: int | None


class Found(BaseModel):
    success: bool
    places: list[Place]


def search(root: Path, text: str, limit: int = 3) -> Found:
    """Where a text stands.

    More that nobody is shown.
    """
    return Found(success=True, places=[Place(file=str(root / text), line=limit)])


def test_functions_become_tools_with_the_fields_of_their_models() -> None:
    catalog = catalog_from_functions("mine", [search])
    tool = catalog.tools[0]
    assert tool.signature() == "search(text: str, limit: int = 3)"
    assert tool.description == "Where a text stands."
    assert tool.result == {"success": "bool", "places": "list[Place]"}
    assert catalog.types["Place"] == {"file": "str", "line": "int | None"}


def test_a_function_is_run_with_the_repositorys_root() -> None:
    asked = {"tool": "search", "arguments": {"text": "a"}, "root": "/r"}
    result = answer({"search": search}, asked)["result"]
    assert result == {"success": True, "places": [{"file": "/r/a", "line": 3}]}


def test_an_invalid_type_names_the_tool_and_the_field() -> None:
    def bad(when: complex) -> Found:
        raise NotImplementedError

    with pytest.raises(UserError, match="tool bad, field when: invalid type complex"):
        catalog_from_functions("mine", [bad])


def test_a_function_without_a_model_is_refused() -> None:
    def plain(text: str) -> str:
        return text

    with pytest.raises(UserError, match="tool plain: it returns str"):
        catalog_from_functions("mine", [plain])


def test_an_mcp_list_keeps_parameters_and_result_fields() -> None:
    value = {
        "result": {
            "tools": [
                {
                    "name": "repo.find-issue",
                    "description": "Finds an issue.\nLong text.",
                    "inputSchema": {
                        "type": "object",
                        "properties": {
                            "title": {"type": "string"},
                            "state": {"enum": ["open", "closed"], "default": "open"},
                        },
                        "required": ["title"],
                    },
                    "outputSchema": {
                        "type": "object",
                        "properties": {
                            "issues": {
                                "type": "array",
                                "items": {"type": "object", "properties": {"id": {"type": "integer"}}},
                            },
                            "next": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                        },
                    },
                }
            ]
        }
    }
    catalog = catalog_from_json("mcp", value, "list.json")
    tool = catalog.tools[0]
    assert tool.signature() == "repo_find_issue(title: str, state: str = 'open')"
    assert tool.result["next"] == "str | None"
    assert catalog.types[tool.result["issues"][5:-1]] == {"id": "int"}


def test_openai_functions_become_tools() -> None:
    value: list[dict[str, Any]] = [
        {
            "type": "function",
            "function": {
                "name": "add",
                "parameters": {"properties": {"a": {"type": "number"}}, "required": ["a"]},
            },
        }
    ]
    tool = catalog_from_json("openai", value, "f.json").tools[0]
    assert tool.signature() == "add(a: float)"


def test_of_a_tool_whose_result_nobody_describes_nothing_is_said() -> None:
    value = [
        {"name": "get_weather", "description": "Current weather", "inputSchema": {"properties": {}}},
        {"name": "search_docs", "description": "Search docs."},
    ]
    catalog = catalog_from_json("mcp", value, "list.json")
    assert [tool.result for tool in catalog.tools] == [{}, {}]
    assert not [q for q in questions(catalog) if q.tools]
    assert catalog.listing() == "- get_weather(): Current weather.\n- search_docs(): Search docs."
    assert [tool["function"]["description"] for tool in catalog_tools(catalog)] == [
        "Current weather.",
        "Search docs.",
    ]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            [{"function": {"name": "f", "parameters": {"properties": {"a": {"type": "date"}}}}}],
            "tool f, parameter a",
        ),
        ([{"inputSchema": {}}], "tool 1 has no name"),
        ("words", "no list of tools"),
        ({"tools": [1]}, "no list of tools"),
        ([{"name": "f", "inputSchema": {"properties": {"a": 1}}}], "tool f, parameter a: not a schema"),
    ],
)
def test_what_is_wrong_in_a_list_is_named(value: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        catalog_from_json("x", value, "x.json")


def test_a_python_file_is_read_and_its_mistakes_told(tmp_path: Path) -> None:
    file = tmp_path / "tools.py"
    with pytest.raises(UserError, match="no such file"):
        load_functions(file)
    file.write_text("_hidden = 1\n")
    with pytest.raises(UserError, match="no public functions"):
        load_functions(file)
    file.write_text("raise OSError('gone')\n")
    with pytest.raises(UserError, match="OSError: gone"):
        load_functions(file)
    file.write_text(
        "from pydantic import BaseModel\n\nclass R(BaseModel):\n    n: int\n\n"
        "def size(path: str) -> R:\n    '''How big.'''\n    return R(n=len(path))\n"
    )
    catalog, functions = read_catalog(str(file))
    assert catalog.tool_names == ("size",)
    asked = {"tool": "size", "arguments": {"path": "abc"}, "root": str(tmp_path)}
    assert answer(functions, asked) == {"result": {"n": 3}}


def test_shipped_catalogs_are_found_by_name_and_broken_json_is_told(tmp_path: Path) -> None:
    assert read_catalog("coding")[0].tool("hover") is not None
    broken = tmp_path / "c.json"
    broken.write_text("{")
    with pytest.raises(UserError, match="not JSON"):
        read_catalog(str(broken))
    with pytest.raises(UserError):
        read_catalog(str(tmp_path / "none.json"))
