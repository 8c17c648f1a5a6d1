"""The views of `./inv sql`, and what every one of their columns means."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb

from tunewright.audit.features import FEATURES
from tunewright.contract.errors import UserError

RUN_TABLES = ("runs", "events", "predictions", "scores")

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "understood": {
        "file": "path as given",
        "split": "train, valid or test, by the file's name",
        "kind": "rows, blocks (typed content), tool_lists or calls",
        "read": "how many were read",
        "unread": "how many were not",
        "forms": "the shapes of the rows and the dialects of the calls that were read, with their counts, most first",
        "lines": "line of each that was not read, in order",
        "reasons": "why they were not, each reason once",
    },
    "examples": {
        "example": "number of the example, from 1 in the order of the files",
        "file": "path as given",
        "split": "train, valid or test, by the file's name",
        "line": "line in the file, from 1 (row number for Parquet)",
        "shape": "how it was written: messages, sharegpt, conversations, preference, prompt, xlam, glaive, chatml, mistral",
        "source": "`meta.source`, `metadata.source`, `source` or `dataset` of the row; empty without one",
        "family": "`meta.family` or `category`; empty without one",
        "keys": "top-level keys of the row, in order",
        "messages": "number of messages",
        "roles": "roles in order, parted by spaces; tool results written as user turns count as tool",
        "has_system": "whether there is a system message",
        "system": "text of the first system message",
        "request": "first thing the user said",
        "first_answer": "text of the first assistant message",
        "multi_turn": "whether there is more than one assistant message",
        "calls": "number of calls in all answers",
        "tool": "first tool called, by its own name where the row has another for it; NULL when none is",
        "answer_tool": "first tool called in the first answer; (none) for an answer in words",
        "syntax": "how the first call is written; NULL without calls",
        "preamble": "text before the first call, in the same message",
        "toolset": "hash of the list of offered tools; NULL without one (join with tools)",
        "cluster": "smallest example of the same template or near-duplicate request",
    },
    "messages": {
        "example": "the example it belongs to",
        "position": "place in the example, from 1",
        "role": "system, user, assistant or tool",
        "written_role": "role as the row has it (after translating names like human and gpt)",
        "content": "text; typed blocks are put together",
        "name": "the message's `name`, if any",
        "tool_call_id": "the call that a tool result answers, if the row says",
    },
    "calls": {
        "example": "the example it belongs to",
        "message": "position of its message",
        "position": "place among the calls of its message, from 1",
        "syntax": "the dialect: code_mode, openai, hermes_json, … (docs/formats.md lists them)",
        "tool": "name of the tool; NULL when it cannot be read",
        "arguments": 'JSON object; positional ones are "$0", "$1", …; computed ones {"$expression": source}',
        "error": "why it cannot be parsed; empty when it can",
        "program": "code mode: the program it is in",
        "tool_call_id": "id of the call, if the row gives one",
    },
    "tools": {
        "toolset": "hash of the list it is in",
        "position": "place in the list, from 1",
        "tool": "name that it goes by there",
        "kind": "its own name: tools described alike are one tool",
        "description": "what the list says about it",
        "parameters": "JSON schema of its parameters; empty without one",
        "examples": "number of examples that offer this list",
    },
    "features": {
        "example": "the example",
        "feature": "name: " + ", ".join(feature.name for feature in FEATURES),
        "value": "its value for the example, as text; how requests are written (`request_case` to `request_emoji`) "
        "for 20,000 examples of a split only",
        "seen": "when a model can see it: before the answer, request, answer (only afterwards), unseen",
    },
    "balance": {
        "split": "train, valid or test",
        "slice": "tool, source or family",
        "name": "which of them; (none) for rows that call nothing",
        "rows": "number of examples",
        "share": "their share of the split",
        "wordings": "number of clusters of requests that are alike but for names and numbers",
        "calls": "calls in all their answers",
        "direct": "share that answers without a call",
        "repeated": "share that says the same as an earlier row of the split",
    },
    "structure": {
        "split": "train, valid or test",
        "slice": "tool, source or family",
        "name": "which of them; (none) for rows that call nothing",
        "rows": "number of examples",
        "system": "share with a system message",
        "further_turns": "share with more than one answer",
        "preamble": "share with text before the first call",
        "tools": "median number of offered tools",
        "messages": "median number of messages",
        "request_length": "median length of the request, in characters",
        "largest_gap": "largest difference of a share to that of the other rows of the split",
        "gap_in": "the share that has it: system, further_turns or preamble",
    },
    "findings": {
        "check_id": "which check",
        "severity": "fail, warn or info",
        "message": "what it says; rows with the same message are one finding",
        "detail": "about this row",
        "split": "which split",
        "file": "path of the row",
        "line": "line of the row",
        "example": "the example; NULL for lines that cannot be read and for findings about a whole split",
        "feature": "feature, where the finding is about one",
        "label": "what the feature predicts",
        "effect": "the check's effect size",
        "support": "rows that it rests on",
        "q": "p-value adjusted for the number of tests",
    },
    "runs": {
        "run": "id of the run",
        "recipe": "name of its recipe",
        "host": "where it ran",
        "created": "when it was made, UTC",
        "state": "queued, running, done, failed, cancelled or lost; NULL before it started",
        "stage": "stage it is in, or ended in",
        "step": "step of that stage",
        "dataset": "path of the dataset",
        "forced": "whether it went on despite a failed audit",
        "spec": "the whole spec.json",
    },
    "events": {
        "run": "id of the run",
        "seq": "number of the event, from 1 without gaps",
        "time": "when, UTC",
        "stage": "stage that wrote it",
        "kind": "progress, loss, validation, checkpoint, warning, stage_start, stage_end, error, done, …",
        "data": "JSON object with what the kind carries: data ->> '$.loss'",
    },
    "predictions": {
        "run": "id of the run",
        "model": "base, adapter, fused or quantized",
        "suite": "name of the suite",
        "case": "id of the case",
        "sample": "number of the sample, from 0",
        "text": "raw answer",
        "tokens": "tokens generated",
        "seconds": "its share of its batch's time",
        "finish": "stop or length",
    },
    "scores": {
        "run": "id of the run",
        "model": "which model answered",
        "suite": "name of the suite",
        "case": "id of the case",
        "category": "category of the case",
        "sample": "number of the sample, from 0",
        "passed": "whether the answer is right",
        "checks": "JSON object: each criterion and whether it holds",
        "reasons": "what is wrong, one sentence each",
    },
}


def make_dataset_views(connection: duckdb.DuckDBPyConnection, words: Iterable[str]) -> None:
    """Make the dataset's views in the schema `shown`; findings and clusters only when a query names them."""
    from tunewright.audit.audit_steps import build_tables, find_all

    wanted = set(words)
    build_tables(connection, (), lambda _step, _share: None)
    if "findings" in wanted:
        find_all(connection)
    seen = " ".join(f"WHEN '{feature.name}' THEN '{feature.timing}'" for feature in FEATURES)
    names = ", ".join(feature.name for feature in FEATURES)
    connection.execute(f"""
        CREATE SCHEMA shown;
        CREATE VIEW shown.understood AS
            SELECT file, split, kind, read, unread, forms, list_transform(places, lambda p: p.line) AS lines,
                list_distinct(list_transform(places, lambda p: p.detail)) AS reasons
            FROM main.understood;
        CREATE VIEW shown.examples AS
            SELECT example, path AS file, split, line, shape, source, family, keys, messages, roles, has_system, system,
                request, first_answer, multi_turn, calls, tool, answer_tool, syntax, preamble, toolset, c.cluster
            FROM main.examples JOIN main.clusters c USING (example);
        CREATE VIEW shown.messages AS
            SELECT example, position, role, written_role, content, name, tool_call_id FROM main.messages;
        CREATE VIEW shown.calls AS
            SELECT example, message, position, syntax, tool, arguments::JSON AS arguments, error, program, tool_call_id
            FROM main.calls;
        CREATE VIEW shown.tools AS
            SELECT toolset, position, tool, kind, description, parameters, n AS examples FROM main.offered
            LEFT JOIN (SELECT toolset, count(*) AS n FROM main.rows GROUP BY 1) USING (toolset);
        CREATE VIEW shown.features AS
            SELECT example, feature, value, CASE feature {seen} END AS seen
            FROM (UNPIVOT (FROM main.feature_columns) ON {names} INTO NAME feature VALUE value);
        CREATE VIEW main.sliced AS
            WITH spread AS (
                SELECT e.*, c.cluster, coalesce(o.n, 0) AS offered,
                    row_number() OVER (PARTITION BY split, conversation_hash ORDER BY e.example) > 1 AS repeated
                FROM main.examples e JOIN main.clusters c USING (example)
                LEFT JOIN (SELECT toolset, count(*) AS n FROM main.offered GROUP BY 1) o USING (toolset)
            )
            SELECT 'tool' AS slice, coalesce(tool, '(none)') AS name, * EXCLUDE (path) FROM spread
            UNION ALL SELECT 'source', source, * EXCLUDE (path) FROM spread WHERE source <> ''
            UNION ALL SELECT 'family', family, * EXCLUDE (path) FROM spread WHERE family <> '';
        CREATE VIEW shown.balance AS
            SELECT split, slice, name, count(*) AS rows,
                round(count(*) / sum(count(*)) OVER (PARTITION BY split, slice), 3) AS share,
                count(DISTINCT cluster) AS wordings, sum(calls)::BIGINT AS calls,
                round(avg((calls = 0)::INTEGER), 3) AS direct, round(avg(repeated::INTEGER), 3) AS repeated
            FROM main.sliced GROUP BY split, slice, name
            ORDER BY split = 'train' DESC, split, slice = 'tool' DESC, slice, rows DESC, name;
        CREATE VIEW shown.structure AS
            WITH counted AS (
                SELECT split, slice, name, count(*) AS rows,
                    count(*) FILTER (has_system) AS a, count(*) FILTER (multi_turn) AS b,
                    count(*) FILTER (preamble <> '') AS c,
                    median(offered) AS tools, median(messages) AS messages,
                    median(length(coalesce(last_request, ''))) AS asked,
                    sum(count(*)) OVER s AS n, sum(a) OVER s AS all_a, sum(b) OVER s AS all_b, sum(c) OVER s AS all_c
                FROM main.sliced GROUP BY split, slice, name WINDOW s AS (PARTITION BY split, slice)
            ), gaps AS (
                SELECT *, coalesce(abs(a / rows - (all_a - a) / nullif(n - rows, 0)), 0) AS gap_a,
                    coalesce(abs(b / rows - (all_b - b) / nullif(n - rows, 0)), 0) AS gap_b,
                    coalesce(abs(c / rows - (all_c - c) / nullif(n - rows, 0)), 0) AS gap_c,
                    greatest(gap_a, gap_b, gap_c) AS gap
                FROM counted
            )
            SELECT split, slice, name, rows, round(a / rows, 3) AS system, round(b / rows, 3) AS further_turns,
                round(c / rows, 3) AS preamble, tools, messages, asked AS request_length, round(gap, 3) AS largest_gap,
                CASE WHEN gap = 0 THEN '' WHEN gap = gap_a THEN 'system' WHEN gap = gap_b THEN 'further_turns'
                     ELSE 'preamble' END AS gap_in
            FROM gaps ORDER BY split = 'train' DESC, split, slice = 'tool' DESC, slice, rows DESC, name;
        CREATE VIEW shown.findings AS
            SELECT o.check_id, o.severity, o.message, o.detail, coalesce(o.split, e.split, f.split) AS split,
                coalesce(e.path, f.path) AS file, coalesce(o.line, e.line) AS line, o.example, o.feature, o.label,
                o.effect, o.support, o.q
            FROM main.offences o LEFT JOIN main.examples e USING (example) LEFT JOIN main.files f ON f.file = o.file;
    """)


