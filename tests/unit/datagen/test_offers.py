"""Offers: the right tool is among them, or honestly is not."""

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tunewright.audit.toolsets import tools_in_prompt
from tunewright.contract.catalog import load_catalog
from tunewright.datagen.offers import DECOYS, INSTEAD, Offer, decline, draw_offer

CATALOG = load_catalog("coding")
NEEDED = st.sampled_from(CATALOG.tool_names)


@given(NEEDED, st.integers(0, 500))
def test_a_tool_that_is_needed_is_offered_once(tool: str, seed: int) -> None:
    offer = draw_offer(CATALOG, [tool], Random(seed))
    assert [*offer.names].count(tool) == 1
    assert offer.names[tool] in offer.catalog.tool_names
    assert len(set(offer.catalog.tool_names)) == len(offer.catalog.tools)
    assert all(name.isidentifier() for name in offer.catalog.tool_names)


@given(NEEDED, st.integers(0, 500))
def test_a_tool_that_is_missing_is_not_offered_and_nothing_that_could_replace_it(
    tool: str, seed: int
) -> None:
    offer = draw_offer(CATALOG, [tool], Random(seed), missing=True, mask=False)
    assert not {tool, "run_command", *INSTEAD.get(tool, ())} & set(offer.names)
    assert offer.names
    assert all(name in decline(offer) for name in offer.catalog.tool_names)


def test_a_list_names_the_fields_of_entries_and_the_audit_reads_it() -> None:
    listing = Offer(CATALOG.only("find_references", "read_file")).listing()
    assert listing.splitlines()[0].endswith(
        " -> success, symbol, reference_count, references[file, line, column, preview]: Every place that uses a symbol."
    )
    found = tools_in_prompt(f"You are an assistant.\n\nTools:\n{Offer(CATALOG).listing()}")
    assert [tool["tool"] for tool in found] == list(CATALOG.tool_names)
    assert [tool["description"] for tool in found] == [tool.description for tool in CATALOG.tools]


def test_the_right_tool_stands_anywhere_in_the_list() -> None:
    places: Counter[float] = Counter()
    for seed in range(600):
        offer = draw_offer(CATALOG, ["hover"], Random(seed), mask=False)
        places[offer.catalog.tool_names.index("hover") / len(offer.catalog.tools) < 0.5] += 1
    assert 0.4 < places[True] / 600 < 0.62


def test_a_program_uses_the_names_of_the_offer_and_keeps_its_fields() -> None:
    offer = Offer(CATALOG, {"hover": "tool_12", "read_file": "read_file"})
    code = 'hover_text = hover("a.py", 1, "hover").hover\nread_file("hover(")'
    assert offer.rename(
        code
    ) == 'hover_text = tool_12("a.py", 1, "hover").hover\nread_file("hover(")'.replace(
        '"hover("', '"tool_12("'
    )


def test_what_could_replace_a_tool_is_a_tool_of_ours() -> None:
    assert {*INSTEAD, *(name for names in INSTEAD.values() for name in names)} <= set(CATALOG.tool_names)


def test_look_alikes_are_no_tools_of_ours() -> None:
    assert not {tool.name for tool in DECOYS} & set(CATALOG.tool_names)
    assert len({tool.name for tool in DECOYS}) == len(DECOYS)
