"""Offers: the right tool is among them, or honestly is not."""

import statistics
from collections import Counter, defaultdict
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.chat.tools import tools_in_prompt
from tunewright.contract.catalog import SHIPPED, Catalog, Tool, load_catalog
from tunewright.contract.recipe import Data
from tunewright.datagen.example_builder import deal, forms_for, true_beside
from tunewright.datagen.families.direct import BEYOND, Question, questions
from tunewright.datagen.families.family_file import shipped_families
from tunewright.datagen.generate import plan_orders, select
from tunewright.datagen.tool_sampling import (
    DECOYS,
    INSTEAD,
    Offer,
    calls_by_first_tool,
    decline,
    draw_offer,
    first_tool_shares,
    in_turn,
)

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
    listing = CATALOG.only("find_references", "read_file").listing()
    assert listing.splitlines()[0].endswith(
        " -> success, symbol, reference_count, references[file, line, column, preview]: Every place that uses a symbol."
    )
    found = tools_in_prompt(f"You are an assistant.\n\nTools:\n{CATALOG.listing()}")
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


@given(st.sets(NEEDED, min_size=1, max_size=3), st.integers(0, 500), st.data())
def test_with_few_tools_there_is_still_something_to_offer_and_to_name(
    tools: set[str], seed: int, data: st.DataObject
) -> None:
    catalog = CATALOG.only(*sorted(tools))
    needed = data.draw(st.sets(st.sampled_from(sorted(tools)), min_size=1))
    offer = draw_offer(catalog, needed, Random(seed), missing=True, mask=False)
    assert not (needed | {other for tool in needed for other in INSTEAD.get(tool, ())}) & set(offer.names)
    assert decline(offer).startswith("None of my tools does that. I only have ")
    assert all(name in decline(offer) for name in offer.catalog.tool_names)


def test_what_could_replace_a_tool_is_a_tool_of_ours_or_a_look_alike() -> None:
    replacing = {name for names in INSTEAD.values() for name in names}
    ours = set(load_catalog("+".join(SHIPPED)).tool_names)
    assert set(INSTEAD) <= ours
    assert replacing <= ours | {tool.name for tool in DECOYS}
    assert replacing & {tool.name for tool in DECOYS}


def tools_named(*described: tuple[str, str]) -> Catalog:
    return Catalog(
        name="c",
        tools=tuple(
            Tool(name=name, description=text, result={"success": "bool"}) for name, text in described
        ),
    )


@pytest.mark.parametrize(
    ("name", "description", "denied"),
    [
        ("sendMail", "Write to somebody.", "Send an email"),
        ("notify", "Emails a list of people.", "Send an email"),
        ("spotify_start", "Music for a room.", "put some music on"),
        ("forecast", "What to expect in a city.", "the weather be like in Oslo"),
        ("browser_navigate", "Go to an address.", "in my browser"),
    ],
)
def test_what_a_tool_comes_near_is_not_denied(name: str, description: str, denied: str) -> None:
    def denials(catalog: Catalog) -> set[str]:
        return {q.text for q in questions(catalog) if q.family == BEYOND and denied in q.text}

    assert denials(CATALOG)
    assert denials(tools_named(("resize", "Make a picture smaller.")))
    assert not denials(tools_named((name, description)))
    assert not [q for q in questions(CATALOG, beyond=False) if q.family == BEYOND]


def test_an_earlier_exchange_speaks_only_of_what_is_listed_and_denies_nothing_that_a_shell_could_do() -> None:
    about = Question("What is hover?", "It tells the signature.", "", ("hover",))
    plain = Question("What is a list?", "A row of values.", "")
    denied = Question("Play.", "I have no tool to play.", "", family=BEYOND)
    everything = Offer(CATALOG, {name: name for name in CATALOG.tool_names})
    fewer = CATALOG.only("read_file")
    reading = Offer(fewer, {"read_file": "read_file"})
    masked = Offer(
        fewer.model_copy(update={"tools": (CATALOG.tools[2].model_copy(update={"name": "tool_a"}),)}),
        {"hover": "tool_a"},
    )
    fitting = {
        name: [q for q in (about, plain, denied) if true_beside(q, offer)]
        for name, offer in {"none": None, "all": everything, "reading": reading, "masked": masked}.items()
    }
    assert fitting == {
        "none": [about, plain, denied],
        "all": [about, plain],
        "reading": [plain, denied],
        "masked": [plain, denied],
    }


@pytest.mark.parametrize(("offered", "missing"), [(0.5, 180), (1.0, 300)])
def test_no_list_tells_that_the_right_tool_is_missing(offered: float, missing: int) -> None:
    """Each tool is in as many of the lists without a call as of those in which another tool is called."""
    tools = ["typecheck", "ruff_check", "pytest_run", "read_file", "write_file", "run_command", "git_log"]
    data = Data(other=6000, offered=offered, tools=tuple(tools))
    catalog = CATALOG.only(*tools)
    orders = plan_orders(data, "other", 1.0, dict.fromkeys(tools, 1 / len(tools)), 2000)
    random = Random(1)
    lists: dict[str, list[set[str]]] = defaultdict(list)
    for order, form in zip(orders, forms_for(orders, data, random)):
        if form.offer:
            needed = [order.tool] if order.tool else []
            offer = draw_offer(catalog, needed, random, missing=order.missing, mask=False, shell=form.shell)
            lists[order.label].append(set(offer.names))
    assert sum(order.missing for order in orders) == pytest.approx(missing, abs=5)
    for tool in tools:
        without = [tool in names for names in lists[""]]
        others = [
            tool in names for label, found in lists.items() if label not in ("", tool) for names in found
        ]
        every = [tool in names for label, found in lists.items() if label for names in found]
        mean = statistics.mean(every if tool == "run_command" else others)
        assert statistics.mean(without) == pytest.approx(mean, abs=0.12), tool
    sizes = [len(names) for label, found in lists.items() if label for names in found]
    assert statistics.mean(map(len, lists[""])) == pytest.approx(statistics.mean(sizes), abs=0.5)


