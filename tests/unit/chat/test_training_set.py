"""A dataset as training reads it: normal form, held-out rows apart, and every dropped row with its reason."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.many_shapes import SHAPES, conversations
from tunewright.chat.training_set import prepare_dataset, read_training_set
from tunewright.contract.errors import UserError
from tunewright.contract.example import Example, read_examples


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(path: Path, rows: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def good(number: int, **others: Any) -> dict[str, Any]:
    said = [
        {"role": "user", "content": f"Tell me about topic number {number} please"},
        {"role": "assistant", "content": "Yes"},
    ]
    return {"messages": said, **others}


def test_each_dropped_row_is_named_by_file_line_and_reason(tmp_path: Path) -> None:
    rows = [
        good(1),
        "{torn",
        {"nothing": 1},
        good(2, label=False),
        {"messages": [{"role": "user", "content": "Hi"}]},
        good(3, weight=0),
        *(good(number) for number in range(4, 30)),
    ]
    data = write(tmp_path / "my.jsonl", rows)
    folder, made = prepare_dataset(data, tmp_path / "store", share=0.2, seed=1)
    dropped = lines(folder / "dropped.jsonl")
    assert [(row["line"], row["reason"]) for row in dropped] == [
        (2, "unreadable"),
        (3, "no conversation in it"),
        (4, "marked as not wanted"),
        (5, "no answer in it"),
        (6, "every answer has weight 0"),
    ]
    assert {row["file"] for row in dropped} == {str(data)}
    assert made.facts["read"] == len(rows)
    kept = sum(split.examples for split in made.splits.values())
    assert kept + len(dropped) == len(rows)


@pytest.mark.parametrize(
    "function", [{"arguments": {}}, {"name": "f", "arguments": "{torn"}, {"name": "f", "arguments": [1]}]
)
def test_a_row_whose_call_cannot_be_read_is_dropped(tmp_path: Path, function: dict[str, Any]) -> None:
    row = good(1)
    row["messages"][1]["tool_calls"] = [{"function": function}]
    made = read_training_set(write(tmp_path / "my.jsonl", [good(0), row]))
    assert made.reasons == {"a call cannot be read": 1}


def test_nothing_is_prepared_twice_and_changed_data_are_prepared_anew(tmp_path: Path) -> None:
    data = write(tmp_path / "my.jsonl", [good(number) for number in range(20)])
    first, _ = prepare_dataset(data, tmp_path / "store", share=0.2, seed=1)
    assert prepare_dataset(data, tmp_path / "store", share=0.2, seed=1)[0] == first
    write(data, [good(number) for number in range(21)])
    assert prepare_dataset(data, tmp_path / "store", share=0.2, seed=1)[0] != first


def test_held_out_rows_share_no_request_with_train(tmp_path: Path) -> None:
    rows = [good(number % 15) for number in range(60)]
    folder, made = prepare_dataset(write(tmp_path / "my.jsonl", rows), tmp_path / "store", share=0.2, seed=1)
    asked = {
        split: {row["messages"][0]["content"] for row in lines(folder / f"{split}.jsonl")}
        for split in made.splits
    }
    assert asked["valid"]
    assert not asked["train"] & asked["valid"]
    assert made.facts["held_out"] == "cut off by cluster"


def test_a_split_of_the_data_own_stays(tmp_path: Path) -> None:
    write(tmp_path / "d" / "train.jsonl", [good(number) for number in range(9)])
    write(tmp_path / "d" / "valid.jsonl", [good(100)])
    folder, made = prepare_dataset(tmp_path / "d", tmp_path / "store", share=0.5, seed=1)
    assert {name: split.examples for name, split in made.splits.items()} == {"train": 9, "valid": 1}
    assert len(read_examples(folder / "valid.jsonl")) == 1


def test_rows_too_long_are_dropped_where_their_tokens_can_be_counted(tmp_path: Path) -> None:
    rows = [good(number) for number in range(30)]
    rows[7]["messages"][1]["content"] = "long " * 500
    data = write(tmp_path / "my.jsonl", rows)

    def length(example: Example) -> int:
        return sum(len(message.content.split()) for message in example.messages)

    folder, made = prepare_dataset(data, tmp_path / "store", share=0.2, seed=1, limit=100, fit=length)
    [dropped] = lines(folder / "dropped.jsonl")
    assert (dropped["line"], dropped["reason"], dropped["detail"]) == (
        8,
        "longer than 100 tokens",
        "507 tokens",
    )
    assert sum(split.examples for split in made.splits.values()) == 29


def test_data_without_a_trainable_row_say_what_each_row_lacks(tmp_path: Path) -> None:
    data = write(tmp_path / "my.jsonl", [{"nothing": 1}, good(1, label=False)])
    with pytest.raises(UserError, match=r"my\.jsonl:1: no conversation") as caught:
        read_training_set(data)
    assert "my.jsonl:2: marked as not wanted" in caught.value.message


def test_tools_leave_the_prompt_in_all_rows_or_in_none(tmp_path: Path) -> None:
    rows = [SHAPES["hermes"](example) for example in conversations(12)]
    made = read_training_set(write(tmp_path / "hermes.jsonl", rows))
    assert all(row.tools and row.messages[0].role == "user" for row in made.rows["train"])
    code = "<tool_call><function=execute_code>\n<parameter=code>\nprint(f())\n</parameter>\n</function></tool_call>"
    rows.append({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": code}]})
    made = read_training_set(write(tmp_path / "mixed.jsonl", rows))
    assert not any(row.tools for row in made.rows["train"])


def test_among_programs_a_call_in_another_dialect_stays_text(tmp_path: Path) -> None:
    code = "<tool_call><function=execute_code>\n<parameter=code>\nprint(f())\n</parameter>\n</function></tool_call>"
    fenced = 'I use f.\n\n```json\n{"name": "f", "arguments": {"a": 1}}\n```'
    asked = {"role": "user", "content": "Hi"}
    rows = [{"messages": [asked, {"role": "assistant", "content": said}]} for said in (code, fenced)]
    made = read_training_set(write(tmp_path / "mixed.jsonl", rows))
    assert [row.messages[1].content for row in made.rows["train"]] == [code, fenced]
    alone = read_training_set(write(tmp_path / "alone.jsonl", rows[1:]))
    assert alone.rows["train"][0].messages[1].tool_calls
