"""The task that takes a served log into training: candidates for a person to mark, and what the marks make of them."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke.context import Context

from tunewright.cli.invoke_program import command, need
from tunewright.contract.console import say
from tunewright.contract.outputs import check_outputs

if TYPE_CHECKING:
    from tunewright.contract.example import Example
    from tunewright.eval.held_out import HeldOutRow

REVIEWED = "reviewed"  # `meta.source` of a row that a person kept
SHOWN = 5  # places that are named


@command(
    log="a file that `serve --log` wrote: make candidates for review out of it",
    marked="a file of candidates that you have marked: make training rows and cases out of it",
    out="a new file for the candidates, or for the training rows (those marked keep)",
    suite="with --marked, a new file for the cases (those marked case): suites/NAME.jsonl",
)
def from_log(c: Context, log: str = "", marked: str = "", out: str = "", suite: str = "") -> None:
    """Make candidates for review out of a served log; then training rows and cases out of those you marked."""
    from tunewright.contract.errors import UserError

    if bool(log) == bool(marked) or (log and suite):
        raise UserError(
            "give --log with --out, or --marked with --out, --suite, or both",
            "First: --log LOG --out review.jsonl. Mark the rows, then: --marked review.jsonl --out rows.jsonl",
        )
    need(out=out or suite)
    check_outputs(out, suite, inputs=[Path(log or marked)])
    for name in filter(None, (out, suite)):
        if Path(name).exists():
            raise UserError(
                f"{name} is already there, and nothing a person marked is overwritten", "Name a new file."
            )
    if log:
        print(make_candidates(Path(log), Path(out)))
        say(f"next      ./inv data.from-log --marked {out} --out rows.jsonl --suite suites/seen.jsonl")
    else:
        print(take_marked(Path(marked), Path(out) if out else None, Path(suite) if suite else None))


def make_candidates(log: Path, out: Path) -> str:
    """Write the conversations of a log for review; what to tell of them. Raises UserError when there is none."""
    from tunewright.chat.candidates import candidates
    from tunewright.chat.review_mark import mark_of
    from tunewright.contract.atomic import write_jsonl
    from tunewright.contract.errors import UserError

    rows: list[dict[str, Any]] = []
    unread: list[int] = []
    for line, value in read_lines(log):
        if value is None:
            unread.append(line)
        elif mark_of(value) is None or not isinstance(value.get("messages"), list):
            raise UserError(
                f"{log}:{line}: not a row of a served log", "Give a file that `serve --log` wrote."
            )
        else:
            rows.append(value)
    if not rows:
        raise UserError(f"{log}: no row that can be read", "Give a file that `serve --log` wrote.")
    found = candidates(rows)
    write_jsonl(out, found, private=True)
    problems = Counter(row["meta"]["problem"] for row in found if "problem" in row["meta"])
    told = [
        f"{out}: {len(found):,} candidates out of {len(rows):,} requests, for your eyes alone (mode 0600)"
    ]
    equal = sum(row["meta"]["seen"] - 1 for row in found)
    told.append(f"  {len(rows) - len(found) - equal:>6,}  continued by a later request, which has all of it")
    told.append(f"  {equal:>6,}  equal to another (meta.seen)")
    told += [
        f"  {count:>6,}  with a problem (meta.problem): {name}" for name, count in problems.most_common()
    ]
    if unread:
        lines = ", ".join(map(str, unread[:SHOWN])) + (", …" if len(unread) > SHOWN else "")
        told.append(f"  {len(unread):>6,}  cannot be read, and left out: line {lines}")
    told += [
        'Set "mark" to "keep" in the rows to train on, and to "case" in those to ask in a suite. A mark approves every',
        'answer of its row: correct those that are wrong, or give them "weight": 0. Rows without a mark are not used.',
    ]
    return "\n".join(told)


def read_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Each line's number and JSON object; None for a line that holds none. Raises UserError when the file is missing."""
    from tunewright.contract.errors import UserError

    try:
        file = path.open("rb")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}", "Check the path, and that it may be read.") from error
    with file:
        for number, line in enumerate(file, start=1):
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                value = None
            yield number, value if isinstance(value, dict) else None


@dataclass(frozen=True)
class Kept:
    """Rows to train on, and rows marked keep that are left out because they ask what a case asks."""

    rows: "list[HeldOutRow]"
    in_suite: "list[HeldOutRow]"


