"""The form of an example is drawn apart from what it is about."""

from collections import Counter, defaultdict
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.chat.calls.code_mode import parse_turn
from tunewright.contract.recipe import Data, Structure
from tunewright.datagen.example_builder import forms_for, shows_all
from tunewright.datagen.example_messages import NO_OUTPUT, Exchange, Work, compose
from tunewright.datagen.families.family_file import shipped_families
from tunewright.datagen.families.scenario import Scenario
from tunewright.datagen.generate import plan_orders
from tunewright.datagen.structure import Form, draw_forms

LABELS = st.lists(st.sampled_from(["", "goto_definition", "ruff_check", "read_file"]), max_size=300)
RATES = st.floats(0, 1)


@given(LABELS, RATES, RATES, RATES, st.integers(0, 1000))
def test_rates_are_met_within_every_label_to_the_nearest_whole_example(
    labels: list[str], system: float, several: float, preamble: float, seed: int
) -> None:
    structure = Structure(system_message=system, multi_turn=several, preamble=preamble)
    forms = draw_forms(labels, structure, Random(seed))
    assert len(forms) == len(labels)
    by_label: dict[str, list[Form]] = defaultdict(list)
    for label, form in zip(labels, forms):
        by_label[label].append(form)
    for label, found in by_label.items():
        n = len(found)
        assert abs(sum(form.system for form in found) - n * system) < 1
        assert abs(sum(form.earlier or form.loop for form in found) - n * several) < 1
        if label:
            assert abs(sum(form.preamble for form in found) - n * preamble) < 1


@given(LABELS, RATES, RATES, st.booleans(), st.integers(0, 1000))
def test_lists_of_tools_are_as_common_with_every_label_and_stand_where_they_can(
    labels: list[str], system: float, offered: float, in_system: bool, seed: int
) -> None:
    forms = draw_forms(labels, Structure(system_message=system), Random(seed), offered, in_system)
    for label in set(labels):
        found = [form for other, form in zip(labels, forms) if other == label]
        wanted = len(found) * (min(offered, system) if in_system else offered)
        assert abs(sum(form.offer for form in found) - wanted) < 1
        assert not in_system or all(form.system for form in found if form.offer)


def test_without_lists_of_tools_the_other_draws_are_what_they_were() -> None:
    labels = ["goto_definition", ""] * 40
    assert draw_forms(labels, Structure(), Random(3), 0.0) == draw_forms(labels, Structure(), Random(3))


@given(st.integers(0, 200), st.integers(0, 50), RATES, st.sampled_from(["code_mode", "openai"]))
def test_where_a_tool_is_missing_there_is_a_list_to_see_that_in(
    count: int, questions: int, offered: float, syntax: Any
) -> None:
    data = Data(navigation=count + 1, offered=offered, syntax=syntax)
    orders = plan_orders(data, "navigation", 1.0, {"goto_definition": 0.5, "hover": 0.5}, questions)
    forms = forms_for(orders, data, Random(1))
    assert len(forms) == len(orders) == count + 1
    assert all(form.offer for order, form in zip(orders, forms) if order.missing)
    missing, no_call = sum(order.missing for order in orders), sum(not order.label for order in orders)
    assert missing <= no_call * offered / 3
    if offered > 0.9 and questions == 50:
        assert abs(missing - 0.05 * (count + 1)) <= 1


@given(st.integers(0, 100))
def test_a_direct_answer_has_neither_a_response_nor_a_sentence_before_a_call(seed: int) -> None:
    forms = draw_forms([""] * 50, Structure(), Random(seed))
    assert not any(form.loop or form.preamble for form in forms)


def test_the_same_seed_draws_the_same_forms() -> None:
    labels = ["goto_definition", ""] * 40
    assert draw_forms(labels, Structure(), Random(3)) == draw_forms(labels, Structure(), Random(3))
    assert draw_forms(labels, Structure(), Random(3)) != draw_forms(labels, Structure(), Random(4))


def test_nothing_before_the_answer_tells_a_call_from_a_direct_answer_when_turns_are_earlier_ones() -> None:
    call = compose(Form(True, True, False, False), "s", "r", Work("f()", "", ""), Exchange("q", "a"), "")
    direct = compose(Form(True, True, False, False), "s", "r", "words", Exchange("q", "a"), "")
    assert call[:-1] == direct[:-1]


def test_a_loop_ends_with_the_response_and_the_answer() -> None:
    messages = compose(
        Form(True, False, True, True), "s", "r", Work("f()", "out", "answer"), None, "Let me check."
    )
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "tool", "assistant"]
    turn = parse_turn(messages[2]["content"])
    assert turn.preamble == "Let me check.\n\n"
    assert turn.programs == ("f()",)
    assert messages[3]["content"] == "out"


def test_a_program_that_printed_nothing_says_so_in_the_response() -> None:
    messages = compose(Form(False, False, True, False), "s", "r", Work("f()", "", "none"), None, "")
    assert messages[2]["content"] == NO_OUTPUT


@pytest.mark.parametrize("loop", [True, False])
@pytest.mark.parametrize("scenario", shipped_families(), ids=lambda scenario: scenario.name)
def test_what_an_example_is_about_fits_its_form(scenario: Scenario, loop: bool) -> None:
    form = Form(True, False, loop, False)
    assert shows_all(scenario, form, single_calls=False) == (scenario.shows_response or not loop)
    several = len(scenario.tools) > 1
    volatile = "pytest_run" in scenario.tools
    if shows_all(scenario, form, single_calls=True):
        assert not (several and not loop)
        assert not (volatile and loop)
    else:
        assert several or volatile or scenario.printed_whole or scenario.uses_before


def test_every_tool_has_what_fits_each_form_as_single_calls_except_one_whose_results_vary() -> None:
    for loop in (True, False):
        form = Form(True, False, loop, False)
        found = {s.tool for s in shipped_families() if shows_all(s, form, single_calls=True)}
        assert {s.tool for s in shipped_families()} - found == ({"pytest_run"} if loop else set())


def test_the_kinds_of_several_turns_keep_their_shares() -> None:
    forms = draw_forms(["read_file"] * 1000, Structure(multi_turn=1.0), Random(1))
    kinds = Counter((form.earlier, form.loop) for form in forms)
    assert kinds[True, False] == 660
    assert kinds[False, True] == 200
    assert kinds[True, True] == 140


def test_a_large_dataset_has_as_many_direct_answers_as_there_are_questions_up_to_their_share() -> None:
    data = Data(navigation=5000, other=5000)
    for questions, direct in ((10_000, 360), (100, 100)):
        orders = plan_orders(data, "other", 0.9, {"read_file": 1.0}, questions)
        assert sum(not order.tool for order in orders) == direct
