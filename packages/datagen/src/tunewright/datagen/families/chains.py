"""Requests that start from a symbol and need several calls, or one that depends on another."""

from tunewright.datagen.families.scenario import Scenario

_GOTO = "result = goto_definition($file, $line, $symbol)\n"
_REFS = "result = find_references($file, $line, $symbol)\n"

NAVIGATION = (
    Scenario(
        "chain.each_use_lint",
        "workflow",
        "find_references",
        "symbol",
        (
            "Lint the file of every use of `{symbol}` at {at}; print each violation count.",
            "Go through the references of {symbol} ({at}) and print the violation count of each one's file.",
            "Where `{symbol}` from {at} is used, how many violations has that file? One number a use.",
        ),
        _REFS
        + "for ref in result.references:\n    check = ruff_check(ref.file)\n    print(check.violation_count)",
        "Violation count {n:in the file of its use|in the files of its uses, one after the other}: {items}.",
        "Nothing uses `{symbol}`, so there is no file to lint.",
        tools=("find_references", "ruff_check"),
    ),
    Scenario(
        "chain.each_use_types",
        "workflow",
        "find_references",
        "symbol",
        (
            "Type check the file of every use of `{symbol}` at {at}; print each error count.",
            "Go through the references of {symbol} ({at}) and print the error count of each one's file.",
            "Where `{symbol}` from {at} is used, how many type errors has that file? One number a use.",
        ),
        _REFS
        + "for ref in result.references:\n    check = typecheck(ref.file)\n    print(check.error_count)",
        "Type error count {n:in the file of its use|in the files of its uses, one after the other}: {items}.",
        "Nothing uses `{symbol}`, so there is no file to check.",
        tools=("find_references", "typecheck"),
    ),
    Scenario(
        "chain.definition_messages",
        "workflow",
        "goto_definition",
        "symbol",
        (
            "In the file that defines `{symbol}` ({at}), what are the type errors? Print the messages.",
            "Look up where {symbol} at {at} is defined and print all type error messages of that file.",
            "Definition of `{symbol}` at {at}: type check its file, one message a line.",
        ),
        _GOTO
        + "check = typecheck(result.locations[0].file)\nfor error in check.errors:\n    print(error.message)",
        "The file that defines `{symbol}` has {n} type {n:error|errors}, as listed above.",
        "The file that defines `{symbol}` has no type errors.",
        tools=("goto_definition", "typecheck"),
    ),
    Scenario(
        "chain.definition_codes",
        "workflow",
        "goto_definition",
        "symbol",
        (
            "In the file that defines `{symbol}` ({at}), which lint codes come up? Print each code.",
            "Look up where {symbol} at {at} is defined, lint that file and print the codes.",
            "Definition of `{symbol}` at {at}: run ruff on its file, one code a line.",
        ),
        _GOTO
        + "check = ruff_check(result.locations[0].file)\nfor violation in check.violations:\n"
        + "    print(violation.code)",
        "I found {n} {n:violation|violations} there: {items}.",
        "The file that defines `{symbol}` is clean.",
        tools=("goto_definition", "ruff_check"),
    ),
    Scenario(
        "chain.definition_text",
        "workflow",
        "goto_definition",
        "symbol",
        (
            "Open the file in which `{symbol}` at {at} is defined and print its first {count} lines.",
            "Resolve {symbol} ({at}) and show the top {count} lines of the defining file.",
            "Read the file behind `{symbol}` from {at}; print {count} lines from its beginning.",
        ),
        _GOTO
        + "source = read_file(result.locations[0].file)\n"
        + "for text in source.content.splitlines()[:$count]:\n    print(text)",
        "That is how the file that defines `{symbol}` begins.",
        tools=("goto_definition", "read_file"),
    ),
    Scenario(
        "chain.definition_whole",
        "workflow",
        "goto_definition",
        "symbol",
        (
            "Read me the whole file where `{symbol}` of {at} is declared.",
            "Resolve {symbol} at {at}, then show the complete content of the file it is defined in.",
            "Open what defines `{symbol}` ({at}) and print the file's content.",
        ),
        _GOTO + "source = read_file(result.locations[0].file)\nprint(source.content)",
        "That is the file that defines `{symbol}`.",
        tools=("goto_definition", "read_file"),
        printed_whole=True,
    ),
    Scenario(
        "chain.definition_found_only",
        "conditional",
        "goto_definition",
        "symbol",
        (
            "Only if `{symbol}` at {at} resolves: print the line it is defined on.",
            "Print the defining line number of {symbol} ({at}) provided it is found.",
            "Should `{symbol}` from {at} have a definition, print its line; otherwise print nothing.",
        ),
        _GOTO + "if result.success:\n    print(result.locations[0].line)",
        "It is defined on line {out}.",
        "`{symbol}` has no definition that could be found.",
    ),
    Scenario(
        "chain.definition_file_else",
        "conditional",
        "goto_definition",
        "symbol",
        (
            "Print the file that defines `{symbol}` at {at}; if there is none, print none.",
            "Resolve {symbol} ({at}) to a file. No definition? Then print none.",
            "Give the defining file of `{symbol}` from {at}, and none when it cannot be found.",
        ),
        _GOTO + 'if result.success:\n    print(result.locations[0].file)\nelse:\n    print("none")',
        "`{symbol}` is defined in {out}.",
        when={"none": "No definition of `{symbol}` was found."},
    ),
    Scenario(
        "chain.references_count_each",
        "iteration",
        "find_references",
        "symbol",
        (
            "Print the number of uses of `{symbol}` at {at}, and after it the line of each.",
            "First the reference count of {symbol} ({at}), then every line it is used on.",
            "Count the references to `{symbol}` from {at}; below the count list their lines.",
        ),
        _REFS + "print(result.reference_count)\nfor ref in result.references:\n    print(ref.line)",
        "`{symbol}` has {out1} {out1:use|uses}, on {out1:line|lines} {rest}.",
        when={"0": "Nothing uses `{symbol}`."},
    ),
    Scenario(
        "chain.references_if_each",
        "conditional",
        "find_references",
        "symbol",
        (
            "If `{symbol}` at {at} is used, print file and line of each use, otherwise unused.",
            "List where {symbol} ({at}) is used, or print unused if it is not.",
            "Places that use `{symbol}` from {at}, one a line; unused when there are none.",
        ),
        _REFS
        + 'if result.references:\n    for ref in result.references:\n        print(f"{ref.file}:{ref.line}")\n'
        + 'else:\n    print("unused")',
        "`{symbol}` is used at {items}.",
        when={"unused": "`{symbol}` is unused."},
    ),
)

