"""`models/registry.jsonl`: which model is in use, since when, by whom and on which evidence.

The file is only ever appended to. Every line carries its own hash and that of the line before it, and
`registry.head.json` next to it holds the number of lines and the hash of the whole file: a line that was changed, added
or taken out, the last one too, is noticed. Whoever can write both files can write another history that is consistent;
what they cannot change is a copy elsewhere, such as the commit that holds both or a deployment summary that quotes the
hash. What is in use follows from the whole: a promotion puts a run on top of the stack, a rollback takes it off.
"""

import fcntl
import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from tunewright.contract.atomic import dump_json, sha256_bytes, sha256_json, write_bytes, write_json
from tunewright.contract.errors import UserError
from tunewright.contract.manifest import now
from tunewright.eval.score_text import aligned

_START = "0" * 64
_RESTORE = "Restore models/ from version control or a backup."


class Entry(BaseModel):
    """One line of the registry."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seq: int  # from 1
    time: str  # ISO, UTC
    action: Literal["promoted", "rolled_back"]
    run: str  # promoted: put in use; rolled_back: taken out of use
    in_use: str  # the run in use from now on; empty for none
    by: str
    reason: str = ""
    forced: bool = False
    evidence: dict[str, Any] = {}
    previous: str  # SHA-256 of the line before, without its line end
    sha256: str = ""  # of this entry's JSON without this field; lines of older versions have none

    def __str__(self) -> str:
        """What happened, in one line."""
        done = "promoted" if self.action == "promoted" else f"taken out of use; {self.in_use} is in use again"
        forced = f" although {'; '.join(self.evidence.get('objections', ()))}" if self.forced else ""
        why = f", because {self.reason!r}" if self.forced and self.reason else ""
        return f"{self.run} {done}{forced}{why} (by {self.by}, {self.time[:19].replace('T', ' ')} UTC)"


class Head(BaseModel):
    """`registry.head.json`: what the registry holds, and what it will hold when the line that is being written is there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lines: int
    sha256: str  # of the whole file
    next_lines: int | None = None
    next_sha256: str | None = None


def registry_file(models: Path) -> Path:
    """The registry in a checkout's `models` folder."""
    return models / "registry.jsonl"


def head_file(models: Path) -> Path:
    """What the registry is held against."""
    return models / "registry.head.json"


def read_registry(models: Path) -> list[Entry]:
    """Every entry, oldest first; none when there is no registry yet. Raises UserError for a damaged one."""
    return _read(models)[0]


def in_use(entries: Sequence[Entry]) -> str:
    """The run whose model is in use; empty when there is none."""
    return entries[-1].in_use if entries else ""


def promoted_runs(entries: Sequence[Entry]) -> list[str]:
    """The run in use, last, and before it those that rollbacks would bring back, the next one nearest."""
    stack: list[str] = []
    for entry in entries:
        if entry.action == "promoted":
            stack.append(entry.run)
        elif stack:
            stack.pop()
    return stack


def last_promotion(entries: Sequence[Entry], run: str) -> Entry | None:
    """The entry that put a run in use, the latest of several; None when it never was."""
    return next((e for e in reversed(entries) if e.action == "promoted" and e.run == run), None)


def roll_back(models: Path, by: str, reason: str = "") -> Entry:
    """Take the model in use out of use; the one promoted before it is in use again.

    Raises UserError when nothing is in use, or when nothing was before it.
    """
    with locked_registry(models) as (entries, text):
        stack = promoted_runs(entries)
        if len(stack) < 2:
            what = f"{stack[-1]} is the only one promoted" if stack else "no model is in use"
            raise UserError(f"nothing to roll back to: {what}", "See the registry: ./inv models")
        entry = Entry(
            seq=len(entries) + 1,
            time=now(),
            action="rolled_back",
            run=stack[-1],
            in_use=stack[-2],
            by=by,
            reason=reason,
            previous=hash_of_last(text),
        )
        return append_entry(models, text, entry)


