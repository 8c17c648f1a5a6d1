"""One batch of lines into the tables: by SQL where a row is plain, through Python where SQL would have to guess."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict

import duckdb
import numpy as np

from tunewright.audit.database import insert
from tunewright.audit.helpers import Helpers
from tunewright.chat.reading.batch import Batch, Fault

PART = 4_000  # odd rows that a helper is given at a time

_PROVENANCE = (
    '{"source":"VARCHAR","family":"VARCHAR","category":"VARCHAR","template":"VARCHAR","cluster":"VARCHAR"}'
)
_MESSAGE = (
    '{"role":"VARCHAR","content":"VARCHAR","tool_calls":"JSON","function_call":"JSON","name":"VARCHAR",'
    '"tool_call_id":"VARCHAR","weight":"DOUBLE","reasoning_content":"VARCHAR"}'
)
_STRUCTURE = (
    f'{{"messages":[{_MESSAGE}],"conversations":[{{"from":"VARCHAR","value":"VARCHAR"}}],'
    f'"tools":"JSON","meta":{_PROVENANCE},"metadata":{_PROVENANCE},"source":"VARCHAR","dataset":"VARCHAR","template":"VARCHAR"}}'
)

# Parsing is most of the time of an audit, and to ask whether a line is JSON parses it once more. So every line of a batch is
# taken for JSON at first, and the batch is read again with the question where DuckDB finds a line that is not.
TRUSTED = f"SELECT number, line, text, true AS valid, json_transform(text, '{_STRUCTURE}') AS r FROM incoming"
DOUBTED = f"""
    SELECT number, line, text, json_valid(text) AS valid,
        CASE WHEN valid THEN json_transform(text, '{_STRUCTURE}') END AS r
    FROM incoming
"""

_COLUMNS = """
    CASE WHEN starts_with(tools, '[') AND tools <> '[]' THEN printf('%016x', hash(tools)) END AS toolset,
    coalesce(r.meta.source, r.metadata.source, r.source, r.dataset, '') AS source,
    coalesce(r.meta.family, r.meta.category, r.metadata.family, r.metadata.category, '') AS family,
    coalesce(r.meta.template, r.metadata.template, r.template, '') AS template,
    coalesce(r.meta.cluster, r.metadata.cluster, '') AS cluster
"""

# ShareGPT's turns as messages.
_FROM_SHAREGPT = """
list_transform(r.conversations, lambda m: {
    'role': CASE WHEN m."from" IN ('human', 'user') THEN 'user' WHEN m."from" IN ('gpt', 'assistant') THEN 'assistant'
        WHEN m."from" IN ('tool', 'observation') THEN 'tool' WHEN m."from" = 'system' THEN 'system' END,
    'content': m.value, 'tool_calls': NULL::JSON, 'function_call': NULL::JSON, 'name': NULL::VARCHAR,
    'tool_call_id': NULL::VARCHAR, 'weight': NULL::DOUBLE, 'reasoning_content': NULL::VARCHAR})
"""
# Offered tools, which ShareGPT often has as a list written as text. DuckDB writes them anew, so that a list begins with
# its bracket.
_TOOLS = """
CASE WHEN NOT starts_with(r.tools::VARCHAR, '"') THEN r.tools::VARCHAR
     WHEN r.tools::VARCHAR = '""' THEN NULL
     WHEN json_valid(r.tools ->> '$') THEN json_transform(r.tools ->> '$', '"JSON"')::VARCHAR
     ELSE r.tools::VARCHAR END
"""
# Tool results that are written as user turns are tool messages: what counts is who speaks.
_ROLES = r"""
list_transform(messages, lambda m: CASE WHEN m.role = 'user' AND contains(m.content, '<tool_response>') THEN
    CASE WHEN regexp_matches(m.content, '^\s*<tool_response>') THEN 'tool' ELSE m.role END ELSE m.role END)
