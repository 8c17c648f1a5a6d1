"""Requests that go from a symbol to its definition or uses and on to something else; all of navigation together."""

from tunewright.datagen.families import definitions, references
from tunewright.datagen.families.scenario import Scenario

_GOTO = "result = goto_definition($file, $line, $symbol)\n"
_REFS = "result = find_references($file, $line, $symbol)\n"
_THEN_REFS = _GOTO + "loc = result.locations[0]\nrefs = find_references(loc.file, loc.line, result.symbol)\n"
_THEN_READ = _GOTO + "loc = result.locations[0]\nsource = read_file(loc.file)\n"

WORKFLOWS = (
    Scenario(
        "workflow.definition_references",
        "workflow",
        "goto_definition",
        "symbol",
        (
            "Go to the definition of `{symbol}` at {at}, then count its references from there.",
            "Find where {symbol} ({at}) is defined and then how many uses it has.",
            "First the definition of `{symbol}` from {at}, then the number of references to it.",
            "Resolve {symbol} at {at}, then print how many places reference that definition.",
            "Definition first, reference count second: `{symbol}` at {at}.",
        ),
        _THEN_REFS + "print(refs.reference_count)",
        "From its definition, `{symbol}` has {out} {out:reference|references}.",
        tools=("goto_definition", "find_references"),
    ),
    Scenario(
        "workflow.definition_references_each",
        "workflow",
        "goto_definition",
        "symbol",
        (
            "Go to the definition of {symbol} at {at}, then list file and line of all its references.",
            "Find the definition of `{symbol}` ({at}) and from there print every use.",
            "Resolve `{symbol}` at {at}; then list each place that references the definition.",
            "Start at {at}, jump to where {symbol} is defined, then print all its usages.",
        ),
        _THEN_REFS + 'for ref in refs.references:\n    print(f"{ref.file}:{ref.line}")',
        "Starting from the definition, `{symbol}` is used at {items}.",
        "The definition of `{symbol}` has no references.",
        tools=("goto_definition", "find_references"),
    ),
    Scenario(
        "workflow.definition_read",
        "workflow",
        "goto_definition",
        "symbol",
        (
            "Find the file that defines `{symbol}` at {at}, read it and print its number of lines.",
            "How long, in lines, is the file in which {symbol} ({at}) is defined? Read it.",
            "Go to the definition of `{symbol}` from {at}, then read that file and print its line count.",
            "Resolve {symbol} at {at}, open the defining file and tell me how many lines it has.",
        ),
        _THEN_READ + "print(source.line_count)",
        "The file that defines `{symbol}` has {out} {out:line|lines}.",
        tools=("goto_definition", "read_file"),
    ),
    Scenario(
        "workflow.definition_lint",
        "workflow",
        "goto_definition",
        "symbol",
        (
            "Find the file that defines `{symbol}` at {at} and lint it; print the violation count.",
            "Go to the definition of {symbol} ({at}), then run ruff on that file and count violations.",
            "Lint the file where `{symbol}` from {at} is defined. How many violations?",
            "Resolve {symbol} at {at}, ruff-check its file, print the number of violations.",
        ),
        _GOTO + "check = ruff_check(result.locations[0].file)\nprint(check.violation_count)",
        "The file that defines `{symbol}` has {out} {out:violation|violations}.",
        tools=("goto_definition", "ruff_check"),
    ),
    Scenario(
        "workflow.definition_types",
        "workflow",
        "goto_definition",
        "symbol",
        (
            "Find the file that defines `{symbol}` at {at} and type check it; print the error count.",
            "Go to the definition of {symbol} ({at}), then check that file's types and count errors.",
            "Type check the file where `{symbol}` from {at} is defined. How many errors?",
            "Resolve {symbol} at {at}, type check its file, print the number of type errors.",
        ),
        _GOTO + "check = typecheck(result.locations[0].file)\nprint(check.error_count)",
        "The file that defines `{symbol}` has {out} type {out:error|errors}.",
        tools=("goto_definition", "typecheck"),
    ),
    Scenario(
        "workflow.references_read",
        "workflow",
        "find_references",
        "symbol",
        (
            "Find the references of `{symbol}` at {at}, open the file of the first and print how long it is in lines.",
            "Who uses {symbol} ({at}) first? Read that file and print how many lines it has.",
            "Take the first use of `{symbol}` from {at}, then read its file and print the line count.",
        ),
        _REFS + "source = read_file(result.references[0].file)\nprint(source.line_count)",
        "The file of the first use has {out} {out:line|lines}.",
        tools=("find_references", "read_file"),
    ),
    Scenario(
        "workflow.references_types",
        "workflow",
        "find_references",
        "symbol",
        (
            "Find who uses `{symbol}` at {at} and type check the first file; print its error count.",
            "Type check the file of the first reference to {symbol} ({at}). How many errors?",
            "First use of `{symbol}` from {at}: run the type checker on its file, print the error count.",
        ),
        _REFS + "check = typecheck(result.references[0].file)\nprint(check.error_count)",
        "The file of the first use has {out} type {out:error|errors}.",
        tools=("find_references", "typecheck"),
    ),
    Scenario(
        "workflow.references_lint",
        "workflow",
        "find_references",
        "symbol",
        (
            "Find who uses `{symbol}` at {at} and lint the first file; print its violation count.",
            "Lint the file of the first reference to {symbol} ({at}). How many violations?",
            "Take the first use of `{symbol}` from {at}, run ruff on its file, print the violation count.",
            "References of {symbol} at {at} first; then ruff-check the file of the first, print the count.",
        ),
        _REFS + "check = ruff_check(result.references[0].file)\nprint(check.violation_count)",
        "The file of the first use has {out} {out:violation|violations}.",
        tools=("find_references", "ruff_check"),
    ),
)

SCENARIOS = (
    definitions.DEFINITIONS + references.REFERENCES + definitions.FIELDS + references.FIELDS + WORKFLOWS
)
