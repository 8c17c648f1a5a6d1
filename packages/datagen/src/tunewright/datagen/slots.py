"""Where in a corpus requests can point: symbols, files, tests, words, commands.

A site is what fills a request's slots, as far as the corpus alone tells; whether the tools say something
useful about it is found out by running them.
"""

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from random import Random
from typing import cast

from tunewright.datagen.corpus import Corpus
from tunewright.datagen.families.scenario import Site
from tunewright.datagen.git_history import planned_changes

Slots = dict[str, str | int]

COMMON = frozenset(dir(__builtins__) if not isinstance(__builtins__, dict) else __builtins__) | {
    "self",
    "cls",
}
TEST_HOOKS = frozenset(
    {"runTest"} | {f"{when}{what}" for when in ("setUp", "tearDown") for what in ("", "Class", "Module")}
)
MAX_PER_SYMBOL = 3  # requests that may speak of one name of a corpus
SHORT_NAME, LONG_NAME = 3, 6  # letters of a name that is worth completing, after a dot and without one
MAX_LINE = 400  # line numbers above this are rare where people work, and long to write
# Commands that take longer than a command may.
SLOW_COMMANDS = (
    *("tail -f {file}", "tail -n 3 -f {file}", "tail -n 20 -f {file}"),
    *("while true; do wc -l {file}; sleep 60; done", "while true; do ls -l {file}; sleep 30; done"),
    "while sleep 30; do wc -l {file}; done",
)
MISSING = ("_old", "_helpers", "_v2", "_new")  # ends of names that hardly any file has
SHORT_FILE = 12  # lines; what a person would want printed whole

_NAMES = (
    *("notes", "todo", "draft", "example", "changes", "scratch", "config", "report", "summary", "usage"),
    *("plan", "history", "authors", "roadmap", "ideas", "setup_notes", "glossary", "faq", "limits", "extras"),
)
_SUFFIXES = (".md", ".txt", ".py", ".toml", ".cfg")
_FOLDERS = ("docs", "notes", "tmp", "scripts", "extra", "doc/pages", "tools", "examples")
# Names of files that are made from another one.
_ENDINGS = {
    "other": ("_count.txt", "_result.txt", "_stats.txt", "_report.txt", ".log"),
    "copy": ("_copy.py", "_backup.py", "_old.py"),
}
_TEXTS = {
    ".md": ("# Notes on {a}", "- {a}", "TODO: {a}", "## {a} and {b}"),
    ".txt": ("TODO: test {a}", "{a} replaces {b}", "{a}, {b}", "{a}: done"),
    ".py": ("{a} = {n}", "import {m}", "print({a})", "{a} = [{b}]"),
    ".toml": ("{a} = {n}", "{a} = '{b}'", "{a} = true"),
    ".cfg": ("{a} = {b}", "[{a}]", "{a} = {n}"),
}
_MODULES = ("os", "sys", "json", "math", "re", "time", "random", "logging", "itertools", "functools")


def symbol_sites(corpus: Corpus) -> Iterator[Slots]:
    """Uses of names that the corpus itself defines: `symbol`, `file`, `line`. A name that is twice on its line
    is left out: which of the two is meant, file and line do not say. So is one that the file also gives to a
    variable or a parameter, because nobody asks where a local variable comes from."""
    defined: set[str] = set()
    for nodes in corpus.nodes.values():
        for node in nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                defined.add(node.name)
    defined = {name for name in defined if _asked_about(name)}
    for file, nodes in corpus.nodes.items():
        lines = corpus.files[file].split("\n")
        seen: set[tuple[int, str]] = set()
        variables = {_variable_of(node) for node in nodes}
        for node in nodes:
            name = _name_of(node)
            line = getattr(node, "lineno", 0)
            if isinstance(node, ast.Name) and name in variables:
                continue
            if name in defined and line <= MAX_LINE and (line, name) not in seen:
                seen.add((line, name))
                if len(re.findall(rf"(?<!\w){re.escape(name)}(?!\w)", lines[line - 1])) != 1:
                    continue
                yield {"symbol": name, "file": file, "line": line}


def _asked_about(name: str) -> bool:
    """Whether somebody would ask about a name: not where only Python or pytest calls it."""
    of_tests = name.lower().startswith("test") or name in TEST_HOOKS
    return len(name) > 3 and not name.startswith("__") and name not in COMMON and not of_tests


def call_sites(corpus: Corpus) -> Iterator[Slots]:
    """Those uses that are calls, so that there is a signature to ask for."""
    for slots in symbol_sites(corpus):
        line = corpus.files[str(slots["file"])].split("\n")[int(slots["line"]) - 1]
        called = re.search(rf"(?<!\w){re.escape(str(slots['symbol']))}\(", line)
        if called and not defines(corpus, slots):
            yield slots


