"""A dataset of any shape as training reads it: rows in the normal form, a validation split, and what was dropped and why."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tunewright.chat.conversation import UnknownShapeError, read_conversation
from tunewright.chat.dataset_folder import finished_dataset, write_dataset
from tunewright.chat.normal_form import normal_form
from tunewright.chat.prepare import CODE_MODE, Untrainable, prepare, with_tools_of_prompt
from tunewright.chat.reading.files import DataFile, find_files
from tunewright.chat.reading.lines import read_batches
from tunewright.chat.review_mark import KEEP
from tunewright.chat.split import Linked, divide
from tunewright.contract.atomic import sha256_file
from tunewright.contract.errors import UserError
from tunewright.contract.example import SPLITS, Example, read_jsonl
from tunewright.contract.manifest import DatasetManifest
from tunewright.contract.stage_code import StageCode

# duckdb reads Parquet; jinja2 and tokenizers say whether the base's template renders a row, and how long it is.
PREPARATION = StageCode("prepare", 5, ("duckdb", "jinja2", "tokenizers"))
DROPPED = "dropped.jsonl"
PLACES = "places.jsonl"  # of each row where it was read
SHOWN = 5  # reasons named in an error

Report = Callable[[str, int, int], None]
# The tokens of an example's longest training row, 0 where they cannot be counted. Raises Untrainable.
Fit = Callable[[Example], int]


@dataclass(frozen=True)
class Dropped:
    """A row that is not trained on."""

    split: str
    file: str
    line: int
    reason: str
    detail: str = ""


@dataclass
class TrainingSet:
    """Rows by split, each with where it was read, as (file, line)."""

    rows: dict[str, list[Example]] = field(default_factory=dict[str, list[Example]])
    places: dict[str, list[tuple[str, int]]] = field(default_factory=dict[str, list[tuple[str, int]]])
    dropped: list[Dropped] = field(default_factory=list[Dropped])
    shapes: Counter[str] = field(default_factory=Counter[str])
    dialects: Counter[str] = field(default_factory=Counter[str])
    read: int = 0

    @property
    def reasons(self) -> dict[str, int]:
        """Dropped rows by reason, the commonest first."""
        return dict(Counter(row.reason for row in self.dropped).most_common())

    @property
    def first_places(self) -> dict[str, str]:
        """For each reason the first dropped row's `file:line`, and what it says of that row."""
        return {
            row.reason: f"{row.file}:{row.line}{f', {row.detail}' if row.detail else ''}"
            for row in reversed(self.dropped)
        }


def read_training_set(data: Path, report: Report | None = None) -> TrainingSet:
    """Every row of a file, folder or glob that can be trained. Raises UserError when none can, or nothing is there."""
    made = read_rows(data, report)
    if not any(made.rows.values()):
        raise nothing_left(made, data)
    return made


def read_rows(data: Path, report: Report | None = None, mark: str = KEEP) -> TrainingSet:
    """As `read_training_set`, but there may be no row; of rows from a served log, those with this mark."""
    files = find_files([data])
    made = TrainingSet()
    texts: dict[str, list[Example]] = {}
    total = sum(file.path.stat().st_size for file in files)
    done = 0
    for file in files:
        for batch in read_batches(file):
            for line, text in zip(batch.lines, batch.rows):
                if text.strip():
                    made.read += 1
                    _add(made, texts, file, line, text, mark)
                done += len(text)
            for fault in batch.faults:
                if fault.kind in ("cut", "unreadable"):
                    made.dropped.append(
                        Dropped(file.split, str(file.path), fault.line, "unreadable", fault.detail)
                    )
            if report:
                report("bytes read:", min(done, total), total)
    # Among programs, which stay text, a call in another dialect stays the text that it is too.
    if CODE_MODE in made.dialects:
        made.rows = texts
    else:
        for split, rows in made.rows.items():
            made.rows[split] = [with_tools_of_prompt(row) for row in rows]
    return made


