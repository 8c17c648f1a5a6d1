"""A suite that cannot tell right from wrong, or asks for what does not exist, is told case by case."""

from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.support.gold import answer, suite, trials
from tunewright.contract.suite import Case, Expectation, Suite
from tunewright.eval.suite_check import CaseCheck, SuiteCheck, check_suite, is_unplaced

CATALOG = trials().catalog
GOLD = answer('print(read_file("a.py").line_count)')
EXPECT: dict[str, Any] = {
    "tools": ["read_file"],
    "arguments": {"read_file": {"path": "a.py"}},
    "fields": ["read_file.line_count"],
}


def checked(**changed: Any) -> CaseCheck:
    value = {
        "id": "c",
        "category": "k",
        "messages": [{"role": "user", "content": "Print the line count of a.py."}],
        "expect": EXPECT,
        "gold": [GOLD],
        **changed,
    }
    return check_suite(Suite(name="s", cases=(Case.model_validate(value),)), CATALOG).cases[0]


def test_a_sound_case_catches_every_mutant() -> None:
    check = checked()
    assert (check.errors, check.escaped) == ([], {})
    assert check.caught == check.mutants > 60


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"gold": []}, "no gold"),
        ({"gold": [answer('print(read_file("b.py").line_count')]}, "cannot be read"),
        ({"gold": ["I would read it."]}, "does not score as right"),
        ({"gold": [answer('print(read_file("a.py").lines)')]}, "no field lines"),
        ({"gold": [answer('print(read_files("a.py").line_count)')]}, "read_files"),
        ({"gold": [GOLD, answer('print(read_file("a.py", "r").line_count)')]}, "gold 2"),
        ({"expect": {**EXPECT, "tools": ["open_file"]}}, "expects tool open_file"),
        (
            {"expect": {**EXPECT, "arguments": {"read_file": {"file": "a.py"}}}},
            "expects parameter file of read_file",
        ),
        ({"expect": {**EXPECT, "fields": ["read_file.lines"]}}, "expects field read_file.lines"),
        ({"expect": {**EXPECT, "fields": ["read_file.content.len"]}}, "expects field"),
    ],
)
def test_what_is_wrong_with_a_case_is_told(changed: dict[str, Any], error: str) -> None:
    check = checked(**changed)
    assert any(error in said for said in check.errors), check.errors


def test_a_case_that_is_too_weak_is_named_with_a_mutant() -> None:
    """Words without facts: anything passes."""
    weak = checked(expect={}, gold=["It has three lines of code in it."])
    assert weak.errors == []
    assert "does_not_know" in weak.escaped
    found = check_suite(Suite(name="s", cases=(suite("navigation").cases[0],)), CATALOG)
    assert found.sound
    assert found.floor["says nothing"].k == found.floor["repeats the request"].k == 0


def test_calls_are_checked_by_changed_calls() -> None:
    call = {"type": "function", "function": {"name": "read_file", "arguments": {"path": "a.py"}}}
    schema = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
    tool = {"type": "function", "function": {"name": "read_file", "parameters": schema}}
    check = checked(expect={}, gold=[{"tool_calls": [call]}], tools=[tool])
    assert (check.errors, check.escaped) == ([], {})
    assert check.mutants >= 5


def test_names_that_a_metric_has_are_a_warning(snapshot: SnapshotAssertion) -> None:
    case = suite("navigation").cases[0]
    named = Suite(name="exact", cases=(case.model_copy(update={"category": "overall"}), case))
    check = check_suite(named, CATALOG)
    assert check.ambiguous == ("exact", "overall")
    assert check.to_text() == snapshot
    assert check.to_json()["ambiguous"] == ["exact", "overall"]
    plain = check_suite(Suite(name="mine", cases=(case,)), CATALOG)
    assert plain.ambiguous == ()
    assert "warning" not in plain.to_text()


def test_a_case_that_names_a_file_and_no_repository_is_a_warning(snapshot: SnapshotAssertion) -> None:
    value = {
        "id": "c",
        "category": "k",
        "messages": [{"role": "user", "content": "Print the line count of a.py."}],
    }
    case = Case.model_validate({**value, "expect": EXPECT, "gold": [GOLD], "symbols": ["a.py"]})
    check = check_suite(Suite(name="mine", cases=(case,)), CATALOG)
    assert check.sound
    assert check.unplaced == check.to_json()["unplaced"] == ["c"]
    assert check.to_text() == snapshot
    assert not is_unplaced(case.model_copy(update={"repository": "flask"}))
    assert not is_unplaced(case.model_copy(update={"symbols": ()}))
    writes = Expectation(tools=("write_file",), arguments={"write_file": {"path": "a.py"}})
    assert not is_unplaced(case.model_copy(update={"expect": writes})), "no repository has what a case writes"
    assert is_unplaced(case.model_copy(update={"expect": writes, "symbols": ("a.py", "b.py")}))


def test_a_suite_about_few_repositories_is_said_to_be(snapshot: SnapshotAssertion) -> None:
    def about(*repositories: str) -> SuiteCheck:
        cases = (CaseCheck(f"c{n}", "k", repository=name) for n, name in enumerate(repositories))
        return SuiteCheck("mine", tuple(cases), {})

    assert about(*["flask"] * 7, "click").to_text() == snapshot
    assert about(*"abcdefghabcdefgh").warnings == about(*[""] * 8).warnings == ()
