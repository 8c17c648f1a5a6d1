"""`data.normalize`: every slice of a dataset gets the same structure, so that structure says nothing about the tool.

Files and the dataset as a whole: what is common to its rows, and what they are written to. What each row gets is decided
in redraw.py.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from tunewright.chat.before_after import Changes, Normalized, Slice
from tunewright.chat.conversation import TOOL_KEYS, UnknownShapeError
from tunewright.chat.message import called_by, role_of, text_of
from tunewright.chat.reading.call_pattern import declared
from tunewright.chat.reading.files import DataFile, find_files
from tunewright.chat.reading.rows import Problems, read_conversations
from tunewright.chat.reading.settings import Reading
from tunewright.chat.resample_structure import (
    Draw,
    Row,
    Wanted,
    exchange_of,
    first_tool,
    gist,
    has_earlier,
    parts_of,
    redraw_row,
)
from tunewright.chat.tools import tools_in_prompt, toolset_of
from tunewright.contract.atomic import atomic_folder, check_place, sha256_file, write_json, write_jsonl
from tunewright.contract.errors import UserError
from tunewright.contract.manifest import DATASET, DatasetManifest, LineageEntry, SplitEntry, now
from tunewright.contract.recipe import Structure

# What every kind of dataset can bear, where it has no system message of its own.
NEUTRAL = "You are a helpful assistant."
# A system message that occurs in at least this share of the rows that have one is boilerplate, and may be replaced.
BOILERPLATE = 0.01
DIRECT = "direct answer"
_AS_IT_IS = Reading()
_NAME = re.compile(r"[\w.-]*\w", re.ASCII)  # all others are looked for anywhere in a text
_WORD = re.compile(r"[A-Za-z][a-z]*")


def normalize_dataset(
    data: Path,
    out: Path,
    structure: Structure | None = None,
    system: str = "",
    reading: Reading = _AS_IT_IS,
) -> Normalized:
    """Write `data` with equal structure to the folder `out`, with `dataset.json`; return what changed.

    `system` is the system message to add where the data have no common one. Rows are written as `messages`, with all
    else that they hold; `reading` says how rows of an unknown shape are read. Raises UserError when `out` exists, rows
    cannot be read or say which of their answers is the better one (`file:line`), or nothing is there.
    """
    if out.exists():
        raise UserError(f"{out} exists already", "Give another --out; what is finished is never replaced.")
    check_place(out)
    with declared(reading.patterns):
        return _normalized(data, out, structure or Structure(), system, reading)


def _normalized(data: Path, out: Path, wanted: Structure, system: str, reading: Reading) -> Normalized:
    files = find_files([data])
    changes = Changes()
    rows = _read(files, reading, changes)
    everything = [row for listed in rows.values() for row in listed]
    replaceable, telling = sort_system_messages(everything)
    common = max(replaceable, key=lambda text: (replaceable[text], text), default="").strip()
    origin = (
        "the commonest in the data" if common else "the recipe's" if system else "the data have no common one"
    )
    common = common or system or NEUTRAL
    slices: dict[str, Slice] = {}
    normal: dict[str, list[Row]] = {}
    for split, listed in rows.items():
        base = Wanted(
            wanted.system_message,
            wanted.multi_turn,
            wanted.preamble,
            common,
            frozenset(replaceable),
            telling,
            [exchange for row in listed if (exchange := exchange_of(row)) is not None],
        )
        normal[split] = _normalize_split(listed, base, slices, changes)
    normalized = Normalized(
        out, {split: len(listed) for split, listed in normal.items()}, slices, changes, common, origin
    )
    _write(normalized, normal, files, wanted)
    return normalized


def _write(
    normalized: Normalized, rows: dict[str, list[Row]], files: Sequence[DataFile], wanted: Structure
) -> None:
    with atomic_folder(normalized.out) as folder:
        entries: dict[str, SplitEntry] = {}
        for split, listed in rows.items():
            path = folder / f"{split}.jsonl"
            write_jsonl(path, listed)
            entries[split] = SplitEntry(file=path.name, examples=len(listed), sha256=sha256_file(path))
        manifest = DatasetManifest(
            name=normalized.out.name,
            created=now(),
            seed=0,
            splits=entries,
            lineage=[LineageEntry(path=str(file.path), sha256=file.sha256) for file in files],
            facts={
                "normalized": wanted.model_dump(),
                "system": normalized.system,
                "system_replaced": dict(normalized.changes.replaced.most_common()),
                "system_removed": dict(normalized.changes.removed.most_common()),
                "changed": dict(+normalized.changes.rows),
                "left": dict(+normalized.changes.left),
                "structure": {
                    "examples": sum(counted.examples for counted in normalized.slices.values()),
                    "before": dict(sum((c.before for c in normalized.slices.values()), Counter())),
                    "after": dict(sum((c.after for c in normalized.slices.values()), Counter())),
                },
            },
        )
        write_json(folder / DATASET, manifest.model_dump())


def _read(files: Sequence[DataFile], reading: Reading, changes: Changes) -> dict[str, list[Row]]:
    """Each split's rows as `messages`, all else kept. Raises UserError for rows that cannot be read, or written so."""
    rows: dict[str, list[Row]] = {}
    problems = Problems()
    for file, line, conversation in read_conversations(files, problems, reading):
        if conversation.is_preference:
            problems.add(
                file,
                line,
                "the row says which answer is better or wanted (chosen, rejected, label)",
                "Rows are written to be imitated, answers that are not wanted too. Put the conversations to imitate into "
                "a file of `messages`, and normalize that.",
            )
            continue
        try:
            row = conversation.row()
            json.dumps(row, ensure_ascii=False, allow_nan=False).encode()
        except (UnknownShapeError, RecursionError, ValueError) as error:
            problems.add(file, line, str(error))
            continue
        changes.rows["written as messages"] += row != conversation.source
        rows.setdefault(file.split, []).append(row)
    problems.check()
    return rows


