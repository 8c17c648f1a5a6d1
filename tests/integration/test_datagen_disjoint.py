"""Training examples share no wording, no symbol and no run of words with the suites."""

import re
from pathlib import Path

import pytest

from tests.support.small_dataset import ROOT, small_dataset
from tunewright.chat.similar import NearDuplicates
from tunewright.contract.catalog import load_catalog
from tunewright.contract.example import read_examples
from tunewright.contract.suite import Case, read_suite
from tunewright.datagen.corpus import RESERVED, TRAIN, VALID
from tunewright.datagen.families.direct import questions
from tunewright.datagen.families.family_file import shipped_families

SUITES = sorted((ROOT / "suites").glob("*.jsonl"))


def cases() -> list[Case]:
    return [case for path in SUITES for case in read_suite(path).cases]


def words(text: str) -> list[str]:
    return re.findall(r"[\w./-]*\w", text.lower())


def runs_of_eight(text: str) -> set[tuple[str, ...]]:
    found = words(text)
    return {tuple(found[i : i + 8]) for i in range(len(found) - 7)}


def test_there_are_suites_to_compare_with() -> None:
    assert len(cases()) >= 50


def test_no_training_wording_is_a_suite_wording() -> None:
    ours = {" ".join(words(wording)) for scenario in shipped_families() for wording in scenario.requests}
    ours |= {" ".join(words(question.template)) for question in questions(load_catalog("coding"))}
    theirs = {" ".join(words(case.template)) for case in cases() if case.template}
    assert not ours & theirs


def test_no_training_wording_is_nearly_a_suite_wording() -> None:
    """Whatever names are filled in: a placeholder is one word, the same for all."""
    near = NearDuplicates()
    theirs = [case.template for case in cases() if case.template]
    for wording in theirs:
        near.add_all(unnamed(wording))
    ours = [wording for scenario in shipped_families() for wording in scenario.requests]
    ours += [question.template for question in questions(load_catalog("coding"))]
    assert len(ours) > 500
    assert len(theirs) >= 600
    assert [wording for wording in ours if near.knows(unnamed(wording))] == []


def unnamed(wording: str) -> str:
    return re.sub(r"`?\{[^{}]*\}`?", "name", wording)


def test_the_repositories_of_the_suites_are_not_trained_on() -> None:
    assert not set(RESERVED) & set(TRAIN + VALID)
    assert not set(TRAIN) & set(VALID)


@pytest.mark.slow
def test_no_generated_request_shares_a_symbol_or_eight_words_in_a_row_with_a_case() -> None:
    symbols = {symbol for case in cases() for symbol in case.symbols}
    taken = {run for case in cases() for run in runs_of_eight(case.messages[-1].content)}
    near = NearDuplicates()
    for case in cases():
        near.add_all(case.messages[-1].content)
    examples = [e for split in ("train", "valid") for e in read_examples(small_dataset() / f"{split}.jsonl")]
    assert len(examples) == 48
    for example in examples:
        for message in example.messages:
            if message.role != "user":
                continue
            assert not runs_of_eight(message.content) & taken, message.content
            assert not near.knows(message.content), message.content
            assert not set(re.findall(r"[\w./-]*\w", message.content)) & symbols, message.content


@pytest.mark.slow
def test_train_and_valid_share_no_cluster_and_no_repository() -> None:
    found: dict[str, set[str]] = {}
    for split in ("train", "valid"):
        for example in read_examples(small_dataset() / f"{split}.jsonl"):
            found.setdefault(split, set()).add(example.meta.cluster)
            found.setdefault(f"{split} corpora", set()).add(
                str((example.meta.model_extra or {}).get("corpus"))
            )
    assert not found["train"] & found["valid"]
    assert (found["train corpora"] & found["valid corpora"]) <= {"None"}


def test_the_suites_folder_is_where_the_recipe_says() -> None:
    assert {Path(path).stem for path in SUITES} >= {"navigation", "field_access"}
