"""Requests that need several calls of different kinds, one after the other or one depending on another."""

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
        "Violations in the files of its uses: {items}.",
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
        "Type errors in the files of its uses: {items}.",
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
        "Type errors there: {n}. {items}",
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
        "Codes found: {items}.",
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
        "These are the first lines of the file that defines `{symbol}`.",
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
        "The file: {out}.",
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
        "Count, then lines: {items}.",
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
        "Result: {items}.",
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
        "It is used {out} times.",
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
        "Files of the uses: {items}.",
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
        "Uses found: {n}.",
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

CHECKS = (
    Scenario(
        "chain.three",
        "workflow",
        "ruff_check",
        "test_file",
        (
            "Lint {path}, type check it, run its tests; print violations, errors and passed tests.",
            "All three on {path}: ruff, type checker, pytest. Print violation, error and passed counts.",
            "Run linter, type checker and tests over {path} and print the three counts in that order.",
        ),
        "lint = ruff_check($path)\ntypes = typecheck($path)\ntests = pytest_run($path)\n"
        "print(lint.violation_count, types.error_count, tests.passed)",
        "Violations, type errors and passed tests: {out}.",
        tools=("ruff_check", "typecheck", "pytest_run"),
    ),
    Scenario(
        "chain.types_tests",
        "workflow",
        "typecheck",
        "test_file",
        (
            "Type check {path}, then run its tests; print error count and failed count.",
            "Types first, tests after, for {path}: print errors and failures.",
            "How many type errors has {path}, and how many of its tests fail? Check types first.",
        ),
        "types = typecheck($path)\ntests = pytest_run($path)\nprint(types.error_count, tests.failed)",
        "Type errors and failed tests: {out}.",
        tools=("typecheck", "pytest_run"),
    ),
    Scenario(
        "chain.lint_command",
        "workflow",
        "ruff_check",
        "file+command",
        (
            "Lint {path}; should it have violations, run `{command}` and print the exit code.",
            "If ruff finds something in {path}, execute `{command}` and print its exit code.",
            "When {path} is not clean for the linter, run `{command}`; print the exit code.",
        ),
        "lint = ruff_check($path)\nif lint.violation_count > 0:\n    result = run_command($command)\n"
        "    print(result.exit_code)",
        "There were violations; the command ended with {out}.",
        "{path} is clean, so I did not run the command.",
        tools=("ruff_check", "run_command"),
    ),
    Scenario(
        "chain.types_command",
        "workflow",
        "typecheck",
        "file+command",
        (
            "Check the types of {path}, then run `{command}`; print error count and stdout.",
            "Type check {path} and execute `{command}` after it. Print the error count, then the output.",
            "First types of {path}, second `{command}`: print error count and stdout.",
        ),
        "types = typecheck($path)\nresult = run_command($command)\nprint(types.error_count)\nprint(result.stdout)",
        "Error count and output: {items}.",
        tools=("typecheck", "run_command"),
    ),
    Scenario(
        "chain.types_errors_command",
        "workflow",
        "typecheck",
        "file+command",
        (
            "If {path} has type errors run `{command}` and print what it outputs.",
            "Type check {path}. Errors? Then run `{command}` and print stdout.",
            "Only when type checking {path} finds errors: execute `{command}`, print its stdout.",
        ),
        "types = typecheck($path)\nif types.error_count > 0:\n    result = run_command($command)\n"
        "    print(result.stdout)",
        "There are type errors; the command printed: {items}.",
        "{path} has no type errors, so I did not run the command.",
        tools=("typecheck", "run_command"),
    ),
    Scenario(
        "chain.command_tests",
        "workflow",
        "run_command",
        "test_file+command",
        (
            "Run `{command}` and after that the tests in {path}; print exit code and passed count.",
            "First execute `{command}`, then test {path}. Print exit code, passed count.",
            "Command `{command}`, then pytest on {path}: print the exit code and how many passed.",
        ),
        "result = run_command($command)\ntests = pytest_run($path)\nprint(result.exit_code, tests.passed)",
        "Exit code and passed tests: {out}.",
        tools=("run_command", "pytest_run"),
    ),
    Scenario(
        "chain.tests_save",
        "workflow",
        "pytest_run",
        "test_file+other",
        (
            "Run the tests of {path} and save the passed count in {other}; print the path written.",
            "Test {path}, then write how many passed into {other}. Print that path.",
            "Store the number of passing tests of {path} in the file {other} and print its path.",
        ),
        "tests = pytest_run($path)\nresult = write_file($other, str(tests.passed))\nprint(result.path)",
        "The passed count now stands in {out}.",
        tools=("pytest_run", "write_file"),
    ),
    Scenario(
        "chain.lint_save",
        "workflow",
        "ruff_check",
        "file+other",
        (
            "Lint {path} and save the violation count in {other}; print the bytes written.",
            "Write how many violations {path} has into {other}. Print bytes written.",
            "Count the violations of {path} and store the count at {other}; print the byte count.",
        ),
        "lint = ruff_check($path)\nresult = write_file($other, str(lint.violation_count))\n"
        "print(result.bytes_written)",
        "The violation count is saved, {out} bytes.",
        tools=("ruff_check", "write_file"),
    ),
    Scenario(
        "chain.tests_if_failed",
        "workflow",
        "pytest_run",
        "test_file",
        (
            "Test {path}. Any failure? Then read the file and print its line count.",
            "If tests of {path} fail, open that file and print how many lines it has.",
            "Read {path} only in case its tests fail, and print the line count then.",
        ),
        "tests = pytest_run($path)\nif tests.failed > 0:\n    source = read_file($path)\n    print(source.line_count)",
        "Tests fail; the file has {out} lines.",
        "No test fails, so I did not read {path}.",
        tools=("pytest_run", "read_file"),
    ),
    Scenario(
        "chain.write_types",
        "workflow",
        "write_file",
        "new_file",
        (
            "Write `{content}` to {path} and read it back; print the line count.",
            "Create {path} with `{content}`, then read that path and print how many lines it has.",
            "Put `{content}` in {path}; then open it and print the number of lines.",
        ),
        "result = write_file($path, $content)\nsource = read_file(result.path)\nprint(source.line_count)",
        "{path} is written and has {out} line.",
        tools=("write_file", "read_file"),
    ),
    Scenario(
        "chain.read_lint",
        "workflow",
        "read_file",
        "file",
        (
            "Read {path}, then lint it; print line count and violation count.",
            "Open {path} and run ruff on it afterwards. Print its lines and its violations, as counts.",
            "Line count of {path} by reading it, then its violation count by linting: print both.",
        ),
        "source = read_file($path)\nlint = ruff_check($path)\nprint(source.line_count, lint.violation_count)",
        "Lines and violations: {out}.",
        tools=("read_file", "ruff_check"),
    ),
    Scenario(
        "chain.seconds",
        "field_access",
        "pytest_run",
        "test_file",
        (
            "How long do the tests of {path} run? Print the seconds.",
            "Print how many seconds a test run of {path} takes.",
            "Time the tests in {path}: seconds only.",
            "Run {path} with pytest and print the duration in seconds.",
        ),
        "result = pytest_run($path)\nprint(result.seconds)",
        "It took {out} seconds.",
        volatile=True,
    ),
    Scenario(
        "chain.slow",
        "conditional",
        "pytest_run",
        "test_file",
        (
            "Do the tests of {path} need more than {minutes} seconds? Print slow or fast.",
            "Print slow if running {path} takes over {minutes} seconds, else fast.",
            "Test {path}; say slow when the seconds exceed {minutes}, fast otherwise.",
        ),
        'result = pytest_run($path)\nif result.seconds > $minutes:\n    print("slow")\nelse:\n    print("fast")',
        "Compared with {minutes} seconds it is {out}.",
    ),
    Scenario(
        "chain.test_seconds",
        "iteration",
        "pytest_run",
        "test_file",
        (
            "List the tests of {path} with their seconds.",
            "For every test in {path} print name and duration in seconds.",
            "Name and seconds of all tests of {path}, please.",
        ),
        "result = pytest_run($path)\nfor test in result.tests:\n    print(test.name, test.seconds)",
        "Tests timed: {n}.",
        "There are no tests in {path}.",
        volatile=True,
    ),
)

SCENARIOS = NAVIGATION + FROM_DEFINITION + CHECKS
