"""From lines to tables: every row in one normal form inside DuckDB, whatever it looked like on the disk.

Rows in the plain form never become Python objects; the others, and every assistant message that may hold a
call written as text, take the way through shapes.py and calls.py.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import duckdb

from tunewright.audit.calls import MARKER, read_turn
from tunewright.audit.reading import Batch, DataFile, Fault, find_files, read_batches
from tunewright.audit.toolsets import tools_in_prompt, toolset_of
from tunewright.contract.errors import UserError
from tunewright.contract.shapes import UnknownShapeError, canonical

MEMORY = "1500MB"
PAGE = 20_000  # examples whose texts are in Python's memory at a time

Report = Callable[[str, float], None]

_TABLES = """
CREATE TABLE files (file INTEGER, path VARCHAR, split VARCHAR, examples BIGINT, lines BIGINT, bytes BIGINT, sha256 VARCHAR);
CREATE TABLE faults (file INTEGER, line BIGINT, kind VARCHAR, detail VARCHAR);
CREATE TABLE rows (
    example BIGINT, file INTEGER, line BIGINT, shape VARCHAR, keys VARCHAR[], toolset VARCHAR,
    source VARCHAR, family VARCHAR, template VARCHAR, cluster VARCHAR
);
CREATE TABLE messages (
    example BIGINT, position INTEGER, role VARCHAR, written_role VARCHAR, content VARCHAR, name VARCHAR,
    tool_call_id VARCHAR
);
CREATE TABLE calls (
    example BIGINT, message INTEGER, position INTEGER, syntax VARCHAR, tool VARCHAR, arguments VARCHAR,
    error VARCHAR, program VARCHAR, tool_call_id VARCHAR
);
CREATE TABLE turns (example BIGINT, message INTEGER, preamble VARCHAR, syntaxes VARCHAR[], dialect VARCHAR);
CREATE TABLE problems (example BIGINT, message INTEGER, kind VARCHAR, detail VARCHAR);
CREATE TABLE toolset_texts (toolset VARCHAR, tools VARCHAR);
CREATE TABLE offered (
    toolset VARCHAR, position INTEGER, tool VARCHAR, description VARCHAR, parameters VARCHAR, written VARCHAR
);
"""

_PROVENANCE = (
    '{"source":"VARCHAR","family":"VARCHAR","category":"VARCHAR","template":"VARCHAR","cluster":"VARCHAR"}'
)
_STRUCTURE = (
    '{"messages":[{"role":"VARCHAR","content":"VARCHAR","tool_calls":"JSON","function_call":"JSON","name":"VARCHAR","tool_call_id":"VARCHAR"}],'
    f'"tools":"JSON","meta":{_PROVENANCE},"metadata":{_PROVENANCE},"source":"VARCHAR","dataset":"VARCHAR"}}'
)

# `plain` is the form that needs no help: JSON without doubt, known roles, text content, no key twice. What is costly
# (trim, replace) is asked as late and of as little as possible: this query is half the time of an audit.
_RAW = f"""
CREATE OR REPLACE TEMP TABLE raw AS
WITH split AS (
    SELECT unnest(lines) AS text, unnest(coalesce($numbers, range($first, $first + len(lines)))) AS line
    FROM (SELECT string_split($text, chr(10)) AS lines)
), parsed AS (
    SELECT line, text, CASE WHEN strlen(text) < 1000 THEN trim(text, ' ' || chr(9) || chr(13)) = '' ELSE false END AS blank,
        CASE WHEN json_valid(text) AND text[1] = '{{' THEN json_transform(text, '{_STRUCTURE}') END AS r,
        CASE WHEN r IS NOT NULL THEN json_keys(text) END AS keys
    FROM split
), judged AS (
    SELECT line, text, blank, r, keys,
        -- CASE, for AND evaluates both sides: half a row is no JSON to ask for its keys.
        CASE WHEN r IS NULL THEN false ELSE len(r.messages) > 0
        AND len(list_distinct(keys)) = len(keys)
        AND NOT list_contains(keys, 'functions') AND NOT list_contains(keys, 'system')
        AND coalesce(json_type(r.tools), 'NULL') IN ('ARRAY', 'NULL')
        AND list_has_all(['system', 'user', 'assistant', 'tool'],
                         list_transform(r.messages, lambda m: coalesce(m.role, '?')))
        AND len(list_filter(r.messages, lambda m: m.function_call IS NOT NULL)) = 0
        AND NOT (contains(text, 'NaN') OR contains(text, 'Infinity'))
        AND len(list_filter(json_keys(text, '$.messages[*]'), lambda k: len(list_distinct(k)) < len(k))) = 0
        AND CASE WHEN len(list_filter(r.messages, lambda m: m.content[1] IN ('[', '{{'))) = 0 THEN true
                 ELSE NOT list_has_any(json_type(text, '$.messages[*].content'), ['ARRAY', 'OBJECT']) END
        END AS plain
    FROM parsed
)
-- A plain row's text is not needed again, and an odd row's structure is not to be trusted.
SELECT line, blank, keys, CASE WHEN plain THEN r END AS r, CASE WHEN plain THEN NULL ELSE text END AS text FROM judged
"""

_MENDED = f"""
CREATE OR REPLACE TEMP TABLE mended AS
SELECT m.line, m.shape, m.keys, json_transform(m.row, '{_STRUCTURE}') AS r
FROM (SELECT unnest(from_json($mended, '[{{"line":"BIGINT","shape":"VARCHAR","keys":["VARCHAR"],"row":"JSON"}}]')) AS m)
"""

_GOOD = """
CREATE OR REPLACE TEMP VIEW good AS
SELECT line, 'messages' AS shape, keys, r FROM raw WHERE text IS NULL
UNION ALL SELECT line, shape, keys, r FROM mended
"""

_ROWS = """
INSERT INTO rows
SELECT $base + line, $file, line, shape, keys,
    CASE WHEN json_array_length(r.tools) > 0 THEN printf('%016x', hash(r.tools::VARCHAR)) END,
    coalesce(r.meta.source, r.metadata.source, r.source, r.dataset, ''),
    coalesce(r.meta.family, r.meta.category, r.metadata.family, r.metadata.category, ''),
    coalesce(r.meta.template, r.metadata.template, ''),
    coalesce(r.meta.cluster, r.metadata.cluster, '')