def nothing_left(made: TrainingSet, data: Path) -> UserError:
    """The error for a dataset of which no row can be trained: the first places and reasons."""
    some = "; ".join(
        f"{row.file}:{row.line}: {row.reason}{f' ({row.detail})' if row.detail else ''}"
        for row in sorted(made.dropped, key=lambda row: row.split != "train")[:SHOWN]
    )
    return UserError(
        f"{data}: no row that can be trained{f': {some}' if some else ''}",
        f"See what was read: ./inv audit --data {data}",
    )


def _add(
    made: TrainingSet, texts: dict[str, list[Example]], file: DataFile, line: int, text: str, mark: str
) -> None:
    def drop(reason: str, detail: str = "") -> None:
        made.dropped.append(Dropped(file.split, str(file.path), line, reason, detail))

    try:
        row = read_conversation(json.loads(text))
    except UnknownShapeError as error:
        return drop("no conversation in it", str(error))
    except (ValueError, RecursionError) as error:
        return drop("unreadable", f"not JSON: {error}")
    if unwanted := row.unwanted(mark):
        return drop(unwanted)
    if unread := next((detail for kind, detail in row.notes if kind == "tools"), ""):
        return drop("an offered tool cannot be read", unread)
    try:
        prepared = prepare(_weighted(normal_form(row), row.others.get("weight")))
    except UnknownShapeError as error:
        return drop("a call cannot be read", str(error))
    except Untrainable as error:
        return drop(error.reason, error.detail)
    made.shapes[row.shape] += 1
    made.dialects.update(prepared.dialects)
    made.rows.setdefault(file.split, []).append(prepared.example)
    texts.setdefault(file.split, []).append(prepared.as_text)
    made.places.setdefault(file.split, []).append((str(file.path), line))
    return None


def _weighted(example: Example, weight: Any) -> Example:
    """A row's own weight belongs to each of its answers."""
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < 1:
        return example
    messages = tuple(
        message.model_copy(update={"weight": weight * message.weight})
        if message.role == "assistant"
        else message
        for message in example.messages
    )
    return example.model_copy(update={"messages": messages})


def drop_places(made: TrainingSet, left_out: Mapping[tuple[str, int], str]) -> None:
    """Take out the rows at these places, (file, line), each with its reason."""
    wanted = {(Path(file).resolve(), line): reason for (file, line), reason in left_out.items()}
    for split, places in made.places.items():
        reasons = [wanted.get((Path(file).resolve(), line), "") if wanted else "" for file, line in places]
        made.dropped += [
            Dropped(split, file, line, "left out by the audit", reason)
            for (file, line), reason in zip(places, reasons)
            if reason
        ]
        made.rows[split] = [row for row, reason in zip(made.rows[split], reasons) if not reason]
        made.places[split] = [place for place, reason in zip(places, reasons) if not reason]


def drop_unfit(made: TrainingSet, limit: int, fit: Fit) -> dict[str, list[int]]:
    """Take out rows that `fit` refuses, and those of more than `limit` tokens (0: any): cut rows would lose their call.

    The tokens of the rows that are left, by split.
    """
    kept: dict[str, list[int]] = {}
    for split, rows in made.rows.items():
        fits: list[tuple[int, Example, tuple[str, int]]] = []
        for row, (file, line) in zip(rows, made.places[split]):
            try:
                tokens = fit(row)
                if limit and tokens > limit:
                    raise Untrainable(f"longer than {limit:,} tokens", f"{tokens:,} tokens")
            except Untrainable as error:
                made.dropped.append(Dropped(split, file, line, error.reason, error.detail))
            else:
                fits.append((tokens, row, (file, line)))
        made.rows[split] = [row for _, row, _ in fits]
        made.places[split] = [place for _, _, place in fits]
        kept[split] = [tokens for tokens, _, _ in fits]
    return kept


