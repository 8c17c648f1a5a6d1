"""The development suite: knobs are chosen on it, so it shares nothing with the suites that judge, and judges nothing itself.

`test_further_suites.py` holds it to what every further suite is held to: golds, mutants, wordings of its own.
"""

import re
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.support.gold import ROOT
from tests.support.gold import SUITES as JUDGING
from tunewright.chat.similar import NearDuplicates
from tunewright.contract.recipe import load_recipe
from tunewright.contract.suite import Case, read_suite
from tunewright.datagen.corpus import RESERVED, TRAIN, VALID
from tunewright.eval.suite_check import is_unplaced

NAME = "development"
CASES = read_suite(ROOT / "suites" / f"{NAME}.jsonl").cases
REPOSITORIES = {"fabric", "invoke", "paramiko"}


@cache
def judging() -> tuple[Case, ...]:
    return tuple(case for name in JUDGING for case in read_suite(ROOT / "suites" / f"{name}.jsonl").cases)


def test_it_shares_no_wording_no_name_and_no_repository_with_the_suites_that_judge() -> None:
    assert len(CASES) == 100
    assert not {case.template for case in CASES} & {case.template for case in judging()}
    assert not {s for case in CASES for s in case.symbols} & {s for case in judging() for s in case.symbols}
    assert {case.repository for case in CASES if case.repository} == REPOSITORIES
    assert not REPOSITORIES & {case.repository for case in judging()}
    assert set(RESERVED) > REPOSITORIES
    assert not REPOSITORIES & {*TRAIN, *VALID}
    near = NearDuplicates()
    for case in judging():
        near.add(case.messages[-1].content)
    assert [case.id for case in CASES if not near.add(case.messages[-1].content)] == []


def test_it_has_the_categories_of_the_suites_that_judge_so_that_a_knob_is_seen_by_category() -> None:
    assert {case.category for case in CASES} == {case.category for case in judging()}


def test_no_recipe_is_judged_by_it() -> None:
    recipes = [load_recipe(path.stem, ROOT) for path in sorted((ROOT / "recipes").glob("*.toml"))]
    assert len(recipes) > 5
    for recipe in recipes:
        assert NAME not in {suite.name for suite in recipe.suites}, recipe.name
        assert NAME not in {gate.suite for gate in recipe.gates}, recipe.name


def test_a_name_is_at_the_line_that_its_case_says() -> None:
    assert not [case.id for case in CASES if is_unplaced(case)]
    placed = 0
    for case in CASES:
        for tool in ("goto_definition", "find_references"):
            if tool not in case.expect.arguments:
                continue
            wanted = case.expect.arguments[tool]
            path = Path(str(distribution(case.repository).locate_file(wanted["file"])))
            line = path.read_text(encoding="utf-8").splitlines()[wanted["line"] - 1]
            assert re.search(rf"\b{wanted['symbol']}\b", line), (case.id, line)
            defined = re.match(rf"\s*(async )?(def|class) {wanted['symbol']}\b", line)
            assert bool(defined) == (tool == "find_references"), (case.id, line)
            placed += 1
    assert placed == 35


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_a_request_is_its_wording_with_names_filled_in_and_says_what_is_asked_for(case: Case) -> None:
    request = case.messages[-1].content
    parts = [re.escape(part) for part in re.split(r"\{\w+\}", case.template)]
    assert re.fullmatch(".+".join(parts), request, re.DOTALL)
    for arguments in case.expect.arguments.values():
        for value in arguments.values():
            assert isinstance(value, dict) or str(value) in request, value
