"""Requests about git, and chains that start with git or with a symbol's name."""

from tunewright.datagen.families.fields import Filter, Listing, filtered_scenarios, listing_scenarios
from tunewright.datagen.families.scenario import Scenario

_HOVER = "result = hover($file, $line, $symbol)\n"
_STATUS = "result = git_status()"
_DIFF = "result = git_diff($path)"
# Whole without a limit: no file of a history here has more commits than are listed by default.
_LOG = "result = git_log($path)"

STATUS = Listing(
    "git_status",
    "nowhere",
    _STATUS,
    "files",
    "item",
    "changed file",
    "changed files",
    "in the working tree",
    {"file": "path", "status": "status"},
)
DIFF = Listing(
    "git_diff",
    "changed_file",
    _DIFF,
    "hunks",
    "hunk",
    "hunk",
    "hunks",
    "in the diff of {path}",
    {"added": "added count", "removed": "removed count", "text": "text"},
)
LOG = Listing(
    "git_log",
    "file",
    _LOG,
    "commits",
    "commit",
    "commit",
    "commits",
    "that touched {path}",
    {"sha": "sha", "author": "author", "date": "date", "subject": "subject"},
    newest_first=True,
)


def _files_that_are(status: str) -> Filter:
    condition = f'item.status == "{status}"'
    return Filter(status, condition, f"{status} file", f"{status} files", f"is {status}", f"are {status}")


