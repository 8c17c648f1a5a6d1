"""`data.normalize`: every slice of a dataset gets the same structure, so that structure says nothing about the tool.

What each row gets is drawn from a hash of the row, independently of its tool and source: one system message, an earlier
exchange from the dataset's own direct answers, a preamble or none, its tools in another order, another place in the
file. Requests, results, answers and calls stay as they are, calls byte for byte.
"""

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunewright.audit.calls import MARKER_PATTERN, read_turn
from tunewright.audit.data_files import DataFile, find_files
from tunewright.audit.rows import read_rows
from tunewright.contract.atomic import atomic_folder, sha256_file, write_json, write_jsonl
from tunewright.contract.errors import UserError
from tunewright.contract.manifest import DATASET, DatasetManifest, LineageEntry, SplitEntry, now
from tunewright.contract.recipe import Data, Structure
from tunewright.contract.shapes import UnknownShapeError, canonical

Row = dict[str, Any]
PREAMBLES = (
    "Let me check.",
    "I'll look that up.",
    "One moment.",
    "Let me find out.",
    "I'll take a look.",
    "Checking now.",
    "Let me see.",
    "I'll do that now.",
)
# A system message that occurs in at least this share of the rows that have one is boilerplate, and may be replaced.
BOILERPLATE = 0.01
# Text before a call above this length says something, and is kept.
LONGEST_PREAMBLE = 200


@dataclass
class Slice:
    """Counts of one tool before and after."""

    examples: int = 0
    before: Counter[str] = field(default_factory=Counter[str])
    after: Counter[str] = field(default_factory=Counter[str])


@dataclass(frozen=True)
class Normalized:
    """What was changed. `slices` by first tool called; `changed` counts rows by what was done to them."""

    out: Path
    splits: dict[str, int]
    slices: dict[str, Slice]
    changed: Counter[str]

    def text(self, width: int = 100) -> str:
        """A table of before and after, as plain text."""
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table

        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("tool")
        table.add_column("examples", justify="right")
        for title in _PARTS.values():
            table.add_column(title, justify="right")
        for name, counted in sorted(self.slices.items(), key=lambda item: (-item[1].examples, item[0])):
            shares = [
                f"{counted.before[part] / counted.examples:.0%} -> {counted.after[part] / counted.examples:.0%}"
                for part in _PARTS
            ]
            table.add_row(name, f"{counted.examples:,}", *shares)
        buffer = io.StringIO()
        console = Console(file=buffer, width=width, no_color=True, highlight=False, markup=False)
        console.print(table)
        done = ", ".join(f"{what}: {count:,}" for what, count in sorted(self.changed.items())) or "nothing"
        console.print(f"Changed: {done}.")
        console.print(
            f"Written: {self.out} ({', '.join(f'{split} {count:,}' for split, count in self.splits.items())})."
        )
        return buffer.getvalue()


_PARTS = {
    "system": "system message",
    "earlier": "earlier exchange",
    "answers": "more than one answer",
    "preamble": "preamble",
}


def normalize_dataset(data: Path, out: Path, structure: Structure | None = None) -> Normalized:
    """Write `data` with equal structure to the folder `out`, with `dataset.json`; return what changed.

    Raises UserError when `out` exists, a row cannot be read (`file:line`), or nothing is there.
    """
    if out.exists():
        raise UserError(f"{out} exists already", "Give another --out; what is finished is never replaced.")
    wanted = structure or Structure()
    files = find_files([data])
    rows: dict[str, list[Row]] = {}
    for file in files:
        rows.setdefault(file.split, []).extend(_read(file))
    system = _common_system([row for listed in rows.values() for row in listed])
    slices: dict[str, Slice] = {}
    changed: Counter[str] = Counter()
    normal = {
        split: _normalize_split(listed, wanted, system, slices, changed) for split, listed in rows.items()
    }
    with atomic_folder(out) as folder:
        entries: dict[str, SplitEntry] = {}
        for split, listed in normal.items():
            path = folder / f"{split}.jsonl"
            write_jsonl(path, listed)
            entries[split] = SplitEntry(file=path.name, examples=len(listed), sha256=sha256_file(path))
        manifest = DatasetManifest(
            name=out.name,
            created=now(),
            seed=0,
            splits=entries,
            lineage=[LineageEntry(path=str(file.path), sha256=file.sha256) for file in files],
            facts={"normalized": wanted.model_dump(), "changed": dict(changed)},
        )
        write_json(folder / DATASET, manifest.model_dump())
    return Normalized(out, {split: len(listed) for split, listed in normal.items()}, slices, changed)


