"""Requests about running tests, and about running one checker after another."""

from tunewright.datagen.families.fields import Filter, Listing, filtered_scenarios, listing_scenarios
from tunewright.datagen.families.scenario import Scenario, yes_or_no

_TESTS = "result = pytest_run($path)"

TEST_LISTING = Listing(
    "pytest_run",
    "test_file",
    _TESTS,
    "tests",
    "test",
    "test",
    "tests",
    "of {path}",
    {"name": "name", "outcome": "outcome"},
)

FAILED = Filter(
    "failed", 'test.outcome == "failed"', "failed test", "failed tests", "has failed", "have failed"
)
PASSED = Filter(
    "passed", 'test.outcome == "passed"', "passed test", "passed tests", "has passed", "have passed"
)

TESTS = (
    Scenario(
        "pytest.counts",
        "field_access",
        "pytest_run",
        "test_file",
        (
            "Run the tests of {path} and print how many passed and how many failed.",
            "Execute {path} with pytest; print passed and failed.",
            "Passed and failed counts for {path}, please.",
            "Do a test run of {path} and give me both numbers, passed and failed.",
        ),
        _TESTS + "\nprint(result.passed, result.failed)",
        "{out1} {out1:test|tests} of {path} passed and {out2} failed.",
    ),
    Scenario(
        "pytest.passed",
        "field_access",
        "pytest_run",
        "test_file",
        (
            "How many tests of {path} pass?",
            "Print the number of passing tests in {path}.",
            "Run pytest on {path} and print only the passed count.",
            "Count the tests that succeed in {path}.",
        ),
        _TESTS + "\nprint(result.passed)",
        "{out} {out:test passes|tests pass} in {path}.",
    ),
    Scenario(
        "pytest.failed",
        "field_access",
        "pytest_run",
        "test_file",
        (
            "How many tests of {path} fail?",
            "Print only the failed count of a test run of {path}.",
            "Run {path} under pytest and print the number of failures.",
            "Number of broken tests in {path}?",
        ),
        _TESTS + "\nprint(result.failed)",
        "{out} {out:test fails|tests fail} in {path}.",
    ),
    Scenario(
        "pytest.not_lint",
        "discrimination",
        "pytest_run",
        "test_file",
        (
            "Don't lint {path}, run it as tests; print the passed count.",
            "Neither types nor style: do the tests in {path} work? Print how many passed.",
            "Verify that {path} still passes; print passed.",
            "Put {path} through pytest and print how many passed.",
        ),
        _TESTS + "\nprint(result.passed)",
        "{out} {out:test|tests} passed.",
    ),
    Scenario(
        "pytest.green",
        "conditional",
        "pytest_run",
        "test_file",
        (
            "Run the tests of {path}; print green if none fails, else the failed count.",
            "Print green when {path} passes completely, otherwise how many tests failed.",
            "Is {path} green? Print green, or the number of failures.",
            "If no test in {path} fails say green, else print the failed count.",
        ),
        _TESTS + '\nif result.failed == 0:\n    print("green")\nelse:\n    print(result.failed)',
        "{out} {out:test fails|tests fail} in {path}.",
        when={"green": "{path} is green: no test fails."},
    ),
    Scenario(
        "pytest.enough",
        "conditional",
        "pytest_run",
        "test_file",
        (
            "Do more than {limit} {limit:test|tests} of {path} pass? Print yes or no.",
            "Print yes if over {limit} {limit:test|tests} in {path} passed, else no.",
            "Run {path}: yes if the passed count is above {limit}, no otherwise.",
        ),
        _TESTS + '\nif result.passed > $limit:\n    print("yes")\nelse:\n    print("no")',
        when=yes_or_no(
            "{path} has more than {limit} passing {limit:test|tests}",
            "{path} does not have more than {limit} passing {limit:test|tests}",
        ),
    ),
    *listing_scenarios(TEST_LISTING, [("name",), ("outcome",), ("name", "outcome")]),
    *filtered_scenarios(TEST_LISTING, FAILED, [("name",), ("name", "outcome")]),
    *filtered_scenarios(TEST_LISTING, PASSED, [("name",)]),
)