# Asked from where the symbol is defined: the word alone must not lead to its definition.
FROM_DEFINITION = (
    Scenario(
        "defined.places",
        "discrimination",
        "find_references",
        "definition",
        (
            "{symbol} is defined at {at}. Which places depend on it?",
            "{at} declares `{symbol}`. List file and line of its callers.",
            "The definition of {symbol} is at {at}; I want everything that uses it.",
            "`{symbol}`, defined at {at}: who is using it?",
            "Given the definition at {at}, where does {symbol} get called?",
            "Before I change the signature of {symbol} (declared at {at}): what uses it?",
        ),
        _REFS + 'for ref in result.references:\n    print(f"{ref.file}:{ref.line}")',
        "`{symbol}` is used at {items}.",
        "Nothing uses `{symbol}`.",
    ),
    Scenario(
        "defined.count",
        "field_access",
        "find_references",
        "definition",
        (
            "{symbol} is declared at {at}. How many references are there to it?",
            "`{symbol}`, whose definition is at {at}: print its reference count.",
            "At {at} we define {symbol}. Number of its uses?",
            "Defined at {at}, `{symbol}` is used how many times?",
        ),
        _REFS + "print(result.reference_count)",
        "It is used {out} {out:time|times}.",
    ),
    Scenario(
        "defined.files",
        "iteration",
        "find_references",
        "definition",
        (
            "{symbol} is defined at {at}. For every reference print the file.",
            "Print the file of each use of `{symbol}`, declared at {at}.",
            "`{symbol}` comes from {at}; show the files of all its uses.",
        ),
        _REFS + "for ref in result.references:\n    print(ref.file)",
        "{n:The file of its use is|The files of its uses are} {items}.",
        "Nothing uses `{symbol}`.",
    ),
    Scenario(
        "defined.previews",
        "iteration",
        "find_references",
        "definition",
        (
            "{symbol} is defined at {at}. For every reference print the preview.",
            "Print the preview of each use of `{symbol}`, declared at {at}.",
            "`{symbol}` is declared at {at}; show me the source line of all its uses.",
        ),
        _REFS + "for ref in result.references:\n    print(ref.preview)",
        "I found {n} {n:use|uses} of `{symbol}`.",
        "Nothing uses `{symbol}`.",
    ),
    Scenario(
        "defined.dead",
        "conditional",
        "find_references",
        "definition",
        (
            "{symbol}, defined at {at}: print dead if it has no reference, else alive.",
            "Is `{symbol}` (declared at {at}) still needed? Print alive or dead.",
            "Print dead or alive: does anything reference {symbol} from its definition at {at}?",
        ),
        _REFS + 'if result.reference_count > 0:\n    print("alive")\nelse:\n    print("dead")',
        "`{symbol}` is {out}.",
    ),
)

SCENARIOS = NAVIGATION + FROM_DEFINITION
