"""Every shape of chat row: read, written, read back equal, and its calls counted by all who count them.

    python benchmarks/chat_shapes.py [--rows 40]

Each shape's rows are made from one of tests/support/chat_shapes.py with a request of its own. `back` says whether what
is written reads back with the same meaning and writes again the same; `normal` whether the normal form does. The calls
are counted by the reader, `inv sql`, the audit and `data.merge`; a shape of which two counts differ is marked, and the
exit code is 1.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.chat_shapes import ROWS  # noqa: E402
from tunewright.audit.audited import audit_dataset  # noqa: E402
from tunewright.audit.sql import run_query  # noqa: E402
from tunewright.chat.conversation import read_conversation  # noqa: E402
from tunewright.chat.merge import merge_datasets  # noqa: E402
from tunewright.chat.message import called_by  # noqa: E402
from tunewright.chat.normal_form import normal_form  # noqa: E402

WORDS = "amber birch cedar dune ember fjord grove heath inlet juniper kelp larch moss nettle oak pine"


def made(row: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """The row with a request of its own each time, so that none is a near-duplicate of another."""
    text = json.dumps(row)
    places = [
        f"{WORDS[n % 16]} {WORDS[n * 7 // 16 % 16]} {n * 97} {WORDS[n * 5 % 16]}{n}" for n in range(count)
    ]
    return [json.loads(text.replace("warm?", f"warm at {place}?")) for place in places]


def calls_of(row: Any) -> int:
    return sum(len(called_by(message)) for message in read_conversation(row).plain)


def is_read_back(row: Any) -> bool:
    """Whether the written row has the same meaning and writes itself."""
    found = read_conversation(row)
    again = read_conversation(json.loads(json.dumps(found.row())))
    same = [again.plain, again.tools or None, again.label] == [found.plain, found.tools or None, found.label]
    return same and (again.rejected is None) == (found.rejected is None) and again.row() == found.row()


def is_normal(row: Any) -> bool:
    example = normal_form(read_conversation(row))
    return normal_form(read_conversation(json.loads(json.dumps(example.row())))) == example


def measure(shape: str, count: int, folder: Path) -> bool:
    """Print a line of the table; say whether all is well."""
    rows = made(ROWS[shape][0], count)
    path = folder / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    begin = time.perf_counter()
    read = [read_conversation(row).plain for row in rows]
    micro = (time.perf_counter() - begin) / count * 1e6
    back, normal = all(map(is_read_back, rows)), all(map(is_normal, rows))
    expected = len(ROWS[shape][1]) * count
    by_reader = sum(map(calls_of, rows))
    by_sql = json.loads(run_query("SELECT count(*) AS n FROM calls", [path], None, "json"))[0]["n"]
    report = audit_dataset([path])
    by_audit = report.understood.kinds["calls"].read
    merged = merge_datasets([path], folder / "out", valid=0, balance="none")
    kept = [
        json.loads(line) for line in (folder / "out" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    by_merge = sum(map(calls_of, kept))
    same = {expected} == {by_reader, by_sql, by_audit, by_merge} and len(kept) == merged.facts[
        "read"
    ] == count
    well = back and normal and same and len(read) == report.examples == count
    marks = ["yes" if ok else "NO" for ok in (back, normal)]
    print(
        f"{shape:32} {marks[0]:>5} {marks[1]:>6} {expected:>6} {by_reader:>6} {by_sql:>5} {by_audit:>6} "
        f"{by_merge:>6} {micro:>7.0f}{'' if well else '  <- differs'}",
        flush=True,
    )
    return well


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=40)
    count = parser.parse_args().rows
    print(f"{count} rows of each shape; µs is the time to read a row in Python")
    print("shape".ljust(32), " back normal  calls reader   sql  audit  merge      µs")
    well = True
    for shape in ROWS:
        with tempfile.TemporaryDirectory(prefix="chat-shapes-") as name:
            well = measure(shape, count, Path(name)) and well
    print("all shapes are read, written and counted alike" if well else "some shapes differ")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