WORKFLOWS = (
    Scenario(
        "workflow.lint_types",
        "workflow",
        "ruff_check",
        "lint_file",
        (
            "Lint {path} and then type check it; print violation count and error count.",
            "First ruff, then the type checker on {path}. Print both counts.",
            "How many violations and how many type errors has {path}? Lint first.",
            "Run both checkers on {path}, the linter first, and print the two counts.",
        ),
        "lint = ruff_check($path)\ntypes = typecheck($path)\nprint(lint.violation_count, types.error_count)",
        "{path} has {out1} {out1:violation|violations} and {out2} type {out2:error|errors}.",
        tools=("ruff_check", "typecheck"),
    ),
    Scenario(
        "workflow.types_lint",
        "workflow",
        "typecheck",
        "type_file",
        (
            "Type check {path} and then lint it; print error count and violation count.",
            "First the type checker, then ruff on {path}. Print both counts.",
            "How many type errors and how many violations has {path}? Types first.",
        ),
        "types = typecheck($path)\nlint = ruff_check($path)\nprint(types.error_count, lint.violation_count)",
        "{path} has {out1} type {out1:error|errors} and {out2} {out2:violation|violations}.",
        tools=("typecheck", "ruff_check"),
    ),
    Scenario(
        "workflow.lint_read",
        "workflow",
        "ruff_check",
        "lint_file",
        (
            "Lint {path}, read it too, and print violation count and line count.",
            "How many violations on how many lines has {path}? Lint it, then read it.",
            "Run ruff on {path}, then read the file; print violation count and line count.",
        ),
        "lint = ruff_check($path)\nsource = read_file($path)\nprint(lint.violation_count, source.line_count)",
        "{path} has {out1} {out1:violation|violations} on {out2} {out2:line|lines}.",
        tools=("ruff_check", "read_file"),
    ),
    Scenario(
        "workflow.tests_lint",
        "workflow",
        "pytest_run",
        "test_file",
        (
            "Run the tests in {path}, then lint that file; print failed count and violation count.",
            "Tests first, ruff second, both on {path}: print failed and the violation count.",
            "Execute {path} with pytest and lint it afterwards. Print failed count, violation count.",
        ),
        "tests = pytest_run($path)\nlint = ruff_check($path)\nprint(tests.failed, lint.violation_count)",
        "{out1} {out1:test fails|tests fail} in {path}, and it has {out2} {out2:violation|violations}.",
        tools=("pytest_run", "ruff_check"),
    ),
    Scenario(
        "workflow.types_if",
        "workflow",
        "typecheck",
        "type_file",
        (
            "Type check {path}; if there are no errors, lint it and print the violation count.",
            "When {path} has no type errors run ruff on it and print the violation count.",
            "Only if {path} type checks without error: lint it, print how many violations.",
        ),
        "types = typecheck($path)\nif types.error_count == 0:\n    lint = ruff_check($path)\n"
        "    print(lint.violation_count)",
        "{path} type checks without an error and has {out} {out:violation|violations}.",
        "There are type errors, so I did not lint it.",
        tools=("typecheck", "ruff_check"),
    ),
    Scenario(
        "workflow.tests_if_read",
        "workflow",
        "pytest_run",
        "test_file",
        (
            "Run the tests in {path}; if none failed, read the file and print its line count.",
            "If all tests of {path} pass, read it and print the line count.",
            "When {path} has no failing test, read that file; print how many lines it has.",
        ),
        "tests = pytest_run($path)\nif tests.failed == 0:\n    source = read_file($path)\n"
        "    print(source.line_count)",
        "No test of {path} fails; it has {out} {out:line|lines}.",
        "Some tests fail, so I did not read the file.",
        tools=("pytest_run", "read_file"),
    ),
)

SCENARIOS = TESTS + WORKFLOWS
