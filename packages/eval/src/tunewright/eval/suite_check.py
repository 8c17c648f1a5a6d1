"""A suite looked at before it is used: its golds score as right, its expectations exist, and mutants are caught."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tunewright.chat.calls.code_mode import OPEN, CallSyntaxError
from tunewright.contract.catalog import Catalog, item_type
from tunewright.contract.suite import Case, Prediction, Suite
from tunewright.eval.clusters import FEWEST, worth_of
from tunewright.eval.dataflow import follow
from tunewright.eval.execution import bind
from tunewright.eval.floor import floor
from tunewright.eval.grade_answer import judge
from tunewright.eval.grade_calls import grade_calls
from tunewright.eval.mutants import mutants
from tunewright.eval.parse import Answer, parse_answer, parse_code
from tunewright.eval.score_text import aligned
from tunewright.eval.statistics import Proportion
from tunewright.eval.suite_score import METRIC_NAMES
from tunewright.eval.trial import Trials
from tunewright.eval.worlds import WORLDS, World

SCHEMA = 1
SHOWN = 20  # weak cases that are named with a mutant each


@dataclass
class CaseCheck:
    """What came of one case. `escaped`: operator -> a mutant that was taken for right."""

    case: str
    category: str
    errors: list[str] = field(default_factory=list[str])
    mutants: int = 0
    escaped: dict[str, str] = field(default_factory=dict[str, str])
    operators: dict[str, bool] = field(default_factory=dict[str, bool])  # operator -> whether all were caught
    repository: str = ""
    unplaced: bool = False  # it names a symbol or a file, and not the repository that has it

    @property
    def caught(self) -> int:
        return self.mutants - len(self.escaped)

    def to_json(self) -> dict[str, Any]:
        return {
            "case": self.case,
            "category": self.category,
            "errors": self.errors,
            "mutants": self.mutants,
            "caught": self.caught,
            "escaped": self.escaped,
        }


@dataclass(frozen=True)
class SuiteCheck:
    """All cases of a suite, and what models without knowledge reach on it."""

    suite: str
    cases: tuple[CaseCheck, ...]
    floor: Mapping[str, Proportion]

    @property
    def sound(self) -> bool:
        """Whether every gold is right, nothing unknown is asked for, and no mutant escapes."""
        return not any(case.errors or case.escaped for case in self.cases)

    @property
    def ambiguous(self) -> tuple[str, ...]:
        """The suite's name and its categories that are also metrics' names: a reader of a report cannot tell which."""
        names = (self.suite, *dict.fromkeys(case.category for case in self.cases))
        return tuple(dict.fromkeys(name for name in names if name in METRIC_NAMES))

    @property
    def unplaced(self) -> list[str]:
        """Cases that name a symbol or a file, and not the repository that has it."""
        return [case.case for case in self.cases if case.unplaced]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What somebody should change, or know of the suite's scores; none of it makes the suite unsound."""
        found: list[str] = []
        if self.ambiguous:
            found.append(f"also the name of a metric: {', '.join(self.ambiguous)}; name it otherwise")
        if names := self.unplaced:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            found.append(
                f"{len(names)} cases name a symbol or a file and no `repository`; intervals take them for independent "
                f"of all others: {', '.join(names[:SHOWN])}{more}"
            )
        named = Counter(case.repository for case in self.cases if case.repository)
        if named and (worth := worth_of(named.values())) < FEWEST:
            name, count = named.most_common(1)[0]
            found.append(
                f"{len(named)} repositories, {count} of {len(self.cases)} cases about {name} (worth {worth} of one size): "
                f"how much repositories differ cannot be estimated from fewer than {FEWEST}; figures are about these alone"
            )
        return tuple(found)

    @property
    def operators(self) -> dict[str, Proportion]:
        """Operator -> the share of cases in which its mutants are all caught."""
        found: dict[str, list[bool]] = {}
        for case in self.cases:
            for name, caught in case.operators.items():
                found.setdefault(name, []).append(caught)
        return {name: Proportion(sum(caught), len(caught)) for name, caught in found.items()}

    def to_json(self) -> dict[str, Any]:
        """What `suite.check --json` writes: docs/formats.md, section suite check."""
        return {
            "schema": SCHEMA,
            "suite": self.suite,
            "sound": self.sound,
            "ambiguous": list(self.ambiguous),
            "unplaced": self.unplaced,
            "warnings": list(self.warnings),
            "mutants": sum(case.mutants for case in self.cases),
            "caught": sum(case.caught for case in self.cases),
            "operators": {name: share.to_json() for name, share in self.operators.items()},
            "floor": {name: share.to_json() for name, share in self.floor.items()},
            "cases": [case.to_json() for case in self.cases],
        }

    def to_text(self) -> str:
        total, caught = sum(case.mutants for case in self.cases), sum(case.caught for case in self.cases)
        lines = [f"{self.suite}: {len(self.cases)} cases, {caught:,} of {total:,} mutants caught"]
        rows: list[list[str]] = []
        for category in dict.fromkeys(case.category for case in self.cases):
            among = [case for case in self.cases if case.category == category]
            made = sum(case.mutants for case in among)
            share = sum(case.caught for case in among) / made if made else 0.0
            rows.append(
                [category.replace("_", " "), f"{len(among)} cases", f"{share:.1%} of {made:,} mutants"]
            )
        lines += [*aligned(rows), "", "models that know nothing"]
        lines += aligned([[name, f"{share.value:.0%}"] for name, share in self.floor.items()])
        lines += [line for text in self.warnings for line in ("", f"warning: {text}")]
        errors = [(case.case, error) for case in self.cases for error in case.errors]
        if errors:
            lines += ["", "wrong in the suite", *aligned(errors)]
        weak = [case for case in self.cases if case.escaped]
        if weak:
            lines += ["", "too weak: a mutant is taken for right"]
            for case in weak[:SHOWN]:
                text = next(iter(case.escaped.values()))
                listed = ", ".join(list(case.escaped)[:6])
                lines += [f"  {case.case}  {case.caught} of {case.mutants} caught; not {listed}"]
                lines += [f"      {line}" for line in text.strip().splitlines()[:8]]
        return "\n".join(lines) + "\n"