def hold_out(made: TrainingSet, share: float, seed: int) -> bool:
    """Cut a validation split off the training rows where the data have none, whole clusters at a time; say whether."""
    if made.rows.get("valid"):
        return False
    rows, places = made.rows["train"], made.places["train"]
    division = divide(
        [_linked(row) for row in rows], {"train": 1 - share, "valid": share}, Random(f"{seed}/valid")
    )
    if not division.splits["valid"]:
        raise UserError(
            f"none of {len(rows):,} rows can be held out: all of them are nearly the same request",
            "Give a folder with train.jsonl and valid.jsonl, or more varied rows.",
        )
    for split in ("train", "valid"):
        made.rows[split] = [rows[number] for number in division.splits[split]]
        made.places[split] = [places[number] for number in division.splits[split]]
    for number in division.bridges:
        file, line = places[number]
        made.dropped.append(Dropped("train", file, line, "it ties two repositories together"))
    return True


def _linked(example: Example) -> Linked:
    said = [message.content for message in example.messages if message.role == "user"]
    called = [call.function.name for message in example.messages for call in message.tool_calls]
    corpus = str(getattr(example.meta, "corpus", "") or "")
    return Linked(
        label=example.meta.tool or (called[0] if called else ""),
        request="\n".join(said),
        first=said[0] if said else "",
        cluster=example.meta.cluster,
        repository=corpus.split("==")[0],
    )


def prepare_dataset(
    data: Path,
    store: Path,
    *,
    share: float,
    seed: int,
    limit: int = 0,
    fit: Fit | None = None,
    base: str = "",
    left_out: Mapping[tuple[str, int], str] | None = None,
    report: Report | None = None,
) -> tuple[Path, DatasetManifest]:
    """Prepare `data` into a folder of `store`, named by its inputs: a JSONL file a split, `dropped.jsonl`, `dataset.json`.

    Rows that `fit` refuses are dropped, and those of more than `limit` tokens; `base` identifies `fit`. A folder
    made from the same inputs is used again. Raises UserError as `read_training_set` and `hold_out` do.
    """
    inputs = {str(file.path): sha256_file(file.path) for file in find_files([data])}
    key = PREPARATION.key(
        {
            "inputs": sorted(inputs.items()),
            "valid": share,
            "seed": seed,
            "limit": limit if fit else 0,
            "base": base,
            "left_out": sorted([file, line] for file, line in left_out or {}),
        }
    )
    out = store / key[:16]
    if (finished := finished_dataset(out, key)) is not None:
        return out, finished
    made = read_training_set(data, report)
    if not made.rows.get("train"):
        if any(row.split == "train" for row in made.dropped):
            raise nothing_left(made, data)
        raise UserError(
            f"{data}: no train split in it", "Name the file to train on train.jsonl, or give that file alone."
        )
    drop_places(made, left_out or {})
    if fit is not None:
        drop_unfit(made, limit, fit)
        if not made.rows["train"]:
            raise nothing_left(made, data)
    cut = hold_out(made, share, seed)
    manifest = write_dataset(
        out,
        {split: [row.row() for row in made.rows[split]] for split in SPLITS if made.rows.get(split)},
        seed=seed,
        lineage=inputs,
        facts={
            "key": key,
            "read": made.read,
            "dropped": made.reasons,
            "first_dropped": made.first_places,
            "shapes": dict(made.shapes.most_common()),
            "dialects": dict(made.dialects.most_common()),
            "held_out": "cut off by cluster" if cut else "the data's own",
        },
        extra={
            DROPPED: [asdict(row) for row in made.dropped],
            PLACES: [
                {"split": split, "file": file, "line": line}
                for split, places in made.places.items()
                for file, line in places
            ],
        },
    )
    return out, manifest


def read_places(folder: Path) -> dict[str, list[tuple[str, int]]]:
    """Where the rows of a prepared folder were read, as (file, line), by split and in the rows' order."""
    places: dict[str, list[tuple[str, int]]] = {}
    for _, row in read_jsonl(folder / PLACES):
        places.setdefault(row["split"], []).append((row["file"], row["line"]))
    return places
