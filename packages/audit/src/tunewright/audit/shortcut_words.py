"""A shortcut in plain words, the numbers behind them, and a row of each side."""

from typing import TYPE_CHECKING

from tunewright.audit.features import Feature, value_words
from tunewright.audit.shortcuts import Shortcut
from tunewright.contract.visible import cut

if TYPE_CHECKING:
    import duckdb

NO_CALL = "(none)"  # the label of a first answer that calls nothing
MOST_TOOLS = 6

# What a row's value is, where the column has a hash of it.
_TEXTS = {
    "system_text": "SELECT system FROM examples WHERE example = $1",
    "preamble_text": "SELECT preamble FROM examples WHERE example = $1",
    "tool_set": f"""
        SELECT array_to_string(list(kind ORDER BY kind)[:{MOST_TOOLS}], ', ') || if(count(*) > {MOST_TOOLS}, ', …', '')
        FROM offered JOIN rows USING (toolset) WHERE example = $1""",
    "tool_order": f"""
        SELECT array_to_string(list(kind ORDER BY position)[:{MOST_TOOLS}], ', ') || if(count(*) > {MOST_TOOLS}, ', …', '')
        FROM offered JOIN rows USING (toolset) WHERE example = $1""",
}
# What of a row shows a feature best; its request, where nothing else does.
_SHOWN = {
    "system_text": "e.system",
    "system_words": "e.system",
    "system_length": "e.system",
    "earlier_words": "(SELECT string_agg(content, ' / ' ORDER BY position) FROM messages m WHERE m.example = e.example "
    "AND m.role <> 'system' AND m.position < e.choice AND m.content <> e.last_request)",
    "called_description": "(SELECT any_value(o.description) FROM offered o WHERE o.toolset = e.toolset AND o.kind = e.tool)",
    "id_prefix": "e.call_id",
}


def plain_value(connection: "duckdb.DuckDBPyConnection", shortcut: Shortcut, having: int | None) -> str:
    """The value as a reader knows it: a text for its hash. `having` is an example that has it."""
    query = _TEXTS.get(shortcut.feature)
    if query is None or having is None or shortcut.value == "none":
        return value_words(shortcut.feature, shortcut.value)
    found = connection.execute(query, [having]).fetchone()
    return cut(str(found[0]), 100).replace("\n", " ") if found and found[0] is not None else shortcut.value


def sides(
    connection: "duckdb.DuckDBPyConnection", feature: Feature, having: int | None, lacking: int | None
) -> str:
    """A row with the value and one without it, a line each: its place, and what of it shows the value."""
    said: list[str] = []
    for word, example in (("with", having), ("without", lacking)):
        if example is None:
            continue
        found = connection.execute(
            f"SELECT parse_filename(path) || ':' || line, {_SHOWN.get(feature.name, 'e.last_request')} "
            "FROM examples e WHERE example = $1",
            [example],
        ).fetchone()
        if found:
            shown = cut(" ".join(str(found[1] or "").split()), 80)
            said.append(f"{word} it: {found[0]}" + (f" “{shown}”" if shown else ""))
    return "\n".join(said)


def in_words(shortcut: Shortcut, feature: Feature, value: str) -> str:
    """The finding as a sentence that needs no statistics to be understood."""
    what = feature.noun.replace("{}", value)
    if shortcut.value == "no" and "{}" not in feature.noun:
        what = f"no {feature.noun.removeprefix('a ').removeprefix('an ')}"
    if feature.name == "called_description":
        return (
            f"{shortcut.in_classes:.0%} of the calls of {shortcut.classes[0]} have {what}, and {shortcut.elsewhere:.0%} of "
            "the rows that only offer it: a model can learn that instead of the request"
        )
    classes = _class_names(shortcut)
    inside, outside = shortcut.in_classes, shortcut.elsewhere
    others = (
        "all others do"
        if outside == 1
        else "no other does"
        if outside == 0
        else f"{outside:.0%} of the others do"
    )
    if inside == 0:
        text = f"No {classes} example has {what}; {others}"
    elif inside == 1:
        text = f"Every {classes} example has {what}; {others}"
    else:
        text = f"{inside:.0%} of the {classes} examples have {what}; {others}"
    if feature.timing in ("before", "form"):
        return f"{text}: a model can learn that instead of the request"
    return text


def evidence(shortcut: Shortcut) -> str:
    """The numbers behind the sentence."""
    guessed = (
        f"by this alone {shortcut.accuracy:.0%} of the {shortcut.label} labels can be guessed, by the majority "
        f"{shortcut.majority:.0%}; it tells {shortcut.entropy:.0%} of their entropy; "
        if shortcut.majority
        else ""
    )
    return f"{guessed}exact test q = {shortcut.q:.1g}" + (
        f", clusters permuted p = {shortcut.p:.1g}" if shortcut.p else ""
    )


def _class_names(shortcut: Shortcut) -> str:
    names: list[str] = []
    for name in shortcut.classes:
        if name == NO_CALL:
            names.append("direct-answer")
        elif shortcut.label == "calls":
            names.append(f"{name}-call")
        else:
            names.append(name)
    return "/".join(names) if len(names) <= 5 else "/".join(names[:5]) + f" (and {len(names) - 5} more)"
