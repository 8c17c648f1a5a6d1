"""Worlds are consistent, repeatable and unlike each other; programs run in them, and harm stays inside."""

import ast
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.gold import trials
from tests.support.hostile import HOSTILE
from tunewright.contract.catalog import load_catalog, parse_catalog
from tunewright.eval.execution import Executor, bind
from tunewright.eval.isolated import Isolated, NotIsolated
from tunewright.eval.worlds import WORLDS, World, compared_constants

CATALOG = load_catalog("coding")
NUMBERS = st.integers(min_value=0, max_value=WORLDS - 1)
TEXTS = st.text(alphabet="abc", min_size=1, max_size=12).map(lambda name: f"{name}.py")


def call(number: int, name: str, **arguments: Any) -> Any:
    tool = CATALOG.tool(name)
    assert tool is not None
    return World(CATALOG, "seed", number).call(tool, bind(tool, (), arguments))


@given(number=NUMBERS, path=TEXTS)
def test_a_call_always_gives_the_same_result_and_another_argument_another_one(number: int, path: str) -> None:
    once = call(number, "ruff_check", path=path)
    assert call(number, "ruff_check", path=path) == once
    if once["violations"]:
        assert call(number, "ruff_check", path=path + "x") != once


@given(number=NUMBERS, path=TEXTS)
def test_counts_sums_and_success_follow_from_what_was_found(number: int, path: str) -> None:
    lint = call(number, "ruff_check", path=path)
    assert lint["violation_count"] == len(lint["violations"])
    assert lint["fixable_count"] == sum(v["fixable"] for v in lint["violations"])
    assert lint["success"] is not bool(lint["violations"])
    tests = call(number, "pytest_run", path=path)
    outcomes = [test["outcome"] for test in tests["tests"]]
    assert (tests["passed"], tests["failed"]) == (outcomes.count("passed"), outcomes.count("failed"))
    assert tests["success"] is (tests["passed"] > 0 and tests["failed"] == 0)
    page = call(number, "read_file", path=path)
    assert (len(page["content"].splitlines()), page["path"]) == (page["line_count"], path)
    found = call(number, "find_references", file=path, line=3, symbol="run")
    assert (found["reference_count"], found["symbol"]) == (len(found["references"]), "run")
    assert found["success"] is bool(found["references"])
    done = call(number, "run_command", command=path)
    assert done["success"] is (done["exit_code"] == 0)
    diff = call(number, "git_diff")
    assert diff["added"] == sum(hunk["added"] for hunk in diff["hunks"])


@given(number=NUMBERS, limit=st.integers(0, 60))
def test_a_list_is_no_longer_than_the_limit_that_was_asked_for(number: int, limit: int) -> None:
    assert len(call(number, "git_log", limit=limit)["commits"]) <= limit
    assert len(call(1, "git_log", limit=60)["commits"]) > 10


@pytest.mark.parametrize("tool", CATALOG.tools, ids=lambda tool: tool.name)
def test_each_tool_finds_nothing_one_and_several_and_works_and_fails(tool: Any) -> None:
    given_ = {p.name: {"str": "a.py", "int": 3}.get(p.type) for p in tool.parameters if p.required}
    results = [World(CATALOG, "s", number).call(tool, bind(tool, (), given_)) for number in range(WORLDS)]
    lists = [name for name, kind in tool.result.items() if kind.startswith("list")]
    for name in lists:
        sizes = {len(result[name]) for result in results}
        assert {0, 1} <= sizes
        limit = next((parameter.default for parameter in tool.parameters if parameter.name == "limit"), 31)
        assert max(sizes) >= limit
    assert {result["success"] for result in results} == {True, False}
    assert len({str(result) for result in results}) >= WORLDS - 3


@given(number=NUMBERS, query=st.sampled_from(["Client", "_merge", "run_all"]), file=TEXTS)
def test_a_search_finds_names_that_match_and_a_file_holds_its_own_symbols(
    number: int, query: str, file: str
) -> None:
    found = call(number, "workspace_symbols", query=query)["symbols"]
    assert [symbol["name"] for symbol in found[:1]] == [query][: len(found)]
    assert all(symbol["name"].startswith(query) for symbol in found)
    assert len({symbol["name"] for symbol in found}) == len(found)
    assert {symbol["file"] for symbol in call(number, "document_symbols", file=file)["symbols"]} <= {file}


COMPLETION = load_catalog("coding+completion")


def complete(number: int, prefix: str, constants: Any = None, **limit: int) -> Any:
    tool = COMPLETION.tool("completion")
    assert tool is not None
    arguments = bind(tool, (), {"file": "a.py", "line": 3, "prefix": prefix, **limit})
    return World(COMPLETION, "seed", number, constants).call(tool, arguments)


