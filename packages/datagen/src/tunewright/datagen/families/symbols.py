"""Requests about signatures, and about the symbols of a file or of the project."""

from tunewright.datagen.families.fields import Filter, Listing, filtered_scenarios, listing_scenarios
from tunewright.datagen.families.scenario import Scenario, yes_or_no

_HOVER = "result = hover($file, $line, $symbol)\n"

HOVER = (
    Scenario(
        "hover.signature",
        "field_access",
        "hover",
        "symbol",
        (
            "What is the signature of `{symbol}` at {at}?",
            "Show how {symbol} ({at}) is called: its signature.",
            "Print the signature of `{symbol}`, used at {at}.",
            "Which parameters does {symbol} from {at} take? Print the signature.",
        ),
        _HOVER + "print(result.signature)",
        "Its signature is `{out}`.",
    ),
    Scenario(
        "hover.docstring",
        "field_access",
        "hover",
        "symbol",
        (
            "Print the docstring of `{symbol}` at {at}.",
            "What does the documentation of {symbol} ({at}) say?",
            "Show me the help text of `{symbol}` from {at}.",
        ),
        _HOVER + "print(result.docstring)",
        "Its documentation says: {out}",
    ),
    Scenario(
        "hover.documented",
        "conditional",
        "hover",
        "symbol",
        (
            "Is `{symbol}` at {at} documented? Print its docstring, or undocumented.",
            "If {symbol} ({at}) has a docstring print it, otherwise undocumented.",
            "Print undocumented when `{symbol}` from {at} lacks a docstring, else the docstring.",
        ),
        _HOVER + 'if result.docstring:\n    print(result.docstring)\nelse:\n    print("undocumented")',
        "`{symbol}` is documented: {out}",
        when={"undocumented": "`{symbol}` is undocumented."},
    ),
    Scenario(
        "hover.not_file",
        "discrimination",
        "hover",
        "symbol",
        (
            "Don't open the file: what is the signature of `{symbol}` at {at}?",
            "Neither its place nor its uses, only the signature of {symbol} ({at}).",
            "Without going there, tell me how `{symbol}` at {at} is declared: its signature.",
        ),
        _HOVER + "print(result.signature)",
        "`{out}`",
    ),
)

_SYMBOL_WORDS = {"name": "name", "kind": "kind", "line": "line", "file": "file"}
DOCUMENT = Listing(
    "document_symbols",
    "file",
    "result = document_symbols($path)",
    "symbols",
    "symbol",
    "symbol",
    "symbols",
    "defined in {path}",
    _SYMBOL_WORDS,
)
WORKSPACE = Listing(
    "workspace_symbols",
    "query",
    "result = workspace_symbols($query)",
    "symbols",
    "symbol",
    "symbol",
    "symbols",
    "whose name matches {query}",
    _SYMBOL_WORDS,
)
CLASSES = Filter("class", 'symbol.kind == "class"', "class", "classes", "is a class", "are classes")
FUNCTIONS = Filter(
    *("function", 'symbol.kind == "function"', "function", "functions", "is a function", "are functions")
)
SYMBOLS = (
    Scenario(
        "document.count",
        "field_access",
        "document_symbols",
        "file",
        (
            "How many symbols does {path} define?",
            "Count the symbols of {path}.",
            "Number of definitions inside {path}, please.",
        ),
        "result = document_symbols($path)\nprint(result.symbol_count)",
        "{path} defines {out} {out:symbol|symbols}.",
    ),
    Scenario(
        "document.many",
        "conditional",
        "document_symbols",
        "file",
        (
            "Does {path} define more than {limit} {limit:symbol|symbols}? Print yes or no.",
            "Print yes if {path} has over {limit} {limit:symbol|symbols}, else no.",
        ),
        'result = document_symbols($path)\nif result.symbol_count > $limit:\n    print("yes")\nelse:\n    print("no")',
        when=yes_or_no(
            "{path} defines more than {limit} {limit:symbol|symbols}",
            "{path} does not define more than {limit} {limit:symbol|symbols}",
        ),
    ),
    Scenario(
        "workspace.count",
        "field_access",
        "workspace_symbols",
        "query",
        (
            "How many symbols of the project match {query}?",
            "Count the names in this repository that match {query}.",
            "Number of symbols called like {query}, please.",
        ),
        "result = workspace_symbols($query)\nprint(result.symbol_count)",
        "{out} {out:symbol matches|symbols match} {query}.",
    ),
    Scenario(
        "workspace.exists",
        "conditional",
        "workspace_symbols",
        "query",
        (
            "Is there a symbol like {query} in the project? Print the first one's file, or none.",
            "If any symbol matches {query} print the file of the first, else none.",
            "Look for {query} among the project's symbols; print the first file or none.",
        ),
        "result = workspace_symbols($query)\nif result.success:\n    print(result.symbols[0].file)\n"
        'else:\n    print("none")',
        "The first match for {query} is in {out}.",
        when={"none": "No symbol of the project matches {query}."},
    ),
    *listing_scenarios(DOCUMENT, [("name",), ("kind",), ("name", "line"), ("name", "kind")]),
    *filtered_scenarios(DOCUMENT, CLASSES, [("name",), ("name", "line")]),
    *filtered_scenarios(DOCUMENT, FUNCTIONS, [("name",), ("name", "line")]),
    *listing_scenarios(WORKSPACE, [("name",), ("file",), ("file", "line"), ("name", "kind")]),
)

SCENARIOS = HOVER + SYMBOLS
