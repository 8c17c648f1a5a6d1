"""`./inv sql`: a dataset and its runs as views, on a connection that can reach nothing else."""

import csv
import io
import json
import re
import tempfile
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal, cast

import duckdb

from tunewright.audit.database import MEMORY
from tunewright.audit.views import COLUMNS, RUN_TABLES, make_dataset_views, make_run_views
from tunewright.contract.errors import UserError
from tunewright.contract.visible import cut, visible

Format = Literal["table", "json", "csv", "parquet"]
FORMATS: tuple[Format, ...] = ("table", "json", "csv", "parquet")
DATASET_VIEWS = (
    *("understood", "examples", "messages", "calls", "tools", "features", "balance", "structure", "findings"),
)
STATS = ("balance", "structure")  # the views that `--stats` shows
MOST_MEMORY = 2 << 30  # bytes that a query may take on top of what is loaded
MOST_SHOWN = 200  # rows of a table on a terminal; the other formats give all


def run_query(
    query: str,
    data: Sequence[Path],
    runs: Path | None,
    format: str = "table",
    config: Path | None = None,
    *,
    for_terminal: bool = False,
) -> str | bytes:
    """Run SQL over the views; text, or bytes for Parquet. `for_terminal` spells out what a terminal would obey.

    `data` are the dataset's files, folders or globs, `runs` a folder of runs, or None before there is one. `config` is a
    TOML file that says how rows of an unknown shape are read. Only the
    views that the query names are filled. The connection then loses the disk, the network and its own settings before it
    sees the query. Raises UserError for SQL that does not run and for input that cannot be read.
    """
    if format not in FORMATS:
        raise UserError(f"no format {format!r}", f"Known: {', '.join(FORMATS)}.")
    if not query.strip(" \t\n;"):
        raise UserError("the query is empty", 'For example: ./inv sql "FROM examples LIMIT 5" --data FILE.')
    words = {word.lower() for word in re.findall(r"\w+", query)}
    with ExitStack() as stack:
        if data:
            from tunewright.audit.ingest import load

            connection = stack.enter_context(load(data, config=config)).connection
            make_dataset_views(connection, words)
        else:
            if wanted := words & set(DATASET_VIEWS) - set(RUN_TABLES):
                raise UserError(
                    f"the query asks for {min(wanted)}, and no data are given", "Add --data FILE-OR-FOLDER."
                )
            connection = stack.enter_context(duckdb.connect(":memory:", config={"memory_limit": MEMORY}))
            connection.execute("CREATE SCHEMA shown")
        make_run_views(connection, runs, words)
        out = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tunewright-sql-"))) / "out.parquet"
        lock(connection, out.parent)
        try:
            stack.enter_context(limited_memory())
            if format == "parquet":
                quoted = str(out).replace("'", "''")
                connection.execute(f"COPY ({query.strip().rstrip(';')}) TO '{quoted}' (FORMAT parquet)")
                return out.read_bytes()
            cursor = connection.execute(query)
            if cursor is None:  # pyright: ignore[reportUnnecessaryComparison] - comments alone are not a statement
                return ""
            names = [column[0] for column in cursor.description or []]
            return _write(names, cursor, cast("Format", format), for_terminal=for_terminal)
        except (MemoryError, duckdb.Error) as error:
            if isinstance(error, MemoryError) or re.search(
                "bad_alloc|[Oo]ut of [Mm]emory|allocat", str(error)
            ):
                raise UserError(
                    f"the query needs more memory than it may have ({MOST_MEMORY >> 30} GB)",
                    "Select fewer rows or shorter values, or add LIMIT.",
                ) from error
            raise UserError(_reason(error), _hint(str(error))) from error


@contextmanager
def limited_memory() -> Generator[None]:
    """Let this process grow by MOST_MEMORY at most: DuckDB's own limit does not count single long values.

    Where the system keeps no such limit (macOS), DuckDB's own has to do.
    """
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    statm = Path("/proc/self/statm")
    used = int(statm.read_text().split()[5]) * resource.getpagesize() if statm.exists() else 0
    wanted = used + MOST_MEMORY
    lowers = used and (hard == resource.RLIM_INFINITY or wanted < hard)
    if lowers:
        resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
    try:
        yield
    finally:
        if lowers:
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def lock(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Take everything but the tables and `folder` away from a connection, for good."""
    quoted = str(folder).replace("'", "''")
    connection.execute(f"""
        SET enable_progress_bar = false;
        SET search_path = 'shown,main';
        SET allowed_directories = ['{quoted}/'];
        SET python_enable_replacements = false;
        SET autoinstall_known_extensions = false;
        SET autoload_known_extensions = false;
        SET enable_external_access = false;
        SET lock_configuration = true
    """)


def _reason(error: duckdb.Error) -> str:
    """DuckDB's message with its pointer to the place, without the name of its class."""
    text = str(error).strip()
    return re.sub(r"^[A-Z]\w+(?: \w+)? Error: ", "", text)


def _hint(text: str) -> str:
    if "does not exist" in text or "not found" in text:
        return f"Views: {', '.join(COLUMNS)}. Their columns are in docs/sql.md; DESCRIBE examples shows them too."
    if "disabled" in text or "Permission" in text or "locked" in text or "not allowed" in text:
        return "A query sees the files named with --data and --runs, and nothing else."
    return "DuckDB's SQL is documented at https://duckdb.org/docs/sql/introduction."


def _write(
    names: list[str], cursor: duckdb.DuckDBPyConnection, format: Format, *, for_terminal: bool = False
) -> str:
    if format == "table":
        return _table(names, cursor)
    rows = cursor.fetchall()
    if format == "json":
        listed = [{name: _plain(value) for name, value in zip(names, row)} for row in rows]
        return json.dumps(listed, ensure_ascii=False, indent=1, allow_nan=False)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow(
            [json.dumps(_plain(v), ensure_ascii=False) if isinstance(v, list | dict) else v for v in row]
        )
    text = buffer.getvalue().rstrip("\n")
    return visible(text, len(text)) if for_terminal else text


def _plain(value: Any) -> Any:
    """A value as JSON has it: no NaN, times and decimals as text."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def _table(names: list[str], cursor: duckdb.DuckDBPyConnection) -> str:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not names:
        return ""
    rows = cursor.fetchmany(MOST_SHOWN)
    more = len(cursor.fetchmany(1))
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for position, name in enumerate(names):
        numbers = all(isinstance(row[position], int | float) for row in rows) and bool(rows)
        table.add_column(Text(name), justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    buffer = io.StringIO()
    Console(file=buffer, width=_width(), no_color=True, highlight=False).print(table)
    text = "\n".join(line.rstrip() for line in buffer.getvalue().splitlines() if line.strip())
    return text + (
        f"\n(the first {MOST_SHOWN} rows; --format csv gives all)" if more else f"\n({len(rows)} rows)"
    )


def _width() -> int:
    import shutil

    return max(60, shutil.get_terminal_size((140, 40)).columns)


def _cell(value: Any) -> str:
    """A value on one line, without anything that a terminal would obey."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    text = json.dumps(_plain(value), ensure_ascii=False) if isinstance(value, list | dict) else str(value)
    return cut(text, 500).replace("\n", "⏎").replace("\t", " ")
