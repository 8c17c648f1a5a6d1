"""Questions that need no tool, each with the answer that a person wrote for it: the files of `direct_answers`.

A file is TOML, a table a pair:

    [mutable-default]
    question = "why is my default list growing"
    answer = "…"
    programs = true         # it makes sense only where calls are written as programs
    unless = ["mail"]       # the answer declines; not next to a tool whose words begin like one of these
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from tunewright.contract.catalog import Catalog, load_catalog
from tunewright.contract.errors import UserError
from tunewright.datagen.catalogs import shipped_tools

BEYOND = "irrelevance"  # the family of requests that no tool can meet
FOLDER = Path(__file__).parent / "direct_answers"


@dataclass(frozen=True)
class Question:
    """A question and the one answer it has. `tools` are those it speaks of; `template` its wording."""

    text: str
    answer: str
    template: str
    tools: tuple[str, ...] = ()
    family: str = "direct"


class Pair(BaseModel):
    """A question with its answer, as a file has them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    question: str
    answer: str
    programs: bool = False
    unless: list[str] = []

    @field_validator("question", "answer")
    @classmethod
    def _has_words(cls, text: str) -> str:
        text = text.strip()
        if not text:
            raise ValueError("it is empty")
        if text.count("```") % 2:
            raise ValueError("a ``` is not closed")
        return text

    @property
    def tools(self) -> tuple[str, ...]:
        """The tools of our catalog that the pair names."""
        words = set(re.findall(r"\w+", f"{self.question} {self.answer}"))
        return tuple(name for name in load_catalog("coding").tool_names if name in words)


@cache
def read_pairs(folder: Path = FOLDER) -> dict[str, Pair]:
    """Every pair of a folder by `file.key`, in a fixed order. Raises UserError that names file and key."""
    pairs: dict[str, Pair] = {}
    asked: dict[str, str] = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            tables = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: {error}", "Each pair is a TOML table of its own.") from error
        for key, table in tables.items():
            name = f"{path.stem}.{key}"
            try:
                pair = pairs[name] = Pair.model_validate(table)
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join([key, *(str(part) for part in first["loc"])])
                raise UserError(
                    f"{path}: {where}: {first['msg'].removeprefix('Value error, ')}",
                    "A pair has question and answer, and where needed programs and unless.",
                ) from error
            same = asked.setdefault(" ".join(pair.question.lower().split()), name)
            if same != name:
                raise UserError(f"{path}: {key}: {same} asks the same", "Ask each question once.")
    return pairs


def questions(catalog: Catalog, *, beyond: bool = True, programs: bool = True) -> Iterator[Question]:
    """Every question that fits these tools, in a fixed order.

    Those that speak of our tools come only where the catalog has all of them as we know them. With `beyond` also
    what none of the tools can do: of that only what none of them comes near. Without `programs` none whose answer
    is about one.
    """
    ours, said = shipped_tools(catalog), words_about(catalog)
    for pair in read_pairs().values():
        if not set(pair.tools) <= ours or (pair.programs and not programs):
            continue
        if pair.unless and (not beyond or any(word.startswith(tuple(pair.unless)) for word in said)):
            continue
        family = BEYOND if pair.unless else "direct"
        yield Question(pair.question, pair.answer, pair.question, pair.tools, family)


def words_about(catalog: Catalog) -> set[str]:
    """All words of the tools' names and descriptions, in lower case; `sendMail` and `send_mail` are two."""
    text = " ".join(f"{tool.name} {tool.description}" for tool in catalog.tools)
    return set(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text).lower()))