@given(number=NUMBERS, prefix=st.sampled_from(["self.", "parser.add_", "Clie"]), limit=st.integers(0, 60))
def test_completions_go_on_where_the_prefix_stops_and_are_cut_off_at_the_limit(
    number: int, prefix: str, limit: int
) -> None:
    found = complete(number, prefix, limit=limit)
    typed = prefix.rpartition(".")[2]
    labels = [item["label"] for item in found["completions"]]
    assert all(label.startswith(typed) and label != typed for label in labels)
    assert len(set(labels)) == len(labels) == found["completion_count"] <= limit
    assert (found["success"], found["prefix"]) == (bool(labels), prefix)
    assert not found["truncated"] or len(labels) == limit
    assert complete(number, prefix, limit=limit) == found


def test_completions_are_cut_off_in_some_worlds_and_whole_in_others() -> None:
    for limit in ({}, {"limit": 3}):
        assert {complete(number, "self.", **limit)["truncated"] for number in range(WORLDS)} == {True, False}


def test_a_completion_that_is_asked_for_is_there_in_some_worlds() -> None:
    constants = constants_in('any(item.label == "add_all" for item in r.completions)')
    labels = [{i["label"] for i in complete(n, "self.ad", constants)["completions"]} for n in range(WORLDS)]
    assert {"add_all" in found for found in labels} == {True, False}
    assert all(label.startswith("ad") for found in labels for label in found)


def constants_in(code: str) -> Any:
    return compared_constants([ast.parse(code)])


@pytest.mark.parametrize("limit", [1, 2, 50, 400])
def test_entries_lie_on_both_sides_of_what_programs_compare_them_with(limit: int) -> None:
    constants = constants_in(f"[ref for ref in r.references if ref.line > {limit}]")
    tool = CATALOG.tool("find_references")
    assert tool is not None
    arguments = {"file": "a.py", "line": 1, "symbol": "x"}
    for number in range(WORLDS):
        lines = [
            r["line"] for r in World(CATALOG, "s", number, constants).call(tool, arguments)["references"]
        ]
        assert len(set(lines)) == len(lines)
        assert all(line >= 0 for line in lines)
        if len(lines) >= 8:
            assert {limit - 1, limit, limit + 1} - {0} <= set(lines)


@pytest.mark.parametrize(
    "tool", ["find_references", "ruff_check", "typecheck", "document_symbols", "pytest_run"]
)
@pytest.mark.parametrize("limit", [3, 10, 25])
def test_each_count_around_a_limit_comes_up_in_some_world(tool: str, limit: int) -> None:
    fields = {
        "find_references": ("reference_count",),
        "ruff_check": ("violation_count",),
        "typecheck": ("error_count",),
        "document_symbols": ("symbol_count",),
        "pytest_run": ("passed", "failed"),
    }
    found = CATALOG.tool(tool)
    assert found is not None
    arguments = {p.name: {"str": "a.py", "int": 3}.get(p.type) for p in found.parameters if p.required}
    for field in fields[tool]:
        constants = constants_in(f"if r.{field} > {limit}: pass")
        worlds = (World(CATALOG, "s", number, constants) for number in range(WORLDS))
        counts = {world.call(found, arguments)[field] for world in worlds}
        assert {limit - 1, limit, limit + 1} <= counts


def test_tests_are_skipped_where_a_program_asks_for_skipped_ones() -> None:
    constants = constants_in('[t for t in r.tests if t.outcome == "skipped"]')
    tool = CATALOG.tool("pytest_run")
    assert tool is not None
    results = [World(CATALOG, "s", n, constants).call(tool, {"path": "a"}) for n in range(WORLDS)]
    outcomes = {test["outcome"] for result in results for test in result["tests"]}
    assert outcomes == {"passed", "failed", "skipped"}
    for result in results:
        said = [test["outcome"] for test in result["tests"]]
        assert (result["passed"], result["failed"]) == (said.count("passed"), said.count("failed"))


def test_of_some_tests_most_pass_and_of_some_most_fail() -> None:
    tool = CATALOG.tool("pytest_run")
    assert tool is not None
    results = [World(CATALOG, "s", n).call(tool, {"path": "a"}) for n in range(WORLDS)]
    mixed = [(r["passed"], r["failed"]) for r in results if r["passed"] and r["failed"]]
    assert {passed > failed for passed, failed in mixed} == {True, False}


def test_worlds_lie_on_both_sides_of_what_programs_compare_with() -> None:
    code = (
        'r = pytest_run("a")\nn = len(r.tests)\nif r.seconds > 20 and n >= 3 and r.state == "late":\n    pass'
    )
    found = compared_constants([ast.parse(code)])
    assert found == {"seconds": (20,), "tests": (3,), "state": ("late",)}
    tool = CATALOG.tool("pytest_run")
    assert tool is not None
    results = [World(CATALOG, "s", n, found).call(tool, {"path": "a"}) for n in range(WORLDS)]
    assert {19.5, 20.0, 20.5} <= {result["seconds"] for result in results}
    assert {2, 3, 4} <= {len(result["tests"]) for result in results}


@given(number=NUMBERS)
def test_values_are_unique_where_their_type_allows_it(number: int) -> None:
    seen = [
        value
        for result in (
            call(number, "goto_definition", file="a", line=1, symbol="b"),
            call(number, "goto_definition", file="a", line=2, symbol="b"),
        )
        for entry in result["locations"]
        for field, value in entry.items()
        if field not in ("file", "line")  # some share these
    ]
    assert len(set(seen)) == len(seen)


