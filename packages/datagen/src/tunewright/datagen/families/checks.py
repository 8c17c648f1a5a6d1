"""Requests about types and lint."""

from tunewright.datagen.families.fields import Filter, Listing, filtered_scenarios, listing_scenarios
from tunewright.datagen.families.scenario import Scenario, yes_or_no

_TYPES = "result = typecheck($path)"
_LINT = "result = ruff_check($path)"

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

SEVERE = Filter(
    "severe",
    'error.severity == "error"',
    "type error with the severity error",
    "type errors with the severity error",
    "has the severity error",
    "have the severity error",
)
FIXABLE = Filter(
    *("fixable", "violation.fixable"),
    *("fixable violation", "fixable violations", "is fixable", "are fixable"),
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
        "{path} has {out} {out:type error|type errors}.",
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
        "The type checker counts {out} {out:error|errors}.",
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
        "{path} has {out} {out:type error|type errors}.",
        when={"ok": "{path} is ok: the type checker finds no error."},
    ),
    Scenario(
        "typecheck.many",
        "conditional",
        "typecheck",
        "type_file",
        (
            "Has {path} more than {limit} type {limit:error|errors}? Print yes or no.",
            "Print yes if type checking {path} gives over {limit} {limit:error|errors}, else no.",
            "Does the error count of {path} exceed {limit} in the type check? yes or no.",
        ),
        _TYPES + '\nif result.error_count > $limit:\n    print("yes")\nelse:\n    print("no")',
        when=yes_or_no(
            "{path} has more than {limit} type {limit:error|errors}",
            "{path} does not have more than {limit} type {limit:error|errors}",
        ),
    ),
    *listing_scenarios(
        TYPE_LISTING,
        [("message",), ("code",), ("line",), ("line", "message"), ("line", "code"), ("severity",)],
    ),
    *listing_scenarios(TYPE_LISTING, [("code", "message"), ("file", "line")]),
    *filtered_scenarios(TYPE_LISTING, SEVERE, [("line",), ("code",), ("message",)]),
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
        "{path} has {out} {out:violation|violations}.",
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
        "Ruff can fix {out} {out:violation|violations} in {path} by itself.",
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
        "{path} has {out1} {out1:violation|violations}, of which {out2} {out2:is|are} fixable.",
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
        "The linter counts {out} {out:violation|violations}.",
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
        "{path} has {out} {out:violation|violations}.",
        when={"tidy": "{path} is tidy."},
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
        "Ruff can fix {out} {out:violation|violations} in {path}.",
        when={"nothing to fix": "There is nothing to fix for ruff in {path}."},
    ),
    *listing_scenarios(
        LINT_LISTING,
        [("message",), ("code",), ("line",), ("line", "code"), ("code", "message"), ("line", "message")],
    ),
    *listing_scenarios(LINT_LISTING, [("line", "column"), ("code", "fixable")]),
    *filtered_scenarios(LINT_LISTING, FIXABLE, [("code",), ("line",), ("line", "code")]),
)

SCENARIOS = TYPES + LINT
