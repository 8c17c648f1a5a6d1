"""Where a gain over the base comes from: what the base's answers lacked in the cases that only the new model has right."""

from collections import Counter
from collections.abc import Mapping

from tunewright.chat.calls.code_mode import CallSyntaxError
from tunewright.contract.suite import Suite
from tunewright.eval.grade_answer import Outcome
from tunewright.eval.parse import parse_answer
from tunewright.eval.suite_score import SuiteScore

# In this order an answer fails: the first thing that it lacks is the one that is counted.
LACKS = ("form", "a call", "words", "choice of tools", "a program that runs", "arguments", "fields", "output")
_CHECKS = {"runs": "a program that runs", "arguments": "arguments", "fields": "fields"}


def gains(base: SuiteScore, tuned: SuiteScore, suite: Suite) -> dict[str, int]:
    """For each of `LACKS`, in how many cases that only `tuned` has right the base's first answer lacks it.

    `form`: it cannot be read; `a call`: it is in words where a call is due; `words`: it calls where none is due. Of a case
    with several samples the first counts.
    """
    right = {outcome.case for outcome in tuned.firsts if outcome.passed}
    calls = {
        case.id: bool(case.expect.tools) or any(gold.tool_calls for gold in case.gold_calls)
        for case in suite.cases
    }
    found = Counter(
        _lack(outcome, calls[outcome.case])
        for outcome in base.firsts
        if outcome.case in right and not outcome.passed
    )
    return {lack: found[lack] for lack in LACKS if found[lack]}


def _lack(outcome: Outcome, call_is_due: bool) -> str:
    if not outcome.checks.get("parses", False):
        return "form"
    if not outcome.checks.get("tools", False):
        if _calls(outcome) == call_is_due:
            return "choice of tools"
        return "a call" if call_is_due else "words"
    return next((lack for check, lack in _CHECKS.items() if outcome.checks.get(check) is False), "output")


def _calls(outcome: Outcome) -> bool:
    if outcome.calls:
        return bool(outcome.calls.actual)
    try:
        return bool(parse_answer(outcome.text).programs)
    except CallSyntaxError:
        return False


def gains_text(found: Mapping[str, int]) -> str:
    """One line: `of 28 cases gained, the base lacked form in 20 and choice of tools in 8`; empty for no gain."""
    if not found:
        return ""
    total = sum(found.values())
    parts = [f"{lack} in {count}" for lack, count in found.items()]
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"of {total} {'case' if total == 1 else 'cases'} gained the base lacked {listed}"
