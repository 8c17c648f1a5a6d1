"""Merges datasets of any shape into one: without doubles, balanced, and split so that nothing leaks."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal

from tunewright.chat.dataset_folder import Row, finished_dataset, write_dataset
from tunewright.chat.message import first_tool
from tunewright.chat.read.shapes import KNOWN_SHAPES, UnknownShapeError, canonical
from tunewright.chat.split import Linked, divide
from tunewright.contract.atomic import check_place, sha256_file, sha256_json
from tunewright.contract.errors import UserError
from tunewright.contract.example import read_jsonl
from tunewright.contract.manifest import DatasetManifest, find_splits

MERGER = 3  # raise it when the same inputs give another dataset
RATIO = 3.0  # a label may be this many times as frequent as the median one

Report = Callable[[str, int, int], None]
Find = Callable[[Path], Sequence[Path]]
Read = Callable[[Path], Iterator[tuple[int, Any]]]


def splits_of(path: Path) -> list[Path]:
    """The files of a folder with splits, or the one file."""
    return list(find_splits(path).values())


@dataclass(frozen=True)
class _Kept:
    row: Row
    linked: Linked
    label: str  # what is balanced: tool or family


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
    find: Find = splits_of,
    read: Read = read_jsonl,
) -> DatasetManifest:
    """Merge `data` (files, or folders with splits, in any shape of chat row) into the folder `out`.

    `find` gives a path's files and `read` a file's rows with their lines: JSONL, unless somebody knows more forms.

    Exact doubles are dropped, and so are answers that are marked as not wanted; of a pair the chosen one is taken. No
    tool (or family) keeps more than `ratio` times the median count of them; which rows go is decided by `seed`. Rows of
    one cluster, of nearly the same request or of one repository stay on one side of the split, and each tool is on each
    side where its rows allow. What was dropped is counted in the manifest's facts. Inputs are never changed. Raises
    UserError with `file:line` for a row that holds no conversation.
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
    files = [file for path in data for file in find(path)]
    lineage = {str(file): sha256_file(file) for file in files}
    inputs: dict[str, Any] = {
        "merger": MERGER,
        "inputs": list(lineage.values()),
        "valid": valid,
        "test": test,
        "balance": balance,
        "ratio": ratio,
        "seed": seed,
    }
    key = sha256_json(inputs)
    finished = finished_dataset(out, key)
    if finished is not None:
        return finished

    kept, dropped = _read(files, read, balance, report)
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
    if report is not None:
        report("split", len(kept), len(kept))
    facts: dict[str, Any] = {
        "key": key,
        "read": len(kept) + dropped.total() + sum(cut.values()),
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
    return write_dataset(out, splits, seed=seed, lineage=lineage, facts=facts)


def _straddling(kept: Sequence[_Kept], splits: Mapping[str, Sequence[int]]) -> list[str]:
    found = [{kept[number].linked.repository for number in numbers} - {""} for numbers in splits.values()]
    counts = Counter(repository for repositories in found for repository in repositories)
    return sorted(repository for repository, count in counts.items() if count > 1)


def is_unwanted(value: Any) -> bool:
    """Whether a row marks its answer as one that nobody should give, as KTO's do with `label: false`."""
    return isinstance(value, dict) and (value.get("label") is False or value.get("kto_tag") is False)


def _read(
    files: Sequence[Path], read: Read, balance: str, report: Report | None
) -> tuple[list[_Kept], Counter[str]]:
    kept: list[_Kept] = []
    seen: set[str] = set()
    dropped = Counter[str]()
    for done, file in enumerate(files):
        if report is not None:
            report("read", done, len(files))
        empty = True
        for number, value in read(file):
            empty = False
            if is_unwanted(value):
                dropped["unwanted"] += 1
                continue
            item = _row(value, f"{file}:{number}", balance)
            digest = sha256_json([item.row["messages"], item.row.get("tools")])
            if digest in seen:
                dropped["doubles"] += 1
            else:
                seen.add(digest)
                kept.append(item)
        if empty:
            raise UserError(f"{file}: no examples in it", "The file is empty, or holds only blank lines.")
    return kept, dropped


def _row(value: Any, where: str, balance: str) -> _Kept:
    try:
        found = canonical(value)
    except UnknownShapeError as error:
        raise UserError(
            f"{where}: {error}", f"Remove the row, or bring it to a known shape. {KNOWN_SHAPES}"
        ) from error
    for _, detail in found.notes:  # what is not read would be lost
        raise UserError(f"{where}: {detail}", "Mend the row's tools, or remove the row.")
    meta: dict[str, Any] = dict(value.get("meta") or {}) if isinstance(value, dict) else {}
    label = str(meta.get("tool") or first_tool(found.messages))
    row: Row = {"messages": found.messages}
    if found.tools is not None:
        row["tools"] = found.tools
    if label and not meta.get("tool"):
        meta["tool"] = label
    if meta:
        row["meta"] = meta
    said = [str(m["content"]) for m in found.messages if m["role"] == "user"]
    linked = Linked(
        label=label,
        request="\n".join(said),
        first=said[0] if said else "",
        cluster=str(meta.get("cluster") or ""),
        repository=str(meta.get("corpus") or "").split("==")[0],
    )
    return _Kept(row, linked, str(meta.get("family") or label) if balance == "family" else label)


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
