"""What the tools of data generation answer about a repository, and that they leave it as it was."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.commands import wait
from tests.support.demo_corpus import CORPUS, LIB
from tunewright.contract.catalog import SHIPPED, Catalog, is_list, item_type, load_catalog
from tunewright.datagen.corpus import installed_corpus
from tunewright.datagen.families.family_file import shipped_families
from tunewright.datagen.families.scenario import Scenario
from tunewright.datagen.program import Sandbox
from tunewright.datagen.slots import SLOW_COMMANDS, Slots
from tunewright.datagen.toolbox import Rejected, Toolbox, fitting_names
from tunewright.datagen.workspace import ToolTimeout, open_workspace


def check_type(catalog: Catalog, annotation: str, value: object) -> None:
    if annotation.endswith("| None") and value is None:
        return
    if is_list(annotation):
        assert isinstance(value, list)
        for item in value:
            check_type(catalog, item_type(annotation), item)
        return
    name = item_type(annotation)
    if name in catalog.types:
        assert isinstance(value, dict)
        assert set(value) == set(catalog.types[name])
        for field, inner in catalog.types[name].items():
            check_type(catalog, inner, value[field])
    else:
        assert type(value).__name__ == name, (annotation, value)


CALLS = [
    ("goto_definition", {"file": "app.py", "line": 7, "symbol": "greet"}),
    ("goto_definition", {"file": "app.py", "line": 1, "symbol": "greet"}),
    ("goto_definition", {"file": "none.py", "line": 1, "symbol": "greet"}),
    ("find_references", {"file": "lib.py", "line": 1, "symbol": "greet"}),
    ("find_references", {"file": "lib.py", "line": 1, "symbol": "greet", "include_declaration": True}),
    ("hover", {"file": "app.py", "line": 7, "symbol": "greet"}),
    ("hover", {"file": "app.py", "line": 1, "symbol": "greet"}),
    ("document_symbols", {"file": "lib.py"}),
    ("document_symbols", {"file": "none.py"}),
    ("workspace_symbols", {"query": "greet"}),
    ("typecheck", {"path": "app.py"}),
    ("typecheck", {"path": "."}),
    ("typecheck", {"path": "none.py"}),
    ("ruff_check", {"path": "app.py"}),
    ("ruff_check", {"path": "none.py"}),
    ("pytest_run", {"path": "test_lib.py"}),
    ("pytest_run", {"path": "none.py"}),
    ("git_status", {}),
    ("git_diff", {}),
    ("git_log", {"path": "lib.py", "limit": 2}),
    ("read_file", {"path": "lib.py"}),
    ("read_file", {"path": "../escape.py"}),
    ("write_file", {"path": "new/file.txt", "content": "ä\n"}),
    ("write_file", {"path": "../../escape.txt", "content": "x"}),
    ("run_command", {"command": "wc -l lib.py"}),
    ("run_command", {"command": "cat none.py"}),
    ("stream_command", {"command": "cat lib.py", "lines": 1}),
    ("stream_command", {"command": "cat none.py"}),
    ("stream_tests", {"path": "test_lib.py", "failures": 1}),
    ("stream_tests", {"path": "none.py"}),
    ("completion", {"file": "app.py", "line": 7, "prefix": "gre"}),
    ("completion", {"file": "app.py", "line": 7, "prefix": "", "limit": 3}),
    ("completion", {"file": "app.py", "line": 7, "prefix": "none"}),
    ("completion", {"file": "none.py", "line": 1, "prefix": "gre"}),
]


@pytest.mark.parametrize(("tool", "arguments"), CALLS, ids=lambda value: str(value)[:60])
def test_a_result_has_the_fields_and_types_of_the_catalog(
    box: Toolbox, tool: str, arguments: dict[str, object]
) -> None:
    catalog = load_catalog("+".join(SHIPPED))
    entry = catalog.tool(tool)
    assert entry is not None
    with box.program():
        result = box.functions[tool](**arguments)
    assert set(result) == set(entry.result)
    for field, annotation in entry.result.items():
        check_type(catalog, annotation, result[field])
    for field in entry.result:
        listed = {"reference_count": "references", "symbol_count": "symbols", "error_count": "errors"}
        listed |= {"violation_count": "violations", "line_count": "lines", "test_count": "tests"}
        listed |= {"completion_count": "completions"}
        listed = {count: name for count, name in listed.items() if name in entry.result}
        if field in listed:
            assert result[field] == len(result[listed[field]])


def test_navigation_finds_what_stands_there(box: Toolbox) -> None:
    places = box.goto_definition("app.py", 7, "greet")["locations"]
    assert [(place["file"], place["line"], place["preview"]) for place in places] == [
        ("lib.py", 1, "def greet(name):")
    ]
    without = box.find_references("lib.py", 1, "greet")["references"]
    assert [(p["file"], p["line"], p["column"]) for p in without] == [
        ("app.py", 7, 11),
        ("app.py", 7, 24),
        ("test_lib.py", 5, 12),
        ("test_lib.py", 9, 12),
    ]
    everything = box.find_references("lib.py", 1, "greet", include_declaration=True)
    assert everything["reference_count"] == len(without) + 3


SHAPES = """\
import shapes_base as base