def sort_system_messages(rows: Sequence[Row]) -> tuple[Counter[str], frozenset[str]]:
    """System messages that are boilerplate, with how many rows have them; and those as common that speak of tools."""
    texts = Counter(text_of(row["messages"][0]) for row in rows if role_of(row["messages"][0]) == "system")
    least = max(2, BOILERPLATE * sum(texts.values()))
    common = {text: count for text, count in texts.items() if count >= least and text.strip()}
    names = _named(rows) if common else frozenset[str]()
    telling = frozenset(text for text in common if speaks_of_tools(text, names))
    return Counter({text: count for text, count in common.items() if text not in telling}), telling


def _named(rows: Iterable[Row]) -> frozenset[str]:
    """Names of all tools that are called or offered."""
    names: set[str] = set()
    for row in rows:
        for message in row["messages"]:
            names.update(called_by(message))
        for key in TOOL_KEYS:
            listed = row.get(key)
            if isinstance(listed, str):
                try:
                    listed = json.loads(listed)
                except (ValueError, RecursionError):
                    continue
            names.update(tool["tool"] for tool in toolset_of(listed))
    return frozenset(names - {"", "None"})


def speaks_of_tools(text: str, names: Iterable[str]) -> bool:
    """Whether a system message lists tools or names one of `names`: then it says what the row's calls mean.

    A name that is also a word ("search") counts where it is written as a name, or where two of them appear.
    """
    if "<tools>" in text or tools_in_prompt(text):
        return True
    words = frozenset(re.findall(r"\w+", text) + re.findall(r"[\w.-]*\w", text))
    found = [name for name in names if name in words or (not _NAME.fullmatch(name) and name in text)]
    if len(found) > 1 or any(not _WORD.fullmatch(name) for name in found):
        return True
    return any(re.search(rf"""[`"'(:,*-]\s*{name}\b|\b{name}[`"'(:]""", text) for name in found)


def _normalize_split(
    rows: Sequence[Row], base: Wanted, slices: dict[str, Slice], changes: Changes
) -> list[Row]:
    tools = [first_tool(row) or DIRECT for row in rows]
    shares = _shares_to_add(rows, tools, base.earlier)
    seen: Counter[str] = Counter()
    placed: list[tuple[float, Row]] = []
    for row, tool in zip(rows, tools):
        # Rows that are the same are changed alike: a duplicate stays one, and stays to be found.
        about = gist(row)
        new = redraw_row(row, replace(base, earlier=shares[tool]), Draw(about), changes)
        counted = slices.setdefault(tool, Slice())
        counted.examples += 1
        counted.before.update(parts_of(row["messages"]))
        counted.after.update(parts_of(new["messages"]))
        placed.append((Draw(f"{seen[about]} {about}").share("place"), new))
        seen[about] += 1
    return [row for _, row in sorted(placed, key=lambda pair: pair[0])]


def _shares_to_add(rows: Sequence[Row], tools: Sequence[str], wanted: float) -> dict[str, float]:
    """For each tool, the share of its rows without an earlier exchange that need one, so that `wanted` of all have one."""
    all_of = Counter(tools)
    have = Counter(tool for row, tool in zip(rows, tools) if has_earlier(row["messages"]))
    return {
        tool: max(0.0, wanted * count - have[tool]) / max(1, count - have[tool])
        for tool, count in all_of.items()
    }