def check_suite(
    suite: Suite,
    catalog: Catalog,
    each: int = 1,
    tick: Callable[[int, int], None] = lambda _done, _total: None,
) -> SuiteCheck:
    """Check every case, with at most `each` mutants an operator; `tick` hears of cases done and all of them."""
    checks: list[CaseCheck] = []
    with Trials(catalog) as trials:
        for done, case in enumerate(suite.cases, start=1):
            checks.append(_check(case, suite, trials, each))
            tick(done, len(suite.cases))
        return SuiteCheck(suite.name, tuple(checks), floor(suite, trials))


def is_unplaced(case: Case) -> bool:
    """Whether a case names a symbol or a file, and not the repository that has it. What it writes itself none has."""
    wanted: Any = case.expect.arguments.get("write_file", {}).get("path")
    written: list[Any] = wanted.get("any", []) if isinstance(wanted, dict) else [wanted]
    return not case.repository and any(symbol not in written for symbol in case.symbols)


def _check(case: Case, suite: Suite, trials: Trials, each: int) -> CaseCheck:
    check = CaseCheck(
        case.id,
        case.category,
        list(_unknown(case, trials.catalog)),
        repository=case.repository,
        unplaced=is_unplaced(case),
    )
    if not case.gold:
        check.errors.append("it has no gold: answers to it can only be read, not run")
    if check.errors:
        return check
    for place, gold in enumerate(case.gold, start=1):
        if isinstance(gold, str):
            check.errors += [f"gold {place}: {reason}" for reason in _wrong_gold(case, gold, trials)]
    check.errors += _wrong_transcript(case, trials)
    if check.errors:
        return check
    for name, texts in _wrong_answers(case, suite, trials.catalog, each):
        for text, right in ((text, _right(case, text, trials)) for text in texts):
            if right is None:
                continue
            check.mutants += 1
            check.operators[name] = check.operators.get(name, True) and not right
            if right:
                check.escaped[name if name not in check.escaped else f"{name} {len(check.escaped)}"] = _code(
                    text
                )
    return check


