"""Questions without a call: which of them each group of each split may ask."""

from collections.abc import Sequence
from random import Random

from tunewright.contract.catalog import Catalog
from tunewright.contract.recipe import Data
from tunewright.datagen.decontamination import SuiteGuard
from tunewright.datagen.families.direct import Question, questions
from tunewright.datagen.rejections import Ledger

DIRECT = 0.08  # share of examples that need no call, as far as there are questions
# Where examples list tools: with half of them doing so, two of three lists without a call belong to these.
DIRECT_WITH_LISTS = 0.15
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


def count_of(data: Data, group: str) -> int:
    """How many examples a recipe wants of a group."""
    return data.navigation if group == "navigation" else data.other