def take_marked(marked: Path, out: Path | None, suite: Path | None) -> str:
    """Write the training rows and the cases out of marked candidates; what to tell of them.

    Raises UserError for a mark that means nothing, rows without a file to go to, and marked rows that cannot be used; then
    nothing is written.
    """
    from tunewright.chat.review_mark import CASE, KEEP
    from tunewright.cli.suites import check_suite_name
    from tunewright.contract.atomic import write_jsonl
    from tunewright.contract.errors import UserError
    from tunewright.eval.held_out import case_row, make_cases

    if suite is not None:
        check_suite_name(suite)
    counts = count_marks(marked)
    for mark, flag, given in ((KEEP, "--out", out), (CASE, "--suite", suite)):
        if bool(counts[mark]) != (given is not None):
            raise UserError(
                f"{marked}: {counts[mark]:,} rows are marked {mark}, and {flag} is {'given' if given else 'not given'}",
                f'Mark rows "{mark}", or leave {flag} out.'
                if given
                else f"Name a new file for them: {flag} FILE",
            )
    asked = rows_marked(marked, CASE) if suite else []
    kept = apart(rows_marked(marked, KEEP) if out else [], asked)
    cases = make_cases(asked)
    if cases.left_out:
        place, reason = cases.left_out[0]
        raise UserError(f"{place}: cannot be a case: {reason}", "Correct the row, or take its mark away.")
    if out and not kept.rows:
        raise UserError(
            f"{marked}: every row marked keep asks what a case asks", "Mark others, or fewer cases."
        )
    told: list[str] = []
    if out:
        write_jsonl(out, (reviewed(row.example).row() for row in kept.rows), private=True)
        told.append(f"{out}: {len(kept.rows):,} rows to train on")
    if suite:
        write_jsonl(suite, (case_row(case) for case in cases.cases), private=True)
        told.append(f"{suite}: {len(cases.cases):,} cases out of {len(asked):,} rows")
    told.append(f"  {counts['']:>6,}  without a mark, and not used")
    if kept.in_suite:
        places = ", ".join(row.place for row in kept.in_suite[:SHOWN])
        told.append(
            f"  {len(kept.in_suite):>6,}  marked keep, but asking what a case asks, and so left out: {places}"
        )
    if out:
        told.append(f"train on them with others: ./inv data.merge --data {out} --data OTHERS --out data/NAME")
    if suite:
        told.append(f"answer them: ./inv validate --model RUN --suite {suite}")
    return "\n".join(told)


def count_marks(marked: Path) -> Counter[str]:
    """How many rows have each mark. Raises UserError with `file:line` for a row or a mark that means nothing."""
    from tunewright.chat.review_mark import CASE, KEEP, mark_of
    from tunewright.contract.errors import UserError

    counts = Counter[str]()
    for line, value in read_lines(marked):
        mark = mark_of(value)
        if mark is None:
            raise UserError(
                f"{marked}:{line}: not a candidate", "Make them with: ./inv data.from-log --log LOG"
            )
        if (given := value.get("mark", "")) not in ("", KEEP, CASE):
            raise UserError(
                f"{marked}:{line}: the mark {json.dumps(given)} means nothing",
                f'A mark is "{KEEP}" (train on it), "{CASE}" (ask it in a suite), or empty.',
            )
        counts[mark] += 1
    if not counts[KEEP] + counts[CASE]:
        raise UserError(
            f"{marked}: no row is marked, so there is nothing to take",
            f'Set "mark" to "{KEEP}" in the rows to train on, and to "{CASE}" in those to ask in a suite.',
        )
    return counts


def rows_marked(marked: Path, mark: str) -> "list[HeldOutRow]":
    """The rows with that mark in the normal form. Raises UserError for the first that cannot be trained on."""
    from tunewright.chat.training_set import read_rows
    from tunewright.contract.errors import UserError
    from tunewright.eval.held_out import HeldOutRow

    made = read_rows(marked, mark=mark)
    for row in made.dropped:
        if not row.reason.endswith(f"not marked {mark}"):
            raise UserError(
                f"{row.file}:{row.line}: marked {mark}, and cannot be used: {row.reason}"
                f"{f' ({row.detail})' if row.detail else ''}",
                "Correct the row, or take its mark away.",
            )
    return [
        HeldOutRow(file, line, example)
        for split, rows in made.rows.items()
        for (file, line), example in zip(made.places[split], rows)
    ]


def apart(kept: "Sequence[HeldOutRow]", asked: "Sequence[HeldOutRow]") -> Kept:
    """The rows to keep without those that ask nearly what a case asks, in any turn: a case must not be trained on.

    Turns of a few words, which many conversations share, are compared with the turns around them alone.
    """
    from tunewright.chat.similar import MIN_WORDS, NearDuplicates, words_of
    from tunewright.chat.split import NEAR

    def requests(row: "HeldOutRow") -> list[str]:
        said = [message.content for message in row.example.messages if message.role == "user"]
        long = [text for text in said if len(words_of(text)) >= MIN_WORDS]
        return ["\n".join(said), *said[:1], *long]

    near = NearDuplicates(NEAR)
    for row in asked:
        for text in requests(row):
            near.add_all(text)
    left_out = [any(map(near.knows, requests(row))) for row in kept]
    return Kept(
        [row for row, out in zip(kept, left_out) if not out],
        [row for row, out in zip(kept, left_out) if out],
    )


def reviewed(example: "Example") -> "Example":
    """The example as training data that a person kept: nothing else of its log is left."""
    from tunewright.contract.example import Meta

    return example.model_copy(update={"meta": Meta(source=REVIEWED)})
