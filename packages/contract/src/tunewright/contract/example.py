"""The normal form of a conversation: OpenAI's messages and tools, arguments as objects, every content as text.

Whatever a dataset looked like, this is what training and suites read. `tunewright.chat` brings rows of any shape to it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tunewright.contract.errors import UserError

Role = Literal["system", "user", "assistant", "tool"]
SPLITS = ("train", "valid", "test")


class Function(BaseModel):
    """A tool by name, and its arguments by parameter name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    arguments: dict[str, Any] = {}


class ToolCall(BaseModel):
    """One call that is data and not text. `id` is what a tool message answers; empty where the data have none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = ""
    type: Literal["function"] = "function"
    function: Function

    def row(self) -> dict[str, Any]:
        """The JSON object, as chat templates read it."""
        row = {
            "type": self.type,
            "function": {"name": self.function.name, "arguments": self.function.arguments},
        }
        return {"id": self.id, **row} if self.id else row


class Message(BaseModel):
    """One turn of a conversation. A turn that only calls has an empty `content`, never null."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Role
    content: str
    reasoning_content: str = ""  # what the model thought before it answered
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""  # of a tool message: the call that it answers
    name: str = ""  # of a tool message: the tool
    weight: float = Field(default=1.0, ge=0, le=1)  # of an assistant message: 0 is context, not a target

    def row(self) -> dict[str, Any]:
        """The JSON object without what is empty, as chat templates read it; `weight` only where it is not 1."""
        row: dict[str, Any] = {"role": self.role, "content": self.content}
        row |= {
            key: value
            for key in ("reasoning_content", "tool_call_id", "name")
            if (value := getattr(self, key))
        }
        if self.tool_calls:
            row["tool_calls"] = [call.row() for call in self.tool_calls]
        return row if self.weight == 1 else {**row, "weight": self.weight}


class Meta(BaseModel):
    """Where an example came from. Nothing of it is ever shown to the model."""

    model_config = ConfigDict(frozen=True, extra="allow")

    source: str = ""  # the corpus or dataset
    family: str = ""  # what kind of work the example shows
    template: str = ""  # the request's wording, before names were filled in
    cluster: str = ""  # examples of one cluster never straddle a split
    tool: str = ""  # first tool called; empty for a direct answer
    calls: tuple[tuple[int, str], ...] = ()  # calls that became text: their message, from 0, and the tool


class Example(BaseModel):
    """One training record."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    messages: tuple[Message, ...] = Field(min_length=1)
    tools: tuple[dict[str, Any], ...] = ()  # offered tools as OpenAI's function definitions
    meta: Meta = Meta()

    def row(self) -> dict[str, Any]:
        """The JSON row: `messages`, `tools`, and `meta`, without what is empty."""
        row: dict[str, Any] = {"messages": [message.row() for message in self.messages]}
        if self.tools:
            row["tools"] = list(self.tools)
        meta = {key: value for key, value in self.meta.model_dump().items() if value not in ("", ())}
        if meta:
            row["meta"] = meta
        return row

    @property
    def request(self) -> str:
        """The first thing the user said; empty when there is none."""
        return next((message.content for message in self.messages if message.role == "user"), "")


def read_jsonl(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield `(line number from 1, value)` for each non-blank line.

    Raises UserError naming `file:line` for what is not JSON in UTF-8, a torn last line included.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise UserError(
            f"{path}: {error.strerror or error}", "Check the path, and that it may be read."
        ) from error
    with file:
        for number, line in enumerate(file, start=1):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                torn = not line.endswith(b"\n")
                raise UserError(
                    f"{path}:{number}: not a JSON document ({error})",
                    "The last line has no line end: the file was cut short. Write it again."
                    if torn
                    else "Every line must hold one JSON object.",
                ) from error
            yield number, value


def read_examples(path: Path) -> list[Example]:
    """Read a JSONL file of `{"messages": […]}` rows. Raises UserError with `file:line` for a bad row."""
    examples: list[Example] = []
    for number, value in read_jsonl(path):
        try:
            examples.append(Example.model_validate(value))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "row"
            raise UserError(
                f"{path}:{number}: {where}: {first['msg']}",
                'A row is {"messages": [{"role": "user", "content": "…"}, …]}.',
            ) from error
    if not examples:
        raise UserError(f"{path}: no examples in it", "The file is empty, or holds only blank lines.")
    return examples