def _variable_of(node: ast.AST) -> str:
    if isinstance(node, ast.arg):
        return node.arg
    return node.id if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else ""


def _name_of(node: ast.AST) -> str:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        return node.id
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.decorator_list:
        return node.name
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and node.lineno == node.end_lineno:
        return node.attr
    return ""


def prefix_sites(corpus: Corpus, random: Random) -> Iterator[tuple[Slots, str]]:
    """Names as they are while somebody types them, each with the whole last name: `prefix` (`self.` or `parser.add_a`),
    `file`, `line`. A prefix that is twice on its line is left out: which of the two is meant, file and line do not say."""
    for file, nodes in corpus.nodes.items():
        lines = corpus.files[file].split("\n")
        used: Counter[str] = Counter()
        for node in nodes:
            whole = _dotted(node)
            before, dot, name = whole.rpartition(".")
            number = getattr(node, "lineno", 0)
            if len(name) < (SHORT_NAME if dot else LONG_NAME) or name.startswith("__") or number > MAX_LINE:
                continue
            fewest, most = (0, 4) if dot else (3, 8)
            prefix = f"{before}{dot}{name[: random.randint(fewest, min(most, len(name) - 1))]}"
            # `form` or `end` in the middle of a request would be read as a word of it.
            looks_like_code = dot or (re.search(r"[A-Z_]", prefix) and name not in COMMON)
            times = len(re.findall(rf"(?<!\w){re.escape(prefix)}", lines[number - 1]))
            if not looks_like_code or times != 1 or used[prefix] == MAX_PER_SYMBOL:
                continue
            used[prefix] += 1
            yield {"prefix": prefix, "file": file, "line": number}, name


def _dotted(node: ast.AST) -> str:
    """A name that is read, with the names before it: `name`, `self.name`, `a.b.name`; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id if isinstance(node.ctx, ast.Load) else ""
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and node.lineno == node.end_lineno:
        before = _dotted(node.value)
        return before and f"{before}.{node.attr}"
    return ""


def maybe_prefix_sites(corpus: Corpus, random: Random) -> list[Slots]:
    """As many prefixes on another line of their file as on their own."""
    there = [slots for slots, _ in prefix_sites(corpus, random)]
    random.shuffle(there)
    found: list[Slots] = []
    for number, slots in enumerate(there):
        lines = corpus.files[str(slots["file"])].split("\n")
        line = random.randint(1, min(len(lines), MAX_LINE)) if number % 2 else int(slots["line"])
        if number % 2 == 0 or str(slots["prefix"]) not in lines[line - 1]:
            found.append({**slots, "line": line})
    return found


def member_sites(corpus: Corpus, random: Random) -> list[Slots]:
    """Prefixes of attributes with a `member`: the name that is there or, in every second one where there is such, another
    attribute's name of the same beginning."""
    sites = [(slots, name) for slots, name in prefix_sites(corpus, random) if "." in str(slots["prefix"])]
    names = sorted({name for _, name in sites})
    random.shuffle(sites)
    found: list[Slots] = []
    for number, (slots, name) in enumerate(sites):
        typed = str(slots["prefix"]).rpartition(".")[2]
        others = [other for other in names if other.startswith(typed) and other != name]
        if number % 2 == 0 or not others:
            found.append({**slots, "member": name})
        else:
            found.append({**slots, "member": random.choice(others)})
    return found


def word_sites(corpus: Corpus) -> Iterator[Slots]:
    """Words of comments and docstrings: `text`, `path`."""
    for file, text in corpus.files.items():
        found: set[str] = set()
        for comment in re.findall(r"^\s*#+ (.+)$", text, re.MULTILINE):
            found.update(re.findall(r"\b[a-z]{4,10} [a-z]{3,9}\b|\b[A-Za-z]{6,12}\b", comment))
        for words in sorted(found):
            if len(text) < 60_000:
                yield {"text": words, "path": file}


def file_sites(corpus: Corpus, site: Site) -> Iterator[Slots]:
    """Files a request of that kind may name: `path`."""
    for number, (file, text) in enumerate(corpus.files.items()):
        lines = text.count("\n")
        if site == "short_file" and not 2 <= lines <= SHORT_FILE:
            continue
        if site == "test_file" and file not in corpus.tests and "\n    >>> " not in text:
            continue
        if site == "missing_file":
            stem, _, _ = file.rpartition(".")
            yield {"path": f"{stem}{MISSING[number % len(MISSING)]}.py"}
            yield {"path": file}
            continue
        if lines >= 2:
            yield {"path": file}


