"""Requests for tools that users bring along: made from the catalog, for every field a result has."""

from collections.abc import Iterator

from tunewright.contract.catalog import Catalog, Tool, is_list, item_type
from tunewright.datagen.families.fields import in_words
from tunewright.datagen.families.scenario import Scenario, Site

# Parameters that a site of a corpus can fill, by their names, and the site that does.
_SITES: tuple[tuple[frozenset[str], Site], ...] = (
    (frozenset({"file", "line", "symbol"}), "symbol"),
    (frozenset({"path", "text"}), "text"),
    (frozenset({"path", "content"}), "new_file"),
    (frozenset({"path"}), "file"),
    (frozenset({"file"}), "file"),
    (frozenset({"query"}), "query"),
    (frozenset({"command"}), "command"),
    (frozenset(), "nowhere"),
)

_FIELD = (
    "Use {tool}{target} and print {field}.",
    "Call {tool}{target}; I want only {field}.",
    "What is {field} according to {tool}{target}?",
    "Run {tool}{target}, then show {field}.",
)
_EACH = (
    "Use {tool}{target} and print {field} of each entry of {list}.",
    "Go through {list} of {tool}{target}: print each {field}.",
    "For all {list} that {tool} gives{target}, show {field}.",
)


def own_scenarios(catalog: Catalog) -> Iterator[Scenario]:
    """Field accesses and loops for each tool whose required parameters a site can fill."""
    for tool in catalog.tools:
        required = frozenset(p.name for p in tool.parameters if p.required)
        for names, site in _SITES:
            if names == required:
                yield from _of(catalog, tool, site)


def _of(catalog: Catalog, tool: Tool, site: Site) -> Iterator[Scenario]:
    names = [p.name for p in tool.parameters if p.required]
    slots = {"file": "path"} if site == "file" else {}
    values = [f"{name}=${slots.get(name, name)}" for name in names]
    call = f"result = {tool.name}({', '.join(values)})"
    target = _target(names, slots)
    for field, annotation in tool.result.items():
        words = {"{tool}": tool.name, "{target}": target, "{field}": f"`{field}`", "{list}": f"`{field}`"}
        inner = catalog.types.get(item_type(annotation), {})
        if not is_list(annotation) and not inner:
            yield Scenario(
                f"{tool.name}.{field}",
                "field_access",
                tool.name,
                site,
                tuple(_put(wording, words) for wording in _FIELD),
                f"{call}\nprint(result.{field})",
                f"`{field}`: {{out}}",
                f"`{field}` is empty.",
            )
        elif is_list(annotation):
            for key in inner:
                each = words | {"{field}": f"`{key}`"}
                yield Scenario(
                    f"{tool.name}.{field}.{key}",
                    "iteration",
                    tool.name,
                    site,
                    tuple(_put(wording, each) for wording in _EACH),
                    f"{call}\nfor item in result.{field}:\n    print(item.{key})",
                    f"`{key}` of each entry: {{items}}",
                    f"`{field}` is empty.",
                )


def _target(names: list[str], slots: dict[str, str]) -> str:
    if set(names) == {"file", "line", "symbol"}:
        return " on `{symbol}` at {at}"
    if not names:
        return ""
    return " on " + in_words(["{" + slots.get(name, name) + "}" for name in names])


def _put(wording: str, words: dict[str, str]) -> str:
    for key, value in words.items():
        wording = wording.replace(key, value)
    return wording