FROM good
"""

_TOOLSETS = """
INSERT INTO toolset_texts
SELECT printf('%016x', hash(r.tools::VARCHAR)) AS toolset, any_value(r.tools::VARCHAR)
FROM good WHERE json_array_length(r.tools) > 0 GROUP BY toolset
"""

# Tool results that are written as user turns are tool messages: what counts is who speaks.
_MESSAGES = """
INSERT INTO messages
SELECT $base + line, position,
    CASE WHEN contains(m.content, '<tool_response>') THEN
        CASE WHEN m.role = 'user' AND regexp_matches(m.content, '^\\s*<tool_response>') THEN 'tool' ELSE m.role END
    ELSE m.role END,
    m.role, coalesce(m.content, ''), m.name, m.tool_call_id
FROM (SELECT line, unnest(r.messages) AS m, unnest(range(1, len(r.messages) + 1)) AS position FROM good)
"""

_CALLS = """
INSERT INTO calls
WITH listed AS (
    SELECT example, position, unnest(range(1, len(calls) + 1)) AS number, unnest(calls) AS call FROM (
        SELECT example, position, from_json(m.tool_calls, '[{
            "id":"VARCHAR","name":"VARCHAR","arguments":"JSON",
            "function":{"name":"VARCHAR","arguments":"JSON"}}]') AS calls
        FROM (
            SELECT $base + line AS example, unnest(r.messages) AS m, unnest(range(1, len(r.messages) + 1)) AS position
            FROM good
        )
        WHERE m.tool_calls IS NOT NULL AND json_type(m.tool_calls) = 'ARRAY'
    )
), named AS (
    SELECT example, position, number, coalesce(call.function.name, call.name) AS tool, call.id AS id,
        coalesce(call.function.arguments, call.arguments) AS written,
        CASE WHEN json_type(written) = 'VARCHAR' THEN written ->> '$' ELSE coalesce(written::VARCHAR, '{}') END AS arguments
    FROM listed
)
SELECT example, position, number, 'openai', tool,
    CASE WHEN json_valid(arguments) THEN arguments ELSE '{}' END,
    CASE WHEN tool IS NULL THEN 'the call has no name'
         WHEN NOT json_valid(arguments) THEN 'arguments are not JSON'
         WHEN json_type(arguments) <> 'OBJECT' THEN 'arguments are not an object'
         ELSE '' END,
    '', id