def _read(file: DataFile) -> list[Row]:
    """Rows as `messages`, their other keys kept. Raises UserError for a row that cannot be read."""
    rows: list[Row] = []
    for number, value in read_rows(file):
        try:
            row = canonical(value)
        except (UnknownShapeError, RecursionError) as error:
            raise UserError(
                f"{file.path}:{number}: {error}",
                "See every such row: invoke audit --data; mend or remove them.",
            ) from error
        kept = {
            key: value[key]
            for key in ("tools", "meta", "metadata", "source")
            if isinstance(value, dict) and key in value
        }
        rows.append({"messages": row.messages, **kept})
    if not rows:
        raise UserError(f"{file.path}: no examples in it", "The file is empty, or holds only blank lines.")
    return rows


def _common_system(rows: Sequence[Row]) -> tuple[str, frozenset[str]]:
    """The commonest system message (ours when there is none), and every text that is boilerplate."""
    texts = Counter(
        message["content"] for row in rows for message in row["messages"][:1] if message["role"] == "system"
    )
    plain = {text: count for text, count in texts.items() if "<tools>" not in text}
    total = sum(texts.values())
    boilerplate = frozenset(text for text, count in plain.items() if count >= max(2, BOILERPLATE * total))
    if not plain:
        return Data().system, boilerplate
    return max(plain, key=lambda text: (plain[text], text)).strip(), boilerplate


def _normalize_split(
    rows: Sequence[Row],
    wanted: Structure,
    system: tuple[str, frozenset[str]],
    slices: dict[str, Slice],
    changed: Counter[str],
) -> list[Row]:
    donors = [exchange for row in rows if (exchange := _exchange(row)) is not None]
    placed: list[tuple[float, Row]] = []
    for number, row in enumerate(rows):
        # Rows that are the same are changed alike: a duplicate stays one, and stays to be found.
        draw = Draw(json.dumps(row["messages"], sort_keys=True, ensure_ascii=False))
        new = normalize_row(row, wanted, system, donors, draw, changed)
        tool = first_tool(row) or "direct answer"
        counted = slices.setdefault(tool, Slice())
        counted.examples += 1
        counted.before.update(_parts(row["messages"]))
        counted.after.update(_parts(new["messages"]))
        placed.append((Draw(f"{number}").share("place"), new))
    return [row for _, row in sorted(placed, key=lambda pair: pair[0])]


class Draw:
    """Numbers that depend on a row and nothing else: the same data give the same dataset on every machine."""

    def __init__(self, text: str) -> None:
        self._text = text.encode(errors="replace")

    def share(self, name: str) -> float:
        """A number from 0 to 1 that belongs to `name`."""
        digest = hashlib.sha256(name.encode() + b"\0" + self._text).digest()
        return int.from_bytes(digest[:8], "big") / 2**64

    def pick(self, name: str, items: Sequence[Any]) -> Any:
        return items[int(self.share(name) * len(items))]


def normalize_row(
    row: Row,
    wanted: Structure,
    system: tuple[str, frozenset[str]],
    donors: Sequence[list[Row]],
    draw: Draw,
    changed: Counter[str] | None = None,
) -> Row:
    """One row with its structure drawn anew. `donors` are exchanges [request, answer] that may stand before it."""
    changed = changed if changed is not None else Counter()
    messages = [dict(message) for message in row["messages"]]
    messages = _with_system(messages, wanted.system_message, system, draw, changed)
    messages = _with_preamble(messages, wanted.preamble, draw, changed)
    messages = _with_exchange(messages, wanted.multi_turn, donors, draw, changed)
    for message in messages:
        if message["role"] in ("user", "system") and message["content"] != message["content"].strip():
            message["content"] = message["content"].strip()
            changed["whitespace stripped"] += 1
    new = {**row, "messages": messages}
    tools = row.get("tools")
    if isinstance(tools, list) and len(tools) > 1:
        order = sorted(range(len(tools)), key=lambda number: draw.share(f"tool {number}"))
        new["tools"] = [tools[number] for number in order]
        changed["tools shuffled"] += 1
    return new


