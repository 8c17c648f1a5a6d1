"""Rows that the audit reads in SQL mean the same as the one reader of chat rows says."""

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.chat_shapes import ROWS
from tunewright.audit.ingest import load
from tunewright.chat.conversation import read_conversation

WORDS = st.sampled_from(["", "q", "Is it warm?", "[1]", "{}", " x\n", "<tool_response>\n3", "ünï"])
ARGUMENTS = st.sampled_from(['{"a": 1}', {"a": 1}, {}, "{", "[1]", None, {"a": {"b": None}}])


def data_call(name: str, arguments: Any, number: str) -> dict[str, Any]:
    return {"id": number, "type": "function", "function": {"name": name, "arguments": arguments}}


CALLS = st.lists(
    st.builds(data_call, st.sampled_from(["f", "g"]), ARGUMENTS, st.sampled_from(["c1", "c2"])), max_size=2
)
EXTRAS = {
    "name": st.sampled_from(["f", None]),
    "tool_call_id": st.sampled_from(["c1", None]),
    "weight": st.sampled_from([0, 1, 0.5, None]),
    "reasoning_content": st.just("hm"),
    "mine": st.sampled_from([None, 1, "x"]),
    "tool_calls": CALLS | st.none() | CALLS.map(json.dumps),
}


def text_block(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


CONTENT = WORDS | st.none() | st.lists(st.builds(text_block, WORDS), max_size=2)
MESSAGE = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["system", "user", "assistant", "tool", "developer", "function"]),
        "content": CONTENT,
    },
    optional=EXTRAS,
)
TURN = st.fixed_dictionaries(
    {"from": st.sampled_from(["human", "gpt", "system", "tool", "function_call"]), "value": WORDS},
    optional={"weight": st.sampled_from([0, 1])},
)
TOOLS = st.sampled_from([None, [], "[]", "", [{"name": "f"}], json.dumps([{"name": "g"}])])
SIDE = {
    "tools": TOOLS,
    "chosen": st.sampled_from([None, "yes", {"role": "assistant", "content": "yes"}]),
    "rejected": st.sampled_from([None, "no"]),
    "system": st.sampled_from([None, "s"]),
    "label": st.booleans(),
}
ROW = st.fixed_dictionaries(
    {"messages": st.lists(MESSAGE, min_size=1, max_size=4)}, optional=SIDE
) | st.fixed_dictionaries({"conversations": st.lists(TURN, min_size=1, max_size=4)}, optional=SIDE)


def as_audited(row: dict[str, Any]) -> list[tuple[Any, ...]]:
    """What the audit should have of a row: role, content, name and id of each message, and its calls."""
    found: list[tuple[Any, ...]] = []
    for message in read_conversation(row).plain:
        tool_made = message["role"] == "user" and message["content"].lstrip().startswith("<tool_response>")
        functions = [call["function"] for call in message.get("tool_calls", [])]
        calls = [
            (f.get("name"), f.get("arguments")) if isinstance(f, dict) else (None, {}) for f in functions
        ]
        role = "tool" if tool_made else message["role"]
        found.append((role, message["content"], message.get("name"), message.get("tool_call_id"), calls))
    return found


def arguments_of(written: Any) -> str:
    try:
        value = json.loads(written) if isinstance(written, str) else written
    except ValueError:
        return "{}"
    return json.dumps({} if value is None else value)


@settings(
    max_examples=5, deadline=None, phases=(Phase.generate,), suppress_health_check=[HealthCheck.too_slow]
)
@given(st.lists(ROW | st.sampled_from([row for row, _ in ROWS.values()]), min_size=40, max_size=80))
def test_every_row_means_the_same_in_sql_and_in_python(rows: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "train.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        with load([path]) as store:
            said = store.connection.execute(
                "SELECT r.line, m.position, m.role, m.content, m.name, m.tool_call_id FROM messages m "
                "JOIN rows r USING (example) ORDER BY ALL"
            ).fetchall()
            calls = store.connection.execute(
                "SELECT r.line, c.message, c.position, c.tool, c.arguments FROM calls c JOIN rows r USING (example) "
                "WHERE c.syntax = 'openai' ORDER BY ALL"
            ).fetchall()
    wanted = [as_audited(row) for row in rows]
    assert said == [
        (line, place, *message[:4])
        for line, messages in enumerate(wanted, start=1)
        for place, message in enumerate(messages, start=1)
    ]
    assert [
        (line, message, place, tool, json.loads(given)) for line, message, place, tool, given in calls
    ] == [
        (line, place, number, tool, json.loads(arguments_of(given)))
        for line, messages in enumerate(wanted, start=1)
        for place, message in enumerate(messages, start=1)
        for number, (tool, given) in enumerate(message[4], start=1)
    ]
