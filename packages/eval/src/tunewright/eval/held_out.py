"""A suite out of held-out rows: every answer of every conversation becomes a case. Pure.

A case has the messages before the answer, the tools that were offered, and the calls that the answer makes, or that it
makes none. What cannot be a case is left out with its reason: a gold answer that breaks its own schema would count a
right model wrong.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry

from tunewright.chat.calls import FoundCall, find
from tunewright.chat.similar import Clusters, NearDuplicates, words_of
from tunewright.contract.atomic import sha256_json
from tunewright.contract.example import Example, Function, Message, ToolCall
from tunewright.contract.rehearsal import REHEARSED
from tunewright.contract.suite import Case, Expectation, GoldCalls
from tunewright.contract.template_support import one_call_a_turn
from tunewright.eval.answer_calls import offered_tools, parameters_by_tool
from tunewright.eval.compare_arguments import Schema
from tunewright.eval.grade_calls import expected_calls, in_order
from tunewright.eval.json_schema import standard_schema

DEEPEST = 100  # objects and lists of a gold call inside each other


@dataclass(frozen=True)
class HeldOutRow:
    """A conversation and where it is: `file:line`."""

    file: str
    line: int
    example: Example

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class HeldOutSuite:
    """The cases, and of the answers that are none the place and the reason."""

    cases: tuple[Case, ...]
    left_out: tuple[tuple[str, str], ...]

    @property
    def calls_tools(self) -> bool:
        """Whether any case has a call as its right answer; without one only needless calls can be found."""
        return any(answer.tool_calls for case in self.cases for answer in case.gold_calls) or any(
            case.expect.tools for case in self.cases
        )


def make_cases(rows: Sequence[HeldOutRow], *, one_call: bool = False) -> HeldOutSuite:
    """Every weighted answer of every row as a case, in the rows' order. Ids are `line-turn`. A base's own answers are none:
    what it said is not what is right.

    `one_call`: for a model that writes one call a turn (`one_call_steps`).
    """
    cases: list[Case] = []
    left_out: list[tuple[str, str]] = []
    seen: Counter[tuple[str, int]] = Counter()
    several = len({row.file for row in rows}) > 1
    for row, cluster in zip(rows, clusters_of(rows)):
        seen[row.file, row.line] += 1
        count = seen[row.file, row.line]
        name = f"{row.file}:{row.line}" if several else str(row.line)
        name += f".{count}" if count > 1 else ""
        if row.example.meta.source == REHEARSED:
            left_out.append((row.place, "it is a base's own answer (data.rehearse), which is not judged"))
            continue
        schemas = parameters_by_tool(offered_tools(row.example.tools, row.example.messages))
        for number, message in enumerate(row.example.messages):
            if message.role != "assistant" or message.weight == 0:
                continue
            try:
                case = _case(f"{name}-{number}", row.example, number, schemas, cluster)
                cases += one_call_steps(case, row.example.messages[number:]) if one_call else [case]
            except _NoCaseError as error:
                left_out.append((row.place, f"message {number + 1}: {error}"))
    return HeldOutSuite(tuple(cases), tuple(left_out))


class _NoCaseError(ValueError):
    """An answer that cannot be a case, with the reason."""


def _case(name: str, example: Example, number: int, schemas: Mapping[str, Schema], cluster: str) -> Case:
    before, answer = example.messages[:number], example.messages[number]
    if not any(message.role in ("user", "tool") for message in before):
        raise _NoCaseError("nothing is asked before it")
    if before[-1].role not in ("user", "tool"):
        raise _NoCaseError(
            f"it follows a turn of the {before[-1].role}, so that no model would be asked for it"
        )
    gold: str | GoldCalls
    calls, programs = calls_of(answer, schemas)
    expect = Expectation()
    if programs:
        gold, expect = answer.content, Expectation(tools=_program_tools(calls))
    else:
        for call in calls:
            if fault := gold_fault(call, schemas):
                raise _NoCaseError(fault)
        gold = GoldCalls(tool_calls=tuple(calls))
        if not calls and not answer.content.strip():
            raise _NoCaseError("the answer is empty")
    return Case(
        id=name,
        category=category(before, len(calls)),
        messages=tuple(message.model_copy(update={"weight": 1.0}) for message in before),
        expect=expect,
        template=example.meta.template,
        tools=example.tools,
        gold=(gold,),
        cluster=cluster,
    )


def one_call_steps(case: Case, turns: Sequence[Message] = ()) -> list[Case]:
    """A case that asks for several calls as a model gets it that writes one a turn; any other case as it is.

    First any of the calls is right, and then, behind each result, any of those that are left: the order is free, unless
    one call uses another's result. `turns` are the answer and what follows it; without them only the first is asked for.
    """
    if len(case.gold) != 1 or len(calls := [c for answer in case.gold_calls for c in answer.tool_calls]) < 2:
        return [case]
    ordered = in_order(expected_calls(calls))
    if not turns or turns[0].tool_calls != tuple(calls):
        turns = [Message(role="assistant", content="", tool_calls=tuple(calls))]
    steps: list[Case] = []
    said = list(case.messages)
    for number, message in one_call_a_turn(turns):
        if number == 0:
            left = calls[:1] if ordered else calls
            update: dict[str, Any] = {
                "messages": tuple(said),
                "gold": tuple(GoldCalls(tool_calls=(call,)) for call in left),
                "id": f"{case.id}.{len(steps) + 1}" if steps else case.id,
                "category": f"one of {case.category}" if not steps else category(said, 1),
            }
            steps.append(case.model_copy(update=update))
            calls.remove(message.tool_calls[0])
        elif message.role != "tool":
            break
        said.append(message)
    return steps


def _program_tools(calls: Sequence[ToolCall]) -> tuple[str, ...]:
    names = tuple(call.function.name for call in calls)
    if len(set(names)) < len(names):
        raise _NoCaseError("its program calls a tool twice, which a case in code mode cannot ask for yet")
    return names


def calls_of(answer: Message, schemas: Mapping[str, Schema]) -> tuple[list[ToolCall], tuple[str, ...]]:
    """The calls of an answer, as data or in its text, and the programs that they are in. Raises _NoCaseError."""
    if answer.tool_calls:
        return list(answer.tool_calls), ()
    turn = find(answer.content, tools=schemas or None)
    for kind, detail in turn.problems:
        raise _NoCaseError(f"its call cannot be read: {kind}: {detail}")
    found: list[ToolCall] = []
    for call in turn.calls:
        if call.error or not call.name:
            raise _NoCaseError(f"its call cannot be read: {call.error or 'it has no name'}")
        found.append(_as_tool_call(call, schemas.get(call.name, {})))
    return found, tuple(dict.fromkeys(call.program for call in turn.calls if call.program))


def _as_tool_call(call: FoundCall, schema: Schema) -> ToolCall:
    names = list(schema.get("properties") or {})
    arguments: dict[str, Any] = {}
    for key, value in call.arguments.items():
        place = int(key[1:]) if key[:1] == "$" and key[1:].isdecimal() else None
        arguments[names[place] if place is not None and place < len(names) else key] = value
    return ToolCall(function=Function(name=call.name or "", arguments=arguments))


def category(before: Sequence[Message], calls: int) -> str:
    """What kind of answer is asked for: by the number of its calls and its place in the conversation."""
    number = "no call" if calls == 0 else "one call" if calls == 1 else "several calls"
    if before[-1].role == "tool":
        return f"{number}, after a result"
    later = any(message.role == "assistant" for message in before)
    return f"{number}, {'later' if later else 'first'} turn"


def gold_fault(call: ToolCall, schemas: Mapping[str, Schema]) -> str:
    """Why a call cannot be right: its tool is not offered, or its arguments break the tool's schema; else empty."""
    name = call.function.name
    if not schemas:
        return ""  # nobody knows which tools there are
    if name not in schemas:
        return f"it calls {name}, which is not offered"
    if _depth(call.function.arguments) > DEEPEST:
        return f"{name}: the arguments are nested too deeply"
    # Arrow fills up what a call does not have with nulls.
    required = schemas[name].get("required")
    needed = required if isinstance(required, list) else []
    arguments = {
        key: value for key, value in call.function.arguments.items() if value is not None or key in needed
    }
    try:
        # An empty registry: a reference to another document is never fetched.
        validator = Draft202012Validator(standard_schema(schemas[name]), registry=Registry())
        fault = best_match(validator.iter_errors(arguments))
    except Exception as error:  # noqa: BLE001 - a schema can be wrong in as many ways as there are keywords
        return f"the schema of {name} cannot be used: {type(error).__name__}: {str(error)[:120]}"
    if fault is None:
        return ""
    path = ".".join(map(str, fault.absolute_path))
    return f"{name} breaks its own schema: {path + ': ' if path else ''}{fault.message[:200]}"


