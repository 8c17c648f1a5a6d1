"""Merges datasets of any shape into one: without doubles, balanced, and split so that nothing leaks."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal

from tunewright.chat.conversation import TOOL_KEYS, Conversation, UnknownShapeError
from tunewright.chat.dataset_folder import Row, finished_dataset, write_dataset
from tunewright.chat.message import first_tool
from tunewright.chat.reading.files import DataFile, find_files
from tunewright.chat.reading.rows import Problems, read_conversations
from tunewright.chat.reading.settings import Reading
from tunewright.chat.similar import NearDuplicates
from tunewright.chat.split import NEAR, Linked, divide
from tunewright.contract.atomic import check_place, sha256_file, sha256_json
from tunewright.contract.errors import UserError
from tunewright.contract.manifest import DatasetManifest
from tunewright.contract.rehearsal import HELD_OUT, REHEARSED

MERGER = 4  # raise it when the same inputs give another dataset
_AS_IT_IS = Reading()
RATIO = 3.0  # a label may be this many times as frequent as the median one

# Keys of messages whose values are in a conversation's plain messages.
_UNDERSTOOD = frozenset(
    {
        *("role", "content", "name", "tool_call_id", "weight", "tool_calls", "function_call"),
        *("reasoning_content", "reasoning", "thinking"),
    }
)

Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class _Kept:
    row: Row
    linked: Linked
    label: str  # what is balanced: tool or family
    held_out: bool = False  # a base's own answer that its dataset holds out: never trained on


def merge_datasets(
    data: Sequence[Path],
    out: Path,
    *,
    valid: float = 0.1,
    test: float = 0.0,
    balance: Literal["none", "tool", "family"] = "tool",
    ratio: float = RATIO,
    seed: int = 1,
    report: Report | None = None,
    reading: Reading = _AS_IT_IS,
) -> DatasetManifest:
    """Merge `data` (files, or folders with splits, in any form and shape of chat row) into the folder `out`.

    `reading` says how rows of an unknown shape are read. A row in the form of `messages` is written as it is, any other as
    `messages` with all else that it has; only a list of tools that was JSON text becomes a list.

    Exact doubles are dropped, and so are answers that are labelled as not wanted, and rows of a served log that nobody
    marked `keep`; of a pair the chosen one is taken. No tool (or family) keeps more than `ratio` times the median count of
    them; which rows go is decided by `seed`. Rows of one cluster, of nearly the same request or of one repository stay on
    one side of the split, and each tool is on each side where its rows allow. What was dropped is counted in the
    manifest's facts. A base's own answers that `data.rehearse` held out stay in the test split, without those whose request
    is nearly another row's. Inputs are never changed.

    Raises UserError with `file:line` for rows that hold no conversation, or that cannot be written without losing something.
    """
    if not data:
        raise UserError("nothing to merge", "Give at least one dataset: --data A --data B")
    if not (0 <= valid < 1 and 0 <= test < 1 and valid + test < 1):
        raise UserError(
            f"valid {valid:g} and test {test:g} leave nothing to train on", "Give shares below 1."
        )
    if ratio < 1:
        raise UserError(f"ratio {ratio:g} is below 1", "Give 1 for equal counts, or more.")
    check_place(out)
    files = find_files(data)
    lineage = {str(file.path): sha256_file(file.path) for file in files}
    inputs: dict[str, Any] = {
        "merger": MERGER,
        "inputs": list(lineage.values()),
        "valid": valid,
        "test": test,
        "balance": balance,
        "ratio": ratio,
        "seed": seed,
    }
    if reading != _AS_IT_IS:
        inputs["reading"] = reading.key()
    key = sha256_json(inputs)
    finished = finished_dataset(out, key)
    if finished is not None:
        return finished

    kept, dropped = _read(files, reading, balance, report)
    held_out = [item for item in kept if item.held_out]
    kept = [item for item in kept if not item.held_out]
    random = Random(f"{seed}/balance")
    kept, cut = _balanced(kept, balance != "none", ratio, random)
    if report is not None:
        report("split", 0, len(kept))
    shares = {"train": 1 - valid - test, "valid": valid, "test": test}
    shares = {name: share for name, share in shares.items() if share > 0}
    division = divide([item.linked for item in kept], shares, Random(f"{seed}/split"))
    splits: dict[str, list[Row]] = {}
    for name, numbers in division.splits.items():
        order = list(numbers)
        Random(f"{seed}/{name}").shuffle(order)
        splits[name] = [kept[number].row for number in order]
    rehearsed = _apart(held_out, kept)
    if rehearsed:
        splits[HELD_OUT] = splits.get(HELD_OUT, []) + [item.row for item in rehearsed]
    if report is not None:
        report("split", len(kept), len(kept))
    facts: dict[str, Any] = {
        "key": key,
        "read": len(kept) + len(held_out) + dropped.total() + sum(cut.values()),
        "doubles_dropped": dropped["doubles"],
        "unwanted_dropped": dropped["unwanted"],
        "balanced_by": balance,
        "cut": dict(sorted(cut.items())),
        "groups": division.groups,
        "repositories_apart": division.repositories_apart,
        "repositories_in_several_splits": _straddling(kept, division.splits),
        "bridges_dropped": len(division.bridges),
        "counts": {
            name: dict(Counter(kept[n].linked.label or "direct" for n in numbers).most_common())
            for name, numbers in division.splits.items()
        },
    }
    if held_out:
        facts |= {"rehearsed_held_out": len(rehearsed), "rehearsed_dropped": len(held_out) - len(rehearsed)}
    return write_dataset(out, splits, seed=seed, lineage=lineage, facts=facts)


def _apart(held_out: Sequence[_Kept], others: Sequence[_Kept]) -> list[_Kept]:
    """The rows whose request is not nearly another row's, as a whole or in its first turn."""
    if not held_out:
        return []
    near = NearDuplicates(NEAR)
    for item in others:
        near.add(item.linked.request)
        near.add(item.linked.first)
    return [item for item in held_out if not near.knows(item.linked.request)]


