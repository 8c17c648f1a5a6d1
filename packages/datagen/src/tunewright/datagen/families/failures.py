"""Requests that cannot be met: nothing is there, the file is missing, the command takes too long."""

from tunewright.datagen.families.scenario import Scenario

_GOTO = "result = goto_definition($file, $line, $symbol)\n"
_REFS = "result = find_references($file, $line, $symbol)\n"

SCENARIOS = (
    Scenario(
        "failure.definition",
        "failure",
        "goto_definition",
        "absent_symbol",
        (
            "Where does `{symbol}` at {at} come from? Print its file, or no such symbol.",
            "Resolve {symbol} on {at}; print the defining file or no such symbol.",
            "I think `{symbol}` stands at {at}. Print the file that defines it, else no such symbol.",
            "Try {symbol} at {at}: defining file, or no such symbol if that fails.",
        ),
        _GOTO + 'if result.success:\n    print(result.locations[0].file)\nelse:\n    print("no such symbol")',
        "`{symbol}` is defined in {out}.",
        when={"no such symbol": "There is no such symbol: `{symbol}` was not found at {at}."},
    ),
    Scenario(
        "failure.references",
        "failure",
        "find_references",
        "absent_symbol",
        (
            "How many uses has `{symbol}` of {at}? Print the count, or no such symbol.",
            "Count references to {symbol} on {at}; print no such symbol if it is not there.",
            "Is `{symbol}` at {at} used? Print how often, else no such symbol.",
            "Try to count what uses {symbol} at {at}; no such symbol when that fails.",
        ),
        _REFS + 'if result.success:\n    print(result.reference_count)\nelse:\n    print("no such symbol")',
        "`{symbol}` is used {out} {out:time|times}.",
        when={"no such symbol": "There is no such symbol: `{symbol}` was not found at {at}."},
    ),
    Scenario(
        "failure.read",
        "failure",
        "read_file",
        "missing_file",
        (
            "Read {path} and print its line count, or missing if that fails.",
            "Try to open {path}; print the number of lines, or missing.",
            "If {path} can be read print its line count, otherwise print missing.",
            "Print how many lines {path} has, and missing if there is no such file.",
        ),
        'source = read_file($path)\nif source.success:\n    print(source.line_count)\nelse:\n    print("missing")',
        "{path} has {out} {out:line|lines}.",
        when={"missing": "{path} is missing, so there is nothing to count."},
    ),
    Scenario(
        "failure.command",
        "failure",
        "run_command",
        "slow_command",
        (
            "Run `{command}` and print its exit code, and its stderr if it did not succeed.",
            "Execute `{command}`. Print the exit code; on failure the error text too.",
            "Exit code of `{command}`, please, plus stderr when it goes wrong.",
        ),
        "result = run_command($command)\nprint(result.exit_code)\nif not result.success:\n    print(result.stderr)",
        "`{command}` ended with exit code {out1}: {rest}.",
        when={"0": "`{command}` ended with exit code 0."},
    ),
)
