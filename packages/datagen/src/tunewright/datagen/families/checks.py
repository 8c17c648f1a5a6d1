"""Requests about types, lint and tests."""

from tunewright.datagen.families.fields import Listing, filtered_scenarios, listing_scenarios
from tunewright.datagen.families.scenario import Scenario

_TYPES = "result = typecheck($path)"
_LINT = "result = ruff_check($path)"
_TESTS = "result = pytest_run($path)"

TYPE_LISTING = Listing(
    "typecheck",
    "type_file",
    _TYPES,
    "errors",
    "error",
    "type error",
    "type errors",
    "in {path}",
    {"line": "line", "code": "code", "message": "message", "severity": "severity", "file": "file"},
)
LINT_LISTING = Listing(
    "ruff_check",
    "lint_file",
    _LINT,
    "violations",
    "violation",
    "lint violation",
    "lint violations",
    "in {path}",
    {"line": "line", "code": "code", "message": "message", "column": "column", "fixable": "fixable flag"},
)
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

TYPES = (
    Scenario(
        "typecheck.count",
        "field_access",
        "typecheck",
        "type_file",
        (
            "Count the type errors of {path}.",
            "What is the error count when {path} is type checked?",
            "Type check {path} and print the error count.",
            "Number of typing problems in {path}?",
            "Print how many errors the type checker reports for {path}.",
        ),
        _TYPES + "\nprint(result.error_count)",
        "Type errors in {path}: {out}.",
    ),
    Scenario(
        "typecheck.not_style",
        "discrimination",
        "typecheck",
        "type_file",
        (
            "Style doesn't matter now: are the annotations of {path} right? Print the error count.",
            "Not lint, types: how many errors in {path}?",
            "Do the types in {path} add up? Print the number of errors.",
            "Run the type checker, not the linter, over {path}; print the error count.",
            "Check {path} for wrong argument types and the like. How many errors?",
        ),
        _TYPES + "\nprint(result.error_count)",
        "The type checker counts {out}.",
    ),
    Scenario(
        "typecheck.clean",
        "conditional",
        "typecheck",
        "type_file",
        (
            "Print ok if {path} has no type errors, otherwise the error count.",
            "Type check {path}: ok when nothing is wrong, else how many errors.",
            "If the types of {path} are fine print ok, if not print the number of errors.",
            "Are there typing problems in {path}? Print ok or the count.",
        ),
        _TYPES + '\nif result.error_count == 0:\n    print("ok")\nelse:\n    print(result.error_count)',
        "Result of the type check: {out}.",
    ),
    Scenario(
        "typecheck.many",
        "conditional",
        "typecheck",
        "type_file",
        (
            "Has {path} more than {limit} type errors? Print yes or no.",
            "Print yes if type checking {path} gives over {limit} errors, else no.",
            "Does the error count of {path} exceed {limit} in the type check? yes or no.",
        ),
        _TYPES + '\nif result.error_count > $limit:\n    print("yes")\nelse:\n    print("no")',
        "More than {limit} type errors: {out}.",
    ),
    *listing_scenarios(
        TYPE_LISTING,
        [("message",), ("code",), ("line",), ("line", "message"), ("line", "code"), ("severity",)],
    ),
    *listing_scenarios(TYPE_LISTING, [("code", "message"), ("file", "line")]),
    *filtered_scenarios(
        TYPE_LISTING, 'error.severity == "error"', "error-severity", [("line",), ("code",), ("message",)]
    ),
)