class Square(base.Shape):
    side: int = 1

    def scale(self, by: float) -> None:
        self._scaled = True
        print("ä𝄞", self.sid, self.side)
        self.scale(2).real

    def _hidden(self) -> str:
        return base.UNIT


def area(square: Square) -> int:
    return square.side * square.side + unknown.side
"""
BASE = """\
UNIT = "cm"


class Shape:
    sides = 4

    def same_as(self, other: "Shape") -> bool:
        return self is other
"""


@pytest.fixture
def shapes(tmp_path: Path) -> Iterator[Toolbox]:
    corpus = replace(CORPUS, files={"shapes.py": SHAPES, "shapes_base.py": BASE})
    with closing(Toolbox(open_workspace(corpus, tmp_path / "shapes"))) as box:
        yield box


def test_completions_are_what_an_object_has_by_itself_and_from_its_base(shapes: Toolbox) -> None:
    everything = shapes.completion("shapes.py", 10, "self.")
    assert [(item["label"], item["kind"], item["detail"]) for item in everything["completions"]] == [
        ("same_as", "method", "bound method Square.same_as(other: Shape) -> bool"),
        ("scale", "method", "bound method Square.scale(by: float) -> None"),
        ("side", "object", "int"),
        ("sides", "object", "int"),
        ("_hidden", "method", "bound method Square._hidden() -> str"),
        ("_scaled", "object", "bool"),
    ]
    assert (everything["success"], everything["completion_count"], everything["truncated"]) == (
        True,
        6,
        False,
    )


@pytest.mark.parametrize(
    ("line", "prefix", "labels"),
    [
        (9, "self.sid", ["side", "sides"]),  # behind a character that is two units of UTF-16
        (10, "self.s", ["same_as", "scale", "side", "sides"]),  # inside a name
        (10, "self.sc", ["scale"]),
        (10, "elf.sc", []),  # begins inside a word
        (13, "base.", ["Shape", "UNIT"]),
        (13, "base.U", ["UNIT"]),
        (13, ".U", ["UNIT"]),
        (13, "UNIT", ["UNIT"]),
        (17, "square.si", ["side", "sides"]),
        (17, "unknown.", []),  # nothing is known of it
        (10, "self.side", []),  # not on this line
        (99, "self.", []),
        (0, "self.", []),
        (16, "Squ", ["Square"]),
    ],
)
def test_completions_go_on_where_the_prefix_stops(
    shapes: Toolbox, line: int, prefix: str, labels: list[str]
) -> None:
    result = shapes.completion("shapes.py", line, prefix)
    assert [item["label"] for item in result["completions"]] == labels
    assert (result["success"], result["prefix"]) == (bool(labels), prefix)


def test_completions_are_cut_off_at_the_limit_and_that_is_said(shapes: Toolbox) -> None:
    everything = shapes.completion("shapes.py", 10, "self.")["completions"]
    for limit in (-1, 0, 1, 5, 6, 7):
        result = shapes.completion("shapes.py", 10, "self.", limit=limit)
        assert result["completions"] == everything[: max(limit, 0)]
        assert result["truncated"] == (limit < len(everything))
        assert result["completion_count"] == len(result["completions"])
    assert shapes.completion("shapes.py", 17, "")["truncated"]


def test_names_in_two_underscores_are_offered_once_one_is_typed(shapes: Toolbox) -> None:
    corpus = replace(CORPUS, files={"a.py": "class A:\n    _b = 1\n\n\nA._b\nA.__doc__\n"})
    with closing(Toolbox(open_workspace(corpus, shapes.workspace.folder / "a"))) as box:
        assert not any(
            item["label"].startswith("__")
            for item in box.completion("a.py", 5, "A.", limit=99)["completions"]
        )
        labels = [item["label"] for item in box.completion("a.py", 5, "A._", limit=99)["completions"]]
        assert {"_b", "__doc__", "__name__"} <= set(labels)
        assert "mro" not in labels
        assert [i["label"] for i in box.completion("a.py", 6, "A.__do")["completions"]] == ["__doc__"]


def test_asking_for_completions_changes_nothing_that_is_asked_later(shapes: Toolbox, tmp_path: Path) -> None:
    with closing(Toolbox(open_workspace(shapes.workspace.corpus, tmp_path / "other"))) as other:
        before = everything_in(shapes.workspace.repo)
        for prefix in ("self.", "self.sc", "s"):
            assert shapes.completion("shapes.py", 10, prefix) == shapes.completion("shapes.py", 10, prefix)
        for line, symbol in ((10, "scale"), (9, "side"), (17, "square")):
            assert shapes.hover("shapes.py", line, symbol) == other.hover("shapes.py", line, symbol)
        assert shapes.typecheck("shapes.py") == other.typecheck("shapes.py")
        assert shapes.document_symbols("shapes.py") == other.document_symbols("shapes.py")
        assert other.completion("shapes.py", 10, "self.") == shapes.completion("shapes.py", 10, "self.")
        assert everything_in(shapes.workspace.repo) == before


@given(st.sets(st.text("_aB1", min_size=1, max_size=4)), st.text("_aB1.", max_size=5))
def test_of_completions_those_fit_that_begin_like_the_last_name(names: set[str], prefix: str) -> None:
    typed = prefix.rpartition(".")[2]
    found = fitting_names(names, prefix)
    assert found == fitting_names(sorted(names, reverse=True), prefix)
    assert len(set(found)) == len(found)
    assert set(found) <= {name for name in names if name.startswith(typed)}
    assert {name for name in names if name.startswith(typed)} - set(found) == {
        name for name in names if name.startswith("__") and not typed
    }
    public = [name for name in found if not name.startswith("_")]
    assert found == sorted(public) + sorted(set(found) - set(public))


def test_what_is_defined_outside_the_repository_is_no_example(box: Toolbox) -> None:
    with pytest.raises(Rejected, match="outside"):
        box.goto_definition("app.py", 7, "print")


def test_checkers_report_what_is_wrong(box: Toolbox) -> None:
    assert [error["code"] for error in box.typecheck("app.py")["errors"]] == ["invalid-explicit-return"]
    assert box.typecheck("app.py") == {
        **box.typecheck("."),
        "errors": [e for e in box.typecheck(".")["errors"] if e["file"] == "app.py"],
        "error_count": 1,
    }
    codes = {violation["code"] for violation in box.ruff_check("app.py")["violations"]}
    assert "F401" in codes
    run = box.pytest_run("test_lib.py")
    assert (run["passed"], run["failed"]) == (1, 1)
    assert {test["name"]: test["outcome"] for test in run["tests"]} == {
        "test_right": "passed",
        "test_wrong": "failed",
    }


def test_a_stream_ends_at_its_line_with_its_command_or_with_its_time(box: Toolbox) -> None:
    two = box.stream_command("echo a; echo b; echo c", lines=2)
    assert (two["lines"], two["ended"], two["stopped_by"], two["exit_code"]) == (
        ["a", "b"],
        False,
        "lines",
        None,
    )
    whole = box.stream_command("echo a; echo b 1>&2; printf c; exit 3", lines=9)
    assert (whole["lines"], whole["ended"], whole["stopped_by"], whole["exit_code"]) == (
        ["a", "b", "c"],
        True,
        "",
        3,
    )
    assert not whole["success"]
    assert box.stream_command("true") == {
        "success": True,
        "ended": True,
        "stopped_by": "",
        "exit_code": 0,
        "line_count": 0,
        "lines": [],
    }
    began = time.monotonic()
    late = box.stream_command("echo a; sleep 60", seconds=3)
    assert (late["lines"], late["ended"], late["stopped_by"]) == (["a"], False, "seconds")
    endless = box.stream_command("yes", lines=3)
    assert endless["lines"] == ["y"] * 3
    assert time.monotonic() - began < 20


def test_nothing_of_a_stopped_stream_goes_on(box: Toolbox, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    for command in (
        f"(sleep 4; touch {mark}) & echo a; sleep 60",
        f"(sleep 4; touch {mark}) >/dev/null 2>&1 & echo a",
    ):
        box.stream_command(command, lines=1, seconds=1)
    time.sleep(4.5)
    assert not mark.exists()


def test_a_stream_that_would_keep_data_generation_waiting_is_no_example(
    box: Toolbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunewright.datagen.toolbox.LONGEST_WAIT", 0.5)
    with pytest.raises(ToolTimeout, match="longer than"):
        box.stream_command("sleep 60", seconds=50)


def test_tests_are_run_up_to_a_number_of_failures(tmp_path: Path) -> None:
    text = "import pytest\n\n\n@pytest.mark.parametrize('n', [0, 1, 2, 3, 4])\ndef test_n(n):\n    assert n not in (1, 3)\n"
    skipped = "\n\n@pytest.mark.skip\ndef test_s():\n    pass\n"
    corpus = replace(
        CORPUS, files={"test_n.py": text + skipped, "test_bad.py": "import nothing_of_that_name\n"}
    )
    box = Toolbox(open_workspace(corpus, tmp_path / "n"))
    names = [f"test_n[{n}]" for n in range(5)]
    for failures, seen, ended in ((1, 2, False), (2, 4, False), (3, 6, True), (0, 6, True)):
        result = box.stream_tests("test_n.py", failures=failures)
        assert [test["name"] for test in result["tests"]] == [*names, "test_s"][:seen]
        assert (result["ended"], result["stopped_by"]) == (ended, "" if ended else "failures")
        assert (
            result["failed"]
            == sum(test["outcome"] == "failed" for test in result["tests"])
            == min(seen // 2, 2)
        )
        assert result["passed"] == sum(test["outcome"] == "passed" for test in result["tests"])
        assert not result["success"]
    whole = box.pytest_run("test_n.py")
    assert (whole["passed"], whole["failed"]) == (result["passed"], result["failed"])
    with pytest.raises(Rejected, match="collected"):
        box.stream_tests("test_bad.py")
    with pytest.raises(ToolTimeout, match="time limit"):
        box.stream_tests("test_n.py", seconds=0)


def everything_in(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_writing_leaves_the_scratch_copy_as_it_was(box: Toolbox) -> None:
    before = everything_in(box.workspace.runs), everything_in(box.workspace.repo)
    with box.program():
        assert box.write_file("lib.py", "x")["bytes_written"] == 1
        assert box.write_file("lib.py", "xy")["bytes_written"] == 2
        assert box.write_file("deep/er/file.py", "ä")["bytes_written"] == 2
        assert not box.write_file("../../escape.py", "x")["success"]
        assert not box.write_file("deep", "a folder is there")["success"]
        assert not box.write_file("lib.py/x.py", "a file is there")["success"]
        assert everything_in(box.workspace.repo) == before[1]
    assert (everything_in(box.workspace.runs), everything_in(box.workspace.repo)) == before
    assert box.read_file("lib.py")["content"] == LIB


def test_what_a_program_writes_is_seen_by_its_later_calls_and_by_no_other_program(box: Toolbox) -> None:
    tools = box.functions
    clean = {
        "read_file": {"path": "lib.py"},
        "ruff_check": {"path": "lib.py"},
        "typecheck": {"path": "lib.py"},
        "pytest_run": {"path": "test_lib.py"},
        "run_command": {"command": "cat lib.py"},
    }
    before = {name: tools[name](**arguments) for name, arguments in clean.items()}
    bad = 'import os\n\n\ndef greet(name) -> int:\n    return "bye"\n'
    with box.program():
        tools["write_file"](path="lib.py", content=bad)
        tools["write_file"](path="new/notes.md", content="a\nb\n")
        assert tools["read_file"](path="lib.py")["content"] == bad
        assert tools["read_file"](path="new/notes.md")["line_count"] == 2
        assert [v["code"] for v in tools["ruff_check"](path="lib.py")["violations"]] == ["F401"]
        assert [e["code"] for e in tools["typecheck"](path="lib.py")["errors"]] == ["invalid-explicit-return"]
        assert tools["run_command"](command="cat lib.py")["stdout"] == bad
        assert tools["run_command"](command="wc -l new/notes.md")["stdout"] == "2 new/notes.md\n"
        tests = tools["pytest_run"](path="test_lib.py")["tests"]
        assert [test["outcome"] for test in tests] == ["failed", "passed"]
        for name in ("goto_definition", "hover"):
            with pytest.raises(Rejected, match="after writing"):
                tools[name](file="app.py", line=7, symbol="greet")
    for name, arguments in clean.items():
        again = tools[name](**arguments)
        assert {k: v for k, v in again.items() if k not in ("seconds", "tests")} == {
            k: v for k, v in before[name].items() if k not in ("seconds", "tests")
        }
    assert not tools["read_file"](path="new/notes.md")["success"]
    assert tools["hover"](file="app.py", line=7, symbol="greet")["success"]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=40))
def test_a_file_is_read_back_as_it_was_written(box: Toolbox, content: str) -> None:
    with box.program():
        size = box.write_file("notes/plan.md", content)["bytes_written"]
        back = box.functions["read_file"](path="notes/plan.md")
        assert box.functions["run_command"](command="wc -c < notes/plan.md")["stdout"].strip() == str(size)
    assert back["content"] == content
    assert back["line_count"] == len(content.splitlines())
    assert size == len(content.encode())
    assert not box.functions["read_file"](path="notes/plan.md")["success"]


def test_git_tells_the_same_history_in_another_place(box: Toolbox, tmp_path: Path) -> None:
    other = Toolbox(open_workspace(CORPUS, tmp_path / "elsewhere"))
    assert other.functions["git_log"]() == box.functions["git_log"]()
    assert other.functions["git_status"]() == box.functions["git_status"]()
    assert len(box.functions["git_log"](limit=2)["commits"]) == 2


def test_git_and_the_other_tools_speak_of_one_working_tree(tmp_path: Path) -> None:
    box = Toolbox(open_workspace(installed_corpus("itsdangerous"), tmp_path / "i"))
    tools = box.functions
    status = {item["file"]: item["status"] for item in tools["git_status"]()["files"]}
    assert set(status.values()) == {"modified", "deleted", "untracked"}
    for file, state in status.items():
        read = tools["read_file"](path=file)
        assert read["success"] == (state != "deleted")
        assert tools["run_command"](command=f"cat {file}")["stdout"] == read["content"]
        lines = [
            line for hunk in tools["git_diff"](path=file)["hunks"] for line in hunk["text"].split("\n")[1:]
        ]
        assert bool(lines) == (state != "untracked")
        kept = "\n".join(line[1:] for line in lines if line[:1] in ("+", " "))
        assert kept in read["content"]


def test_a_file_of_the_history_has_a_first_and_a_last_commit_and_the_newest_is_listed_first(
    tmp_path: Path,
) -> None:
    corpus = installed_corpus("itsdangerous")
    tools = Toolbox(open_workspace(corpus, tmp_path / "i")).functions
    assert tools["git_log"](limit=1)["commits"] == tools["git_log"]()["commits"][:1]
    several = 0
    for file in corpus.files:
        commits = tools["git_log"](path=file)["commits"]
        assert commits == tools["git_log"](path=file, limit=1000)["commits"]  # no request here sets a limit
        dates = [commit["date"] for commit in commits]
        assert dates == sorted(set(dates), reverse=True)
        several += len(dates) > 1
    assert several >= len(corpus.files) - 1  # one is not committed yet


def test_a_command_that_takes_too_long_is_killed_with_all_it_started(tmp_path: Path) -> None:
    workspace = open_workspace(CORPUS, tmp_path / "demo")
    start = time.monotonic()
    with pytest.raises(ToolTimeout):
        workspace.run(["/bin/sh", "-c", "sleep 1000 & echo $! > pid; wait"], timeout=3)
    assert time.monotonic() - start < 60
    pid = int((workspace.repo / "pid").read_text())

    def gone() -> bool:
        try:
            os.kill(pid, 0)
            return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
        except ProcessLookupError:
            return True
        except FileNotFoundError:  # it ended between the two looks, or there is no /proc
            return False

    wait(gone)


def test_a_slow_command_is_an_honest_result(box: Toolbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunewright.datagen.toolbox.COMMAND_SECONDS", 0.3)
    result = box.run_command("sleep 20")
    assert (result["success"], result["exit_code"], result["stderr"]) == (
        False,
        124,
        "timed out after 0.3 seconds",
    )


@pytest.mark.parametrize("command", SLOW_COMMANDS)
def test_a_command_that_is_called_slow_does_not_end_by_itself(tmp_path: Path, command: str) -> None:
    workspace = open_workspace(CORPUS, tmp_path / "demo")
    with pytest.raises(ToolTimeout):
        workspace.run(["/bin/sh", "-c", command.format(file="lib.py")], timeout=0.5)


@pytest.mark.parametrize(
    "scenario", [s for s in shipped_families() if s.kind == "failure"], ids=lambda scenario: scenario.name
)
def test_what_fails_is_found_out_by_the_program_and_told(
    box: Toolbox, scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunewright.datagen.toolbox.COMMAND_SECONDS", 0.3)
    slots: Slots = {"symbol": "greet", "file": "app.py", "line": 2, "at": "app.py:2", "path": "../none.py"}
    slots |= {"query": "no_such_name", "content": "x = 1", "count": 1, "prefix": "greet"}
    slots["command"] = "sleep 20" if scenario.needs == "slow_command" else "cat none.py"
    parameters = {tool.name: tool.parameter_names for tool in load_catalog("+".join(SHIPPED)).tools}
    with Sandbox() as sandbox:
        done = sandbox.run(scenario.fill_program(slots), box.functions, parameters)
    said: list[str] = []
    scenario.fill_answer(slots, done.stdout.rstrip("\n"), lambda answers: said.extend(answers) or answers[0])
    assert said
    for answer in said:
        assert re.search(r"n't\b|\bnot?\b|\bnothing\b|\bmissing\b|\bfailed\b", answer, re.IGNORECASE), answer
