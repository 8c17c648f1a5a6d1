"""What a server's own parser made of an answer, judged like the answer itself. Pure.

The verdict on a model rests on its raw text, read strictly. Its users get what mlx-lm's server hands on, and that may be
another call, or none.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunewright.contract.suite import Case, Prediction
from tunewright.contract.visible import one_line
from tunewright.eval.answer_calls import NATIVE, UNTYPED, Answer, Called
from tunewright.eval.grade_calls import CallGrade, compare_calls, grade_answer, schemas_of

if TYPE_CHECKING:
    from tunewright.eval.grade_answer import Outcome

MOST_CASES = 10  # that are named in a line
MOST_REASONS = 3
AS_TEXT = "no parser"  # mlx-lm has none for the model: calls reach the client as text


@dataclass(frozen=True)
class ServedCalls:
    """What a client of mlx-lm's server gets. `same`: the calls that the raw answer makes."""

    parser: str  # with its version
    calls: tuple[Called, ...]
    failed: tuple[str, ...]  # why the parser dropped a call, one entry a call
    same: bool
    result: str  # as of `CallGrade`
    reason: str

    @property
    def right(self) -> bool:
        return self.result == "right"

    def to_json(self) -> dict[str, Any]:
        return {
            "parser": self.parser,
            "calls": [call.to_json() for call in self.calls],
            "failed": list(self.failed),
            "same": self.same,
            "result": self.result,
            "reason": self.reason,
        }


def grade_served(case: Case, prediction: Prediction, grade: CallGrade) -> ServedCalls | None:
    """Judge what the server handed on; None where the prediction does not say. `grade` is of the raw answer."""
    served = prediction.served
    if served is None:
        return None
    calls = tuple(_called(call) for call in served.tool_calls)
    parser = f"{served.parser or AS_TEXT} of mlx-lm {served.version}"
    untyped = grade.dialect in UNTYPED
    if calls and not untyped and grade.result != "other_dialect" and _shown(calls) == _shown(grade.actual):
        return ServedCalls(parser, calls, served.failed, True, grade.result, grade.reason)
    schemas = schemas_of(case)
    words = served.content if served.parser else prediction.text
    found = grade_answer(case, Answer(words, calls, NATIVE), schemas, cut=prediction.finish == "length")
    raw = Answer(words, grade.actual, grade.dialect, untyped)
    same = (not calls and not raw.calls) or compare_calls(calls, raw, schemas).result == "right"
    return ServedCalls(parser, calls, served.failed, same, found.result, found.reason)


def _shown(calls: Sequence[Called]) -> list[tuple[str, str]]:
    return [(call.name, repr(call.arguments)) for call in calls]  # by ==, true would be 1


def _called(call: dict[str, Any]) -> Called:
    arguments = call.get("arguments")
    return Called(str(call.get("name") or ""), arguments if isinstance(arguments, dict) else {"": arguments})


def parsers(outcomes: "Sequence[Outcome]") -> dict[str, int]:
    """How many answers each parser read, the most first."""
    return dict(Counter(o.served_calls.parser for o in outcomes if o.served_calls).most_common())


def handed_on_otherwise(outcomes: "Sequence[Outcome]") -> tuple[str, ...]:
    """Cases whose answer makes other calls than the server hands on, whatever that does to the verdict."""
    return tuple(o.case for o in outcomes if o.served_calls and not o.served_calls.same)


def server_lines(outcomes: "Sequence[Outcome]", changed: Sequence[str]) -> list[str]:
    """What the server would hand on of a suite's answers, and where that is another call, or (`changed`) verdict."""
    read = parsers(outcomes)
    if not read:
        return ["what a server's parser would hand on of these answers was not recorded"]
    names = ", ".join(f"{name} ({n})" if len(read) > 1 else name for name, n in read.items())
    line = f"as {names} hands the calls on: other calls in {_cases(handed_on_otherwise(outcomes))}"
    failed = Counter(reason for o in outcomes if o.served_calls for reason in o.served_calls.failed)
    return [
        f"{line}; another verdict in {_cases(changed)}",
        *(f"  it dropped a call: {one_line(why, 160)} ({n})" for why, n in failed.most_common(MOST_REASONS)),
    ]


def _cases(cases: Sequence[str]) -> str:
    if not cases:
        return "no case"
    more = f", and {len(cases) - MOST_CASES} more" if len(cases) > MOST_CASES else ""
    noun = "case" if len(cases) == 1 else "cases"
    return f"{len(cases)} {noun} ({', '.join(cases[:MOST_CASES])}{more})"