LINT = (
    Scenario(
        "ruff.count",
        "field_access",
        "ruff_check",
        "lint_file",
        (
            "Count the lint violations of {path}.",
            "Run ruff on {path} and print the violation count.",
            "What is the number of violations ruff finds in {path}?",
            "Print how many rules violations {path} has.",
            "Lint {path}; how many violations are there?",
        ),
        _LINT + "\nprint(result.violation_count)",
        "Violations in {path}: {out}.",
    ),
    Scenario(
        "ruff.fixable",
        "field_access",
        "ruff_check",
        "lint_file",
        (
            "How many problems in {path} could ruff fix by itself?",
            "Print the fixable count for {path}.",
            "Count the violations of {path} that ruff can repair automatically.",
            "Of the violations in {path}, how many are auto-fixable? Just the count.",
        ),
        _LINT + "\nprint(result.fixable_count)",
        "Ruff can fix {out} of them by itself.",
    ),
    Scenario(
        "ruff.both",
        "field_access",
        "ruff_check",
        "lint_file",
        (
            "Lint {path} and print both counts: violations, then fixable ones.",
            "How many violations has {path}, and how many of them are fixable?",
            "Two numbers for {path}: the violation count and the fixable count.",
        ),
        _LINT + "\nprint(result.violation_count, result.fixable_count)",
        "Violations and, of these, fixable ones: {out}.",
    ),
    Scenario(
        "ruff.not_types",
        "discrimination",
        "ruff_check",
        "lint_file",
        (
            "Types are fine, what about style in {path}? Print the violation count.",
            "Not the type checker: run the linter over {path} and count violations.",
            "Check {path} for unused imports and style problems. How many?",
            "Is the formatting and import order of {path} clean? Print how many violations.",
            "PEP 8 check of {path}, please; print the count.",
        ),
        _LINT + "\nprint(result.violation_count)",
        "The linter counts {out}.",
    ),
    Scenario(
        "ruff.clean",
        "conditional",
        "ruff_check",
        "lint_file",
        (
            "Print tidy if {path} has no lint violation, otherwise the violation count.",
            "Run ruff on {path}: tidy when nothing is found, else how many violations.",
            "If {path} passes the linter print tidy, if not print the number of violations.",
            "Are there lint problems in {path}? Print tidy or the count.",
        ),
        _LINT
        + '\nif result.violation_count == 0:\n    print("tidy")\nelse:\n    print(result.violation_count)',
        "Result of the lint run: {out}.",
    ),
    Scenario(
        "ruff.any_fixable",
        "conditional",
        "ruff_check",
        "lint_file",
        (
            "Can ruff fix anything in {path}? Print the fixable count, or nothing to fix.",
            "If {path} has fixable violations print how many, otherwise nothing to fix.",
            "Print nothing to fix unless {path} has fixable violations; then print the fixable count.",
        ),
        _LINT
        + '\nif result.fixable_count > 0:\n    print(result.fixable_count)\nelse:\n    print("nothing to fix")',
        "Fixable: {out}.",
    ),
    *listing_scenarios(
        LINT_LISTING,
        [("message",), ("code",), ("line",), ("line", "code"), ("code", "message"), ("line", "message")],
    ),
    *listing_scenarios(LINT_LISTING, [("line", "column"), ("code", "fixable")]),
    *filtered_scenarios(
        LINT_LISTING, "violation.fixable", "fixable", [("code",), ("line",), ("line", "code")]
    ),
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
        "Passed and failed: {out}.",
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
        "Tests of {path} that pass: {out}.",
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
        "Tests of {path} that fail: {out}.",
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
        "{out} tests passed.",
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
        "Result of the test run: {out}.",
    ),
    Scenario(
        "pytest.enough",
        "conditional",
        "pytest_run",
        "test_file",
        (
            "Do more than {limit} tests of {path} pass? Print yes or no.",
            "Print yes if over {limit} tests in {path} passed, else no.",
            "Run {path}: yes if the passed count is above {limit}, no otherwise.",
        ),
        _TESTS + '\nif result.passed > $limit:\n    print("yes")\nelse:\n    print("no")',
        "More than {limit} passed: {out}.",
    ),
    *listing_scenarios(TEST_LISTING, [("name",), ("outcome",), ("name", "outcome")]),
    *filtered_scenarios(TEST_LISTING, 'test.outcome == "failed"', "failed", [("name",), ("name", "outcome")]),
    *filtered_scenarios(TEST_LISTING, 'test.outcome == "passed"', "passed", [("name",)]),
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
        "Violations and type errors: {out}.",
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
        "Type errors and violations: {out}.",
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
        "Violations and lines: {out}.",
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
        "Failed tests and violations: {out}.",
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
        "No type errors; violations: {out}.",
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
        "All tests pass; the file has {out} lines.",
        "Some tests fail, so I did not read the file.",
        tools=("pytest_run", "read_file"),
    ),
)

SCENARIOS = TYPES + LINT + TESTS + WORKFLOWS
