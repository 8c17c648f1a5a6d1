"""One answer compared with the calls that it should make: what came of it, in one word and argument by argument. Pure."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tunewright.chat.calls import CallSyntaxError
from tunewright.contract.suite import Case, Prediction
from tunewright.eval.answer_calls import Answer, Called, offered_tools, parameters_by_tool, read_answer
from tunewright.eval.compare_arguments import Difference, Schema, compare_arguments, shown
from tunewright.eval.same_text import Loose

Result = Literal[
    "right",
    "wrong_arguments",
    "wrong_order",
    "missing_call",
    "extra_call",
    "wrong_tool",
    "other_dialect",
    "called_needlessly",
    "answered_in_words",
    "refused",
    "empty",
    "degenerate",
    "cut_off",
    "unparseable",
    "no_prediction",
]
RESULTS: tuple[Result, ...] = Result.__args__  # from nearly right to not there at all
MOST_CALLS = 200  # of an answer that are compared with the right ones

# What says that one call's argument is another one's result: `$var1.result$`, `{{call_1}}`, `<result of x>`, `#E1`.
_RESULT_OF = re.compile(r"\$\w+(?:\.[\w.]+)?\$|\{\{.+?\}\}|<(?:result|output)\b[^>]*>|#E\d+\b", re.IGNORECASE)
_REPEATS = re.compile(r"(?=[^\W\d_])(\w.{0,40}?)\1{7,}", re.DOTALL)
_LOOKED_AT = 4_000  # characters of an answer in words
_REFUSES = re.compile(
    r"\b(?:(?:I|we)(?:'m| am|'re| are)? (?:cannot|can't|can not|won't|will not|unable|not able|not allowed|sorry)"
    r"|I apologi[sz]e|as an AI\b|(?:no|not have (?:the|a|any)) (?:tool|function|access|capability|ability)\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Pair:
    """A right call and the call made that belongs to it; None where there is none. Without differences they are the same,
    but for long texts (`loose`)."""

    expected: Called | None
    actual: Called | None
    differences: tuple[Difference, ...] = ()
    loose: tuple[tuple[str, Loose], ...] = ()


@dataclass(frozen=True)
class CallRow:
    """A line of the comparison of two calls: a tool, or one of its arguments as JSON; empty where there is none."""

    name: str
    expected: str
    actual: str
    differs: bool


@dataclass(frozen=True)
class CallGrade:
    """What became of an answer. `pairs` are in the order of the right calls, those that are too many last."""

    result: Result
    reason: str = ""  # one sentence; empty when right
    expected: tuple[Called, ...] = ()
    actual: tuple[Called, ...] = ()
    pairs: tuple[Pair, ...] = ()
    dialect: str = ""  # how the answer's calls are written; empty without any

    @property
    def right(self) -> bool:
        return self.result == "right"

    @property
    def parses(self) -> bool:
        return self.result not in ("unparseable", "cut_off", "no_prediction")

    @property
    def right_tools(self) -> bool:
        """Whether exactly the right tools are called, each as often as it should be; or none where none is right."""
        return self.result in ("right", "wrong_arguments", "wrong_order")

    @property
    def differences(self) -> tuple[Difference, ...]:
        return tuple(difference for pair in self.pairs for difference in pair.differences)

    @property
    def loose(self) -> tuple[tuple[str, Loose], ...]:
        return tuple(found for pair in self.pairs for found in pair.loose)

    @property
    def rows(self) -> list[CallRow]:
        """Expected and actual calls side by side."""
        rows: list[CallRow] = []
        for pair in self.pairs:
            sides = (pair.expected, pair.actual)
            tools = [side.name if side else "" for side in sides]
            other = tools[0] != tools[1]
            rows.append(CallRow("tool", tools[0], tools[1], other))
            differing = {re.split(r"[.\[]", found.path)[0] for found in pair.differences}
            arguments = [side.arguments if side else {} for side in sides]
            for key in dict.fromkeys((*arguments[0], *arguments[1])):
                wanted, given = (shown(side[key]) if key in side else "" for side in arguments)
                rows.append(CallRow(key, wanted, given, other or key in differing))
        return rows

    def to_json(self) -> dict[str, Any]:
        return {
            "result": self.result,
            "expected": [call.to_json() for call in self.expected],
            "actual": [call.to_json() for call in self.actual],
            "differences": [difference.to_json() for difference in self.differences],
            "loose": dict(self.loose),
            "dialect": self.dialect,
        }


def grade_calls(case: Case, prediction: Prediction | None, dialect: str = "") -> CallGrade:
    """Compare an answer with each right answer of the case that is given as calls; the best comparison counts.

    With `dialect`, calls written in another one are not right: the server that reads that dialect would not see them.
    """
    first = expected_calls(case.gold_calls[0].tool_calls) if case.gold_calls else ()
    if prediction is None:
        return CallGrade("no_prediction", "there is no prediction for it", first)
    schemas = schemas_of(case)
    cut = prediction.finish == "length"
    try:
        return grade_answer(case, read_answer(prediction, schemas), schemas, cut=cut, dialect=dialect)
    except CallSyntaxError as error:
        result: Result = "cut_off" if cut else "unparseable"
        return CallGrade(result, f"the answer cannot be read: {error}", first)
    except RecursionError:
        return CallGrade("unparseable", "the answer is nested too deeply", first)


def schemas_of(case: Case) -> dict[str, Schema]:
    """The schema of each offered tool's parameters, by name."""
    return parameters_by_tool(offered_tools(case.tools, case.messages))