def _with_system(
    messages: list[Row], share: float, system: tuple[str, frozenset[str]], draw: Draw, changed: Counter[str]
) -> list[Row]:
    text, boilerplate = system
    has = messages[0]["role"] == "system"
    if has and messages[0]["content"] not in boilerplate and messages[0]["content"].strip() != text:
        return messages  # it says something about this very row
    rest = messages[1:] if has else messages
    if draw.share("system") < share:
        if not has:
            changed["system message added"] += 1
        elif messages[0]["content"] != text:
            changed["system message made the same"] += 1
        return [{"role": "system", "content": text}, *rest]
    changed["system message removed"] += has
    return rest


def _with_preamble(messages: list[Row], share: float, draw: Draw, changed: Counter[str]) -> list[Row]:
    for message in messages:
        if message["role"] != "assistant":
            continue
        start = call_start(message)
        if start is None:
            continue
        said = message["content"][:start]
        if len(said.strip()) > LONGEST_PREAMBLE:
            return messages
        call = message["content"][start:]
        wants = draw.share("preamble") < share
        if wants and not said.strip():
            words = draw.pick("words", PREAMBLES)
            message["content"] = f"{words}\n\n{call}" if call else words
            changed["preamble added"] += 1
        elif not wants and said.strip():
            message["content"] = call
            changed["preamble removed"] += 1
        return messages
    return messages


def call_start(message: Row) -> int | None:
    """Where the call begins in an answer's text: its end for `tool_calls`, None without a call."""
    if message.get("tool_calls"):
        return len(message["content"])
    found = MARKER_PATTERN.search(message["content"])
    return found.start() if found and read_turn(message["content"]).calls else None


def _exchange(row: Row) -> list[Row] | None:
    """The request and the answer of a row that is one exchange in words; None for every other row."""
    messages = [message for message in row["messages"] if message["role"] != "system"]
    if [message["role"] for message in messages] != ["user", "assistant"]:
        return None
    if (
        call_start(messages[1]) is not None
        or not messages[0]["content"].strip()
        or not messages[1]["content"].strip()
    ):
        return None
    return [dict(message) for message in messages]


def _with_exchange(
    messages: list[Row], share: float, donors: Sequence[list[Row]], draw: Draw, changed: Counter[str]
) -> list[Row]:
    """An earlier exchange about something else, for the same share of every slice."""
    if draw.share("earlier") >= share or not donors:
        return messages
    own = {message["content"].strip() for message in messages if message["role"] == "user"}
    exchange = draw.pick("exchange", donors)
    if exchange[0]["content"].strip() in own:
        return messages
    changed["earlier exchange added"] += 1
    at = 1 if messages[0]["role"] == "system" else 0
    return [*messages[:at], *(dict(message) for message in exchange), *messages[at:]]


def first_tool(row: Row) -> str | None:
    """The first tool that a row calls; None when it calls none."""
    for message in row["messages"]:
        if message["role"] != "assistant":
            continue
        for call in message.get("tool_calls") or ():
            function = call.get("function", call) if isinstance(call, dict) else {}
            return str(function.get("name"))
        if MARKER_PATTERN.search(message["content"]):
            for call in read_turn(message["content"]).calls:
                return call.name
    return None


def _parts(messages: Iterable[Row]) -> list[str]:
    listed = list(messages)
    answers = [message for message in listed if message["role"] == "assistant"]
    calling = next(((m, at) for m in answers if (at := call_start(m)) is not None), None)
    parts = ["system"] if listed and listed[0]["role"] == "system" else []
    if len(answers) > 1:
        parts.append("answers")
        if calling is not None and calling[0] is not answers[0]:
            parts.append("earlier")
    if calling is not None and calling[0]["content"][: calling[1]].strip():
        parts.append("preamble")
    return parts
