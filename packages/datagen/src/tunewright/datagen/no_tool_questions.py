"""Questions without a call: which of them each group of each split may ask."""

from collections.abc import Mapping, Sequence
from random import Random

from tunewright.chat.similar import NearDuplicates
from tunewright.contract.catalog import Catalog
from tunewright.contract.recipe import Data
from tunewright.datagen.corpus import Corpus
from tunewright.datagen.decontamination import SuiteGuard
from tunewright.datagen.families.direct import Question, questions
from tunewright.datagen.families.snippets import snippet_questions
from tunewright.datagen.rejections import Ledger

DIRECT = 0.15  # share of examples that need no call
# Questions about code that they show, for each other one: where most show code, a model can tell from that alone that no
# call is needed. Large datasets have fewer direct answers instead.
SHOWING_CODE = 0.25
GROUPS = ("navigation", "other")
NAVIGATION_TOOLS = (
    *("goto_definition", "find_references", "hover", "document_symbols", "workspace_symbols"),
    "completion",
)


def split_questions(
    catalog: Catalog,
    guard: SuiteGuard,
    random: Random,
    ledger: Ledger,
    *,
    beyond: bool = True,
    programs: bool = True,
) -> dict[str, list[Question]]:
    """Questions without a call for each split; a wording belongs to one split only."""
    kept: list[Question] = []
    for question in questions(catalog, beyond=beyond, programs=programs):
        reason = guard.reason(question.text, question.template, ())
        if reason is None:
            kept.append(question)
        else:
            ledger.reject(question.family, reason)
    wordings = sorted({question.template for question in kept})
    random.shuffle(wordings)
    for_valid = set(wordings[: max(1, len(wordings) // 6)])
    random.shuffle(kept)
    return {
        "train": [question for question in kept if question.template not in for_valid],
        "valid": [question for question in kept if question.template in for_valid],
    }


def by_group(pool: Sequence[Question]) -> dict[str, list[Question]]:
    """Every second question to each group: what one asks, the other never does, not even in an earlier exchange."""
    return {group: list(pool[number :: len(GROUPS)]) for number, group in enumerate(GROUPS)}


def add_snippets(
    asked: Mapping[tuple[str, str], list[Question]],
    data: Data,
    shares: Mapping[str, float],
    sides: Mapping[str, list[Corpus]],
    guard: SuiteGuard,
    seed: int,
) -> None:
    """Where there are fewer questions than direct answers are wanted, some more, about code that they show."""
    for split, share in shares.items():
        wanted = {group: round(count_of(data, group) * share * DIRECT) for group in GROUPS}
        if all(len(asked[group, split]) >= wanted[group] for group in GROUPS):
            continue
        found = snippet_questions(sides[split], guard, NearDuplicates(), Random(f"{seed}/snippets/{split}"))
        for number, group in enumerate(GROUPS):
            most = round(len(asked[group, split]) * SHOWING_CODE)
            asked[group, split].extend(found[number :: len(GROUPS)][:most])


def count_of(data: Data, group: str) -> int:
    """How many examples a recipe wants of a group."""
    return data.navigation if group == "navigation" else data.other
