"""From lines to tables: every row in one normal form inside DuckDB, whatever it looked like on the disk.

Rows in the plain form never become Python objects; the others, and every assistant message that may hold a
call written as text, take the way through shapes.py and calls.py.
"""

import hashlib
import json
import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from threading import local
from typing import Any

import duckdb

from tunewright.audit.database import THREADS, connect, insert, insert_columns, silent
from tunewright.audit.helpers import Helpers
from tunewright.audit.load_lines import insert_batch
from tunewright.audit.toolsets import find_kinds
from tunewright.chat import arrow_nulls
from tunewright.chat.calls import MARKER
from tunewright.chat.reading.batch import Batch
from tunewright.chat.reading.files import DataFile, find_files
from tunewright.chat.reading.lines import read_batches
from tunewright.chat.reading.rows import check_columns, first_row, shape_hint
from tunewright.chat.tools import (
    LISTS_TOOLS,
    bare_prompt,
    tools_in_prompt,
    toolset_of,
    unread_block,
    unread_entries,
)
from tunewright.contract.errors import UserError
from tunewright.contract.scratch import scratch_folder

SMALL = 8 << 20  # bytes of all files up to which neither threads nor processes pay
BATCH = 32 << 20  # bytes of rows that are parsed at a time
PAGE = 10_000  # examples whose texts are in Python's memory at a time

Report = Callable[[str, float], None]


class Store:
    """The tables of one dataset. Use as a context manager: what is in `kept`, its temporary folder too, goes with it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, files: list[DataFile]) -> None:
        self.connection = connection
        self.files = files
        self.bytes = sum(file.path.stat().st_size for file in files)
        self.kept = ExitStack()

    @property
    def is_small(self) -> bool:
        """Whether a query is over before DuckDB's threads have begun: then one thread a query, and queries at once."""
        return self.bytes < SMALL

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.kept.close()


def load(paths: Sequence[Path], report: Report | None = None, config: Path | None = None) -> Store:
    """Read every file into a fresh store. `config` is a TOML file whose `[read]` and `[calls]` say how.

    Raises UserError for what is missing, empty or holds no example, and for a column that no row has.
    """
    files = find_files(paths)
    with ExitStack() as stack:
        connection = stack.enter_context(closing(connect(stack.enter_context(scratch_folder("audit")))))
        store = Store(connection, files)
        with Helpers(config, 0 if store.is_small else None) as helpers:
            check_columns(files, helpers.reading)
            _fill(store, helpers, report)
        store.kept = stack.pop_all()
    return store


def _fill(store: Store, helpers: Helpers, report: Report | None) -> None:
    connection, total = store.connection, store.bytes
    done, base = 0, 0
    # One batch a worker and one thread a batch; one worker more than cores, for they wait for one another in Python.
    workers = 1 if store.is_small else max(3, min(5, 1 + (os.cpu_count() or 2)))
    connection.execute("SET threads = 1")

    def work(cursor: duckdb.DuckDBPyConnection, number: int, offset: int, batch: Batch) -> int:
        insert_batch(cursor, number, offset, batch, helpers)
        return sum(map(len, batch.rows))

    with many_at_once(connection, workers) as start:
        pending: set[Future[int]] = set()
        for number, file in enumerate(store.files):
            for batch in read_batches(file, BATCH):
                pending.add(start(work, number, base, batch))
                # At most one batch waits for each worker: memory stays bounded however fast the disk is.
                while len(pending) > workers:
                    finished, pending = wait(pending, return_when=FIRST_COMPLETED)
                    done += sum(future.result() for future in finished)
                    if report:
                        report("reading", min(done / max(total, 1), 1.0))
            base += file.rows
        for future in pending:
            future.result()
    if not store.is_small:
        connection.execute(f"SET threads = {THREADS}")
    for number, file in enumerate(store.files):
        connection.execute(
            "INSERT INTO files SELECT $1, $2, $3, (SELECT count(*) FROM rows WHERE file = $1), $4, $5, $6",
            [number, str(file.path), file.split, file.lines, file.size, file.sha256],
        )
    counted = connection.execute("SELECT count(*) FROM rows").fetchone()
    if not counted or not counted[0]:
        first = connection.execute(
            "SELECT file, line, detail FROM faults ORDER BY file, line LIMIT 1"
        ).fetchone()
        where = f"{store.files[first[0]].path}:{first[1]}: {first[2]}" if first else str(store.files[0].path)
        row = first_row(store.files[first[0]], first[1]) if first else None
        raise UserError(
            f"{where}: no example can be read",
            f"Rows are JSON objects, one a line or in one array. {shape_hint(row)}",
        )
    _read_text_calls(connection, base, helpers, report)
    _read_toolsets(connection)


