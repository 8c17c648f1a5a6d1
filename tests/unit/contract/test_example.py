"""Reading training examples, and saying where a bad one is."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from tunewright.contract.errors import ExitCode, UserError
from tunewright.contract.example import Example, Function, Message, Meta, ToolCall, read_examples

GOOD = '{"messages": [{"role": "user", "content": "Hi"}]}'


def write(tmp_path: Path, data: str | bytes) -> Path:
    path = tmp_path / "data.jsonl"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def test_a_byte_order_mark_and_blank_lines_do_not_matter(tmp_path: Path) -> None:
    path = write(tmp_path, b"\xef\xbb\xbf" + GOOD.encode() + b"\r\n\n" + GOOD.encode() + b"\n")
    assert [example.request for example in read_examples(path)] == ["Hi", "Hi"]


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ("{not json}\n", ":2: not a JSON document"),
        ('{"messages": [{"role": "user", "con', ":2: not a JSON document"),
        ('{"messages": []}\n', ":2: messages"),
        ('{"text": "x"}\n', ":2: messages"),
        ('{"messages": [{"role": "boss", "content": "x"}]}\n', ":2: messages.0.role"),
        ('{"messages": [{"role": "user", "content": null}]}\n', ":2: messages.0.content"),
        ("[1, 2]\n", ":2: "),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path: Path, line: str, where: str) -> None:
    path = write(tmp_path, GOOD + "\n" + line)
    with pytest.raises(UserError) as caught:
        read_examples(path)
    assert where in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == ExitCode.USAGE


def test_a_torn_last_line_is_called_torn(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cut short"):
        read_examples(write(tmp_path, GOOD + '\n{"messages": ['))


def test_invalid_utf8_is_named_by_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.jsonl:2: not a JSON"):
        read_examples(write(tmp_path, GOOD.encode() + b'\n{"messages": "\xff"}\n'))


def test_a_missing_and_an_empty_file_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        read_examples(tmp_path / "none.jsonl")
    with pytest.raises(UserError, match="no examples"):
        read_examples(write(tmp_path, "\n\n"))


def test_a_row_holds_what_is_known_and_nothing_empty() -> None:
    example = Example(messages=(Message(role="user", content="Hi"),), meta=Meta(source="s"))
    assert example.row() == {"messages": [{"role": "user", "content": "Hi"}], "meta": {"source": "s"}}
    assert Example.model_validate(example.row()) == example


def test_calls_results_thoughts_and_weights_survive_a_row_and_back() -> None:
    call = ToolCall(
        id="a1", function=Function(name="find", arguments={"path": "x.py", "deep": {"n": [1, None]}})
    )
    example = Example(
        messages=(
            Message(role="user", content="Hi"),
            Message(role="assistant", content="", tool_calls=(call,), reasoning_content="look", weight=0),
            Message(role="tool", content="[]", tool_call_id="a1", name="find"),
        ),
        tools=({"type": "function", "function": {"name": "find"}},),
    )
    row = example.row()
    assert row["messages"][1]["tool_calls"] == [
        {
            "id": "a1",
            "type": "function",
            "function": {"name": "find", "arguments": {"path": "x.py", "deep": {"n": [1, None]}}},
        }
    ]
    assert row["messages"][1]["weight"] == 0
    assert row["messages"][2] == {"role": "tool", "content": "[]", "tool_call_id": "a1", "name": "find"}
    assert Example.model_validate_json(json.dumps(row)) == example


def test_arguments_as_text_are_not_the_normal_form() -> None:
    with pytest.raises(ValidationError):
        ToolCall.model_validate({"function": {"name": "find", "arguments": "{}"}})
