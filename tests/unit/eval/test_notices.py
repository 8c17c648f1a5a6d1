"""What a program says of a failure may be worded freely; that it says so, and only then, may not be left out."""

import pytest

from tests.support.gold import answer, trials
from tunewright.contract.suite import Case, Prediction, Suite
from tunewright.eval.grade_answer import judge
from tunewright.eval.suite_check import check_suite

GOLD = (
    'f = read_file("a.cfg")\nif f.success:\n    print(f.line_count)\nelse:\n    print("a.cfg was not found")'
)
CASE = Case.model_validate(
    {
        "id": "gone",
        "category": "k",
        "messages": [{"role": "user", "content": "How many lines has a.cfg? Tell me if it is gone."}],
        "expect": {
            "tools": ["read_file"],
            "arguments": {"read_file": {"path": "a.cfg"}},
            "fields": ["read_file.line_count"],
            "control": ["if"],
            "notices": ["not found", "no such", "missing", "not exist", "gone", "could not"],
        },
        "gold": [answer(GOLD)],
    }
)


def passes(code: str) -> bool:
    return judge(CASE, Prediction(case="gone", text=answer(code)), trials()).passed


@pytest.mark.parametrize(
    "code",
    [
        GOLD,
        'f = read_file("a.cfg")\nprint(f.line_count if f.content else "It is gone!")',
        'f = read_file("a.cfg")\nif f.success:\n    print(f.line_count)\nelse:\n    print("No such file:", f.path)',
        'f = read_file("a.cfg")\nprint(f"{f.line_count} lines" if f.success else "a.cfg doesn\'t exist")',
    ],
)
def test_any_wording_of_the_failure_is_right(code: str) -> None:
    assert passes(code)


@pytest.mark.parametrize(
    "code",
    [
        'print(read_file("a.cfg").line_count)',
        'f = read_file("a.cfg")\nif f.success:\n    print(f.line_count)',
        'f = read_file("a.cfg")\nif f.success:\n    print(f.line_count)\nelse:\n    print("done")',
        'f = read_file("a.cfg")\nif not f.success:\n    print(f.line_count)\nelse:\n    print("not found")',
        'f = read_file("a.cfg")\nprint(f.line_count)\nprint("not found")',
        'print("a.cfg was not found")',
        'f = read_file("a.cfg")\nprint("a.cfg was not found")',
        'f = read_file("a.cfg")\nif f.success:\n    print(f.line_count, f.content)\nelse:\n    print("not found")',
    ],
)
def test_a_failure_that_is_not_said_or_said_of_what_worked_is_wrong(code: str) -> None:
    assert not passes(code)


def test_mutants_of_what_is_said_are_made_and_caught() -> None:
    check = check_suite(Suite(name="s", cases=(CASE,)), trials().catalog).cases[0]
    assert (check.errors, check.escaped) == ([], {})
    assert {
        "failure_as_success",
        "failure_as_zero",
        "failure_always",
        "failure_unsaid",
    } <= check.operators.keys()


def test_an_empty_list_is_noticed_although_the_call_worked() -> None:
    gold = 'r = git_log("x")\nif r.commits:\n    print(r.commits[0].sha)\nelse:\n    print("there are no commits")'
    case = CASE.model_copy(
        update={
            "expect": CASE.expect.model_validate(
                {
                    "tools": ["git_log"],
                    "arguments": {"git_log": {"path": "x"}},
                    "fields": ["git_log.commits.sha"],
                    "control": ["if"],
                    "notices": ["no commit*", "none", "nothing"],
                }
            ),
            "gold": (answer(gold),),
        }
    )

    def right(code: str) -> bool:
        return judge(case, Prediction(case="gone", text=answer(code)), trials()).passed

    assert right(gold)
    assert right(gold.replace("if r.commits", "if r.success and len(r.commits) > 0"))
    assert not right(gold.replace("if r.commits", "if r.success"))
    assert not right('r = git_log("x")\nfor c in r.commits[:1]:\n    print(c.sha)')
    assert (
        "success_for_found"
        in check_suite(Suite(name="s", cases=(case,)), trials().catalog).cases[0].operators
    )


def test_an_exit_code_that_the_gold_asks_for_occurs_in_a_world() -> None:
    gold = 'r = run_command("timeout 9 x")\nprint("timed out" if r.exit_code == 124 else r.exit_code)'
    case = CASE.model_copy(
        update={
            "expect": CASE.expect.model_validate(
                {
                    "tools": ["run_command"],
                    "arguments": {"run_command": {"command": "timeout 9 x"}},
                    "fields": ["run_command.exit_code"],
                    "control": ["if"],
                    "notices": ["timed out", "too long"],
                }
            ),
            "gold": (answer(gold),),
        }
    )
    assert judge(case, Prediction(case="gone", text=answer(gold)), trials()).passed
    for wrong in (
        gold.replace("124", "125"),
        gold.replace("== 124", "!= 0"),
        gold.replace("timed out", "done"),
    ):
        assert not judge(case, Prediction(case="gone", text=answer(wrong)), trials()).passed
