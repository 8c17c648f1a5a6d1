"""Validation suites: prompts, and what counts as right for each."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tunewright.contract.errors import UserError
from tunewright.contract.example import Message, ToolCall, read_jsonl


class Expectation(BaseModel):
    """What a right answer does. Judged on the parsed program, never on its text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Tools called, in order; a tool that is called twice is listed twice. Empty: a direct answer, no call at all.
    tools: tuple[str, ...] = ()
    # tool -> parameter -> the literal value it must get; or {"from": field}: a value computed from that
    # field of an earlier result; or {"any": [...]}: one of these
    arguments: dict[str, dict[str, Any]] = {}
    # Result fields that must be read: `tool.field` or `tool.field.field` (`find_references.references.line`).
    # `a|b`: one of them; `tool.list.len()`: the list's length.
    fields: tuple[str, ...] = ()
    # Control flow the request asks for, which must depend on one of `fields` (on any result without them).
    # `if:tool`: that tool's call is under such a condition; `for:tool`: inside such a loop.
    control: tuple[Annotated[str, Field(pattern=r"^(if|for)(:\w+)?$")], ...] = ()
    # Of an answer in words: facts it must state, each in any of several wordings; wordings that must not occur; its
    # language; and the most words it may have. `*` in a wording is the rest of a word; case does not count.
    facts: tuple[tuple[str, ...], ...] = ()
    forbidden: tuple[str, ...] = ()
    # Of a program: wordings, as in `facts`, one of which it must print where its gold does, and nowhere else. They say
    # that something failed or was not found, however the program puts it.
    notices: tuple[str, ...] = ()
    # Of an answer in words: it has to say that the offered tools can't do this, and claims nothing besides.
    declines: bool = False
    # The request asks for the answer alone ("just the name"): nothing else is said.
    alone: bool = False
    language: str = "en"
    longest: int = Field(default=150, gt=0)


class GoldCalls(BaseModel):
    """A right answer as the calls that it makes; none: an answer in words.

    `{"name", "arguments"}` is read as a call too, and arguments that are JSON text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tool_calls: tuple[ToolCall, ...]

    @field_validator("tool_calls", mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        return [_tool_call(item) for item in value] if isinstance(value, list | tuple) else value


def _tool_call(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    call: dict[str, Any] = item if "function" in item else {"function": item}
    function = call["function"]
    if not isinstance(function, dict) or not isinstance(text := function.get("arguments"), str):
        return call
    try:
        return {**call, "function": {**function, "arguments": json.loads(text)}}
    except (ValueError, RecursionError) as error:
        raise ValueError(f"arguments are not JSON: {error}") from error


class KnownResult(BaseModel):
    """What a call of the conversation returned, as far as the case depends on it. Worlds return the same again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tool: str
    arguments: dict[str, Any] = {}
    result: dict[str, Any]


class Case(BaseModel):
    """One prompt. `messages` end with what comes before the answer: the user's last turn, or a tool's result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    category: str
    messages: tuple[Message, ...] = Field(min_length=1)
    expect: Expectation = Expectation()
    template: str = ""  # the request's wording, before names were filled in
    symbols: tuple[str, ...] = ()  # names that were filled in
    tools: tuple[dict[str, Any], ...] = ()  # offered tools as OpenAI's function definitions
    gold: tuple[str | GoldCalls, ...] = ()  # right answers: raw text, or calls
    results: tuple[KnownResult, ...] = ()  # of the calls that earlier messages made
    cluster: str = ""  # cases of one cluster are not independent of each other; nor are those of one template
    repository: str = ""  # which one the case is about; cases of one are not independent either
    quick: bool = False  # part of the suite's `quick` subset
    perturbs: str = ""  # the id of the case that this one is a changed copy of; its category says how

    @property
    def request(self) -> str:
        """All that the user said, one turn a line."""
        return "\n".join(message.content for message in self.messages if message.role == "user")

    @property
    def gold_calls(self) -> tuple[GoldCalls, ...]:
        """The right answers that are given as calls; a case that has any is judged by comparing calls."""
        return tuple(answer for answer in self.gold if isinstance(answer, GoldCalls))


def told(case: Case, text: str) -> Case:
    """The case with `text` at the end of its system message, or as one where it has none.

    A case that offers tools of its own stays as it is, and so does one that ends with the text already.
    """
    first, *rest = case.messages
    if case.tools or (first.role == "system" and first.content.endswith(text)):
        return case
    if first.role != "system":
        return case.model_copy(update={"messages": (Message(role="system", content=text), *case.messages)})
    system = first.model_copy(update={"content": f"{first.content}\n\n{text}"})
    return case.model_copy(update={"messages": (system, *rest)})


class ServedAnswer(BaseModel):
    """What mlx-lm's server would hand on of an answer, to a client that offers the case's tools."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    parser: str  # mlx-lm's parser of the model's calls; empty: it has none, and hands the text on as it is
    version: str  # of mlx-lm
    content: str = ""  # text outside of calls and reasoning
    tool_calls: tuple[dict[str, Any], ...] = ()  # {"name", "arguments"}
    failed: tuple[str, ...] = ()  # why its parser dropped a call, one entry a call