@given(st.integers(1, 20), st.integers(0, 60), st.integers(0, 60), st.integers(0, 20))
def test_earlier_questions_are_dealt_evenly_by_kind(places: int, plain: int, about: int, denied: int) -> None:
    made = [Question(f"p{n}", "", "") for n in range(plain)]
    made += [Question(f"a{n}", "", "", ("hover",)) for n in range(about)]
    made += [Question(f"d{n}", "", "", family=BEYOND) for n in range(denied)]
    dealt = deal(made, places)
    assert sorted(q.text for part in dealt for q in part) == sorted(q.text for q in made)
    for letter in "pad":
        counts = [sum(q.text.startswith(letter) for q in part) for part in dealt]
        assert max(counts) - min(counts) <= 1
    place = {question.text: number for number, question in enumerate(made)}
    assert all([place[q.text] for q in part] == sorted(place[q.text] for q in part) for part in dealt)


def test_look_alikes_are_no_tools_of_ours() -> None:
    assert not {tool.name for tool in DECOYS} & set(CATALOG.tool_names)
    assert len({tool.name for tool in DECOYS}) == len(DECOYS)


def expected_calls(
    groups: list[tuple[int, list[str]]], shares: dict[str, float], calls: dict[str, dict[str, float]]
) -> dict[str, float]:
    called = defaultdict[str, float](float)
    for count, tools in groups:
        for first in tools:
            for tool, number in calls[first].items():
                called[tool] += count * shares[first] * number
    return called


@given(st.integers(1, 400), st.integers(1, 400))
def test_the_tools_of_a_group_are_called_equally_often(navigation: int, other: int) -> None:
    tools = [
        *("goto_definition", "find_references"),
        *("typecheck", "ruff_check", "pytest_run", "read_file", "write_file", "run_command"),
    ]
    calls = calls_by_first_tool([s for s in shipped_families() if set(s.tools) <= set(tools)])
    groups = [(navigation, tools[:2]), (other, tools[2:])]
    shares = first_tool_shares(groups, calls)
    called = expected_calls(groups, shares, calls)
    for _, members in groups:
        assert sum(shares[tool] for tool in members) == pytest.approx(1, abs=1e-4)
        assert all(shares[tool] >= 0.499 / len(members) for tool in members)
        # A tool that others call more often than is its part comes first half as often; all the rest are equal.
        rest = [called[tool] for tool in members if shares[tool] > 0.52 / len(members)]
        assert max(rest) == pytest.approx(min(rest), rel=0.01)


def test_in_equal_parts_pytest_and_the_shell_would_be_called_too_seldom() -> None:
    """The flaw that the shares are there for: it shows in the same measure."""
    tools = ["typecheck", "ruff_check", "pytest_run", "read_file", "write_file", "run_command"]
    calls = calls_by_first_tool([s for s in shipped_families() if set(s.tools) <= set(tools)])
    called = expected_calls([(600, tools)], dict.fromkeys(tools, 1 / 6), calls)
    assert called["ruff_check"] > 1.15 * called["pytest_run"]


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.floats(0.05, 1), min_size=1, max_size=6),
    st.integers(0, 300),
)
def test_tools_come_in_turn_each_by_its_share(weights: dict[str, float], count: int) -> None:
    total = sum(weights.values())
    shares = {name: weight / total for name, weight in weights.items()}
    order = in_turn(shares, count)
    assert len(order) == count
    for end in (count // 2, count):
        taken = Counter(order[:end])
        assert all(abs(taken[name] - share * end) <= len(shares) for name, share in shares.items())
    even = dict.fromkeys(shares, 1 / len(shares))
    assert in_turn(even, count) == [list(even)[n % len(even)] for n in range(count)]


def test_a_shell_that_is_read_while_it_runs_is_not_offered_where_nothing_shall_fit() -> None:
    both = load_catalog("coding+streaming")
    for seed in range(40):
        for tool, instead in (
            ("typecheck", "stream_command"),
            ("pytest_run", "stream_tests"),
            ("stream_tests", "pytest_run"),
        ):
            offer = draw_offer(both, [tool], Random(seed), missing=True, mask=False)
            assert not {tool, instead, "run_command", "stream_command"} & set(offer.names)


@pytest.mark.parametrize(
    ("name", "begins", "count"), [("streaming", "stream", 8), ("completion", "completion", 13)]
)
def test_families_of_a_further_catalog_are_used_with_it_alone(name: str, begins: str, count: int) -> None:
    of_coding, of_both = (
        {scenario.name for scenario in select(load_catalog(catalog)) if not scenario.after}
        for catalog in ("coding", f"coding+{name}")
    )
    assert of_coding < of_both
    assert {family.partition(".")[0] for family in of_both - of_coding} == {begins}
    assert len(of_both - of_coding) == count


def test_where_completions_are_missing_nothing_that_names_what_could_be_written_is_offered() -> None:
    both = load_catalog("coding+completion")
    for seed in range(40):
        offer = draw_offer(both, ["completion"], Random(seed), missing=True, mask=False)
        assert not {"completion", "document_symbols", "read_file", "run_command"} & set(offer.names)