def grade_answer(
    case: Case, answer: Answer, schemas: Mapping[str, Schema], *, cut: bool, dialect: str = ""
) -> CallGrade:
    """Compare an answer that has been read; `cut`: at the token limit."""
    golds = [expected_calls(answer.tool_calls) for answer in case.gold_calls]
    grades = [compare_calls(gold, answer, schemas, dialect) for gold in golds]
    best = min(grades, key=lambda grade: (RESULTS.index(grade.result), len(grade.differences)))
    if cut and best.result in (
        "right",
        "answered_in_words",
        "refused",
        "empty",
        "degenerate",
        "missing_call",
    ):
        said = "the answer was cut at the token limit"
        return CallGrade("cut_off", said, best.expected, best.actual, best.pairs, best.dialect)
    return best


def expected_calls(calls: Sequence[Any]) -> tuple[Called, ...]:
    return tuple(Called(call.function.name, call.function.arguments, call.id) for call in calls)


def compare_calls(
    gold: tuple[Called, ...], answer: Answer, schemas: Mapping[str, Schema], dialect: str = ""
) -> CallGrade:
    """Compare an answer with one right answer, given as its calls."""
    calls = answer.calls
    if not calls:
        return _without_calls(gold, answer)
    if not gold:
        reason = f"no call is right, it calls {_names(calls)}"
        pairs = tuple(Pair(None, call) for call in calls[:MOST_CALLS])
        return CallGrade("called_needlessly", reason, gold, calls, pairs, answer.dialect)
    table = [[_pair(right, call, schemas, answer.untyped) for call in calls[:MOST_CALLS]] for right in gold]
    pairs = _pairs(gold, calls[:MOST_CALLS], table)
    result, reason = _result(gold, calls, pairs)
    if result == "right" and in_order(gold) and not all(_same(row[n]) for n, row in enumerate(table)):
        result = "wrong_order"
        reason = f"it calls {_names(calls)}; one needs another's result: {_names(gold)}"
    if result == "right" and dialect and answer.dialect != dialect:
        result, reason = "other_dialect", f"the call is written as {answer.dialect}, not as {dialect}"
    return CallGrade(result, reason, gold, calls, pairs, answer.dialect)