FROM named
"""


def silent(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """The same connection without its progress bar: standard output may be where the JSON goes."""
    connection.execute("SET enable_progress_bar = false")
    return connection


def connect(folder: Path) -> duckdb.DuckDBPyConnection:
    """A fresh database in bounded memory; what does not fit spills into `folder`.

    Nothing is ever installed, or loaded from a network.
    """
    connection = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": MEMORY,
            "temp_directory": str(folder / "spill"),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "preserve_insertion_order": "false",
            "threads": str(max(2, min(8, os.cpu_count() or 2))),
        },
    )
    silent(connection).execute(_TABLES)
    return connection


class Store:
    """The tables of one dataset. Use as a context manager: its temporary folder goes with it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, folder: Path, files: list[DataFile]) -> None:
        self.connection = connection
        self.files = files
        self._folder = folder

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def load(paths: Sequence[Path], report: Report | None = None) -> Store:
    """Read every file into a fresh store. Raises UserError for what is missing, empty or holds no example."""
    files = find_files(paths)
    total = sum(file.path.stat().st_size for file in files)
    folder = Path(tempfile.mkdtemp(prefix="tunewright-audit-"))
    try:
        connection = connect(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    store = Store(connection, folder, files)
    try:
        _fill(store, total, report)
    except BaseException:
        store.__exit__()
        raise
    return store


def _fill(store: Store, total: int, report: Report | None) -> None:
    connection = store.connection
    done, base = 0, 0
    batch_bytes = 1 << 20 if total < 8 << 20 else 32 << 20
    workers = 1 if total < 8 << 20 else max(2, min(4, os.cpu_count() or 2))
    cursors: SimpleQueue[duckdb.DuckDBPyConnection] = SimpleQueue()
    for _ in range(workers):
        cursors.put(silent(connection.cursor()))

    def work(number: int, offset: int, batch: Batch) -> int:
        cursor = cursors.get()
        try:
            _insert(cursor, number, offset, batch)
        finally:
            cursors.put(cursor)
        return len(batch.text)

    with ThreadPoolExecutor(workers) as pool:
        pending: set[Future[int]] = set()
        for number, file in enumerate(store.files):
            for batch in read_batches(file, batch_bytes):
                pending.add(pool.submit(work, number, base, batch))
                # At most one batch waits for each worker: memory stays bounded however fast the disk is.
                while len(pending) > workers:
                    finished, pending = wait(pending, return_when=FIRST_COMPLETED)
                    done += sum(future.result() for future in finished)
                    if report:
                        report("reading", min(done / max(total, 1), 1.0))
            base += file.lines
        for future in pending:
            future.result()
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
        raise UserError(
            f"{where}: no example can be read", "Rows are JSON objects with `messages`, one a line."
        )
    _read_text_calls(connection, base, report)
    _read_toolsets(connection)


def _insert(cursor: duckdb.DuckDBPyConnection, file: int, base: int, batch: Batch) -> None:
    """One batch of lines into the tables."""
    faults = list(batch.faults)
    if batch.text:
        cursor.execute(_RAW, {"text": batch.text, "first": batch.first_line, "numbers": batch.numbers})
        odd = cursor.execute(
            "SELECT line, text, blank FROM raw WHERE text IS NOT NULL ORDER BY line"
        ).fetchall()
        mended: list[dict[str, Any]] = []
        for line, text, blank in odd:
            if blank:
                faults.append(Fault(line, "blank", "a blank line"))
            else:
                mended += _mend(line, text, faults, torn=line == batch.torn_line)
        cursor.execute(_MENDED, {"mended": _dump(mended)})
        cursor.execute(_GOOD)
        cursor.execute(_ROWS, {"file": file, "base": base})
        cursor.execute(_TOOLSETS)
        cursor.execute(_MESSAGES, {"base": base})
        cursor.execute(_CALLS, {"base": base})
        cursor.execute("DROP VIEW good; DROP TABLE raw; DROP TABLE mended")
    insert(
        cursor,
        "faults",
        '{"file":"INTEGER","line":"BIGINT","kind":"VARCHAR","detail":"VARCHAR"}',
        [{"file": file, **asdict(fault)} for fault in faults],
    )


def insert(
    cursor: duckdb.DuckDBPyConnection, table: str, structure: str, rows: Iterable[dict[str, Any]]
) -> None:
    """Append rows by one JSON parameter: the quickest way in that needs neither files nor numpy."""
    listed = list(rows)
    if listed:
        cursor.execute(
            f"INSERT INTO {table} SELECT unnest(from_json($rows, '[{structure}]'), recursive := true)",
            {"rows": _dump(listed)},
        )


def _dump(value: Any) -> str:
    # Lone surrogates have no UTF-8; DuckDB would refuse the whole batch.
    return json.dumps(value, ensure_ascii=False).encode(errors="replace").decode()


def _mend(line: int, text: str, faults: list[Fault], torn: bool) -> list[dict[str, Any]]:
    """A row that SQL would not vouch for: parsed in Python, its faults noted, brought to the plain form."""
    notes: list[tuple[str, str]] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) < len(items):
            keys = [key for key, _ in items]
            twice = next(key for key in keys if keys.count(key) > 1)
            notes.append(
                (
                    "duplicate_key",
                    f"the key {twice!r} stands twice in one object; readers differ in which wins",
                )
            )
        return found

    def constant(name: str) -> None:
        notes.append(("nan", f"{name} is not JSON"))

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        kind, detail = (
            ("torn", f"the file ends in the middle of a row: {reason}")
            if torn
            else ("unreadable", f"not JSON: {reason}")
        )
        faults.append(Fault(line, kind, detail))
        return []
    if _has_surrogates(text, value):
        notes.append(("surrogate", "half of a surrogate pair (\\ud800 to \\udfff): no UTF-8 can hold it"))
    faults += [Fault(line, kind, detail) for kind, detail in dict(notes).items()]
    try:
        row = canonical(value)
    except UnknownShapeError as error:
        faults.append(Fault(line, "shape", str(error)))
        return []
    keys = list(value) if isinstance(value, dict) else []
    kept = {key: value[key] for key in ("meta", "metadata", "source", "dataset") if key in keys}
    return [
        {
            "line": line,
            "shape": row.shape,
            "keys": keys,
            "row": {"messages": row.messages, "tools": row.tools, **kept},
        }
    ]