GIT = (
    Scenario(
        "status.clean",
        "conditional",
        "git_status",
        "nowhere",
        (
            "Is the working tree clean? Print clean, or the number of changed files.",
            "If nothing is changed print clean, else how many files differ from the last commit.",
            "Anything uncommitted here? Print clean or the count of files.",
            "Print clean when git sees no change, otherwise the number of files it lists.",
        ),
        _STATUS + '\nif result.clean:\n    print("clean")\nelse:\n    print(len(result.files))',
        "{out} {out:file differs|files differ} from the last commit.",
        when={"clean": "The working tree is clean."},
    ),
    Scenario(
        "status.branch",
        "field_access",
        "git_status",
        "nowhere",
        (
            "Which branch am I on?",
            "Print the name of the current branch.",
            "What is the checked out branch called?",
            "On what branch does this working tree stand?",
            "Tell me the current git branch.",
        ),
        _STATUS + "\nprint(result.branch)",
        "The branch is {out}.",
    ),
    Scenario(
        "diff.counts",
        "field_access",
        "git_diff",
        "changed_file",
        (
            "How many lines were added and removed in {path} since the last commit?",
            "Print the added and removed counts of the diff of {path}.",
            "Added and removed lines of {path}, please.",
        ),
        _DIFF + "\nprint(result.added, result.removed)",
        "{path} has {out1} added and {out2} removed {out2:line|lines}.",
    ),
    Scenario(
        "diff.changed",
        "conditional",
        "git_diff",
        "maybe_changed_file",
        (
            "Has {path} changed since the last commit? Print the number of hunks, or unchanged.",
            "Print unchanged if {path} equals the last commit, else how many hunks differ.",
            "Does {path} differ from what is committed? Hunk count or unchanged.",
        ),
        _DIFF + '\nif result.hunks:\n    print(len(result.hunks))\nelse:\n    print("unchanged")',
        "{path} differs from the last commit in {out} {out:hunk|hunks}.",
        when={"unchanged": "{path} is unchanged."},
    ),
    Scenario(
        "diff.not_file",
        "discrimination",
        "git_diff",
        "changed_file",
        (
            "Not the whole of {path}, just what changed in it: print the text of each hunk.",
            "Don't read {path}; print only its uncommitted changes, hunk by hunk.",
            "Show the uncommitted edits in {path}, each hunk's text.",
        ),
        _DIFF + "\nfor hunk in result.hunks:\n    print(hunk.text)",
        "That is what changed in {path}.",
        "{path} has no changes.",
    ),
    Scenario(
        "log.latest",
        "field_access",
        "git_log",
        "nowhere",
        (
            "What is the subject of the latest commit?",
            "Print the subject line of the last commit.",
            "Which change was committed most recently? Print its subject.",
            "Newest commit: subject only.",
        ),
        "result = git_log(limit=1)\nprint(result.commits[0].subject)",
        "The latest commit says `{out}`.",
    ),
    Scenario(
        "log.limit",
        "iteration",
        "git_log",
        "nowhere",
        (
            "Show the last {count} commits with author and subject.",
            "List author and subject of the {count} newest commits.",
            "The latest {count} commits, please: author and subject of each.",
        ),
        "result = git_log(limit=$count)\nfor commit in result.commits:\n    print(commit.author, commit.subject)",
        "I found {n} {n:commit|commits}: {items}.",
        "There are no commits.",
    ),
    *listing_scenarios(STATUS, [("file",), ("status",), ("file", "status")]),
    *(
        scenario
        for status in ("modified", "untracked", "deleted")
        for scenario in filtered_scenarios(STATUS, _files_that_are(status), [("file",)])
    ),
    *listing_scenarios(DIFF, [("added",), ("added", "removed")]),
    *listing_scenarios(LOG, [("subject",), ("author",), ("date",), ("sha", "subject"), ("author", "date")]),
    Scenario(
        "chain.status_diff",
        "workflow",
        "git_status",
        "nowhere",
        (
            "Look at which files changed, then print added and removed lines of the first one.",
            "Git status first; then the diff of the first changed file: print added and removed.",
            "Take the first file that git reports as changed and print how much its diff adds and removes.",
        ),
        _STATUS + "\ndiff = git_diff(result.files[0].file)\nprint(diff.added, diff.removed)",
        "The first changed file has {out1} added and {out2} removed {out2:line|lines}.",
        tools=("git_status", "git_diff"),
    ),
    Scenario(
        "chain.log_diff",
        "workflow",
        "git_log",
        "changed_file",
        (
            "Who last committed {path}, and how much is uncommitted there? Print author, added, removed.",
            "Print the author of the last commit of {path}, then its uncommitted added and removed counts.",
            "Latest author of {path} from the log, then added and removed from its diff.",
        ),
        _LOG + "\ndiff = git_diff($path)\nprint(result.commits[0].author, diff.added, diff.removed)",
        "Author, added count and removed count: {out}.",
        tools=("git_log", "git_diff"),
    ),
    Scenario(
        "chain.hover_definition",
        "workflow",
        "hover",
        "symbol",
        (
            "Print the signature of `{symbol}` at {at} and then the file that defines it.",
            "First how {symbol} ({at}) is called, then where: its signature and its defining file.",
            "Signature of `{symbol}` from {at}, and below it the file of its definition.",
        ),
        _HOVER
        + "print(result.signature)\nplace = goto_definition($file, $line, $symbol)\n"
        + "print(place.locations[0].file)",
        "Signature and file: {quoted}.",
        tools=("hover", "goto_definition"),
    ),
    Scenario(
        "chain.symbols_lint",
        "workflow",
        "document_symbols",
        "file",
        (
            "How many symbols has {path}, and how many lint violations? Print both counts.",
            "Count what {path} defines, then lint it and print both numbers.",
            "Symbol count and violation count of {path}, in that order.",
        ),
        "symbols = document_symbols($path)\nlint = ruff_check($path)\n"
        "print(symbols.symbol_count, lint.violation_count)",
        "{path} has {out1} {out1:symbol|symbols} and {out2} {out2:violation|violations}.",
        tools=("document_symbols", "ruff_check"),
    ),
    Scenario(
        "chain.workspace_references",
        "workflow",
        "workspace_symbols",
        "query",
        (
            "Find the symbol {query} in the project and count the references to the first match.",
            "Search the project's symbols for {query}; how often is the first hit used?",
            "Look {query} up by name, then print the reference count of the first match.",
        ),
        "result = workspace_symbols($query)\nfirst = result.symbols[0]\n"
        "refs = find_references(first.file, first.line, first.name)\nprint(refs.reference_count)",
        "The first match is used {out} {out:time|times}.",
        tools=("workspace_symbols", "find_references"),
    ),
)

SCENARIOS = GIT
