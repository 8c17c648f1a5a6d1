"""Requests that name the fields to print: any of a result's fields, of one item or of each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tunewright.datagen.families.scenario import Scenario, Site


@dataclass(frozen=True)
class Listing:
    """A tool whose result holds a list of records.

    `call` is the first line of the program, `target` what a wording puts in for the thing looked at
    (`{path}` or a symbol with its place), `one` and `many` are the items' names in words.
    """

    tool: str
    site: Site
    call: str
    items: str  # the result's field
    item: str  # the loop's variable
    one: str
    many: str
    target: str
    words: dict[str, str]  # field of an item -> its name in words
    newest_first: bool = False  # so that what people call the first one is listed last


_FIRST = (
    "Of the first {one} {target} print {fields}.",
    "First {one} {target}: give its {fields}.",
    "Take only the first {one} {target} and show {fields}.",
    "I need just the {fields} of the very first {one} {target}.",
)
_LAST = (
    "Print the {fields} of the last {one} {target}.",
    "Last {one} {target}: what is its {fields}?",
    "Only the final {one} {target}; print its {fields}.",
)
_EACH = (
    "List the {many} {target} with {fields}.",
    "Print the {fields} of all {many} {target}.",
    "Walk over the {many} {target} and print {fields}.",
    "Each {one} {target}, one a line: {fields}.",
    "I want {fields} of every single {one} {target}.",
    "All {many} {target}: print their {fields}.",
)


def listing_scenarios(listing: Listing, subsets: Iterable[Sequence[str]]) -> tuple[Scenario, ...]:
    """First, last and each item of a listing, for each subset of an item's fields."""
    scenarios: list[Scenario] = []
    for subset in subsets:
        words = {
            "fields": in_words([listing.words[field] for field in subset]),
            "one": listing.one,
            "many": listing.many,
            "target": listing.target,
        }
        name = f"{listing.tool}.{{}}.{'_'.join(subset)}"

        def worded(wordings: tuple[str, ...], words: dict[str, str] = words) -> tuple[str, ...]:
            return tuple(_put(wording, words) for wording in wordings)

        first, last = ("-1", "0") if listing.newest_first else ("0", "-1")
        for which, index, wordings in (("first", first, _FIRST), ("last", last, _LAST)):
            chosen = f"result.{listing.items}[{index}]"
            if len(subset) == 1:
                code = f"print({chosen}.{subset[0]})"
            else:
                code = f"{listing.item} = {chosen}\n{_print(listing.item, subset)}"
            scenarios.append(
                Scenario(
                    name.format(which),
                    "field_access",
                    listing.tool,
                    listing.site,
                    worded(wordings),
                    f"{listing.call}\n{code}",
                    _put("The {fields} of the " + which + " {one}: {{out}}.", words),
                )
            )
        scenarios.append(
            Scenario(
                name.format("each"),
                "iteration",
                listing.tool,
                listing.site,
                worded(_EACH),
                f"{listing.call}\nfor {listing.item} in result.{listing.items}:\n"
                f"    {_print(listing.item, subset)}",
                _put("The {many} number {{n}}: {{items}}.", words),
                _put("There are no {many}.", words),
            )
        )
    return tuple(scenarios)


def filtered_scenarios(
    listing: Listing, condition: str, adjective: str, subsets: Iterable[Sequence[str]]
) -> tuple[Scenario, ...]:
    """Only the items for which `condition` (on `listing.item`) holds; `adjective` names them in words."""
    wordings = (
        "Print the {fields} of each {adjective} {one} {target}.",
        "Only {adjective} {many} {target}: print {fields}.",
        "List {fields} of the {many} {target} that are {adjective}.",
        "Skip what is not {adjective}: {fields} of the {many} {target}.",
        "Which {many} {target} are {adjective}? Show their {fields}.",
    )
    scenarios: list[Scenario] = []
    for subset in subsets:
        words = {
            "fields": in_words([listing.words[field] for field in subset]),
            "one": listing.one,
            "many": listing.many,
            "target": listing.target,
            "adjective": adjective,
        }
        scenarios.append(
            Scenario(
                f"{listing.tool}.{adjective}.{'_'.join(subset)}",
                "iteration",
                listing.tool,
                listing.site,
                tuple(_put(wording, words) for wording in wordings),
                f"{listing.call}\nfor {listing.item} in result.{listing.items}:\n    if {condition}:\n"
                f"        {_print(listing.item, subset)}",
                _put("{adjective}: {{items}}.", words).capitalize(),
                _put("None of the {many} is {adjective}.", words),
            )
        )
    return tuple(scenarios)


def _print(item: str, fields: Sequence[str]) -> str:
    return f"print({', '.join(f'{item}.{field}' for field in fields)})"


def in_words(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _put(template: str, words: dict[str, str]) -> str:
    # Two passes of filling: `{{out}}` here becomes the `{out}` that is filled when the program has run.
    for key, value in words.items():
        template = template.replace("{" + key + "}", value)
    return template.replace("{{", "{").replace("}}", "}")