def _depth(value: Any) -> int:
    """How many objects and lists are inside each other, counted without recursion."""
    depth, level = 0, [value]
    while level:
        level = [
            item
            for held in level
            if isinstance(held, dict | list)
            for item in (held.values() if isinstance(held, dict) else held)
        ]
        depth += 1
    return depth


def clusters_of(rows: Sequence[HeldOutRow]) -> list[str]:
    """Each row's cluster: its own where it names one, else the place of the first row that asks for nearly the same."""
    near = NearDuplicates()
    groups = Clusters()
    numbers: list[int] = []  # of the rows that NearDuplicates knows, in its order
    for number, row in enumerate(rows):
        if row.example.meta.cluster:
            continue
        asked = " ".join(message.content for message in row.example.messages if message.role == "user")
        for other in near.add_all(asked):
            groups.join(number, numbers[other])
        numbers.append(number)
    firsts = [rows[groups.find(number)] for number in range(len(rows))]
    return [
        row.example.meta.cluster or f"{Path(first.file).name}:{first.line}"
        for row, first in zip(rows, firsts)
    ]


def same_rows(held_out: Sequence[HeldOutRow], train: Iterable[HeldOutRow]) -> list[tuple[str, str]]:
    """Held-out rows that also appear in train, as pairs of places: the same turns in the same words, whatever the system
    message and the spacing."""
    known = {_identity(row.example): row.place for row in reversed(held_out)}
    found: dict[str, str] = {}
    for row in train:
        place = known.get(_identity(row.example))
        if place is not None:
            found.setdefault(place, row.place)
    return sorted(found.items())


def _identity(example: Example) -> str:
    return sha256_json(
        [
            [
                message.role,
                words_of(message.content),
                [[call.function.name, call.function.arguments] for call in message.tool_calls],
            ]
            for message in example.messages
            if message.role != "system"
        ]
    )


def case_row(case: Case) -> dict[str, Any]:
    """A case as a line of a suite's file, without what is empty."""
    row: dict[str, Any] = {
        "id": case.id,
        "category": case.category,
        "messages": [message.row() for message in case.messages],
    }
    if case.expect != Expectation():
        row["expect"] = case.expect.model_dump(mode="json", exclude_defaults=True)
    if case.tools:
        row["tools"] = list(case.tools)
    row["gold"] = [
        answer if isinstance(answer, str) else {"tool_calls": [call.row() for call in answer.tool_calls]}
        for answer in case.gold
    ]
    if case.results:
        row["results"] = [known.model_dump(mode="json") for known in case.results]
    others = ("quick", "template", "symbols", "cluster", "repository", "perturbs")
    return row | {key: value for key in others if (value := getattr(case, key))}
