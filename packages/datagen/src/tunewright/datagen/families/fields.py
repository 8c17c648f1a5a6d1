"""Requests that name the fields to print: any of a result's fields, of one item or of each."""

from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict

from tunewright.datagen.families.scenario import Scenario, Site


class Filter(BaseModel):
    """Some of a listing's items: those for which `condition` (on `Listing.item`) holds.

    `one` and `many` are their names in words, `is_one` and `are_many` what is said of them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    condition: str
    one: str
    many: str
    is_one: str
    are_many: str
    subsets: tuple[tuple[str, ...], ...]


class Listing(BaseModel):
    """A tool whose result holds a list of records.

    `call` is the first line of the program, `target` what a wording puts in for the thing looked at
    (`{path}` or a symbol with its place), `one` and `many` are the items' names in words.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tool: str
    needs: Site
    call: str
    items: str  # the result's field
    item: str  # the loop's variable
    one: str
    many: str
    target: str
    words: dict[str, str]  # field of an item -> its name in words
    subsets: tuple[tuple[str, ...], ...]
    newest_first: bool = False  # so that what people call the first one is listed last
    filters: tuple[Filter, ...] = ()


# Fields that hold text: an answer puts one in quotes, and does not say many of them again.
PROSE = frozenset({"message", "preview", "subject", "text"})

_FIRST = (
    "Of all {many} {target}, print the first one's {fields}.",
    "First {one} {target}: give its {fields}.",
    "Take only the first {one} {target} and show its {fields}.",
    "I need just the {fields} of the very first {one} {target}.",
)
_LAST = (
    "Print the {fields} of the last {one} {target}.",
    "Last {one} {target}: what {is} its {fields}?",
    "Only the final {one} {target}; print its {fields}.",
)
_EACH = (
    "List the {many} {target}, each with its {fields}.",
    "Print for every {one} {target} its {fields}.",
    "Walk over the {many} {target} and print the {fields} of each.",
    "Each {one} {target}, one a line: its {fields}.",
    "I want the {fields} of every single {one} {target}.",
    "All {many} {target}: print the {fields} of each.",
)
_FILTERED = (
    "Print the {fields} of each {kind} {target}.",
    "Only the {kinds} {target}: print the {fields} of each.",
    "List the {fields} of every {one} {target} that {is_one}.",
    "Skip each {one} {target} unless it {is_one}, and print the {fields} of the others.",
    "Which {many} {target} {are_many}? Show the {fields} of each.",
)


def listing_scenarios(listing: Listing, subsets: Iterable[Sequence[str]]) -> tuple[Scenario, ...]:
    """First, last and each item of a listing, for each subset of an item's fields."""
    scenarios: list[Scenario] = []
    for subset in subsets:
        words = _words(listing, subset)
        shown = "quoted" if PROSE & set(subset) else "out"
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
                    name=name.format(which),
                    kind="field_access",
                    tools=(listing.tool,),
                    needs=listing.needs,
                    requests=worded(wordings),
                    program=f"{listing.call}\n{code}",
                    answers=(
                        _put("The {fields} of the " + which + " {one}{is_or_are} {{" + shown + "}}.", words),
                    ),
                )
            )
        scenarios.append(
            Scenario(
                name=name.format("each"),
                kind="iteration",
                tools=(listing.tool,),
                needs=listing.needs,
                requests=worded(_EACH),
                program=f"{listing.call}\nfor {listing.item} in result.{listing.items}:\n"
                f"    {_print(listing.item, subset)}",
                answers=(_found("{one}|{many}", subset, words),),
                nothing=(_put("There are no {many} {target}.", words),),
            )
        )
    return tuple(scenarios)


def filtered_scenarios(
    listing: Listing, some: Filter, subsets: Iterable[Sequence[str]]
) -> tuple[Scenario, ...]:
    """Only some of a listing's items, for each subset of an item's fields."""
    scenarios: list[Scenario] = []
    for subset in subsets:
        words = _words(listing, subset) | {
            "kind": some.one,
            "kinds": some.many,
            "is_one": some.is_one,
            "are_many": some.are_many,
        }
        scenarios.append(
            Scenario(
                name=f"{listing.tool}.{some.name}.{'_'.join(subset)}",
                kind="iteration",
                tools=(listing.tool,),
                needs=listing.needs,
                requests=tuple(_put(wording, words) for wording in _FILTERED),
                program=f"{listing.call}\nfor {listing.item} in result.{listing.items}:\n    if {some.condition}:\n"
                f"        {_print(listing.item, subset)}",
                answers=(_found("{kind}|{kinds}", subset, words),),
                nothing=(_put("None of the {many} {target} {is_one}.", words),),
            )
        )
    return tuple(scenarios)


def _found(kinds: str, subset: Sequence[str], words: dict[str, str]) -> str:
    if PROSE & set(subset):
        return _put("I found {{n}} {{n:" + kinds + "}}, listed above with {{n:its|their}} {fields}.", words)
    return _put("I found {{n}} {{n:" + kinds + "}}. {Fields}: {{items}}.", words)


def _words(listing: Listing, subset: Sequence[str]) -> dict[str, str]:
    fields = in_words([listing.words[field] for field in subset])
    return {
        "fields": fields,
        "Fields": fields[0].upper() + fields[1:],
        "is": "is" if len(subset) == 1 else "are",
        "is_or_are": " is" if len(subset) == 1 else ":",
        "one": listing.one,
        "many": listing.many,
        "target": listing.target,
    }


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