def _code(text: Any) -> str:
    if isinstance(text, tuple):
        return str(text[1])  # pyright: ignore[reportUnknownArgumentType]
    return text if isinstance(text, str) else json.dumps(text)


def _unknown(case: Case, catalog: Catalog) -> Iterator[str]:
    """Tools, parameters and fields of a case that its catalog does not have."""
    expect = case.expect
    for name in (*expect.tools, *expect.arguments):
        if catalog.tool(name) is None:
            yield f"expects tool {name}, which catalog {catalog.name} does not have"
    for name, arguments in expect.arguments.items():
        tool = catalog.tool(name)
        for parameter in arguments if tool else ():
            if tool and parameter not in tool.parameter_names:
                yield f"expects parameter {parameter} of {name}, which it does not have"
    for known in case.results:
        tool = catalog.tool(known.tool)
        if tool is None:
            yield f"has a result of {known.tool}, which catalog {catalog.name} does not have"
            continue
        for parameter in known.arguments:
            if parameter not in tool.parameter_names:
                yield f"has a result of {known.tool} for parameter {parameter}, which it does not have"
        for path in _paths(known.tool, known.result):
            if not _exists(path, catalog):
                yield f"has a result with field {path}, which catalog {catalog.name} does not have"
        try:
            bind(tool, (), known.arguments)
        except TypeError as error:
            yield f"has a result of a call that cannot be: {error}"
    for entry in expect.fields:
        for path in entry.split("|"):
            if not _exists(path, catalog):
                yield f"expects field {path}, which catalog {catalog.name} does not have"


def _paths(path: str, value: Any) -> Iterator[str]:
    """The fields of a known result, and of its entries, as `tool.field.field`."""
    for item in value if isinstance(value, list) else [value]:  # pyright: ignore[reportUnknownVariableType]
        if isinstance(item, dict):
            for name, inner in item.items():  # pyright: ignore[reportUnknownVariableType]
                yield f"{path}.{name}"
                yield from _paths(f"{path}.{name}", inner)


def _exists(path: str, catalog: Catalog) -> bool:
    name, *fields = path.removesuffix(".len()").split(".")
    tool = catalog.tool(name)
    known: Mapping[str, str] = tool.result if tool else {}
    for part in fields:
        if part not in known:
            return False
        known = catalog.types.get(item_type(known[part]), {})
    return tool is not None


def _wrong_gold(case: Case, gold: str, trials: Trials) -> Iterator[str]:
    try:
        answer = parse_answer(gold)
    except CallSyntaxError as error:
        yield f"it cannot be read: {error}"
        return
    faults = list(follow(answer.programs, trials.catalog).faults)
    if not faults and answer.programs and (failing := trials.gold_fails(case, answer)):
        faults = [failing]
    yield from faults
    if not faults:
        outcome = judge(case, Prediction(case=case.id, text=gold), trials)
        if not outcome.passed:
            yield "it does not score as right: " + "; ".join(outcome.reasons)


def _wrong_transcript(case: Case, trials: Trials) -> Iterator[str]:
    """Tool messages of a case with known results that are not what the program before them prints."""
    for place, (before, after) in enumerate(zip(case.messages, case.messages[1:]), start=2):
        if not case.results or before.role != "assistant" or after.role != "tool":
            continue
        try:
            sources = parse_answer(before.content).sources
        except CallSyntaxError as error:
            yield f"message {place - 1}: it cannot be read: {error}"
            continue
        for number in range(WORLDS):
            world = World(trials.catalog, case.id, number, None, trials.known_results(case))
            run = trials.executor.run(sources, world)
            if run.output.strip() != after.content.strip():
                yield f"message {place}: the program before it prints {run.output.strip()[:80]!r} in world {number}"
                break


