"""A request and its answer as a row: whole, or out of the pieces of a stream."""

import json
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.train.serve import LONGEST_ROW, RowWriter
from tunewright.train.served_row import served_row

BODY: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": "Hello"}],
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "user": "somebody",
    "temperature": 0,
}
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@given(pieces=st.lists(st.text(max_size=5), max_size=6), cuts=st.booleans())
def test_a_stream_gives_the_row_that_the_whole_answer_gives(pieces: list[str], cuts: bool) -> None:
    text = "".join(pieces)
    whole = {"message": {"content": text or None, "tool_calls": [CALL]}, "finish_reason": "tool_calls"}
    stream: list[dict[str, Any]] = [
        {"delta": {"content": piece} if piece else {}, "finish_reason": None} for piece in pieces
    ]
    stream.append(
        {"delta": {"tool_calls": [{**CALL, "index": 0}]}, "finish_reason": None if cuts else "tool_calls"}
    )
    row = served_row(BODY, [whole], "m", "now")
    assert row is not None
    assert row["messages"] == [
        *BODY["messages"],
        {"role": "assistant", "content": text, "tool_calls": [CALL]},
    ]
    assert row["meta"] == {"model": "m", "time": "now", "finish": "tool_calls"}
    assert set(row) == {"messages", "tools", "meta"}
    # A client that did not wait for the end got no answer.
    assert served_row(BODY, stream, "m", "now") == (None if cuts else row)


def test_what_is_no_conversation_gives_no_row() -> None:
    done = {"text": "a", "finish_reason": "stop"}
    assert served_row({"prompt": "a"}, [done], "m", "now") is None
    assert served_row(BODY, [], "m", "now") is None


def test_a_row_too_long_for_its_line_is_told_and_the_next_one_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    written = StringIO()
    write = RowWriter(written)
    for value in ("x" * LONGEST_ROW, float("nan"), "\ud800"):
        write({"value": value})
    assert [json.loads(line) for line in written.getvalue().splitlines()] == [{"row": {"value": "\ud800"}}]
    told = capsys.readouterr().err.splitlines()
    assert [line.startswith("not logged") for line in told] == [True, True]
