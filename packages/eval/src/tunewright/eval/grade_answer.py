"""One answer judged: what was asked of it, and whether it did it, in words and in checks."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tunewright.chat.calls.code_mode import CallSyntaxError
from tunewright.contract.catalog import Catalog, Tool
from tunewright.contract.suite import Case, Expectation, Prediction
from tunewright.eval.dataflow import follow
from tunewright.eval.grade_calls import CallGrade, grade_calls
from tunewright.eval.mlx_lenient_parser import served_answer
from tunewright.eval.parse import Answer, parse_answer
from tunewright.eval.served_calls import ServedCalls, grade_served
from tunewright.eval.trace import Guard, Trace, TracedCall
from tunewright.eval.trial import Trials
from tunewright.eval.values import Value
from tunewright.eval.words import wrong_words

# Words before a first program that claim what comes out, and those that claim that something has been done.
_CLAIMED = re.compile(
    r"\s*(?:(?:yes|no)[,.!:]?\s+(?:it|they|there|that|this)\b|no\b(?! (?:problem|worries|need)))"
)
_DONE = re.compile(
    r"\b(?:i|we)(?:['’]ve| have) (?:already |just |now )?(?:\w{2,}ed|run|read|found|written|done|made|built)\b|"
    r"\bit (?:works|worked|passed|passes|failed|fails|is (?:fine|ok|clean|correct))\b"
)
CHECKS = ("parses", "runs", "tools", "arguments", "fields", "output", "control", "words")


@dataclass(frozen=True)
class Outcome:
    """A case's verdict.

    `checks` maps the names in `CHECKS` to whether each holds; a check that the case does not ask for is
    absent. `reasons` say in plain words what is wrong, one sentence each.
    """

    case: str
    category: str
    sample: int = 0
    text: str = ""
    checks: dict[str, bool] = field(default_factory=dict[str, bool])
    reasons: tuple[str, ...] = ()
    missing: bool = False  # there is no prediction for the case
    tokens: int = 0
    seconds: float = 0.0
    served: bool = False  # whether it passes as mlx-lm's server would hand it on
    judged: str = (
        "read"  # how: `run` in worlds against a gold, `read` only, or `cannot` be judged on this machine
    )
    calls: CallGrade | None = None  # of a case whose right answers are given as calls
    served_calls: ServedCalls | None = None  # of such a case, where the prediction says what was handed on

    @property
    def passed(self) -> bool:
        if self.calls:
            return self.calls.right
        return bool(self.checks) and all(self.checks.values())

    def to_json(self) -> dict[str, Any]:
        return {
            "case": self.case,
            "category": self.category,
            "sample": self.sample,
            "passed": self.passed,
            "checks": self.checks,
            "served": self.served,
            "judged": self.judged,
            "reasons": list(self.reasons),
            "missing": self.missing,
            "tokens": self.tokens,
            "seconds": self.seconds,
            "text": self.text,
            **({"calls": self.calls.to_json()} if self.calls else {}),
            **({"served_calls": self.served_calls.to_json()} if self.served_calls else {}),
        }


def judge(case: Case, prediction: Prediction | None, trials: Trials, dialect: str = "") -> Outcome:
    """Judge one answer: by its calls where the case has right calls, by running it in worlds where the case has a gold
    program, else by reading it.

    A missing prediction, or one that only says why there is none, is a failed outcome that says so. `dialect`: the one in
    which calls have to be written.
    """
    if prediction is not None and prediction.error:
        reasons = (f"the endpoint gave no answer: {prediction.error}",)
        return replace(judge(case, None, trials, dialect), sample=prediction.sample, reasons=reasons)
    if case.gold_calls:
        return _judge_calls(case, prediction, dialect)
    if prediction is None:
        checks = dict.fromkeys(_asked(case), False)
        return Outcome(
            case.id, case.category, checks=checks, reasons=("there is no prediction for it",), missing=True
        )
    try:
        answer = parse_answer(prediction.text)
    except CallSyntaxError as error:
        cut = " (cut at the token limit)" if prediction.finish == "length" else ""
        verdict = _Verdict(dict.fromkeys(_asked(case), False), [f"the answer cannot be read: {error}{cut}"])
        answer = None
    else:
        verdict = _judge_answer(case, answer, prediction, trials)
    return Outcome(
        case.id,
        case.category,
        prediction.sample,
        prediction.text,
        verdict.checks,
        tuple(verdict.reasons),
        tokens=prediction.tokens,
        seconds=prediction.seconds,
        served=_passes_served(case, answer, verdict, prediction, trials),
        judged=verdict.judged,
    )


def _judge_calls(case: Case, prediction: Prediction | None, dialect: str) -> Outcome:
    grade = grade_calls(case, prediction, dialect)
    checks = {"parses": grade.parses, "tools": grade.right_tools}
    if grade.expected:
        checks["arguments"] = grade.right
    reasons = () if grade.right else (grade.reason,)
    if prediction is None:
        return Outcome(case.id, case.category, checks=checks, reasons=reasons, missing=True, calls=grade)
    served = grade_served(case, prediction, grade)
    return Outcome(
        case.id,
        case.category,
        prediction.sample,
        prediction.text,
        checks,
        reasons,
        tokens=prediction.tokens,
        seconds=prediction.seconds,
        served=served.right if served else grade.right,
        calls=grade,
        served_calls=served,
    )


@dataclass
class _Verdict:
    checks: dict[str, bool]
    reasons: list[str]
    judged: str = "read"

    @property
    def passed(self) -> bool:
        return all(self.checks.values())


def _asked(case: Case) -> list[str]:
    """The checks that a case asks for."""
    expect = case.expect
    asked = ["parses", "runs", "tools"]
    if not expect.tools:
        return [*asked, "words"]
    asked.append("arguments")
    if expect.fields:
        asked.append("fields")
    elif case.gold:
        asked.append("output")
    if expect.control:
        asked.append("control")
    return asked


def _judge_answer(case: Case, answer: Answer, prediction: Prediction, trials: Trials) -> _Verdict:
    """An answer that can be read. The static trace only explains what running has shown; it decides without a gold."""
    read = _wrong(case, answer, prediction, trials.catalog)
    grade = trials.grade(case, answer) if case.expect.tools and answer.programs else None
    if grade is None:
        checks = {name: not read[name] for name in _asked(case)}
        return _Verdict(checks, [reason for name in checks for reason in read[name] if reason])
    if grade.unjudged:
        checks = dict.fromkeys(_asked(case), False) | {"parses": True}
        return _Verdict(checks, [f"it cannot be judged here: {grade.unjudged}"], "cannot")
    wrong = dict(grade.wrong)
    if wrong["tools"] or wrong["runs"]:  # what was printed was not looked at
        wrong["fields"] = wrong["fields"] or [""]
    if wrong["tools"]:
        wrong["arguments"] = [""]
    prose = answer.prose.lower()
    claims = _CLAIMED.match(prose) or _DONE.search(prose)
    if claims and all(message.role != "tool" for message in case.messages):
        wrong["fields"] = [*wrong["fields"], "it says what comes out before anything has run"]
    wrong["output"] = wrong["fields"]
    partly = not grade.passed and grade.right_worlds > 0
    if partly or (not grade.passed and read["control"]):
        wrong["control"] = ["a condition or loop of it is not the one that was asked for"] if partly else [""]
    checks = {name: not wrong.get(name) for name in _asked(case)}
    reasons: list[str] = []
    for name in (name for name, right in checks.items() if not right):
        reasons += [reason for reason in read.get(name, ()) if reason] or [r for r in wrong[name][:1] if r]
    return _Verdict(checks, list(dict.fromkeys(reasons)), "run")


def _passes_served(
    case: Case, answer: Answer | None, verdict: _Verdict, prediction: Prediction, trials: Trials
) -> bool:
    try:
        served = served_answer(prediction.text)
    except CallSyntaxError:
        return False
    if answer is not None and (served.sources, served.prose) == (answer.sources, answer.prose):
        return verdict.passed
    return _judge_answer(case, served, prediction, trials).passed


def _wrong(case: Case, answer: Answer, prediction: Prediction, catalog: Catalog) -> dict[str, list[str]]:
    """What is wrong with an answer as far as reading it tells, by check.

    What only follows from a tool that is never called is an empty reason: wrong, and said once, by `tools`.
    """
    expect = case.expect
    trace = follow(answer.programs, catalog)
    return {
        "parses": [],
        "runs": list(trace.faults),
        "tools": _wrong_tools(expect, answer, trace),
        "arguments": _wrong_arguments(expect, trace, catalog),
        "fields": _wrong_fields(expect, trace),
        "output": [] if answer.programs else [""],
        "control": _wrong_control(expect, trace),
        "words": []
        if expect.tools or answer.programs
        else wrong_words(case, answer.prose, prediction.finish, catalog.tool_names),
    }


def _wrong_tools(expect: Expectation, answer: Answer, trace: Trace) -> list[str]:
    called = [call.tool for call in trace.calls]
    if not expect.tools:
        if answer.programs:
            return [f"a direct answer was asked for, but it runs a program{_named(called)}"]
        return []
    wanted = list(expect.tools)
    if called == wanted:
        return []
    if not answer.programs:
        return [f"it calls no tool; right is {' -> '.join(wanted)}"]
    if not called:
        return [f"its program calls no tool; right is {' -> '.join(wanted)}"]
    return [f"it calls {' -> '.join(called)}; right is {' -> '.join(wanted)}"]


def _named(called: Sequence[str]) -> str:
    return f" that calls {', '.join(called)}" if called else ""


def _wrong_arguments(expect: Expectation, trace: Trace, catalog: Catalog) -> list[str]:
    reasons: list[str] = []
    for name in expect.tools:
        calls = [call for call in trace.calls if call.tool == name]
        tool = catalog.tool(name)
        if not calls or tool is None:
            reasons.append("")
            continue
        for call in calls:
            reasons += _wrong_call(call, tool, expect.arguments.get(name, {}))
    return reasons


def _wrong_call(call: TracedCall, tool: Tool, wanted: dict[str, Any]) -> list[str]:
    """What is wrong with a call's arguments: against the signature, then against the case."""
    if not call.readable:
        return [f"{tool.name} gets arguments by * or **, which cannot be judged"]
    names = tool.parameter_names
    if len(call.positional) > len(names):
        return [f"{tool.name} takes {len(names)} arguments, got {len(call.positional)}"]
    given = dict(zip(names, call.positional))
    for key, value in call.named:
        if key not in names:
            return [f"{tool.name} has no parameter {key}"]
        if key in given:
            return [f"{tool.name} got {key} twice"]
        given[key] = value
    reasons: list[str] = []
    for parameter in tool.parameters:
        value = given.get(parameter.name)
        if value is None:
            if parameter.required:
                reasons.append(f"{tool.name} is called without {parameter.name}")
            elif parameter.name in wanted and not _same(wanted[parameter.name], parameter.default):
                reasons.append(f"{tool.name}: {parameter.name} must be {said(wanted[parameter.name])}")
        elif parameter.name in wanted:
            if not _fits(value, wanted[parameter.name]):
                reasons.append(
                    f"{tool.name}: {parameter.name} must be {said(wanted[parameter.name])}, is {_shown(value)}"
                )
        elif not parameter.required and not _fits(value, parameter.default):
            reasons.append(f"{tool.name}: {parameter.name} was not asked for")
    return reasons