class Prediction(BaseModel):
    """One line of `predictions/<model>/<suite>.jsonl`: what a model said to one case, as raw text."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    case: str
    sample: int = 0
    text: str
    prompt_tokens: int = 0
    tokens: int = 0
    seconds: float = 0.0  # this case's share of its batch
    finish: Literal["stop", "length"] = "stop"
    # Calls that an endpoint returned as data, as it wrote them: {"name", "arguments"}, arguments as text or object.
    tool_calls: tuple[dict[str, Any], ...] = ()
    served: ServedAnswer | None = None  # None: not known
    reasoning: str = ""  # thoughts that an endpoint sent apart from the answer; they are not judged
    error: str = ""  # why an endpoint gave no answer; the case counts as failed


Subset = Literal["quick"]  # a part of a suite: the cases that are marked with this field


class Suite(BaseModel):
    """A named list of cases; the name is the file's stem."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    cases: tuple[Case, ...]

    def told(self, text: str) -> "Suite":
        """The suite with `text` at the end of each case's system message; without a text the suite itself."""
        if not text:
            return self
        return self.model_copy(update={"cases": tuple(told(case, text) for case in self.cases)})


def read_suite(path: Path, subset: Subset | None = None) -> Suite:
    """Read a suite from JSONL, one case a line, or a subset of it. Raises UserError with `file:line`."""
    return Suite(name=path.stem, cases=tuple(case for _, case in _numbered_cases(path, subset)))


def suite_text(path: Path, subset: Subset | None = None) -> bytes:
    """A suite's file as it is, or those of its lines that hold the cases of a subset. Raises as `read_suite`."""
    kept = {number for number, _ in _numbered_cases(path, subset)}
    data = path.read_bytes()
    if subset is None:
        return data
    # Lines end as in `read_jsonl`: a line separator inside a text is part of the text.
    lines = enumerate(data.split(b"\n"), start=1)
    return b"".join(line.rstrip(b"\r") + b"\n" for number, line in lines if number in kept)


def _numbered_cases(path: Path, subset: Subset | None) -> list[tuple[int, Case]]:
    cases: list[tuple[int, Case]] = []
    seen: dict[str, int] = {}
    for number, value in read_jsonl(path):
        try:
            case = Case.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "case"
            raise UserError(
                f"{path}:{number}: {where}: {first['msg']}", "See docs/formats.md, section suite."
            ) from error
        if case.id in seen:
            raise UserError(
                f"{path}:{number}: case id {case.id!r} is also in line {seen[case.id]}",
                "Give each case its own id.",
            )
        seen[case.id] = number
        cases.append((number, case))
    if not cases:
        raise UserError(f"{path}: no cases in it", "A suite needs at least one case a line.")
    if subset is None:
        return cases
    kept = [(number, case) for number, case in cases if case.quick]
    if not kept:
        raise UserError(
            f"{path}: no case of it is in the subset {subset}",
            f'Mark some with "{subset}": true, or take the whole suite.',
        )
    return kept