def _without_calls(gold: tuple[Called, ...], answer: Answer) -> CallGrade:
    said = any(character.isalnum() for character in answer.words)
    if said and (found := _REPEATS.search(answer.words[:_LOOKED_AT])):
        return CallGrade("degenerate", f"the answer repeats {found.group(1).strip()!r}", gold)
    if not gold:
        return CallGrade("right") if said else CallGrade("empty", "the answer is empty")
    if not said:
        return CallGrade("empty", f"the answer is empty; right is {_names(gold)}", gold)
    if _REFUSES.search(answer.words):
        return CallGrade("refused", f"it refuses; right is {_names(gold)}", gold)
    return CallGrade("answered_in_words", f"it calls no tool; right is {_names(gold)}", gold)


def _result(
    gold: tuple[Called, ...], calls: tuple[Called, ...], pairs: tuple[Pair, ...]
) -> tuple[Result, str]:
    wanted = Counter(call.name for call in gold)
    given = Counter(call.name for call in calls)
    if wanted == given:
        reasons = [difference.reason for pair in pairs for difference in pair.differences]
        return ("wrong_arguments", "; ".join(reasons[:5])) if reasons else ("right", "")
    reason = f"it calls {_names(calls)}; right is {_names(gold)}"
    if given < wanted:
        return "missing_call", reason
    if given > wanted:
        return "extra_call", reason
    return "wrong_tool", reason


def in_order(calls: Sequence[Called]) -> bool:
    """Whether one of the calls uses another's result, so that their order is part of what is right."""
    if len(calls) < 2:
        return False
    ids = [call.id for call in calls if call.id and not call.id.isdigit()]
    for call in calls:
        text = json.dumps(dict(call.arguments), ensure_ascii=False, default=str)
        others = [re.escape(other) for other in ids if other != call.id]
        if _RESULT_OF.search(text) or (others and re.search(rf"\b(?:{'|'.join(others)})\b", text)):
            return True
    return False


def _names(calls: Sequence[Called]) -> str:
    names = [call.name for call in calls]
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "") if names else "no call"


def _pair(right: Called, call: Called, schemas: Mapping[str, Schema], untyped: bool) -> Pair | None:
    if right.name != call.name:
        return None
    compared = compare_arguments(
        right.arguments, call.arguments, schemas.get(right.name, {}), untyped=untyped
    )
    return Pair(right, call, compared.differences, compared.loose)


def _same(pair: Pair | None) -> bool:
    return pair is not None and not pair.differences


def _pairs(
    gold: Sequence[Called], calls: Sequence[Called], table: Sequence[Sequence[Pair | None]]
) -> tuple[Pair, ...]:
    """Right calls with those made: as many as can be without a difference, then by likeness, then what is left over."""
    owner = _assign(table)
    places = {right: place for place, right in owner.items()}
    free = [place for place in range(len(calls)) if place not in owner]
    for right in range(len(gold)):
        if right not in places:
            likely = [
                (len(pair.differences), place) for place in free if (pair := table[right][place]) is not None
            ]
            if likely:
                places[right] = min(likely)[1]
                free.remove(places[right])
    pairs: list[Pair] = []
    for right, call in enumerate(gold):
        if right not in places:
            pairs.append(Pair(call, calls[free.pop(0)] if free else None))
        elif pair := table[right][places[right]]:
            pairs.append(pair)
    return (*pairs, *(Pair(None, calls[place]) for place in free))


def _assign(table: Sequence[Sequence[Pair | None]]) -> dict[int, int]:
    """A largest matching of right calls with the same calls made (augmenting paths), as place -> right call."""
    owner: dict[int, int] = {}

    def place_for(right: int, tried: set[int]) -> bool:
        for place, pair in enumerate(table[right]):
            if not _same(pair) or place in tried:
                continue
            tried.add(place)
            if place not in owner or place_for(owner[place], tried):
                owner[place] = right
                return True
        return False

    for right in range(len(table)):
        place_for(right, set())
    return owner