def _same(a: Any, b: Any) -> bool:
    """Equality that tells 1 from True and from 1.0, as a typed tool does."""
    return type(a) is type(b) and a == b


def _fits(value: Value, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        if "any" in wanted:
            return any(_fits(value, choice) for choice in wanted["any"])
        return any(path in value.deps for path in str(wanted.get("from", "")).split("|"))
    atom = value.only
    return atom is not None and atom.kind == "const" and _same(atom.const, wanted)


def said(wanted: Any) -> str:
    """An expected argument in words: a literal, a choice, or where it must come from."""
    if isinstance(wanted, dict):
        if "any" in wanted:
            return " or ".join(said(choice) for choice in wanted["any"])
        return f"taken from {wanted.get('from', '')}"
    return json.dumps(wanted, ensure_ascii=False)


def _shown(value: Value) -> str:
    atom = value.only
    if atom is not None and atom.kind == "const":
        text = repr(atom.const)
        return text if len(text) <= 80 else f"{text[:77]}..."
    sources = sorted(path for path in value.deps if "." in path)
    return f"computed from {', '.join(sources)}" if sources else "something else"


def _wrong_fields(expect: Expectation, trace: Trace) -> list[str]:
    called = {call.tool for call in trace.calls}
    reasons: list[str] = []
    for entry in expect.fields:
        paths = entry.split("|")
        if not any(path in trace.used for path in paths):
            known = called.intersection(path.split(".")[0] for path in paths)
            reasons.append(f"it makes no use of {' or '.join(paths)}" if known else "")
    return reasons


def _wrong_control(expect: Expectation, trace: Trace) -> list[str]:
    paths = [path for entry in expect.fields for path in entry.split("|")]
    reasons: list[str] = []
    for entry in expect.control:
        kind, _, tool = entry.partition(":")
        name = "condition" if kind == "if" else "loop"
        if not tool:
            if not any(_decides(guard, kind, paths) for guard in trace.guards):
                reasons.append(f"no {name} depends on a result it should depend on" if trace.calls else "")
            continue
        # A call can only be governed by what was known before it.
        before = [path for path in paths if not path.startswith(f"{tool}.")]
        calls = [call for call in trace.calls if call.tool == tool]
        if not calls:
            reasons.append("")
        elif not all(any(_decides(g, kind, before) for g in call.guards) for call in calls):
            reasons.append(f"{tool} is not called under a {name} that depends on the earlier result")
    return reasons


def _decides(guard: Guard, kind: str, paths: Sequence[str]) -> bool:
    """Whether the guard depends on one of the fields, or on a list that holds it."""
    if guard.kind != kind:
        return False
    if not paths:
        return bool(guard.deps)
    own = {dep.removesuffix(".len()") for dep in guard.deps if "." in dep}
    return any(path == dep or path.startswith(f"{dep}.") for dep in own for path in paths)
