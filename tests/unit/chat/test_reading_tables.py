"""`[read]` and `[calls]`: rows of an unknown shape and calls of the user's own are read as they are declared."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.chat_shapes import WEATHER
from tunewright.audit.audited import audit_dataset
from tunewright.audit.ingest import load
from tunewright.audit.sql import run_query
from tunewright.chat.conversation import UnknownShapeError, read_conversation
from tunewright.chat.merge import merge_datasets
from tunewright.chat.normal_form import normal_form
from tunewright.chat.normalize import normalize_dataset
from tunewright.chat.reading.mapping import guess_table
from tunewright.chat.reading.rows import shape_hint
from tunewright.chat.reading.settings import load_reading, parse_reading
from tunewright.contract.errors import UserError

Row = dict[str, Any]
TABLE = """
[read]
messages = "dialogue"
role = "speaker"
content = "utterance"
roles = { customer = "user", agent = "assistant", look = "tool_call", seen = "tool" }
tools = "abilities"
system = "brief"
"""
DIALOGUE: Row = {
    "brief": "Be kind.",
    "dialogue": [
        {"speaker": "customer", "utterance": "Is it warm?", "mood": "curious"},
        {"speaker": "look", "utterance": json.dumps({"name": "weather", "arguments": {"city": "Lima"}})},
        {"speaker": "seen", "utterance": "19"},
        {"speaker": "agent", "utterance": "Yes."},
    ],
    "abilities": json.dumps([WEATHER]),
    "shop": 7,
}
CALLS = r"""
[calls]
ours = '@(?P<name>\w+)\((?P<arguments>.*?)\)@'
"""


def toml(folder: Path, text: str) -> Path:
    (folder / "read.toml").write_text(text)
    return folder / "read.toml"


def written(folder: Path, *rows: Any, name: str = "train.jsonl") -> Path:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / name


def many(row: Row, count: int = 12) -> list[Row]:
    text = json.dumps(row)
    return [json.loads(text.replace("warm", f"warm in place{n} or town{n * 7}")) for n in range(count)]


def test_a_declared_shape_is_read_whole_and_written_as_messages(tmp_path: Path) -> None:
    reading = load_reading(toml(tmp_path, TABLE))
    found = read_conversation(DIALOGUE, reading)
    assert [(m["role"], m["content"]) for m in found.plain] == [
        ("system", "Be kind."),
        ("user", "Is it warm?"),
        ("assistant", ""),
        ("tool", "19"),
        ("assistant", "Yes."),
    ]
    assert found.plain[2]["tool_calls"][0]["function"]["name"] == "weather"
    assert found.tools == [WEATHER]
    row = found.row()
    assert row["messages"][1] == {"role": "user", "content": "Is it warm?", "mood": "curious"}
    assert (row["shop"], json.loads(row["tools"])) == (7, [WEATHER])
    assert "dialogue" not in row
    again = read_conversation(row)
    assert (again.plain, again.tools) == (found.plain, found.tools)
    # Rows of a known shape are read as ever.
    assert read_conversation({"prompt": "q", "completion": "a"}, reading).shape == "prompt"


def test_columns_of_a_request_its_answers_and_a_label() -> None:
    reading = parse_reading(
        {"read": {"prompt": "ask", "chosen": "good", "rejected": "bad", "label": "fine"}}, "x.toml"
    )
    found = read_conversation({"ask": "q", "good": "a", "bad": "b", "fine": True, "n": 1}, reading)
    assert [m["content"] for m in found.plain] == ["q", "a"]
    assert (found.rejected, found.label) == ([{"role": "assistant", "content": "b"}], True)
    again = read_conversation(found.row())
    assert (again.plain, again.rejected, again.label) == (found.plain, found.rejected, True)


@pytest.mark.parametrize("count", [12, 1500])  # in this process, and in helpers
def test_the_audit_sql_and_merge_read_a_declared_shape(count: int, tmp_path: Path) -> None:
    path, config = written(tmp_path, *many(DIALOGUE, count)), toml(tmp_path, TABLE)
    report = audit_dataset([path], config=config)
    assert report.examples == count
    assert not [
        f
        for f in report.findings
        if f.check in ("format.unknown_shape", "call.unknown_tool", "format.role_order")
    ]
    assert json.loads(
        run_query("SELECT tool, count(*) AS n FROM calls GROUP BY 1", [path], None, "json", config)
    ) == [{"tool": "weather", "n": count}]
    made = merge_datasets([path], tmp_path / "out", valid=0, reading=load_reading(config))
    assert made.facts["counts"]["train"] == {"weather": count}
    with pytest.raises(UserError, match=r"train\.jsonl:1: no conversation") as caught:
        merge_datasets([path], tmp_path / "two", valid=0)
    assert "and 1,480 more rows" in str(caught.value) if count > 20 else "12 rows" in str(caught.value)
    assert str(caught.value).count("train.jsonl:") == min(count, 20)


def test_calls_of_a_declared_pattern_are_calls_everywhere(tmp_path: Path) -> None:
    rows: list[Row] = [
        {
            "messages": [
                {"role": "user", "content": f"Is it {n} warm?"},
                {"role": "assistant", "content": said},
            ],
            "tools": [WEATHER],
        }
        for n in range(6)
        for said in ('One moment. @weather({"city": "Lima"})@', '@weather(city="Rome")@')
    ]
    path, config = written(tmp_path, *rows), toml(tmp_path, CALLS)
    reading = load_reading(config)
    with load([path], config=config) as store:
        found = store.connection.execute(
            "SELECT tool, arguments, error FROM calls ORDER BY example"
        ).fetchall()
    assert found == [("weather", '{"city":"Lima"}', ""), ("weather", '{"city":"Rome"}', "")] * 6
    made = merge_datasets([path], tmp_path / "out", valid=0, balance="none", reading=reading)
    assert made.facts["counts"]["train"] == {"weather": 12}
    assert sorted(r["messages"][1]["content"] for r in read(tmp_path / "out")) == sorted(
        r["messages"][1]["content"] for r in rows
    )
    done = normalize_dataset(path, tmp_path / "norm", reading=reading)
    assert list(done.slices) == ["weather"]
    assert all("@weather(" in row["messages"][-1]["content"] for row in read(tmp_path / "norm"))
    assert list(normalize_dataset(path, tmp_path / "plain").slices) == ["direct answer"]
    example = normal_form(read_conversation(rows[0], reading))
    assert (example.messages[1].content, example.messages[1].tool_calls[0].function.arguments) == (
        "One moment.",
        {"city": "Lima"},
    )


def read(folder: Path) -> list[Row]:
    return [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[read]\nmesages = "x"', "read.mesages: no such key"),
        ("[read]\nmessages = 5", "read.messages: the name of a column"),
        ('[read]\nrole = "x"', "read: neither messages nor prompt"),
        ('[read]\nmessages = "x"\nroles = { a = "boss" }', "read.roles.a: 'boss' is not a role"),
        ('[read]\nmessages = "x"\nroles = "a"', "read.roles: a table"),
        ('[read]\ndrop_padding = "yes"', "read.drop_padding: true or false"),
        ("read = 5", "read: a table"),
        ("[calls]\nours = '('", "calls.ours: not a regular expression"),
        ("[calls]\nours = 'x'", "calls.ours: no group"),
        ("[calls]\nours = '(?P<name>x)?'", "calls.ours: it matches where nothing is"),
        ("[calls]\nours = 5", "calls.ours: a regular expression"),
        ("[read", "not TOML"),
    ],
)
def test_a_table_that_is_not_understood_is_an_error_that_names_the_key(
    text: str, key: str, tmp_path: Path
) -> None:
    config = toml(tmp_path, text)
    with pytest.raises(UserError) as caught:
        load_reading(config)
    assert key in str(caught.value)
    assert "read.toml" in str(caught.value)
    path = written(tmp_path, DIALOGUE)
    with pytest.raises(UserError) as same:
        audit_dataset([path], config=config)
    assert (
        str(same.value).partition("\n")[0].split(": ", 1)[1][:12]
        == str(caught.value).partition("\n")[0].split(": ", 1)[1][:12]
    )


@pytest.mark.parametrize("key", ["messages", "system", "tools"])
def test_a_column_that_no_row_has_is_an_error_that_names_the_key(key: str, tmp_path: Path) -> None:
    names = {"messages": '"dialogue"', "system": '"brief"', "tools": '"abilities"'}
    config = toml(tmp_path, TABLE.replace(names[key], '"missing"'))
    path = written(tmp_path, *many(DIALOGUE))
    for use in (
        lambda: audit_dataset([path], config=config),
        lambda: merge_datasets([path], tmp_path / "out", reading=load_reading(config)),
        lambda: normalize_dataset(path, tmp_path / "out", reading=load_reading(config)),
    ):
        with pytest.raises(UserError, match=rf"read\.toml: read\.{key}: no row has the column 'missing'"):
            use()
    assert not (tmp_path / "out").exists()


def test_a_turn_without_the_declared_key_is_named(tmp_path: Path) -> None:
    reading = load_reading(toml(tmp_path, TABLE))
    with pytest.raises(UnknownShapeError, match=r"message 1 has no 'speaker' \(read\.role\)"):
        read_conversation({"dialogue": [{"who": "customer"}]}, reading)
    with pytest.raises(UnknownShapeError, match=r"dialogue \(read\.messages\) is a number, not a list"):
        read_conversation({"dialogue": 5}, reading)


@pytest.mark.parametrize(
    "row",
    [
        DIALOGUE,
        {"dialogue": json.dumps(DIALOGUE["dialogue"])},
        {"n": 1, "user_question": "Is it warm?", "final_answer": "Yes, it is."},
        {"Q": "Is it warm?", "A": "Yes."},
        {"log": [{"by": "x", "words": "Is it warm?"}, {"by": "y", "words": "Yes, it is warm."}]},
    ],
)
def test_the_table_that_is_shown_for_an_unknown_shape_reads_it(row: Row, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        audit_dataset([written(tmp_path, row)])
    table = guess_table(row).replace('"…"', '"tool"')
    assert all(line in caught.value.hint for line in guess_table(row).splitlines())
    found = read_conversation(row, load_reading(toml(tmp_path, table)))
    assert found.plain[0]["role"] == "user"
    assert "warm" in found.plain[0]["content"]
    assert len(found.plain) > 1


@pytest.mark.parametrize(
    "value", [5, None, [], {}, {"a": 1}, {"a": [1]}, {"a": [{"b": []}]}, {"a": [{"b": "c"}]}, {'"': "\n"}]
)
def test_a_table_is_shown_for_anything(value: Any) -> None:
    assert "[read]" in shape_hint(value)
