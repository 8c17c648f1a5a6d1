"""Requests about where a symbol is defined."""

from tunewright.datagen.families.fields import Listing, listing_scenarios
from tunewright.datagen.families.scenario import Scenario

_GOTO = "result = goto_definition($file, $line, $symbol)\n"

WORDS = {"file": "file", "line": "line", "column": "column", "preview": "preview"}
SUBSETS = [
    ("file",),
    ("line",),
    ("column",),
    ("preview",),
    ("file", "line"),
    ("line", "column"),
    ("line", "preview"),
    ("file", "preview"),
    ("file", "line", "column"),
]

DEFINITIONS = (
    Scenario(
        "definition.place",
        "one_call",
        "goto_definition",
        "symbol",
        (
            "Where is `{symbol}` defined? It stands at {at}.",
            "Find the definition of {symbol} used at {at}.",
            "Jump to the definition of `{symbol}` ({at}).",
            "{at} mentions `{symbol}`. Where does it come from?",
            "I'm at {at}. Take me to where `{symbol}` is defined.",
            "Which place defines the {symbol} at {at}?",
            "Locate the source of `{symbol}`; I see it at {at}.",
            "Show me where {symbol} was declared, starting from {at}.",
            "Resolve `{symbol}` at {at} to its definition.",
        ),
        _GOTO + 'loc = result.locations[0]\nprint(f"{loc.file}:{loc.line}")',
        "`{symbol}` is defined at {out}.",
    ),
    Scenario(
        "definition.not_text",
        "discrimination",
        "goto_definition",
        "symbol",
        (
            "Not a text search please: where does the real definition of `{symbol}` at {at} live?",
            "I don't want the uses of {symbol}, only where it is defined. It is at {at}.",
            "Grep finds too many hits for `{symbol}`. Go from {at} to its definition.",
            "Forget the callers; which place declares {symbol} seen at {at}?",
            "Without searching text: what does `{symbol}` at {at} resolve to?",
            "Definition only, no usages: `{symbol}` at {at}.",
        ),
        _GOTO + 'loc = result.locations[0]\nprint(f"{loc.file}:{loc.line}")',
        "It is defined at {out}.",
    ),
    Scenario(
        "definition.file",
        "field_access",
        "goto_definition",
        "symbol",
        (
            "Which file defines `{symbol}`? It appears at {at}.",
            "Print only the file that {symbol} at {at} comes from.",
            "In what module file is `{symbol}` ({at}) declared?",
            "Just the path of the file where {symbol} is defined; I found it at {at}.",
            "Name the file behind `{symbol}` at {at}.",
            "From {at}: give me the defining file of {symbol}, nothing else.",
        ),
        _GOTO + "print(result.locations[0].file)",
        "`{symbol}` is defined in {out}.",
    ),
    Scenario(
        "definition.line",
        "field_access",
        "goto_definition",
        "symbol",
        (
            "On which line is `{symbol}` defined? I see it at {at}.",
            "Print only the line number of the definition of {symbol} at {at}.",
            "Just the line where `{symbol}` ({at}) is declared, please.",
            "{symbol} is used at {at}. What line number does its definition have?",
            "I need the definition's line number for `{symbol}`, used at {at}.",
            "Give me nothing but the line on which {symbol} from {at} gets defined.",
        ),
        _GOTO + "print(result.locations[0].line)",
        "The definition is on line {out}.",
    ),
    Scenario(
        "definition.column",
        "field_access",
        "goto_definition",
        "symbol",
        (
            "Print the line and column where `{symbol}` at {at} is defined.",
            "At what line and column does the definition of {symbol} begin? Used at {at}.",
            "Line and column of the definition, please: `{symbol}` at {at}.",
            "I want both line and column of where {symbol} ({at}) is declared.",
            "Exact position (line, column) of the definition of `{symbol}` from {at}?",
        ),
        _GOTO + "loc = result.locations[0]\nprint(loc.line, loc.column)",
        "It is defined on line {out1}, column {out2}.",
    ),
    Scenario(
        "definition.preview",
        "field_access",
        "goto_definition",
        "symbol",
        (
            "Show the source line that defines `{symbol}` at {at}.",
            "Print the preview of the definition of {symbol} used at {at}.",
            "What does the defining line of `{symbol}` ({at}) look like?",
            "Let me see the code line where {symbol} from {at} is declared.",
            "How is `{symbol}` at {at} declared? Print that line of code.",
        ),
        _GOTO + "print(result.locations[0].preview)",
        "It is defined by this line: `{out}`",
    ),
    Scenario(
        "definition.count",
        "field_access",
        "goto_definition",
        "symbol",
        (
            "How many definitions does `{symbol}` at {at} have?",
            "Count the places that define {symbol}, which stands at {at}.",
            "Number of definition sites for `{symbol}` ({at})?",
            "Is {symbol} at {at} defined once or several times? Print how many.",
        ),
        _GOTO + "print(len(result.locations))",
        "`{symbol}` has {out} {out:definition|definitions}.",
    ),
    Scenario(
        "definition.found",
        "conditional",
        "goto_definition",
        "symbol",
        (
            "If `{symbol}` at {at} has a definition, print its place, otherwise say not found.",
            "Check whether {symbol} ({at}) can be resolved; print where, or not found.",
            "Is `{symbol}` at {at} defined anywhere? Print the place or not found.",
            "Try to resolve {symbol} from {at}. If that fails print not found.",
            "Does {symbol} at {at} have a definition? If so print file and line, else not found.",
            "Look up `{symbol}` ({at}) and handle the case that nothing is found.",
        ),
        _GOTO
        + 'if result.success:\n    loc = result.locations[0]\n    print(f"{loc.file}:{loc.line}")\n'
        + 'else:\n    print("not found")',
        "`{symbol}` is defined at {out}.",
        when={"not found": "No definition of `{symbol}` was found."},
    ),
    Scenario(
        "definition.same_file",
        "conditional",
        "goto_definition",
        "symbol",
        (
            "Is `{symbol}` at {at} defined in that same file? Print same file or other file.",
            "Print same file if {symbol} ({at}) is declared in the file it is used in, else other file.",
            "Does the definition of `{symbol}` at {at} stand in the very same file? Say same file or other file.",
            "Same file or other file: where is {symbol} from {at} defined?",
        ),
        _GOTO
        + 'if result.locations[0].file == $file:\n    print("same file")\nelse:\n    print("other file")',
        when={
            "same file": "`{symbol}` is defined in that same file.",
            "other file": "`{symbol}` is defined in another file.",
        },
    ),
    Scenario(
        "definition.each",
        "iteration",
        "goto_definition",
        "symbol",
        (
            "List every definition of `{symbol}` at {at} with file and line.",
            "Print all places that define {symbol}; it is used at {at}.",
            "Go through each definition of `{symbol}` ({at}) and print its file and line.",
            "All definition sites of {symbol} from {at}, one a line.",
            "Loop over the definitions of `{symbol}` at {at}; print file and line of each.",
        ),
        _GOTO + 'for loc in result.locations:\n    print(f"{loc.file}:{loc.line}")',
        "`{symbol}` is defined at {items}.",
        "No definition of `{symbol}` was found.",
    ),
)

FIELDS = listing_scenarios(
    Listing(
        "goto_definition",
        "symbol",
        _GOTO.rstrip(),
        "locations",
        "loc",
        "definition",
        "definitions",
        "of `{symbol}` at {at}",
        WORDS,
    ),
    SUBSETS,
)