@given(number=NUMBERS)
def test_in_every_other_world_a_file_holds_two_places(number: int) -> None:
    places = call(number, "find_references", file="a.py", line=1, symbol="b")["references"]
    files = {place["file"] for place in places} - {"a.py"}
    if number % 2 == 0:
        assert len(files) >= len(places) - 1
    elif len(places) > 3:
        assert len(files) <= len(places) * 2 / 3 + 1
    assert (places[:1] and places[0]["file"] == "a.py") == (places[:1] and number % 3 == 1)


def test_a_declaration_that_was_asked_for_is_among_the_references_of_some_world() -> None:
    asked = {"file": "a.py", "line": 7, "symbol": "b"}
    for include in (True, False):
        worlds = (
            call(number, "find_references", **asked, include_declaration=include) for number in range(WORLDS)
        )
        found = any(place["line"] == 7 for world in worlds for place in world["references"])
        assert found is include


def test_what_follows_from_one_tool_is_met_whatever_another_one_finds() -> None:
    """For each two tools: one finds nothing in a world in which the other finds something."""
    nothing = {
        tool.name: {n for n in range(WORLDS) if World(CATALOG, "s", n)._shape(tool, Random(0)).kind == "none"}  # pyright: ignore[reportPrivateUsage]
        for tool in CATALOG.tools
    }
    for name, worlds in nothing.items():
        assert all(name == other or worlds - nothing[other] for other in nothing)


def test_a_tool_without_fields_returns_text_and_one_of_another_project_has_its_own_parameters() -> None:
    theirs = parse_catalog(
        {
            "name": "theirs",
            "tools": [
                {
                    "name": "goto_definition",
                    "description": "",
                    "parameters": [
                        {"name": n, "type": "str"} for n in ("uri", "line", "column", "workspace")
                    ],
                    "result": {},
                }
            ],
        },
        "test",
    )
    with Executor() as executor:
        world = World(theirs, "s", 0)
        run = executor.run(['print(goto_definition("a", "1", "2", workspace="w"))'], world)
        assert (run.error, len(run.calls)) == ("", 1)
        assert run.output.split() == run.calls[0].result.split()
        assert executor.run(['goto_definition("a", "1", "2")'], world).error == "TypeError"


@pytest.mark.parametrize(
    ("code", "output"),
    [
        ("def g():\n    yield git_status().branch\nprint(*g())", "branch"),
        (
            "import logging\nlogging.basicConfig(format='%(message)s')\nlogging.error(git_status().branch)",
            "branch",
        ),
        ("import io\nb = io.StringIO()\nprint(git_status().branch, file=b)\nprint(b.getvalue())", "branch"),
        ("x = git_status()\nprint(x.branch)\ndel x", "branch"),
        (
            "import asyncio, io\nasync def f():\n    return git_status().branch\nprint(asyncio.run(f()))",
            "branch",
        ),
        ("try:\n    print(git_status().branch)\nexcept ValueError:\n    pass", "branch"),
        ("print(vars(git_status())['branch'])\nexit()", "branch"),
        ("import sys\nsys.stdout.write(git_status().branch)", "branch"),
        ("f = (print(git_status().branch) for _ in [1])", ""),
        ("import io\nprint(git_status().branch, file=io.StringIO())", ""),
    ],
)
def test_what_the_sandbox_lacks_runs_in_an_isolated_python(code: str, output: str) -> None:
    world = World(CATALOG, "s", 3)
    run = trials().executor.run([code], world)
    assert (run.error, run.unjudged) == ("", "")
    tool = CATALOG.tool("git_status")
    assert tool is not None
    expected = world.call(tool, {})[output] if output else ""
    assert run.output.strip() == expected


@pytest.mark.parametrize(
    "name", [n for n in HOSTILE if n not in ("endless_in_python", "sleep", "ignores_signals")]
)
def test_a_hostile_program_does_nothing(name: str) -> None:
    world = World(CATALOG, "s", 3)
    run = trials().executor.run([HOSTILE[name]], world)
    assert "root:" not in run.output
    assert not list(Path("/tmp").glob("hostile_*"))
    # The next program runs as if nothing had been.
    after = trials().executor.run(["def g():\n    yield git_status().branch\nprint(*g())"], world)
    assert (after.error, len(after.calls)) == ("", 1)


def test_without_isolation_a_program_is_not_judged_and_never_right(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise NotIsolated("no filter here")

    monkeypatch.setattr(Isolated, "run", refused)
    with Executor() as executor:
        run = executor.run(["def g():\n    yield 1\nlist(g())"], World(CATALOG, "s", 0))
        assert "no filter here" in run.unjudged
    with Executor(isolate=False) as executor:
        assert executor.run(["def g():\n    yield 1\nlist(g())"], World(CATALOG, "s", 0)).unjudged
        assert executor.run(["print(git_status().branch)"], World(CATALOG, "s", 0)).output.startswith("br")