def make_run_views(connection: duckdb.DuckDBPyConnection, runs: Path | None, words: Iterable[str]) -> None:
    """Make the views over runs as tables of the schema `shown`, empty where there is no folder of runs yet.

    Only the tables among `words` are filled. Raises UserError when `runs` is not a folder.
    """
    from tunewright.audit.database import insert

    if runs is not None and not runs.is_dir():
        raise UserError(f"no folder of runs at {runs}", "Give the folder that holds the runs, usually runs/.")
    wanted = set(words)
    connection.execute("""
        CREATE TABLE shown.runs (run VARCHAR, recipe VARCHAR, host VARCHAR, created VARCHAR, state VARCHAR, stage VARCHAR,
            step BIGINT, dataset VARCHAR, forced BOOLEAN, spec JSON);
        CREATE TABLE shown.events (run VARCHAR, seq BIGINT, time VARCHAR, stage VARCHAR, kind VARCHAR, data JSON);
        CREATE TABLE shown.predictions (run VARCHAR, model VARCHAR, suite VARCHAR, "case" VARCHAR, sample BIGINT,
            text VARCHAR, tokens BIGINT, seconds DOUBLE, finish VARCHAR);
        CREATE TABLE shown.scores (run VARCHAR, model VARCHAR, suite VARCHAR, "case" VARCHAR, category VARCHAR,
            sample BIGINT, passed BOOLEAN, checks JSON, reasons VARCHAR[]);
    """)
    readers = {"runs": _run, "events": _events, "predictions": _predictions, "scores": _scores}
    for path in sorted(path.parent for path in runs.glob("*/spec.json")) if runs is not None else ():
        for table in RUN_TABLES:
            if table in wanted:
                insert(connection, f"shown.{table} BY NAME", _STRUCTURES[table], readers[table](path))


