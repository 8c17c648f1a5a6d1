"""Requests for tools that users bring along: made from the catalog, for every field a result has."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tunewright.contract.catalog import Catalog, Parameter, Tool, is_list, item_type
from tunewright.datagen.families.fields import in_words
from tunewright.datagen.families.scenario import Kind, Scenario, Site

# Parameters that a site of a corpus can fill, by their names, and the site that does.
_SITES: tuple[tuple[frozenset[str], Site], ...] = (
    (frozenset({"file", "line", "symbol"}), "symbol"),
    (frozenset({"path", "text"}), "text"),
    (frozenset({"path", "content"}), "new_file"),
    (frozenset({"query"}), "query"),
    (frozenset({"command"}), "command"),
    (frozenset(), "nowhere"),
)
_FOLDER_NAMES = frozenset({"folder", "directory", "dir"})
_PATH_NAMES = frozenset({"path", "file"}) | _FOLDER_NAMES
_KINDS = re.compile(r"\b(files?|modules?|folders?|director(?:y|ies))\b", re.IGNORECASE)
_THING = re.compile(r"\b(?:an?|the|one|some) (?:given )?(?:file|module|folder|directory|path)\b")
_VERBS = frozenset(
    (
        *(
            "analyse",
            "analyze",
            "calculate",
            "check",
            "collect",
            "compute",
            "count",
            "describe",
            "detect",
            "extract",
        ),
        *(
            "fetch",
            "find",
            "get",
            "give",
            "list",
            "look",
            "measure",
            "parse",
            "print",
            "read",
            "report",
            "return",
            "run",
        ),
        *("scan", "search", "show", "sort", "sum", "summarise", "summarize", "tell", "test", "validate"),
    )
)
MANY = 10  # a default above this is a limit, and takes larger numbers

_FIELD = (
    "Use {tool}{target} and print {field}.",
    "Call {tool}{target}; I want only {field}.",
    "According to {tool}{target}, what is {field}?",
    "Run {tool}{target}, then show {field}.",
)
_FIELD_OF_TASK = ("{task}. Print {field}.", "{task}; I want only {field}.", "{task}, then show {field}.")
_EACH = (
    "Use {tool}{target} and print {field} of each entry of {list}.",
    "Go through {list} of {tool}{target}: print each {field}.",
    "For all {list} that {tool} gives{target}, show {field}.",
)
_EACH_OF_TASK = (
    "{task}. Print {field} of each entry of {list}.",
    "{task}; go through {list} and show each {field}.",
)


_ITEMS = (
    "Use {tool}{target} and print each of {list}.",
    "Go through {list} of {tool}{target} and print them.",
)
_ITEMS_OF_TASK = ("{task}. Print each of {list}.",)


@dataclass(frozen=True)
class _Way:
    """One way to call a tool: its site, the call, and how a request speaks of it (`task` is empty where its description
    cannot be made a request)."""

    site: Site
    call: str
    target: str
    task: str


def own_scenarios(catalog: Catalog) -> Iterator[Scenario]:
    """Field accesses and loops for each tool whose required parameters a site can fill; each field once more with a
    parameter that is optional, where there is one to fill."""
    for tool in catalog.tools:
        found = _site(tool)
        if found is None:
            continue
        options = [p for p in tool.parameters if not p.required and p.type in ("int", "bool")]
        # Results without success are no examples, so there is nothing to ask about it.
        fields = [field for field in tool.result if field != "success"] or list(tool.result)
        for number, field in enumerate(fields):
            yield from _of(catalog, tool, field, _way(tool, *found), "")
            if options:
                option = options[number % len(options)]
                yield from _of(catalog, tool, field, _way(tool, *found, option), f".{option.name}")


def without_scenarios(catalog: Catalog, scenarios: Sequence[Scenario], *, own: bool) -> Iterator[str]:
    """For each tool that no scenario calls, the reason; `own` says whether the tools are functions that can be run."""
    called = {scenario.tool for scenario in scenarios}
    for name in catalog.tool_names:
        if name not in called and own:
            yield f"{name} requires what no place in a repository gives, or returns nothing to ask for"
        elif name not in called:
            yield f"{name} is only described, and cannot be run"


def _site(tool: Tool) -> tuple[Site, dict[str, str]] | None:
    """The site that fills a tool's required parameters, and which slot each of them gets."""
    required = [p for p in tool.parameters if p.required]
    names = [p.name for p in required]
    if len(names) == 1 and names[0] in _PATH_NAMES:
        return "folder" if _takes_folder(tool, required[0]) else "file", {names[0]: "path"}
    for wanted, site in _SITES:
        if wanted == frozenset(names):
            return site, {name: name for name in names}
    return None


