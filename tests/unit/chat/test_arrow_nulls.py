"""Nulls that Arrow adds go, those that were meant stay."""

import json
from pathlib import Path
from typing import Any

import duckdb
from hypothesis import given
from hypothesis import strategies as st

from tunewright.chat import arrow_nulls
from tunewright.chat.conversation import read_conversation
from tunewright.chat.normal_form import normal_form
from tunewright.chat.reading.settings import Reading

TEXT = {"type": "string"}
MEANT = {"type": ["string", "null"], "default": None, "enum": ["a", None], "description": "May be null."}


def tool(name: str, **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(properties)[:1]}
    return {"type": "function", "function": {"name": name, "description": name, "parameters": schema}}


def row(*calls: tuple[str, dict[str, Any]], tools: list[Any]) -> dict[str, Any]:
    made = [{"type": "function", "function": {"name": name, "arguments": given}} for name, given in calls]
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": None, "tool_calls": made}]
    return {"messages": turns, "tools": tools}


def test_what_parquet_adds_is_found_and_removed(tmp_path: Path) -> None:
    rows = [
        row(("weather", {"city": "Lima"}), tools=[tool("weather", city=TEXT)]),
        row(("stock", {"symbol": "ABC"}), tools=[tool("stock", symbol=TEXT)]),
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
    path = tmp_path / "a.parquet"
    duckdb.sql(f"COPY (FROM read_json('{tmp_path / 'a.jsonl'}')) TO '{path}'")
    unified = [
        json.loads(text) for (text,) in duckdb.execute(f"SELECT to_json(t) FROM '{path}' t").fetchall()
    ]
    assert unified != rows  # Arrow has done its work
    for was, now in zip(rows, unified):
        found = read_conversation(now)
        [(kind, detail)] = found.notes
        assert kind == "padding"
        assert "nulls that Arrow adds" in detail
        assert found.row() == now  # nothing is removed unasked
        cleaned = read_conversation(now, Reading(drop_padding=True))
        assert cleaned.row() == was
        assert cleaned.notes == []
        assert normal_form(found) == normal_form(read_conversation(was))
    assert read_conversation(rows[0]).notes == []


def test_nulls_that_were_meant_stay() -> None:
    tools = [tool("set", value=MEANT, default=TEXT), tool("open", anything={})]
    said = row(("set", {"value": None}), ("unknown", {"x": None}), tools=tools)
    assert arrow_nulls.padding(tools, said["messages"]) == ""
    assert arrow_nulls.of_row(said, tools) == said
    example = normal_form(read_conversation(said))
    assert example.messages[1].tool_calls[0].function.arguments == {"value": None}
    free = [
        {"name": "free", "parameters": {"type": "object", "properties": {}, "additionalProperties": True}}
    ]
    assert not arrow_nulls.padding(free, row(("free", {"x": None}), tools=free)["messages"])


def test_which_nulls_are_padding() -> None:
    tools = [tool("set", value=TEXT, other=None, more={"type": None, "description": None})]
    [cleaned] = arrow_nulls.without(tools)
    assert cleaned["function"]["parameters"]["properties"] == {"value": TEXT}
    assert arrow_nulls.without(
        [{"name": "f", "strict": None, "parameters": {"type": "object", "properties": {"default": None}}}]
    ) == [{"name": "f", "parameters": {"type": "object", "properties": {}}}]
    assert arrow_nulls.given({"value": "x", "other": None}, cleaned["function"]["parameters"]) == {
        "value": "x"
    }
    block = {"type": "text", "text": "q", "image_url": None}
    [message] = arrow_nulls.of_messages([{"role": "user", "content": [block]}], [])
    assert message["content"] == [{"type": "text", "text": "q"}]
    said = [
        {"role": "user", "content": None, "name": "a"},
        {"role": "assistant", "content": "b", "name": None},
    ]
    assert arrow_nulls.of_messages(said, []) == [said[0], {"role": "assistant", "content": "b"}]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "parameters", "properties", "default", "type", "x"]), inner, max_size=3
        )
    ),
    max_leaves=10,
)


def bare(value: Any) -> Any:
    """A value without its nulls, and without what holds nothing then."""
    if isinstance(value, dict):
        return {key: left for key, inner in value.items() if (left := bare(inner)) not in (None, {})}
    return (
        [left for item in value if (left := bare(item)) not in (None, {})]
        if isinstance(value, list)
        else value
    )


MESSAGES = st.lists(
    st.dictionaries(st.sampled_from(["role", "content", "tool_calls", "x"]), JSON), max_size=3
)


@given(st.lists(JSON, max_size=3), MESSAGES)
def test_nothing_but_nulls_is_ever_removed(tools: list[Any], messages: list[dict[str, Any]]) -> None:
    before = json.dumps([tools, messages])
    cleaned = [arrow_nulls.without(tools), arrow_nulls.of_messages(messages, tools)]
    assert json.dumps([tools, messages]) == before
    assert bare(cleaned) == bare([tools, messages])
    assert arrow_nulls.without(cleaned[0]) == cleaned[0]