def _wrong_answers(case: Case, suite: Suite, catalog: Catalog, each: int) -> Iterator[tuple[str, list[Any]]]:
    """Answers that are wrong, by how: programs as their source, words as they are, calls as objects."""
    if case.gold_calls:
        yield from _wrong_calls([call.model_dump() for call in case.gold_calls[0].tool_calls])
        return
    gold = next((g for g in case.gold if isinstance(g, str)), "")
    programs = parse_answer(gold).sources
    if not programs:
        yield from _wrong_words(case, gold, suite)
        return
    for name, codes in mutants("\n".join(programs), case, catalog, each).items():
        yield name, [("program", code) for code in codes]


def _wrong_words(case: Case, gold: str, suite: Suite) -> Iterator[tuple[str, list[Any]]]:
    request = str(case.messages[-1].content or "")
    other = next((c.gold[0] for c in suite.cases if c.id != case.id and c.expect.tools), None)
    yield "empty", [""]
    yield "null", ["null"]
    if not gold.lower().startswith("yes"):
        yield "yes", ["Yes."]
    yield "does_not_know", ["I do not know."]
    yield "refuses", ["I'm sorry, but I can't help with that."]
    yield "request_again", [request, f"{request} {request}"]
    yield "said_twice", [f"{gold} {gold}"]
    yield "calls_too", [f"{gold}\n{OPEN}print(1)\n</parameter>\n</function></tool_call>"]
    yield (
        "call_as_json",
        [f'{gold}\n<tool_call>{{"name": "read_file", "arguments": {{"path": "a.py"}}}}</tool_call>'],
    )
    yield "gibberish", ["Yes, each entryentryentryentryentryentryentryentryentry.", "the the the the the the"]
    yield (
        "wrong_language",
        ["Das ist eine Frage, die ich nicht in der Sprache beantworte, in der sie mir gestellt ist."],
    )
    yield "endless", [" ".join([gold] * 30)]
    if isinstance(other, str):
        yield "program_instead", [other]


def _wrong_calls(calls: list[dict[str, Any]]) -> Iterator[tuple[str, list[Any]]]:
    """Calls as an endpoint returns them, each changed in one way."""
    plain = [{"name": c["function"]["name"], "arguments": c["function"]["arguments"]} for c in calls]
    yield "no_call", [[]] if plain else []
    yield "call_too_many", [[*plain, {"name": "another_tool", "arguments": {}}]]
    if plain:
        yield "call_left_out", [plain[1:]]
        yield "other_tool", [[{**plain[0], "name": plain[0]["name"] + "_2"}, *plain[1:]]]
        arguments: Any = plain[0]["arguments"]
        if isinstance(arguments, dict) and arguments:
            name = next(iter(arguments))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            yield "argument_made_up", [[{**plain[0], "arguments": {**arguments, "made_up": 1}}, *plain[1:]]]
            yield (
                "argument_is_other",
                [[{**plain[0], "arguments": {**arguments, name: "\u2205 other"}}, *plain[1:]]],
            )


def _right(case: Case, text: Any, trials: Trials) -> bool | None:
    """Whether a wrong answer passes; None when it is not wrong after all, because it does what another gold does."""
    if isinstance(text, tuple):
        code = str(text[1])  # pyright: ignore[reportUnknownArgumentType]
        try:
            answer = Answer("", (parse_code(code),), (code,))
        except CallSyntaxError:
            return False
        differs = trials.is_mutant(case, 0, answer)
        return None if differs is None else not differs
    if isinstance(text, list):
        return grade_calls(case, Prediction(case=case.id, text="", tool_calls=tuple(text)), "").right  # pyright: ignore[reportUnknownArgumentType]
    return judge(case, Prediction(case=case.id, text=str(text)), trials).passed
