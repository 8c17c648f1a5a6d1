"""What each row of a dataset teaches about the choice of a tool: what is seen before the choice, and the tool chosen.

A row is reduced to the turn in which it first calls a tool, or to its last answer when it calls none. What comes after that
turn teaches nothing about the choice, and a small model learns the choice sooner from rows without arguments and results.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tunewright.chat.calls import find
from tunewright.chat.conversation import UnknownShapeError, read_conversation
from tunewright.chat.normal_form import normal_form
from tunewright.chat.prepare import with_tools_of_prompt
from tunewright.chat.reading.files import DataFile
from tunewright.chat.reading.lines import read_batches
from tunewright.chat.reading.rows import check_columns
from tunewright.chat.reading.settings import Reading
from tunewright.chat.resample_structure import Draw
from tunewright.contract.errors import UserError
from tunewright.contract.example import Example, Message

NO_TOOL = ""  # the choice to answer in words
CALL = "<tool_call>"
MOST_BYTES = 24_000_000  # of the data that are read; of larger files as many rows as fit, drawn by their text
MOST_TOOLS = 24  # offered tools that the model is shown
# Characters that the model is shown of each text: the beginning and the end.
LONGEST = {"system": 320, "earlier": 160, "request": 480, "preamble": 48, "said": 48}


@dataclass(frozen=True)
class Decision:
    """One choice of a tool. `earlier` are the turns before the request, as (role, text); `said` is an answer in words."""

    request: str
    tool: str = NO_TOOL
    system: str = ""
    earlier: tuple[tuple[str, str], ...] = ()
    tools: tuple[str, ...] = ()  # offered, in order
    preamble: str = ""  # said before the call
    said: str = ""

    def messages(self) -> list[dict[str, str]]:
        """What the model sees before it answers. The offered tools are listed in front of the request."""
        offered = f"Tools: {', '.join(_most(self.tools))}\n\n" if self.tools else ""
        return [
            *([{"role": "system", "content": self.system}] if self.system else []),
            *({"role": role, "content": text} for role, text in self.earlier),
            {"role": "user", "content": offered + self.request},
        ]

    def answer(self) -> str:
        """What the model is trained to answer."""
        if self.tool == NO_TOOL:
            return self.said
        return begun(self.preamble) + self.tool

    def row(self) -> dict[str, list[dict[str, str]]]:
        """A training row."""
        return {"messages": [*self.messages(), {"role": "assistant", "content": self.answer()}]}


def begun(preamble: str) -> str:
    """An answer up to the name of the tool that it calls."""
    return f"{preamble}\n{CALL}" if preamble else CALL


def chosen_tool(answer: str) -> str:
    """The tool that an answer calls; NO_TOOL for an answer in words."""
    _, called, after = answer.partition(CALL)
    return after.strip().partition("\n")[0].strip() if called else NO_TOOL


def decision_of(example: Example) -> Decision | None:
    """The choice that a row teaches; None for a row that teaches none, or whose call cannot be read."""
    example = with_tools_of_prompt(example)
    offered = tuple(" ".join(str(tool["function"]["name"]).split()) for tool in example.tools)
    at, tool, said = -1, NO_TOOL, ""
    for number, message in enumerate(example.messages):
        if message.role == "assistant" and message.weight > 0 and tool == NO_TOOL:
            found = _read(message, offered)
            if found is None:
                return None
            at, (tool, said) = number, found
    if at < 0:
        return None
    before = example.messages[:at]
    asked = max((n for n, message in enumerate(before) if message.role == "user"), default=-1)
    if asked < 0 or not before[asked].content.strip():
        return None
    system = "\n".join(message.content for message in before if message.role == "system")
    words = tool == NO_TOOL
    if words and not said.strip():
        return None
    return Decision(
        request=_cut(before[asked].content, "request"),
        tool=" ".join(tool.split()),
        system=_cut(system, "system"),
        earlier=tuple(
            (message.role, _cut(message.content, "earlier"))
            for message in before[:asked]
            if message.role in ("user", "assistant") and message.content.strip()
        ),
        tools=offered,
        preamble="" if words else _cut(said, "preamble"),
        said=_cut(said, "said") if words else "",
    )


def _read(message: Message, offered: Sequence[str]) -> tuple[str, str] | None:
    """The tool that a turn calls first, and what it says before; None for a call that cannot be read."""
    if message.tool_calls:
        return message.tool_calls[0].function.name, message.content
    found = find(message.content, tools=offered or None)
    if found.calls:
        return (found.calls[0].name, found.preamble) if found.calls[0].name else None
    return None if found.problems else (NO_TOOL, message.content)


def _cut(text: str, kind: str) -> str:
    # A mark inside a text would be taken for the answer's own.
    text, longest = " ".join(text.replace(CALL, " ").split()), LONGEST[kind]
    return text if len(text) <= longest else f"{text[: longest // 2]} … {text[-longest // 2 :]}"


def _most(tools: Sequence[str]) -> Sequence[str]:
    half = MOST_TOOLS // 2
    return tools if len(tools) <= MOST_TOOLS else [*tools[:half], *tools[-half:]]


@dataclass(frozen=True)
class ReadDecisions:
    """The choices of a dataset by split. Of `rows` that were looked at, `unread` teach no choice that can be read."""

    splits: dict[str, list[Decision]]
    rows: int
    unread: int


def read_decisions(files: Sequence[DataFile], reading: Reading) -> ReadDecisions:
    """The choices that the rows of files teach, in any shape that `audit` reads, and the files' hashes.

    Rows that are marked as not wanted are left out. Raises UserError where a `[read]` table fits no row, and when no row
    teaches a choice.
    """
    check_columns(files, reading)
    share = min(1.0, MOST_BYTES / sum(file.path.stat().st_size for file in files))
    splits: dict[str, list[Decision]] = {}
    rows = unread = 0
    for file in files:
        for text in _drawn(file, share):
            rows += 1
            try:
                row = read_conversation(json.loads(text), reading)
                decision = None if row.label is False else decision_of(normal_form(row))
            except (UnknownShapeError, ValueError, RecursionError):
                decision = None
            if decision is None:
                unread += 1
            else:
                splits.setdefault(file.split, []).append(decision)
    if not splits:
        raise UserError(
            f"{files[0].path}: no row with a request and an answer that can be read",
            f"See what was read: ./inv audit --data {files[0].path}",
        )
    return ReadDecisions(splits, rows, unread)


def _drawn(file: DataFile, share: float) -> Iterator[str]:
    """The rows of a file that are looked at; the same ones every time."""
    for batch in read_batches(file):
        for text in batch.rows:
            if text.strip() and (share >= 1 or Draw(text).share("probe") < share):
                yield text
