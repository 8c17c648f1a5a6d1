"""Tools that users bring along: what is asked of them, and where."""

import pytest

from tunewright.contract.catalog import Catalog, Parameter, Tool
from tunewright.datagen.families.own import own_scenarios, without_scenarios
from tunewright.datagen.families.scenario import fill
from tunewright.datagen.synthesize import says_failed

PATH = Parameter(name="path", type="str")
RESULT = {"success": "bool", "entries": "list[Entry]", "count": "int"}
SLOTS: dict[str, str | int] = {"path": "lib", "count": 3, "limit": 50}


def catalog(description: str, *parameters: Parameter, name: str = "look_at") -> Catalog:
    tool = Tool(name=name, description=description, parameters=parameters, result=RESULT)
    return Catalog(name="own", types={"Entry": {"name": "str", "size": "int"}}, tools=(tool,))


def requests(made: Catalog) -> set[str]:
    return {fill(wording, SLOTS) for s in own_scenarios(made) for wording in s.requests}


@pytest.mark.parametrize(
    ("description", "parameter", "site"),
    [
        ("List the files of a folder.", PATH, "folder"),
        ("Count the lines of each file below a directory.", PATH, "folder"),
        ("Count the words of a file.", PATH, "file"),
        ("The folder of a file.", PATH, "file"),
        ("Say something.", PATH, "file"),
        ("Say something.", PATH.model_copy(update={"description": "a directory"}), "folder"),
        ("Type errors below a folder.", PATH.model_copy(update={"description": "file or folder"}), "file"),
        ("Say something.", Parameter(name="folder", type="str"), "folder"),
        ("Say something of a folder.", Parameter(name="file", type="str"), "file"),
    ],
)
def test_a_tool_about_folders_gets_folders(description: str, parameter: Parameter, site: str) -> None:
    found = list(own_scenarios(catalog(description, parameter)))
    assert {scenario.needs for scenario in found} == {site}
    assert all(f"{parameter.name}=$path" in scenario.program for scenario in found)


def test_requests_are_made_from_the_description_where_that_reads_well() -> None:
    asked = requests(catalog("Lists the files of a folder.", PATH))
    assert "List the files of lib. Print `count`." in asked
    assert "List the files of lib. Print `size` of each entry of `entries`." in asked
    assert "Use look_at on lib and print `count`." in asked
    assert "Count what is open. Print `count`." in requests(catalog("Count what is open."))
    for description in ("Current weather.", "Copy a file to the folder.", "Count {x} of a file.", "Lists."):
        assert all("look_at" in request for request in requests(catalog(description, PATH)))


def test_optional_parameters_are_used_now_and_then() -> None:
    least = Parameter(name="least", type="int", required=False, default=1)
    most = Parameter(name="most", type="int", required=False, default=100)
    deep = Parameter(name="deep", type="bool", required=False, default=False)
    style = Parameter(name="style", type="str", required=False, default="x")
    made = catalog("Count the files of a folder.", PATH, style, least, most)
    calls = {scenario.fill_program(SLOTS).split("\n")[0] for scenario in own_scenarios(made)}
    plain = 'result = look_at(path="lib")'
    assert calls == {plain, 'result = look_at(path="lib", least=3)', 'result = look_at(path="lib", most=50)'}
    assert "Use look_at on lib with `most` 50 and print `count`." in requests(made)
    assert "Count the files of lib, with `least` 3. Print `name` of each entry of `entries`." in requests(
        made
    )
    switched = catalog("Count the files of a folder.", PATH, deep)
    calls = {scenario.fill_program(SLOTS).split("\n")[0] for scenario in own_scenarios(switched)}
    assert calls == {plain, 'result = look_at(path="lib", deep=True)'}
    assert "Run look_at on lib with `deep` on, then show `count`." in requests(switched)


def test_items_that_are_no_records_are_listed_and_success_is_not_asked_about() -> None:
    tool = Tool(name="words", description="Words.", result={"success": "bool", "names": "list[str]"})
    made = Catalog(name="own", tools=(tool,))
    assert [s.program for s in own_scenarios(made)] == [
        "result = words()\nfor item in result.names:\n    print(item)"
    ]
    assert "Use words and print each of `names`." in requests(made)


def test_a_tool_that_no_scenario_calls_is_named_with_the_reason() -> None:
    made = catalog("Resize an image.", PATH, Parameter(name="size", type="int"), name="resize")
    scenarios = list(own_scenarios(made))
    assert not scenarios
    assert list(without_scenarios(made, scenarios, own=True)) == [
        "resize requires what no place in a repository gives, or returns nothing to ask for"
    ]
    assert list(without_scenarios(made, scenarios, own=False)) == [
        "resize is only described, and cannot be run"
    ]
    good = catalog("Count the words of a file.", PATH)
    assert not list(without_scenarios(good, list(own_scenarios(good)), own=True))


@pytest.mark.parametrize(
    ("result", "failed"),
    [
        ({"success": False, "entries": [], "count": 0, "note": "no folder"}, True),
        ({"success": False, "entries": [{"name": "a"}], "count": 1}, False),
        ({"success": True, "entries": [], "count": 0}, False),
        ({"count": 0}, False),
    ],
)
def test_a_result_that_says_it_failed_and_shows_nothing_is_no_example(
    result: dict[str, object], failed: bool
) -> None:
    assert says_failed(result) == failed