"""

# `plain` is the form that needs no help: known roles, text content, no NaN, and (below) no key twice.
RAW = f"""
CREATE OR REPLACE TEMP TABLE raw AS
WITH parsed AS (PARSED), shaped AS (
    SELECT *, CASE WHEN r.messages IS NULL AND r.conversations IS NOT NULL THEN 'sharegpt' ELSE 'messages' END AS shape
    FROM parsed
), keyed AS (
    SELECT number, line, shape, text, CASE WHEN valid THEN json_keys(text) END AS keys,
        CASE WHEN NOT valid THEN NULL WHEN shape = 'sharegpt' THEN json_keys(text, '$.conversations[*]')
             ELSE json_keys(text, '$.messages[*]') END AS message_keys,
        CASE WHEN shape = 'sharegpt' THEN {_FROM_SHAREGPT} ELSE r.messages END AS messages,
        {_TOOLS} AS tools, {_COLUMNS}
    FROM shaped
)
SELECT * EXCLUDE (text, tools), {_ROLES} AS roles, 0 AS blocks,
    -- CASE, for AND evaluates both sides, and these are not equally dear.
    CASE WHEN messages IS NULL THEN false
         WHEN NOT (len(messages) > 0 AND coalesce(starts_with(tools, '['), true)
            AND NOT list_has_any(keys, ['functions', 'available_tools', 'system', 'chosen'])
            AND len(list_filter(messages, lambda m: m.function_call IS NOT NULL OR starts_with(m.tool_calls::VARCHAR, '"')
                OR (m.tool_calls::VARCHAR <> 'null' AND contains(m.tool_calls::VARCHAR, 'null'))
                OR coalesce(m.role NOT IN ('system', 'user', 'assistant', 'tool'), true))) = 0
            AND NOT (contains(text, 'NaN') OR contains(text, 'Infinity'))) THEN false
         WHEN shape = 'sharegpt' AND (list_contains(keys, 'messages') OR list_has_any(flatten(message_keys),
            ['role', 'content', 'tool_calls', 'function_call', 'name', 'tool_call_id'])) THEN false
         WHEN len(list_filter(messages, lambda m: starts_with(m.content, '[') OR starts_with(m.content, '{{'))) = 0 THEN true
         WHEN shape = 'sharegpt' THEN NOT list_has_any(json_type(text, '$.conversations[*].value'), ['ARRAY', 'OBJECT'])
         ELSE NOT list_has_any(json_type(text, '$.messages[*].content'), ['ARRAY', 'OBJECT'])
    END AS plain
FROM keyed
"""

# Few lists of keys are distinct: each is looked at once. Grouped by their hashes, for DISTINCT of lists takes seven times as
# long.
_TWICE = "len(list_distinct(k)) < len(k)"
_KEYS_TWICE = f"FROM (SELECT any_value(keys) AS k FROM raw GROUP BY hash(keys)) WHERE {_TWICE}"
_MESSAGE_KEYS_TWICE = f"""
FROM (SELECT any_value(message_keys) AS m FROM raw GROUP BY hash(message_keys))
WHERE len(list_filter(m, lambda k: {_TWICE})) > 0
"""
_NOT_PLAIN = f"""
UPDATE raw SET plain = false WHERE keys IN ({_KEYS_TWICE}) OR message_keys IN ({_MESSAGE_KEYS_TWICE})
"""

# What Python has fixed has the plain form; its shape and keys are those it came with.
_GIVEN = f"""
SELECT m.*, json_transform(m.row, '{_STRUCTURE}') AS r FROM (
    SELECT unnest(from_json($fixed, '[{{
        "number":"BIGINT","line":"BIGINT","shape":"VARCHAR","keys":["VARCHAR"],"blocks":"INTEGER","row":"JSON",
        "preference":{{"chosen":"VARCHAR","rejected":"VARCHAR","label":"BOOLEAN"}}}}]')) AS m
)
"""
_MENDED = f"""
INSERT INTO raw BY NAME
SELECT * EXCLUDE (tools) FROM (
    SELECT number, line, shape, keys, r.messages AS messages, {_ROLES} AS roles, {_TOOLS} AS tools, {_COLUMNS},
        blocks, true AS plain
    FROM ({_GIVEN})
)
"""

_PREFERENCES = f"""
INSERT INTO preferences
SELECT $base + number, preference.chosen, preference.rejected, preference.label FROM ({_GIVEN}) WHERE preference IS NOT NULL
"""

# To parse again the few rows whose tools are new costs less than to keep all tools in `raw`.
_NEW_TOOLSETS = f"""
INSERT INTO toolset_texts
SELECT toolset, {_TOOLS} FROM (
    SELECT toolset, SOURCE.r FROM (
        SELECT toolset, min(number) AS number FROM raw
        WHERE plain AND toolset IS NOT NULL AND toolset NOT IN (SELECT toolset FROM toolset_texts) GROUP BY toolset
    ) JOIN SOURCE USING (number)
)
"""
_TOOLSETS_OF_LINES = _NEW_TOOLSETS.replace(
    "SOURCE.r", """json_transform(text, '{"tools":"JSON"}') AS r"""
).replace("SOURCE", "incoming")
_TOOLSETS_OF_MENDED = _NEW_TOOLSETS.replace("SOURCE.r", "r").replace("SOURCE", f"({_GIVEN})")

_ROWS = """
INSERT INTO rows
SELECT $base + number, $file, line, shape, keys, roles, toolset, source, family, template, cluster, blocks
FROM raw WHERE plain
"""

_MESSAGES = """
INSERT INTO messages
SELECT $base + number, position, roles[position], m.role, coalesce(m.content, ''), m.name, m.tool_call_id, m.weight,
    coalesce(m.reasoning_content, '') <> ''
