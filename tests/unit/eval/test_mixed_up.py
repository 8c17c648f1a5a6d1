"""Results of several calls of one tool belong to the call that returned them."""

import pytest

from tests.support.gold import answer, trials
from tunewright.contract.suite import Case, Prediction, Suite
from tunewright.eval.grade_answer import judge
from tunewright.eval.mutants import mutants
from tunewright.eval.suite_check import check_suite

GOLD = 'for path in ["src/core.py", "src/io.py"]:\n    print(path, read_file(path).line_count)'
CASE = Case.model_validate(
    {
        "id": "two",
        "category": "k",
        "messages": [{"role": "user", "content": "How many lines have src/core.py and src/io.py?"}],
        "expect": {
            "tools": ["read_file", "read_file"],
            "arguments": {"read_file": {"path": {"any": ["src/core.py", "src/io.py"]}}},
            "fields": ["read_file.line_count"],
        },
        "gold": [answer(GOLD)],
    }
)
TWO = 'a = read_file("src/core.py").line_count\nb = read_file("src/io.py").line_count\n'


def passes(code: str) -> bool:
    return judge(CASE, Prediction(case="two", text=answer(code)), trials()).passed


@pytest.mark.parametrize(
    "code",
    [
        GOLD,
        TWO + "print(a)\nprint(b)",
        TWO + 'print("core.py:", a, "io.py:", b)',
        TWO + 'print("io.py:", b)\nprint("core.py:", a)',
        TWO + 'print(f"core has {a} lines and io has {b}")',
        TWO + 'print("src/io.py")\nprint(b)\nprint("src/core.py")\nprint(a)',
        TWO + 'print(f"{b} lines in io.py, {a} lines in core.py")',
        'b = read_file("src/io.py")\na = read_file("src/core.py")\nprint(a.line_count, b.line_count)',
        'print({p: read_file(p).line_count for p in ("src/io.py", "src/core.py")})',
    ],
)
def test_values_under_the_right_name_or_in_the_order_of_the_request_are_right(code: str) -> None:
    assert passes(code)


@pytest.mark.parametrize(
    "code",
    [
        TWO + "print(b)\nprint(a)",
        TWO + 'print("core.py:", b, "io.py:", a)',
        TWO + 'print("core.py:", b)\nprint("io.py:", a)',
        TWO + 'print(f"core has {b} lines and io has {a}")',
        TWO + 'print("src/io.py")\nprint(a)\nprint("src/core.py")\nprint(b)',
        TWO + "print(a)",
        TWO + "print(a)\nprint(a)",
        "print(read_file('src/core.py').line_count)\nprint(read_file('src/core.py').line_count)",
    ],
)
def test_values_under_the_other_name_or_in_the_other_order_are_wrong(code: str) -> None:
    assert not passes(code)


def test_digits_of_a_path_are_no_result() -> None:
    files = ["v2/a3.py", "v2/b4.py"]
    gold = f"for path in {files}:\n    print(path, ruff_check(path).violation_count)"
    fields = ["ruff_check.violation_count"]
    case = CASE.model_copy(
        update={
            "messages": (
                CASE.messages[0].model_copy(update={"content": f"Lint {files[0]} and {files[1]}."}),
            ),
            "expect": CASE.expect.model_copy(
                update={"tools": ("ruff_check",) * 2, "arguments": {}, "fields": tuple(fields)}
            ),
            "gold": (answer(gold),),
        }
    )
    assert judge(case, Prediction(case="two", text=answer(gold)), trials()).passed
    swapped = gold.replace("ruff_check(path)", f"ruff_check({files}[path == {files[0]!r}])")
    assert not judge(case, Prediction(case="two", text=answer(swapped)), trials()).passed


@pytest.mark.parametrize(
    ("gold", "operator"),
    [
        (TWO + "print(a)\nprint(b)", "arguments_exchanged"),
        (
            'for path in ["src/core.py", "src/io.py"]:\n    print(read_file(path).line_count)',
            "listed_backwards",
        ),
    ],
)
def test_results_in_the_other_order_are_a_mutant_that_is_caught(gold: str, operator: str) -> None:
    case = CASE.model_copy(update={"gold": (answer(gold),)})
    check = check_suite(Suite(name="s", cases=(case,)), trials().catalog).cases[0]
    assert (check.errors, check.escaped) == ([], {})
    assert check.operators[operator]


@pytest.mark.parametrize(
    "gold",
    [
        TWO + "print(a + b)",  # exchanged, it says the same
        'write_file("src/core.py", "")\nwrite_file("src/io.py", "")',
    ],
)
def test_what_says_the_same_either_way_is_no_mutant(gold: str) -> None:
    assert not {"arguments_exchanged", "listed_backwards"} & mutants(gold, CASE, trials().catalog).keys()