@contextmanager
def many_at_once(
    connection: duckdb.DuckDBPyConnection, workers: int
) -> Generator[Callable[..., "Future[Any]"]]:
    """Threads for the time of the context, each with a cursor: `start(work, *given)` has one do `work(cursor, *given)`.

    When the context is left by an error, what has not begun is not done any more.
    """
    own = local()

    def begin() -> None:
        own.cursor = silent(connection.cursor())

    def submit(work: Callable[..., Any], *given: Any) -> Future[Any]:
        return pool.submit(lambda: work(own.cursor, *given))

    with ThreadPoolExecutor(workers, initializer=begin) as pool:
        try:
            yield submit
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            connection.interrupt()
            raise


def _read_text_calls(
    connection: duckdb.DuckDBPyConnection, last: int, helpers: Helpers, report: Report | None
) -> None:
    """Calls, preambles and faults of every assistant message that may hold a call written as text."""
    place = {"example": "BIGINT", "message": "INTEGER"}
    tables = {
        "calls": place
        | {"position": "INTEGER"}
        | dict.fromkeys(("syntax", "tool", "arguments", "error", "program"), "VARCHAR"),
        "turns": place | {"preamble": "VARCHAR", "syntaxes": ["VARCHAR"], "dialect": "VARCHAR"},
        "problems": place | {"kind": "VARCHAR", "detail": "VARCHAR"},
    }

    def read(cursor: duckdb.DuckDBPyConnection, first: int) -> None:
        found = cursor.execute(
            "SELECT example, position, content FROM messages "
            "WHERE role = 'assistant' AND example BETWEEN $1 AND $2 AND regexp_matches(content, $3)",
            [first, first + PAGE - 1, MARKER],
        ).fetchall()
        if found:
            for (table, types), columns in zip(tables.items(), helpers.ask("turns", found)):
                insert_columns(cursor, table, types, columns)

    with many_at_once(connection, helpers.count + 1) as start:
        pages = [start(read, first) for first in range(0, last + 1, PAGE)]
        for done, page in enumerate(pages, start=1):
            page.result()
            if report:
                report("calls", done / len(pages))


def _read_toolsets(connection: duckdb.DuckDBPyConnection) -> None:
    """Tools offered, by the row or in its system prompt, each distinct list once, and what cannot be read of them."""
    rows: list[dict[str, Any]] = []
    faults: list[dict[str, str]] = []
    nulls: list[dict[str, str]] = []
    for toolset, text in connection.execute(
        "SELECT DISTINCT toolset, tools FROM toolset_texts ORDER BY 1"
    ).fetchall():
        tools = json.loads(text)
        if detail := arrow_nulls.padding(tools, ()):
            nulls.append({"toolset": toolset, "detail": detail})
        rows += [{"toolset": toolset, **tool} for tool in toolset_of(arrow_nulls.without(tools))]
        if detail := unread_entries(tools):
            faults.append({"toolset": toolset, "detail": detail})
    # Few prompts are distinct: each is looked at once, and for that the filter has to stay behind the grouping.
    prompts = connection.execute(
        "SELECT content FROM (SELECT any_value(content) AS content FROM messages WHERE role = 'system' "
        "GROUP BY hash(content)) WHERE regexp_matches(content, $1)",
        [LISTS_TOOLS],
    ).fetchall()
    listed: list[dict[str, Any]] = []
    unread: list[dict[str, str]] = []
    bare: list[dict[str, str]] = []
    for (content,) in prompts:
        if tools := tools_in_prompt(content):
            # The name of the list is the hash of the prompt that holds it.
            listed += [{"toolset": _md5(content), **tool} for tool in tools]
            bare.append({"toolset": _md5(content), "text": bare_prompt(content)})
        if detail := unread_block(content):
            unread.append({"toolset": _md5(content), "detail": detail})
    structure = (
        '{"toolset":"VARCHAR","position":"INTEGER","tool":"VARCHAR","description":"VARCHAR","parameters":"VARCHAR",'
        '"written":"VARCHAR"}'
    )
    insert(connection, "offered BY NAME", structure, [*rows, *listed])
    insert(connection, "toolset_faults", '{"toolset":"VARCHAR","detail":"VARCHAR"}', [*faults, *unread])
    insert(connection, "toolset_nulls", '{"toolset":"VARCHAR","detail":"VARCHAR"}', nulls)
    insert(connection, "bare_prompts", '{"toolset":"VARCHAR","text":"VARCHAR"}', bare)
    if listed or unread:
        connection.execute(
            "UPDATE rows SET toolset = md5(m.content) FROM messages m WHERE m.example = rows.example "
            "AND rows.toolset IS NULL AND m.role = 'system' "
            "AND md5(m.content) IN (SELECT toolset FROM offered UNION ALL SELECT toolset FROM toolset_faults)"
        )
    find_kinds(connection)
    connection.execute("DROP TABLE toolset_texts")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