def _straddling(kept: Sequence[_Kept], splits: Mapping[str, Sequence[int]]) -> list[str]:
    found = [{kept[number].linked.repository for number in numbers} - {""} for numbers in splits.values()]
    counts = Counter(repository for repositories in found for repository in repositories)
    return sorted(repository for repository, count in counts.items() if count > 1)


def _read(
    files: Sequence[DataFile], reading: Reading, balance: str, report: Report | None
) -> tuple[list[_Kept], Counter[str]]:
    kept: list[_Kept] = []
    seen: set[str] = set()
    dropped = Counter[str]()
    problems = Problems()
    for file, line, conversation in read_conversations(files, problems, reading):
        if report is not None and line == 1:
            report("read", files.index(file), len(files))
        if conversation.unwanted():
            dropped["unwanted"] += 1
            continue
        try:
            row = _written(conversation)
        except (UnknownShapeError, RecursionError, ValueError) as error:
            problems.add(file, line, str(error))
            continue
        digest = _identity(conversation)
        if digest in seen:
            dropped["doubles"] += 1
        else:
            seen.add(digest)
            kept.append(_kept(conversation, row, balance, file.split))
    problems.check()
    return kept, dropped


def _written(conversation: Conversation) -> Row:
    """The row to write. Raises ValueError for what cannot be written without losing something."""
    for kind, detail in conversation.notes:
        if kind == "tools":
            raise UnknownShapeError(f"{detail}; correct the row's tools, or remove the row")
    row = conversation.row()
    for key in TOOL_KEYS:
        if isinstance(row.get(key), str) and conversation.tools and row[key].strip():
            row[key] = conversation.tools
            break
    json.dumps(row, ensure_ascii=False, allow_nan=False).encode()
    return row


def _identity(conversation: Conversation) -> str:
    """A hash of what a conversation says, whatever the shape it came in: the same for doubles only."""
    unknown = [
        {key: value for key, value in message.items() if key not in _UNDERSTOOD and value is not None}
        for message in conversation.messages
    ]
    said = [conversation.plain, unknown, conversation.tools, conversation.rejected, conversation.label]
    return sha256_json(said)


def _kept(conversation: Conversation, row: Row, balance: str, split: str) -> _Kept:
    meta: Any = row.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    label = str(meta.get("tool") or first_tool(conversation.plain))
    said = [message["content"] for message in conversation.plain if message["role"] == "user"]
    linked = Linked(
        label=label,
        request="\n".join(said),
        first=said[0] if said else "",
        cluster=str(meta.get("cluster") or ""),
        repository=str(meta.get("corpus") or "").split("==")[0],
    )
    balanced = str(meta.get("family") or label) if balance == "family" else label
    return _Kept(row, linked, balanced, split == HELD_OUT and meta.get("source") == REHEARSED)


def _balanced(
    kept: list[_Kept], wanted: bool, ratio: float, random: Random
) -> tuple[list[_Kept], Counter[str]]:
    cut: Counter[str] = Counter()
    if not wanted or not kept:
        return kept, cut
    numbers: dict[str, list[int]] = defaultdict(list)
    for number, item in enumerate(kept):
        numbers[item.label].append(number)
    counts = sorted(len(found) for found in numbers.values())
    most = max(1, int(ratio * counts[len(counts) // 2]))
    stay: set[int] = set()
    for label, found in sorted(numbers.items()):
        chosen = random.sample(found, most) if len(found) > most else found
        stay.update(chosen)
        if len(found) > most:
            cut[label or "direct"] = len(found) - most
    return [item for number, item in enumerate(kept) if number in stay], cut
