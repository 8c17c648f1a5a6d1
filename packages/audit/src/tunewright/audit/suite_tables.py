"""Validation suites, as tables that contamination is looked for in."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from tunewright.audit.database import insert


def load_suites(connection: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> None:
    """Make `suite_texts` and `suite_cases`. Cases count downwards from -1, apart from examples.

    Raises UserError for a suite that cannot be read.
    """
    connection.execute(
        "CREATE TABLE suite_texts (example BIGINT, suite VARCHAR, id VARCHAR, position INTEGER, content VARCHAR)"
    )
    number = 0
    for path in paths:
        from tunewright.contract.suite import read_suite  # a tenth of a second that most audits do not need

        suite = read_suite(path)
        rows: list[dict[str, str | int]] = []
        for case in suite.cases:
            number -= 1
            rows += [
                {
                    "example": number,
                    "suite": suite.name,
                    "id": case.id,
                    "position": position,
                    "content": message.content,
                }
                for position, message in enumerate(case.messages, start=1)
                if message.role == "user"
            ]
        structure = (
            '{"example":"BIGINT","suite":"VARCHAR","id":"VARCHAR","position":"INTEGER","content":"VARCHAR"}'
        )
        insert(connection, "suite_texts", structure, rows)
    # The same hash as in tables/examples.sql.
    connection.execute(r"""
        CREATE TABLE suite_cases AS
        SELECT example, suite, id,
            CASE WHEN regexp_matches(arg_max(content, position), '\S+\s+\S+\s+\S') THEN arg_max(text_hash, position)
                ELSE bit_xor(text_hash) END AS request_hash
        FROM (SELECT *, hash(lower(trim(regexp_replace(content, '\s+', ' ', 'g')))) AS text_hash FROM suite_texts)
        GROUP BY ALL
    """)
