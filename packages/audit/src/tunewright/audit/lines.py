"""One batch of lines into the tables: by SQL where a row is plain, through Python where SQL would have to guess."""

import json
from dataclasses import asdict
from typing import Any

import duckdb

from tunewright.audit.database import dump, insert
from tunewright.audit.reading import Batch, Fault
from tunewright.contract.shapes import UnknownShapeError, canonical

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


def insert_batch(cursor: duckdb.DuckDBPyConnection, file: int, base: int, batch: Batch) -> None:
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
        cursor.execute(_MENDED, {"mended": dump(mended)})
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
    except (UnknownShapeError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        faults.append(Fault(line, "shape", reason))
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