def registry_text(models: Path) -> str:
    """The registry for a terminal, newest first, the model in use marked."""
    entries, text = _read(models)
    if not entries:
        return "no model has been promoted yet\n"
    rows = [
        [
            "*" if entry is entries[-1] else " ",
            entry.time[:19].replace("T", " "),
            entry.action.replace("_", " ") + (", forced" if entry.forced else ""),
            entry.run,
            f"by {entry.by}",
            entry.reason,
        ]
        for entry in reversed(entries)
    ]
    return (
        "\n".join([f"in use: {in_use(entries)}", "", *aligned(rows), "", f"registry: {said_head(text)}"])
        + "\n"
    )


def said_head(text: bytes) -> str:
    """`3 lines, sha256 1a2b…`: what to note elsewhere, so that nobody can write another history unnoticed."""
    count = len(text.splitlines())
    return f"{count} line{'' if count == 1 else 's'}, sha256 {sha256_bytes(text)}"


def hash_of_last(text: bytes) -> str:
    """SHA-256 of the registry's last line without its line end: what the next line has to carry."""
    lines = text.splitlines()
    return sha256_bytes(lines[-1]) if lines else _START


def _read(models: Path) -> tuple[list[Entry], bytes]:
    path = registry_file(models)
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        text = b""
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}", "Check that it may be read.") from error
    if text and not text.endswith(b"\n"):
        raise UserError(f"{path}: the last line was cut short", _RESTORE)
    entries: list[Entry] = []
    previous = _START
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            row = json.loads(line)
            entry = Entry.model_validate(row)
        except (ValueError, ValidationError) as error:
            raise UserError(f"{path}:{number}: not an entry of the registry", _RESTORE) from error
        if entry.previous != previous or entry.seq != number:
            raise UserError(
                f"{path}:{number}: does not follow from the line before: the registry was changed by hand",
                _RESTORE,
            )
        if entry.sha256 != _own_hash(row) and (entry.sha256 or any(e.sha256 for e in entries)):
            raise UserError(f"{path}:{number}: the line was changed by hand", _RESTORE)
        previous = sha256_bytes(line)
        entries.append(entry)
    _check_head(models, entries, text)
    return entries, text


def _own_hash(row: dict[str, Any]) -> str:
    return sha256_json({key: value for key, value in row.items() if key != "sha256"})


def _check_head(models: Path, entries: Sequence[Entry], text: bytes) -> None:
    """Raises UserError when the registry is not as long, or not the same, as when it was last written.

    A registry whose lines are all of an older version has no head yet.
    """
    path = registry_file(models)
    try:
        head = Head.model_validate_json(head_file(models).read_bytes())
    except FileNotFoundError:
        if entries and any(entry.sha256 for entry in entries):
            raise UserError(
                f"{head_file(models)} is missing: nothing says how long the registry was", _RESTORE
            ) from None
        return
    except (OSError, ValidationError) as error:
        raise UserError(f"{head_file(models)}: not the registry's head", _RESTORE) from error
    found = (len(entries), sha256_bytes(text))
    if found in ((head.lines, head.sha256), (head.next_lines, head.next_sha256)):
        return
    if len(entries) == head.lines:
        raise UserError(
            f"{path}: not the file that was last written (sha256 {head.sha256[:12]}): it was changed by hand",
            _RESTORE,
        )
    raise UserError(
        f"{path}: has {len(entries)} lines, and {head.lines} were written: lines were taken out or added by hand",
        _RESTORE,
    )


@contextmanager
def locked_registry(models: Path) -> Generator[tuple[list[Entry], bytes]]:
    """Hold the registry for one reading and appending; another process waits."""
    models.mkdir(parents=True, exist_ok=True)
    with (models / ".registry.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield _read(models)


def append_entry(models: Path, text: bytes, entry: Entry) -> Entry:
    """The old bytes and one line more, written whole: a crash at any point leaves a registry that its head knows."""
    row = entry.model_dump(exclude={"sha256"})
    row["sha256"] = _own_hash(row)
    longer = text + dump_json(row).encode() + b"\n"
    now_there = Head(lines=len(text.splitlines()), sha256=sha256_bytes(text))
    then = Head(lines=now_there.lines + 1, sha256=sha256_bytes(longer))
    both = now_there.model_copy(update={"next_lines": then.lines, "next_sha256": then.sha256})
    write_json(head_file(models), both.model_dump())
    write_bytes(registry_file(models), longer)
    write_json(head_file(models), then.model_dump())
    return Entry.model_validate(row)