def folders_of(corpus: Corpus) -> list[str]:
    """Folders that hold files."""
    return sorted({file.rsplit("/", 1)[0] for file in corpus.files if "/" in file})


def command_sites(corpus: Corpus, site: Site) -> Iterator[Slots]:
    """Commands that only read, and print the same everywhere: `command`, perhaps `path`."""
    files = sorted(corpus.files)
    folders = folders_of(corpus)
    for file in files:
        good = (
            f"wc -l {file}",
            f"head -n 1 {file}",
            f"head -n 2 {file}",
            f"tail -n 1 {file}",
            f"tail -n 2 {file}",
            f"grep -c import {file}",
            f"grep -c def {file}",
            f"grep -n class {file}",
            f"grep -c return {file}",
            f"wc -c {file}",
            f"wc -w {file}",
        )
        missing = f"{file.removesuffix('.py')}_old.py"
        bad = (
            f"cat {missing}",
            f"grep -n zzz {missing}",
            f"head {missing}",
            f"wc -l {missing}",
            f"ls {missing}",
        )
        if site in ("command", "any_command", "command_file"):
            for command in good:
                slots: Slots = {"command": command}
                if site == "command_file":
                    slots["path"] = file
                yield slots
        if site == "listing_command":
            for word in ("class", "import", "def"):
                if sum(word in line for line in corpus.files[file].split("\n")) > 1:
                    yield {"command": f"grep -n {word} {file}"}
        if site in ("failing_command", "any_command"):
            for command in bad:
                yield {"command": command}
    if site in ("command", "any_command", "listing_command"):
        for folder in folders:
            yield {"command": f"ls {folder}"}
            yield {"command": f"find {folder} -name __init__.py"}
    if site == "maybe_slow_command":
        for folder in folders:
            yield {"command": f"grep -rn import {folder}"}
            yield {"command": f"grep -rn def {folder}"}
            yield {"command": f"wc -l {folder}/*.py"}


def new_file_sites(corpus: Corpus, site: Site, random: Random) -> Iterator[Slots]:
    """Files to be made, in folders there may not be, with a line of content: `path`, `content`."""
    # A checker of Python has nothing to say on other files.
    suffixes = (".py",) if site == "new_module" else _SUFFIXES
    words = sorted(
        {
            node.name
            for nodes in corpus.nodes.values()
            for node in nodes
            if isinstance(node, ast.FunctionDef)
            if 4 <= len(node.name) <= 14 and not node.name.startswith("_")
        }
    )
    folders = _FOLDERS + tuple(sorted({file.split("/", 1)[0] for file in corpus.files if "/" in file}))
    while words:
        suffix = random.choice(suffixes)
        a, b = random.choice(words), random.choice(words)
        content = random.choice(_TEXTS[suffix]).format(
            a=a, b=b, n=random.randint(0, 99), m=random.choice(_MODULES)
        )
        yield {"path": f"{random.choice(folders)}/{random.choice(_NAMES)}{suffix}", "content": content}


def with_more(sites: list[Slots], more: str, corpus: Corpus, random: Random) -> list[Slots]:
    """Each site with a second thing to speak of: `other`, a file for a number, `copy`, a file for the same code, or a
    `command`."""
    commands = [slots["command"] for slots in command_sites(corpus, "command")]
    found: list[Slots] = []
    for slots in sites:
        if more in _ENDINGS:
            stem = str(slots["path"]).rsplit("/", 1)[-1].removesuffix(".py").strip("_")
            ending = random.choice(_ENDINGS[more])
            found.append({**slots, more: f"{random.choice(_FOLDERS)}/{stem}{ending}"})
        elif commands:
            found.append({**slots, "command": random.choice(commands)})
    return found


def defines(corpus: Corpus, slots: Slots) -> bool:
    """Whether the line of a site is the `def` or `class` of its symbol."""
    line = corpus.files[str(slots["file"])].split("\n")[int(slots["line"]) - 1]
    return re.match(rf"\s*(?:async )?(?:def|class) {re.escape(str(slots['symbol']))}\b", line) is not None


def absent_sites(corpus: Corpus, random: Random) -> Iterator[Slots]:
    """Names with a line of the same file on which they do not appear: `symbol`, `file`, `line`."""
    for slots in symbol_sites(corpus):
        lines = corpus.files[str(slots["file"])].split("\n")
        line = random.randint(1, min(len(lines), MAX_LINE))
        if str(slots["symbol"]) not in lines[line - 1]:
            yield {**slots, "line": line}