def _takes_folder(tool: Tool, parameter: Parameter) -> bool:
    """The parameter's name says so, or its description, or the tool's: `the files of a folder` is about a folder."""
    if parameter.name != "path":
        return parameter.name in _FOLDER_NAMES
    kinds = _KINDS.findall(parameter.description)
    if kinds:
        return not any(kind.lower().startswith(("file", "module")) for kind in kinds)
    kinds = _KINDS.findall(f"{tool.name.replace('_', ' ')}. {tool.description}")
    return bool(kinds) and kinds[-1].lower().startswith(("folder", "director"))


def _way(tool: Tool, site: Site, slots: dict[str, str], option: Parameter | None = None) -> _Way:
    values = [f"{name}=${slot}" for name, slot in slots.items()]
    more = ""
    if option is not None and option.type == "bool":
        values.append(f"{option.name}={not option.default}")
        more = f" with `{option.name}` {'off' if option.default else 'on'}"
    elif option is not None:
        many = isinstance(option.default, int) and option.default > MANY
        slot = "limit" if many else "count"
        values.append(f"{option.name}=${slot}")
        more = f" with `{option.name}` {{{slot}}}"
    task = _task(tool.description, slots)
    call = f"result = {tool.name}({', '.join(values)})"
    return _Way(site, call, _target(slots) + more, task + (f",{more}" if task and more else ""))


def _of(catalog: Catalog, tool: Tool, field: str, way: _Way, suffix: str) -> Iterator[Scenario]:
    annotation = tool.result[field]
    inner = catalog.types.get(item_type(annotation), {})
    words = {
        **{"{tool}": tool.name, "{target}": way.target, "{task}": way.task},
        **{"{field}": f"`{field}`", "{list}": f"`{field}`"},
    }
    more = bool(way.task)

    def scenario(name: str, kind: Kind, wordings: tuple[str, ...], code: str, answer: str) -> Scenario:
        put = words | {"{field}": f"`{name.rpartition('.')[2]}`"}
        return Scenario(
            name=f"{tool.name}.{name}{suffix}",
            kind=kind,
            tools=(tool.name,),
            needs=way.site,
            requests=tuple(_put(wording, put) for wording in wordings),
            program=f"{way.call}\n{code}",
            answers=(answer,),
            nothing=(f"`{field}` is empty.",),
        )

    loop = f"for item in result.{field}:\n    print("
    if not is_list(annotation) and not inner:
        wordings = _FIELD + (_FIELD_OF_TASK if more else ())
        yield scenario(field, "field_access", wordings, f"print(result.{field})", f"`{field}`: {{out}}")
    elif is_list(annotation) and not inner:
        wordings = _ITEMS + (_ITEMS_OF_TASK if more else ())
        yield scenario(field, "iteration", wordings, f"{loop}item)", f"`{field}`: {{items}}")
    elif is_list(annotation):
        wordings = _EACH + (_EACH_OF_TASK if more else ())
        for key in inner:
            answer = f"`{key}` of {{n:the one entry|each entry}}: {{items}}"
            yield scenario(f"{field}.{key}", "iteration", wordings, f"{loop}item.{key})", answer)


def _target(slots: dict[str, str]) -> str:
    if set(slots) == {"file", "line", "symbol"}:
        return " on `{symbol}` at {at}"
    return " on " + in_words(["{" + slot + "}" for slot in slots.values()]) if slots else ""


def _task(description: str, slots: dict[str, str]) -> str:
    """A tool's description as a request: `Lists the files of a folder.` is `List the files of {path}`. Empty where that
    would not read well."""
    text = description.rstrip(".")
    first, _, rest = text.partition(" ")
    verb = _verb(first)
    if not verb or not rest or re.search(r"[{}$.]", rest):
        return ""
    text = f"{verb} {rest}"
    if not slots:
        return text
    if set(slots) == {"file", "line", "symbol"}:
        return f"{text}: `{{symbol}}` at {{at}}"
    things = _THING.findall(text)
    return _THING.sub("{path}", text) if list(slots.values()) == ["path"] and len(things) == 1 else ""


def _verb(word: str) -> str:
    """`Lists` and `List` are List; an unknown verb gives nothing."""
    lower = word.lower()
    known = next((form for form in (lower, lower[:-1], lower[:-2]) if form in _VERBS), "")
    return known.capitalize() if lower in (known, f"{known}s", f"{known}es") else ""


def _put(wording: str, words: dict[str, str]) -> str:
    for key, value in words.items():
        wording = wording.replace(key, value)
    return wording