FROM (
    SELECT number, roles, unnest(messages) AS m, unnest(range(1, len(messages) + 1)) AS position FROM raw WHERE plain
)
"""

_CALLS = """
INSERT INTO calls
WITH listed AS (
    SELECT example, position, unnest(range(1, len(calls) + 1)) AS number, unnest(calls) AS call FROM (
        SELECT example, position, from_json(m.tool_calls, '[{
            "id":"VARCHAR","name":"VARCHAR","arguments":"JSON",
            "function":{"name":"VARCHAR","arguments":"JSON"}}]') AS calls
        FROM (
            SELECT $base + number AS example, unnest(messages) AS m, unnest(range(1, len(messages) + 1)) AS position
            FROM raw WHERE plain
        )
        WHERE m.tool_calls IS NOT NULL AND json_type(m.tool_calls) = 'ARRAY'
    )
), named AS (
    SELECT example, position, number, coalesce(call.function.name, call.name) AS tool, call.id AS id,
        coalesce(call.function.arguments, call.arguments) AS written,
        CASE WHEN json_type(written) = 'VARCHAR' THEN written ->> '$' ELSE coalesce(written::VARCHAR, '{}') END AS arguments,
        CASE json_type(written) WHEN 'VARCHAR' THEN 'text' WHEN 'OBJECT' THEN 'object' ELSE '' END AS form
    FROM listed
)
SELECT example, position, number, 'openai', tool,
    CASE WHEN json_valid(arguments) THEN arguments ELSE '{}' END,
    CASE WHEN tool IS NULL THEN 'the call has no name'
         WHEN NOT json_valid(arguments) THEN 'arguments are not JSON'
         WHEN json_type(arguments) <> 'OBJECT' THEN 'arguments are not an object'
         ELSE '' END,
    '', id, form
FROM named
"""


def insert_batch(
    cursor: duckdb.DuckDBPyConnection, file: int, base: int, batch: Batch, helpers: Helpers
) -> None:
    """One batch of lines into the tables. The example of the file's row number k is `base` + k."""
    faults = list(batch.faults)
    if batch.rows:
        with _parsed(cursor, batch):
            if helpers.reading.table or helpers.reading.patterns:
                cursor.execute("UPDATE raw SET plain = false")  # what a user declares, SQL does not know
            cursor.execute(_TOOLSETS_OF_LINES)
        odd = cursor.execute("SELECT number, line FROM raw WHERE NOT plain ORDER BY number").fetchall()
        wanted = [
            (number, line, batch.rows[number - batch.first], line == batch.torn_line) for number, line in odd
        ]
        for part in range(0, len(wanted), PART):
            fixed, found = helpers.ask("rows", wanted[part : part + PART])
            for query in (_MENDED, _TOOLSETS_OF_MENDED):
                cursor.execute(query, {"fixed": fixed})
            if '"preference":' in fixed:
                cursor.execute(_PREFERENCES, {"fixed": fixed, "base": base})
            faults += [Fault(*fault) for fault in json.loads(found)]
        cursor.execute(_ROWS, {"file": file, "base": base})
        cursor.execute(_MESSAGES, {"base": base})
        cursor.execute(_CALLS, {"base": base})
        cursor.execute("DROP TABLE raw")
    insert(
        cursor,
        "faults",
        '{"file":"INTEGER","line":"BIGINT","kind":"VARCHAR","detail":"VARCHAR"}',
        [{"file": file, **asdict(fault)} for fault in faults],
    )


@contextmanager
def _parsed(cursor: duckdb.DuckDBPyConnection, batch: Batch) -> Generator[None]:
    """Make `raw` of a batch's rows, which stand in `incoming` as long as the context lasts."""
    numbers = np.arange(batch.first, batch.first + len(batch.rows))
    # An array of Python's own strings: DuckDB reads them where they lie.
    incoming = {"number": numbers, "line": np.array(batch.lines), "text": np.array(batch.rows, dtype=object)}
    cursor.register("incoming", incoming)
    try:
        try:
            cursor.execute(RAW.replace("PARSED", TRUSTED))
        except duckdb.InvalidInputException:
            cursor.execute(RAW.replace("PARSED", DOUBTED))
        if any(cursor.execute(query).fetchone() for query in (_KEYS_TWICE, _MESSAGE_KEYS_TWICE)):
            cursor.execute(_NOT_PLAIN)
        yield
    finally:
        cursor.unregister("incoming")