def query_sites(corpus: Corpus) -> Iterator[Slots]:
    """Names of functions and classes to look for: `query`."""
    for name in sorted({name for name, _ in _named(corpus)}):
        yield {"query": name}


def unique_query_sites(corpus: Corpus) -> Iterator[Slots]:
    """Those names that only one place defines: `query`, and `path`, the file of that place."""
    places = list(_named(corpus))
    times = Counter(name for name, _ in places)
    for name, file in sorted(places):
        if times[name] == 1:
            yield {"query": name, "path": file}


def unique_function_sites(corpus: Corpus) -> Iterator[Slots]:
    """Those of them that are functions: a class has no signature to show."""
    classes = {
        node.name for nodes in corpus.nodes.values() for node in nodes if isinstance(node, ast.ClassDef)
    }
    return (slots for slots in unique_query_sites(corpus) if slots["query"] not in classes)


def _named(corpus: Corpus) -> Iterator[tuple[str, str]]:
    """Functions and classes with the file of each; not the names that only Python or pytest uses."""
    for file, nodes in corpus.nodes.items():
        for node in nodes:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            if _asked_about(node.name):
                yield node.name, file


# Sites that the corpus alone decides.
_FIXED: Mapping[str, Callable[[Corpus], Iterable[Slots]]] = {
    "text": word_sites,
    "definition": lambda corpus: (slots for slots in symbol_sites(corpus) if defines(corpus, slots)),
    "folder": lambda corpus: ({"path": folder} for folder in folders_of(corpus)),
    "query": query_sites,
    "unique_query": unique_query_sites,
    "unique_function": unique_function_sites,
    "symbol_in_file": unique_query_sites,
    "nowhere": lambda _: ({},),
}


def sites_of(corpus: Corpus, site: Site, random: Random) -> list[Slots]:
    """All sites of a kind in a corpus, shuffled, each name of a symbol at most a few times."""
    base, _, more = site.partition("+")
    if more:
        return with_more(sites_of(corpus, cast(Site, base), random), more, corpus, random)
    if site in ("symbol", "call"):
        found = list(symbol_sites(corpus) if site == "symbol" else call_sites(corpus))
        random.shuffle(found)
        used: dict[str, int] = defaultdict(int)
        kept: list[Slots] = []
        for slots in found:
            name = str(slots["symbol"])
            used[name] += 1
            if used[name] <= MAX_PER_SYMBOL:
                kept.append(slots)
        return kept
    if base in _FIXED:
        found = list(_FIXED[base](corpus))
    elif site == "absent_symbol":
        found = list(absent_sites(corpus, random))
    elif site == "prefix":
        found = [slots for slots, _ in prefix_sites(corpus, random)]
    elif site == "maybe_prefix":
        found = maybe_prefix_sites(corpus, random)
    elif site == "maybe_member":
        found = member_sites(corpus, random)
    elif site == "maybe_symbol":
        absent = list(absent_sites(corpus, random))
        found = absent + random.sample(there := list(symbol_sites(corpus)), min(len(there), len(absent)))
    elif site == "maybe_query":
        there = list(query_sites(corpus))
        found = there + [{"query": f"{slots['query']}_legacy"} for slots in there]
    elif site == "slow_command":
        # Few of them: each costs as long as a command may take.
        file = random.choice(sorted(corpus.files))
        found = [{"command": command.format(file=file)} for command in SLOW_COMMANDS]
    elif site in ("changed_file", "maybe_changed_file"):
        modified = [change for change in planned_changes(corpus) if change.status == "modified"]
        found: list[Slots] = [{"path": change.path} for change in modified]
        if site == "maybe_changed_file":
            found += list(file_sites(corpus, "file"))[: 2 * len(found)]
    elif site in ("new_file", "new_module"):
        sites = new_file_sites(corpus, site, random)
        return [slots for slots, _ in zip(sites, range(200))]
    elif site == "maybe_outside":
        inside = [slots for slots, _ in zip(new_file_sites(corpus, "new_file", random), range(200))]
        found = [
            slots | {"path": f"../{slots['path']}"} if n % 2 else slots for n, slots in enumerate(inside)
        ]
    elif site == "maybe_slow_command":
        fast = list(command_sites(corpus, site))
        found = sites_of(corpus, "slow_command", random) + random.sample(fast, min(len(fast), 6))
    elif site.endswith(("command", "command_file")):
        found = list(command_sites(corpus, site))
    else:
        found = list(file_sites(corpus, site))
    random.shuffle(found)
    return found
