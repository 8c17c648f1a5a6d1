"""`data.normalize` loses nothing: tools, keys, blocks and calls are there afterwards, and no unwanted answer is taught."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tunewright.chat.before_after import Changes, Normalized
from tunewright.chat.calls.code_mode import render_program
from tunewright.chat.conversation import UnknownShapeError, read_conversation
from tunewright.chat.normalize import NEUTRAL, normalize_dataset, speaks_of_tools
from tunewright.chat.resample_structure import TOOL_KEYS, Draw, Wanted, redraw_row
from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Structure

Row = dict[str, Any]
ALL, NONE = (Structure(system_message=n, multi_turn=n, preamble=n) for n in (1, 0))
FUNCTION = {
    "name": "send_email",
    "description": "Sends it.",
    "parameters": {"type": "object", "properties": {}},
}


def user(text: str, **extra: Any) -> Row:
    return {"role": "user", "content": text, **extra}


def calls(tool: str, content: Any = None, **extra: Any) -> Row:
    function = {"name": tool, "arguments": '{"n":  1}'}
    return {
        "role": "assistant",
        "content": content,
        "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        **extra,
    }


def talk(number: int, system: str = "", **extra: Any) -> Row:
    messages = [user(f"what is {number} like"), {"role": "assistant", "content": f"{number} is a number"}]
    return {"messages": [{"role": "system", "content": system}, *messages] if system else messages, **extra}


def normalized(
    folder: Path, rows: Sequence[Any], structure: Structure = ALL, system: str = ""
) -> tuple[list[Row], Normalized]:
    """The rows as they come out, and what is said of it."""
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = normalize_dataset(folder / "train.jsonl", folder / "out", structure, system)
    return [json.loads(line) for line in (folder / "out" / "train.jsonl").read_text().splitlines()], done


def with_id(rows: list[Row], name: Any) -> Row:
    return next(row for row in rows if row.get("id") == name)


SIGNATURES = "You can call functions.\n\nTools:\n- send_email(to, subject): Sends it.\n- fetch(url): Gets it."
JSON_LIST = f"Here is a list of functions in JSON format that you can invoke:\n{json.dumps([FUNCTION])}\nUse them well."


@pytest.mark.parametrize("prompt", [SIGNATURES, JSON_LIST, f"<tools>{json.dumps(FUNCTION)}</tools>"])
@pytest.mark.parametrize("structure", [ALL, NONE])
def test_a_prompt_that_lists_tools_is_kept_however_common(
    prompt: str, structure: Structure, tmp_path: Path
) -> None:
    rows = [
        {"id": n, "messages": [{"role": "system", "content": prompt}, user(f"mail {n}"), calls("send_email")]}
        for n in range(10)
    ]
    rows += [talk(n, "Be kind.", id=f"t{n}") for n in range(5)]
    rows += [talk(n, "Be merry.", id=f"m{n}") for n in range(6)]
    after, done = normalized(tmp_path, rows, structure)
    assert all(with_id(after, n)["messages"][0]["content"] == prompt for n in range(10))
    assert done.changes.left["system message, it speaks of tools"] == 10
    # The control: what says nothing of tools is made the same, or taken away.
    first = [with_id(after, f"t{n}")["messages"][0] for n in range(5)]
    assert all(m["content"] == "Be merry." if structure is ALL else m["role"] == "user" for m in first)


def test_a_prompt_that_names_a_called_tool_in_whatever_form_is_kept(tmp_path: Path) -> None:
    prompt = "Your one instrument is send_email."
    rows = [
        {"messages": [{"role": "system", "content": prompt}, user(f"mail {n}"), calls("send_email")]}
        for n in range(9)
    ]
    after, _ = normalized(tmp_path, [*rows, *(talk(n) for n in range(9))])
    assert sorted(row["messages"][0]["content"] for row in after) == [NEUTRAL] * 9 + [prompt] * 9


@pytest.mark.parametrize(
    ("text", "speaks"),
    [
        ("Use send_email when asked.", True),
        ("Never resend_emails.", False),
        ("You help people search the web.", False),
        ("Tools: search", True),
        ("Call `search` first.", True),
        ("You may search or fetch.", True),
        ("Ask Get Weather/v2 for it.", True),
        ("Be kind.", False),
    ],
)
def test_names_that_are_words_count_where_they_are_written_as_names(text: str, speaks: bool) -> None:
    assert speaks_of_tools(text, ["send_email", "search", "fetch", "Get Weather/v2"]) == speaks


@pytest.mark.parametrize("key", TOOL_KEYS)
@pytest.mark.parametrize("indent", [None, 2])
def test_tools_are_kept_and_shuffled_under_whichever_key_also_as_text(
    key: str, indent: int | None, tmp_path: Path
) -> None:
    tools = [{**FUNCTION, "name": f"tool_{n} é"} for n in range(6)]
    text = json.dumps(tools, indent=indent, ensure_ascii=False)
    rows: list[Row] = [
        {"id": n, "messages": [user(f"do {n}"), calls("tool_1 é")], key: tools if n % 2 else text}
        for n in range(20)
    ]
    after, done = normalized(tmp_path, rows)
    for row in after:
        listed: Any = row[key]
        if row["id"] % 2 == 0:
            listed = json.loads(row[key])
            assert row[key] == json.dumps(listed, indent=indent, ensure_ascii=False)
        assert isinstance(listed, list)
        assert sorted(map(json.dumps, listed)) == sorted(map(json.dumps, tools))
    assert len({json.dumps(row[key]) for row in after}) > 5
    assert done.changes.rows["tools shuffled"] > 15


def test_messages_keep_what_they_have_beside_their_text(tmp_path: Path) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:,x"}}
    held = {"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}
    messages = [
        {"role": "system", "content": [held], "cache_control": {"type": "ephemeral"}},
        user("", name="ada") | {"content": [{"type": "text", "text": "look"}, image]},
        calls("look", weight=0),
        {"role": "tool", "content": "3", "tool_call_id": "c1", "name": "look"},
        {"role": "assistant", "content": "It is 3.", "weight": 1, "reasoning_content": "three"},
    ]
    row = {"id": "a", "messages": messages, "parallel_tool_calls": False, "weight": 0.5}
    after, _ = normalized(tmp_path, [row, *(talk(n, "Be merry.") for n in range(4)), talk(5, "Be kind.")])
    new = with_id(after, "a")
    assert new["messages"][0] == messages[0] | {"content": [held | {"text": "Be merry."}]}
    own = new["messages"][3:]
    assert own[0] == messages[1]
    assert own[1]["content"]
    assert own[1] == messages[2] | {"content": own[1]["content"]}
    assert own[2:] == messages[3:]
    assert {k: v for k, v in new.items() if k != "messages"} == {
        k: v for k, v in row.items() if k != "messages"
    }


def test_a_preamble_goes_into_the_blocks_before_the_call_and_thoughts_stay() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    use = {"type": "tool_use", "id": "u", "name": "look", "input": {}}
    row = {"messages": [user("look"), {"role": "assistant", "content": [thought, use]}]}
    added = redraw_row(row, Wanted(0, 0, 1, "s"), Draw("x"))["messages"][1]["content"]
    assert [block["type"] for block in added] == ["thinking", "text", "tool_use"]
    assert [added[0], added[2]] == [thought, use]
    said = "<think>\nhm\n</think>\n\n" + render_program("look()")
    written = {"messages": [user("look"), {"role": "assistant", "content": said}]}
    changes = Changes()
    assert redraw_row(written, Wanted(0, 0, 0, "s"), Draw("x"), changes) == written
    assert changes.left == {"text before the call, it is more than a preamble": 1}


PAIR = {"prompt": "say it", "chosen": "yes", "rejected": "no"}


@pytest.mark.parametrize(
    "row",
    [
        PAIR,
        {"chosen": [user("q"), {"role": "assistant", "content": "a"}], "rejected": [user("q")]},
        {**talk(1), "rejected": {"role": "assistant", "content": "no"}},
        {**talk(1), "rejected_response": "no"},
        {"prompt": "say it", "completion": "no", "label": False},
        {"prompt": [user("say it")], "completion": [{"role": "assistant", "content": "yes"}], "label": True},
    ],
)
def test_rows_about_better_and_worse_answers_are_refused_with_their_line(row: Row, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train\.jsonl:2: .*which answer is better") as raised:
        normalized(tmp_path, [talk(1), row])
    assert "file of `messages`" in raised.value.hint
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("mark", [{"label": False}, {"kto_tag": False}, {"weight": 0}])
def test_an_answer_that_is_not_wanted_stays_marked_and_is_shown_in_no_other_row(
    mark: Row, tmp_path: Path
) -> None:
    rows = [talk(1, **mark), *({"messages": [user(f"do {n}"), calls("look")]} for n in range(20))]
    after, done = normalized(tmp_path, rows)
    holders = [row for row in after if "1 is a number" in json.dumps(row)]
    assert [row.items() >= mark.items() for row in holders] == [True]
    assert done.changes.left["turns, no other exchange in words to put before them"] == 21


def test_a_call_in_brackets_is_no_exchange_in_words(tmp_path: Path) -> None:
    rows = [
        {"messages": [user(f"do {n}"), {"role": "assistant", "content": f'[look("{n}")]'}]} for n in range(20)
    ]
    after, done = normalized(tmp_path, rows)
    assert sorted(
        m["content"] for row in after for m in row["messages"] if m["role"] == "assistant"
    ) == sorted(row["messages"][1]["content"] for row in rows)
    assert list(done.slices) == ["look"]


def test_poems_get_a_neutral_system_message_and_the_table_says_so(tmp_path: Path) -> None:
    after, done = normalized(tmp_path, [talk(n) for n in range(5)])
    assert {row["messages"][0]["content"] for row in after} == {NEUTRAL}
    text = done.text(200)
    assert f'The common system message (the data have no common one): "{NEUTRAL}"' in text
    assert "system message added: 5" in text


def test_the_recipes_text_is_used_where_the_data_have_none(tmp_path: Path) -> None:
    after, done = normalized(tmp_path, [talk(n) for n in range(5)], system="You write poems.")
    assert {row["messages"][0]["content"] for row in after} == {"You write poems."}
    assert '(the recipe\'s): "You write poems."' in done.text(200)


def test_one_rows_own_message_is_not_given_to_all(tmp_path: Path) -> None:
    after, _ = normalized(tmp_path, [talk(0, "The user is called Ada."), *(talk(n) for n in range(1, 6))])
    assert sorted(row["messages"][0]["content"] for row in after) == [
        "The user is called Ada.",
        *[NEUTRAL] * 5,
    ]


def test_what_was_replaced_is_shown_and_written_down(tmp_path: Path) -> None:
    rows = [talk(n, "Be merry.") for n in range(5)] + [talk(n, "Be\u202ekind.") for n in range(5, 8)]
    _, done = normalized(tmp_path, rows)
    assert 'It replaces, in 3 rows: "Be⟦U+202E⟧kind."' in done.text(200)
    facts = json.loads((tmp_path / "out" / "dataset.json").read_text())["facts"]
    assert facts["system_replaced"] == {"Be\u202ekind.": 3}
    assert facts["changed"]["system message made the same"] == 3


def test_what_was_removed_is_shown_too(tmp_path: Path) -> None:
    _, done = normalized(tmp_path, [talk(n, "Be merry.") for n in range(5)], NONE)
    assert 'Removed, in 5 rows: "Be merry."' in done.text(200)
    assert "place of" not in done.text(200)
    assert "The common system message" not in done.text(200)  # nobody got it


@pytest.mark.parametrize("structure", [ALL, NONE, Structure()])
def test_normalizing_again_changes_nothing(structure: Structure, tmp_path: Path) -> None:
    tools = [{**FUNCTION, "name": name} for name in ("look", "send_email", "fetch")]
    rows = [talk(n, "Be kind." if n % 2 else "") for n in range(30)]
    rows += [
        {"messages": [user(f" do {n}"), calls("look", "Sure." if n % 3 else None)], "tools": tools}
        for n in range(60)
    ]
    first, _ = normalized(tmp_path, rows, structure)
    (tmp_path / "again").mkdir()
    second, done = normalized(tmp_path / "again", first, structure)
    assert second == first
    assert not +done.changes.rows


def test_other_shapes_bring_all_they_have(tmp_path: Path) -> None:
    call = '{"name": "look", "arguments": {"n": 1}}'
    sharegpt = [
        {"from": "human", "value": "look", "weight": 0},
        {"from": "function_call", "value": call, "id": 7},
        {"from": "observation", "value": "3", "name": "look"},
        {"from": "gpt", "value": "It is 3.", "loss": True},
    ]
    rows: list[Row] = [
        {"id": "s", "system": SIGNATURES, "conversations": sharegpt, "tools": [FUNCTION], "kto_tag": True},
        {
            "id": "a",
            "system": "Speak of Ada.",
            "instruction": "add",
            "input": "2 and 2",
            "output": "4",
            "history": [["hi", "hello"]],
            "images": ["x.png"],
        },
        {
            "id": "p",
            "prompt": [user("q", name="ada")],
            "completion": [{"role": "assistant", "content": "a", "weight": 1}],
            "score": 3,
        },
        {"id": "c", "text": "<s><|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\na<|im_end|>\n", "n": 1},
    ]
    after, done = normalized(tmp_path, rows, NONE)
    assert with_id(after, "s") == {
        "id": "s",
        "messages": [
            {"role": "system", "content": SIGNATURES},
            user("look", weight=0),
            {"role": "assistant", "content": "", "tool_calls": [{"function": json.loads(call)}], "id": 7},
            {"role": "tool", "content": "3", "name": "look"},
            {"role": "assistant", "content": "It is 3.", "loss": True},
        ],
        "tools": [FUNCTION],
        "kto_tag": True,
    }
    assert with_id(after, "a") == {
        "id": "a",
        "messages": [
            {"role": "system", "content": "Speak of Ada."},
            user("hi"),
            {"role": "assistant", "content": "hello"},
            user("add\n\n2 and 2"),
            {"role": "assistant", "content": "4"},
        ],
        "images": ["x.png"],
    }
    assert with_id(after, "p") == {
        "id": "p",
        "messages": [*rows[2]["prompt"], *rows[2]["completion"]],
        "score": 3,
    }
    assert with_id(after, "c")["messages"] == [user("q"), {"role": "assistant", "content": "a"}]
    assert with_id(after, "c")["n"] == 1
    assert done.changes.rows["written as messages"] == 4


@pytest.mark.parametrize(
    "row",
    [
        {"text": "Mind this.<|im_start|>user\nq<|im_end|>"},
        {"prompt": "Mind this.<|im_start|>user\nq<|im_end|>", "completion": "a"},
        {"instruction": "q", "output": "a", "history": [["one"]]},
        {"prompt": None, "completion": None},
    ],
)
def test_a_row_that_would_lose_something_is_refused(row: Row, tmp_path: Path) -> None:
    with pytest.raises(UnknownShapeError):
        read_conversation(row).row()
    with pytest.raises(UserError, match=r"train\.jsonl:2"):
        normalized(tmp_path, [talk(1), row])
