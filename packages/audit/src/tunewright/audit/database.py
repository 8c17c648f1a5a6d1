"""The database behind an audit: its tables, its limits, and the one way rows are put in from Python."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb

from tunewright.audit.json_text import dump
from tunewright.audit.understood import UNDERSTOOD

MEMORY = "1500MB"
SLICE = 250_000  # examples
THREADS = max(2, min(8, os.cpu_count() or 2))

_TABLES = """
CREATE TABLE files (file INTEGER, path VARCHAR, split VARCHAR, examples BIGINT, lines BIGINT, bytes BIGINT, sha256 VARCHAR);
CREATE TABLE faults (file INTEGER, line BIGINT, kind VARCHAR, detail VARCHAR);
CREATE TABLE rows (
    example BIGINT, file INTEGER, line BIGINT, shape VARCHAR, keys VARCHAR[], roles VARCHAR[], toolset VARCHAR,
    source VARCHAR, family VARCHAR, template VARCHAR, cluster VARCHAR, blocks INTEGER
);
CREATE TABLE messages (
    example BIGINT, position INTEGER, role VARCHAR, written_role VARCHAR, content VARCHAR, name VARCHAR,
    tool_call_id VARCHAR, weight DOUBLE, reasons BOOLEAN
);
CREATE TABLE calls (
    example BIGINT, message INTEGER, position INTEGER, syntax VARCHAR, tool VARCHAR, arguments VARCHAR,
    error VARCHAR, program VARCHAR, tool_call_id VARCHAR, written VARCHAR
);
CREATE TABLE preferences (example BIGINT, chosen VARCHAR, rejected VARCHAR, label BOOLEAN);
CREATE TABLE turns (example BIGINT, message INTEGER, preamble VARCHAR, syntaxes VARCHAR[], dialect VARCHAR);
CREATE TABLE problems (example BIGINT, message INTEGER, kind VARCHAR, detail VARCHAR);
CREATE TABLE toolset_texts (toolset VARCHAR, tools VARCHAR);
CREATE TABLE bare_prompts (toolset VARCHAR, text VARCHAR);
CREATE TABLE toolset_faults (toolset VARCHAR, detail VARCHAR);
CREATE TABLE toolset_nulls (toolset VARCHAR, detail VARCHAR);
CREATE TABLE offered (
    toolset VARCHAR, position INTEGER, tool VARCHAR, description VARCHAR, parameters VARCHAR, written VARCHAR,
    kind VARCHAR
);
CREATE TABLE schema_faults (example BIGINT, message INTEGER, tool VARCHAR, fault VARCHAR);
CREATE TABLE trainer (base VARCHAR, tokenizer VARCHAR, max_seq_length INTEGER, batch_size INTEGER, mask VARCHAR);
CREATE TABLE tokens (example BIGINT, tokens INTEGER, mlx_prompt INTEGER, trained INTEGER, refused VARCHAR);
CREATE TABLE token_calls (
    example BIGINT, message INTEGER, first INTEGER, last INTEGER, trained BOOLEAN, mlx_trained BOOLEAN
);
CREATE TABLE prefixes (example BIGINT, message INTEGER, trained VARCHAR, served VARCHAR);
CREATE TABLE mlx_batches (batch INTEGER, example BIGINT);
-- How surprising it is, in nats, that a slice has something k times in n when all have it all_k times in all_n: the relative
-- entropy of the slice's and the others' shares to the share of all. Nothing of a share of 0.
CREATE MACRO entropy_term(k, n, all_k, all_n) AS coalesce(k * ln(nullif(k, 0) / n * all_n / all_k), 0);
CREATE MACRO surprise(k, n, all_k, all_n) AS
    entropy_term(k, n, all_k, all_n) + entropy_term(n - k, n, all_n - all_k, all_n)
    + entropy_term(all_k - k, all_n - n, all_k, all_n)
    + entropy_term(all_n - all_k - n + k, all_n - n, all_n - all_k, all_n);
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
            # Compressing costs a tenth of the time for what fits, and a third for what does not.
            "force_compression": "uncompressed",
            "threads": str(THREADS),
        },
    )
    silent(connection).execute(_TABLES + UNDERSTOOD)
    return connection


def insert(
    cursor: duckdb.DuckDBPyConnection, table: str, structure: str, rows: Iterable[dict[str, Any]]
) -> None:
    """Append rows by one JSON parameter: the quickest way in that needs neither files nor numpy."""
    if listed := list(rows):
        cursor.execute(
            f"INSERT INTO {table} SELECT unnest(from_json($rows, '[{structure}]'), recursive := true)",
            {"rows": dump(listed)},
        )


def insert_columns(
    cursor: duckdb.DuckDBPyConnection, table: str, types: Mapping[str, Any], columns: str
) -> None:
    """Append rows by the columns of a JSON object: without every row's keys half of the text is left to read."""
    structure = json.dumps({name: [kind] for name, kind in types.items()})
    named = ", ".join(f"unnest(c.{name}) AS {name}" for name in types)
    cursor.execute(
        f"INSERT INTO {table} BY NAME SELECT {named} FROM (SELECT from_json($columns, '{structure}') AS c)",
        {"columns": columns},
    )


def make_in_slices(connection: duckdb.DuckDBPyConnection, table: str, query: str) -> None:
    """Make a table by a query that takes examples from `$first` to `$last`, a range of them at a time.

    DuckDB spills tables, joins and sorts, but not aggregates that keep texts or lists: those must fit.
    """
    found = connection.execute("SELECT coalesce(max(example), 0) FROM rows").fetchone()
    last = found[0] if found else 0
    start = f"CREATE TABLE {table} AS"
    for first in range(0, last + 1, SLICE):
        connection.execute(f"{start} {query}", {"first": first, "last": first + SLICE - 1})
        start = f"INSERT INTO {table}"
