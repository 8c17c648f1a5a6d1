"""The suites with one right answer for every case: what a perfect model would say.

Most tests use the quick subset; those about the cases themselves take them all.
"""

from functools import cache
from pathlib import Path

from tunewright.contract.catalog import load_catalog
from tunewright.contract.suite import Case, Prediction, Suite, read_suite
from tunewright.eval.trial import Trials, shared_trials

ROOT = Path(__file__).parents[2]
SUITES = ("navigation", "field_access")
OPEN = "<tool_call><function=execute_code>\n<parameter=code>\n"
CLOSE = "\n</parameter>\n</function></tool_call>"


@cache
def suite(name: str) -> Suite:
    return read_suite(ROOT / "suites" / f"{name}.jsonl", "quick")


@cache
def whole_suite(name: str) -> Suite:
    return read_suite(ROOT / "suites" / f"{name}.jsonl")


@cache
def gold(name: str) -> dict[str, str]:
    """Case id -> a right answer."""
    return {case.id: str(case.gold[0]) for case in suite(name).cases}


@cache
def trials() -> Trials:
    """Sandboxes over the shipped catalog that all tests share."""
    return shared_trials(load_catalog("coding"))


def gold_predictions(name: str) -> list[Prediction]:
    return [
        Prediction(case=case, text=text, tokens=len(text) // 3, seconds=0.1)
        for case, text in gold(name).items()
    ]


def program(text: str) -> str:
    """The code inside an answer."""
    return text[text.index(OPEN) + len(OPEN) : text.index(CLOSE)]


def answer(code: str) -> str:
    """Code as an answer."""
    return f"{OPEN}{code}{CLOSE}"


def all_cases() -> list[tuple[Case, str]]:
    """Every quick case of both suites, with its right answer."""
    return [(case, gold(name)[case.id]) for name in SUITES for case in suite(name).cases]


def whole_cases() -> list[tuple[Case, str]]:
    """Every case of both suites, with each of its right answers."""
    return [
        (case, str(answer)) for name in SUITES for case in whole_suite(name).cases for answer in case.gold
    ]