def _has_surrogates(text: str, value: Any) -> bool:
    if "\\ud" not in text and "\\uD" not in text:
        return False
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _read_text_calls(connection: duckdb.DuckDBPyConnection, last: int, report: Report | None) -> None:
    """Calls, preambles and faults of every assistant message that may hold a call written as text."""
    reading, writing = silent(connection.cursor()), silent(connection.cursor())
    for start in range(0, last + 1, PAGE):
        found = reading.execute(
            "SELECT example, position, content FROM messages "
            "WHERE role = 'assistant' AND example BETWEEN $1 AND $2 AND regexp_matches(content, $3)",
            [start, start + PAGE - 1, MARKER],
        ).fetchall()
        calls: list[dict[str, Any]] = []
        turns: list[dict[str, Any]] = []
        problems: list[dict[str, Any]] = []
        for example, message, content in found:
            turn = read_turn(content)
            where = {"example": example, "message": message}
            if turn.calls:
                turns.append(
                    where | {"preamble": turn.preamble, "syntaxes": turn.syntaxes, "dialect": turn.dialect}
                )
            calls += [
                where
                | {
                    "position": number,
                    "syntax": call.syntax,
                    "tool": call.name,
                    "arguments": json.dumps(call.arguments, ensure_ascii=False),
                    "error": call.error,
                    "program": call.program,
                }
                for number, call in enumerate(turn.calls, start=1)
            ]
            problems += [where | {"kind": kind, "detail": detail} for kind, detail in turn.problems]
        insert(
            writing,
            "calls BY NAME",
            '{"example":"BIGINT","message":"INTEGER","position":"INTEGER","syntax":"VARCHAR","tool":"VARCHAR",'
            '"arguments":"VARCHAR","error":"VARCHAR","program":"VARCHAR"}',
            calls,
        )
        insert(
            writing,
            "turns",
            '{"example":"BIGINT","message":"INTEGER","preamble":"VARCHAR","syntaxes":["VARCHAR"],"dialect":"VARCHAR"}',
            turns,
        )
        insert(
            writing,
            "problems",
            '{"example":"BIGINT","message":"INTEGER","kind":"VARCHAR","detail":"VARCHAR"}',
            problems,
        )
        if report:
            report("calls", min((start + PAGE) / (last + 1), 1.0))


def _read_toolsets(connection: duckdb.DuckDBPyConnection) -> None:
    """Tools offered, by the row or in its system prompt, each distinct list once."""
    rows: list[dict[str, Any]] = []
    for toolset, text in connection.execute(
        "SELECT DISTINCT toolset, tools FROM toolset_texts ORDER BY 1"
    ).fetchall():
        rows += [{"toolset": toolset, **tool} for tool in toolset_of(json.loads(text))]
    prompts = connection.execute(
        "SELECT DISTINCT content FROM messages m WHERE role = 'system' AND contains(content, '<tools>')"
    ).fetchall()
    listed: list[dict[str, Any]] = []
    for (content,) in prompts:
        if tools := tools_in_prompt(content):
            # The name of the list is the hash of the prompt that holds it.
            listed += [{"content": content, **tool} for tool in tools]
    structure = (
        '{"%s":"VARCHAR","position":"INTEGER","tool":"VARCHAR","description":"VARCHAR","parameters":"VARCHAR",'
        '"written":"VARCHAR"}'
    )
    insert(connection, "offered", structure % "toolset", rows)
    if listed:
        insert(
            connection,
            "offered",
            structure % "toolset",
            [{**r, "toolset": _md5(r.pop("content"))} for r in listed],
        )
        connection.execute(
            "UPDATE rows SET toolset = md5(m.content) FROM messages m WHERE m.example = rows.example "
            "AND rows.toolset IS NULL AND m.role = 'system' AND md5(m.content) IN (SELECT toolset FROM offered)"
        )
    connection.execute("DROP TABLE toolset_texts")


def _md5(text: str) -> str:
    import hashlib

    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