_STRUCTURES = {
    "runs": '{"run":"VARCHAR","recipe":"VARCHAR","host":"VARCHAR","created":"VARCHAR","state":"VARCHAR","stage":"VARCHAR",'
    '"step":"BIGINT","dataset":"VARCHAR","forced":"BOOLEAN","spec":"JSON"}',
    "events": '{"run":"VARCHAR","seq":"BIGINT","time":"VARCHAR","stage":"VARCHAR","kind":"VARCHAR","data":"JSON"}',
    "predictions": '{"run":"VARCHAR","model":"VARCHAR","suite":"VARCHAR","case":"VARCHAR","sample":"BIGINT",'
    '"text":"VARCHAR","tokens":"BIGINT","seconds":"DOUBLE","finish":"VARCHAR"}',
    "scores": '{"run":"VARCHAR","model":"VARCHAR","suite":"VARCHAR","case":"VARCHAR","category":"VARCHAR",'
    '"sample":"BIGINT","passed":"BOOLEAN","checks":"JSON","reasons":["VARCHAR"]}',
}


def _json(path: Path) -> Any:
    """A JSON file's value; None when it is missing or half-written, as files of a living run may be."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _lines(path: Path) -> list[Any]:
    found: list[Any] = []
    for line in path.read_bytes().splitlines() if path.is_file() else []:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue  # the torn tail of a living run
    return [value for value in found if isinstance(value, dict)]


def _run(path: Path) -> list[dict[str, Any]]:
    spec = _json(path / "spec.json")
    if not isinstance(spec, dict):
        return []
    status = _json(path / "status.json") or {}
    return [
        {
            "run": spec.get("id", path.name),
            "recipe": (spec.get("recipe") or {}).get("name"),
            "host": spec.get("host"),
            "created": spec.get("created"),
            "state": status.get("state"),
            "stage": status.get("stage"),
            "step": status.get("step"),
            "dataset": spec.get("dataset"),
            "forced": spec.get("forced") is not None,
            "spec": spec,
        }
    ]


def _events(path: Path) -> list[dict[str, Any]]:
    keys = ("seq", "time", "stage", "kind", "data")
    return [
        {"run": path.name, **{key: event.get(key) for key in keys}} for event in _lines(path / "events.jsonl")
    ]


def _predictions(path: Path) -> list[dict[str, Any]]:
    keys = ("case", "sample", "text", "tokens", "seconds", "finish")
    return [
        {
            "run": path.name,
            "model": file.parent.name,
            "suite": file.stem,
            **{key: row.get(key) for key in keys},
        }
        for file in sorted((path / "predictions").glob("*/*.jsonl"))
        for row in _lines(file)
    ]


def _scores(path: Path) -> list[dict[str, Any]]:
    keys = ("case", "category", "sample", "passed", "checks", "reasons")
    found: list[dict[str, Any]] = []
    for file in sorted((path / "scores").glob("*/*.json")):
        value = _json(file) or {}
        found += [
            {
                "run": path.name,
                "model": file.parent.name,
                "suite": file.stem,
                **{key: row.get(key) for key in keys},
            }
            for row in value.get("cases", [])
            if isinstance(row, dict)
        ]
    return found
