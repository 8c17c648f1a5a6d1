"""Requests that do not say what to do when they fail, and now and then do: the program looks, and the answer tells.

The sites hold what is there as well as what is not, so that no wording gives away which it will be.
"""

from tunewright.datagen.families.scenario import Scenario

SYMBOLS = (
    Scenario(
        "setback.definition",
        "failure",
        "goto_definition",
        "maybe_symbol",
        (
            "Please find where `{symbol}` of {at} is defined.",
            "Which line of which file defines {symbol}, as used at {at}?",
            "Take me to the declaration of `{symbol}`; I saw it at {at}.",
            "I need the definition of {symbol}; it should stand at {at}.",
        ),
        "result = goto_definition($file, $line, $symbol)\nif result.success:\n    loc = result.locations[0]\n"
        '    print(f"{loc.file}:{loc.line}")\nelse:\n    print("not found")',
        "`{symbol}` is defined at {out}.",
        when={"not found": "I found no definition: `{symbol}` does not seem to stand at {at}."},
    ),
    Scenario(
        "setback.references",
        "failure",
        "find_references",
        "maybe_symbol",
        (
            "What depends on `{symbol}`, which I saw at {at}? File and line, please.",
            "Collect the uses of {symbol} from {at}, with file and line.",
            "Everything that refers to `{symbol}` of {at}, as file and line.",
        ),
        "result = find_references($file, $line, $symbol)\nif result.success:\n    for ref in result.references:\n"
        '        print(f"{ref.file}:{ref.line}")\nelse:\n    print("not found")',
        "`{symbol}` is used at {items}.",
        "Nothing uses `{symbol}`.",
        when={"not found": "I could not look for uses: `{symbol}` does not seem to stand at {at}."},
    ),
    Scenario(
        "setback.hover",
        "failure",
        "hover",
        "maybe_symbol",
        (
            "How do I call `{symbol}`, seen at {at}? Its signature, please.",
            "Show me which parameters {symbol} at {at} has, as its signature.",
            "What is {symbol} ({at})? The signature will do.",
        ),
        "result = hover($file, $line, $symbol)\nif result.success:\n    print(result.signature)\n"
        'else:\n    print("not found")',
        "The signature is `{out}`.",
        when={"not found": "I have no signature: `{symbol}` does not seem to stand at {at}."},
    ),
    Scenario(
        "setback.workspace",
        "failure",
        "workspace_symbols",
        "maybe_query",
        (
            "Find {query} by name: which file has it?",
            "In which file of the project is something called {query}?",
            "Somewhere there is a {query}. Print the file of the first match.",
        ),
        "result = workspace_symbols($query)\nif result.symbols:\n    print(result.symbols[0].file)\n"
        'else:\n    print("no match")',
        "I found {query} in {out}.",
        when={"no match": "The project has no symbol that matches {query}."},
    ),
)

FILES = (
    Scenario(
        "setback.symbols",
        "failure",
        "document_symbols",
        "missing_file",
        (
            "Tell me how many symbols stand in {path}.",
            "{path}: how many symbols is that?",
            "I wonder how many symbols {path} has.",
        ),
        "result = document_symbols($path)\nif result.success:\n    print(result.symbol_count)\n"
        'else:\n    print("could not be read")',
        "{path} has {out} {out:symbol|symbols}.",
        when={"could not be read": "{path} could not be read, so I cannot count anything in it."},
    ),
    Scenario(
        "setback.read",
        "failure",
        "read_file",
        "missing_file",
        (
            "What is the line count of {path}?",
            "Tell me how many lines long {path} is.",
            "I'd like to know the number of lines of {path}.",
        ),
        'source = read_file($path)\nif source.success:\n    print(source.line_count)\nelse:\n    print("could not be read")',
        "{path} has {out} {out:line|lines}.",
        when={"could not be read": "{path} could not be read; perhaps it has another name."},
    ),
    Scenario(
        "setback.lint",
        "failure",
        "ruff_check",
        "missing_file",
        (
            "What does ruff say about {path}? A count will do.",
            "Give me the number of lint findings for {path}.",
            "How tidy is {path}? Count its violations.",
        ),
        "result = ruff_check($path)\nif result.success or result.violations:\n    print(result.violation_count)\n"
        'else:\n    print("could not be checked")',
        "{path} has {out} {out:violation|violations}.",
        when={"could not be checked": "{path} could not be checked; perhaps there is no such file."},
    ),
    Scenario(
        "setback.types",
        "failure",
        "typecheck",
        "missing_file",
        (
            "What does the type checker say about {path}? A count will do.",
            "Give me the number of type errors of {path}.",
            "How well typed is {path}? Count its errors.",
        ),
        "result = typecheck($path)\nif result.success or result.errors:\n    print(result.error_count)\n"
        'else:\n    print("could not be checked")',
        "{path} has {out} type {out:error|errors}.",
        when={"could not be checked": "{path} could not be checked; perhaps there is no such file."},
    ),
    Scenario(
        "setback.log",
        "failure",
        "git_log",
        "missing_file",
        (
            "Who committed {path} most recently?",
            "Print the author of the newest commit of {path}.",
            "Whose commit of {path} is the newest?",
        ),
        "result = git_log($path, limit=1)\nif result.commits:\n    print(result.commits[0].author)\n"
        'else:\n    print("no commit")',
        "The newest commit of {path} is by {out}.",
        when={"no commit": "There is no commit of {path} in the log."},
    ),
    Scenario(
        "setback.write",
        "failure",
        "write_file",
        "maybe_outside",
        (
            "Write `{content}` into the file {path}; how many bytes is it?",
            "Let {path} hold the line `{content}` and print the bytes written.",
            "Fill {path} with `{content}` and tell me the number of bytes.",
        ),
        "result = write_file($path, $content)\nif result.success:\n    print(result.bytes_written)\n"
        'else:\n    print("not written")',
        "{path} is written, {out} {out:byte|bytes}.",
        when={"not written": "{path} could not be written, so nothing has changed."},
    ),
)

COMMANDS = (
    Scenario(
        "setback.command",
        "failure",
        "run_command",
        "failing_command",
        (
            "Run `{command}` and tell me what it says.",
            "What comes out of `{command}`?",
            "Let me see what `{command}` gives.",
        ),
        "result = run_command($command)\nif result.success:\n    print(result.stdout)\nelse:\n"
        '    print(f"exit code {result.exit_code}")\n    print(result.stderr)',
        "The command failed: {quoted}.",
    ),
    Scenario(
        "setback.slow",
        "failure",
        "run_command",
        "slow_command",
        (
            "Start `{command}` for me and print its output.",
            "Run `{command}` and print stdout.",
            "I'd like the output of `{command}`.",
        ),
        "result = run_command($command)\nif result.success:\n    print(result.stdout)\nelse:\n    print(result.stderr)",
        "The command did not finish: it {out}.",
    ),
)

SCENARIOS = SYMBOLS + FILES + COMMANDS
