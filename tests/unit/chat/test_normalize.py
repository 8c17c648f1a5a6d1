"""`data.normalize`: the same structure for every tool, and nothing else changed."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from tunewright.audit.audited import audit_dataset
from tunewright.chat.calls import find
from tunewright.chat.calls.code_mode import render_program
from tunewright.chat.message import call_start
from tunewright.chat.normalize import normalize_dataset
from tunewright.chat.resample_structure import PREAMBLES, Draw, Wanted, redraw_row
from tunewright.contract.errors import UserError
from tunewright.contract.manifest import DatasetManifest
from tunewright.contract.recipe import Structure

WORDS = ["".join(chr(97 + (n * k) % 23) for k in (3, 5, 7, 11, 13)) for n in range(400)]


def row(user: str, *turns: str, system: str | None = None) -> dict[str, Any]:
    messages = [{"role": "system", "content": system}] if system else []
    for number, said in enumerate((user, *turns)):
        messages.append({"role": "assistant" if number % 2 else "user", "content": said})
    return {"messages": messages}


def story(folder: Path) -> Path:
    """The story's fault: one tool without a system message, another always announced in words."""
    rows = [row(f"find {w} now", render_program(f'search("{w}")')) for w in WORDS[:150]]
    rows += [
        row(f"open {w} now", "Let me look.\n\n" + render_program(f'read("{w}")'), system="Be kind.")
        for w in WORDS[150:300]
    ]
    rows += [row(f"what is {w} then", f"{w} is a word", system="Be kind.") for w in WORDS[300:]]
    folder.mkdir()
    (folder / "train.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    (folder / "valid.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows[::9]))
    return folder


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_fails_for_its_structure_passes_afterwards(tmp_path: Path) -> None:
    data = story(tmp_path / "data")
    assert any(f.check == "shortcut.feature" and f.severity == "fail" for f in audit_dataset([data]).findings)
    normalize_dataset(data, tmp_path / "out")
    after = audit_dataset([tmp_path / "out"]).findings
    assert not [f for f in after if f.check.startswith(("shortcut.", "coverage.")) and f.severity != "info"]


def test_requests_and_calls_are_kept_byte_for_byte(tmp_path: Path) -> None:
    data = story(tmp_path / "data")
    normalize_dataset(data, tmp_path / "out")

    def calls(path: Path) -> list[str]:
        texts = [m["content"] for r in read(path) for m in r["messages"] if m["role"] == "assistant"]
        return sorted(
            text[start:]
            for text in texts
            if (start := call_start({"role": "assistant", "content": text})) is not None
        )

    assert calls(tmp_path / "out" / "train.jsonl") == calls(data / "train.jsonl")
    last = [r["messages"][-2]["content"] for r in read(tmp_path / "out" / "train.jsonl")]
    assert sorted(last) == sorted(r["messages"][-2]["content"] for r in read(data / "train.jsonl"))


def test_the_same_data_give_the_same_files_and_a_manifest(tmp_path: Path) -> None:
    data = story(tmp_path / "data")
    first, second = normalize_dataset(data, tmp_path / "a"), normalize_dataset(data, tmp_path / "b")
    assert (tmp_path / "a" / "train.jsonl").read_bytes() == (tmp_path / "b" / "train.jsonl").read_bytes()
    manifest = DatasetManifest.model_validate_json((tmp_path / "a" / "dataset.json").read_bytes())
    assert manifest.splits["train"].examples == first.splits["train"] == 400
    assert len(manifest.lineage) == 2
    assert first.changes == second.changes


def test_the_table_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion
) -> None:
    monkeypatch.chdir(tmp_path)
    assert normalize_dataset(story(Path("data")), Path("out")).text(120) == snapshot


def test_duplicates_stay_duplicates(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text(
        (json.dumps(row("find it now", render_program("search('it')"))) + "\n") * 5
    )
    normalize_dataset(tmp_path / "train.jsonl", tmp_path / "out")
    assert len({json.dumps(r) for r in read(tmp_path / "out" / "train.jsonl")}) == 1


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (1.0, 1)])
def test_shares_of_nothing_and_of_all_are_kept_exactly(share: float, expected: int) -> None:
    donors = [row("what is it", "a thing")["messages"]]
    wanted = Wanted(share, share, share, "Be kind.", frozenset({"Be kind."}), donors=donors)
    given = row("find it", "One moment.\n\n" + render_program("search('it')"), system="Be kind.")
    new = redraw_row(given, wanted, Draw("seed"))
    roles = [m["role"] for m in new["messages"]]
    assert roles.count("system") == expected
    assert roles.count("assistant") == 1 + expected
    assert bool(find(new["messages"][-1]["content"]).preamble) == bool(expected)


def test_a_system_message_that_says_something_about_its_row_is_kept() -> None:
    given = row("find it", "there", system="The user is called Ada.")
    new = redraw_row(given, Wanted(1, 0, 0, "Be kind.", frozenset({"Be kind."})), Draw("seed"))
    assert new["messages"][0]["content"] == "The user is called Ada."


def test_a_long_text_before_a_call_is_kept() -> None:
    words = "This says a lot. " * 20
    given = row("find it", words + render_program("search('it')"))
    assert redraw_row(given, Wanted(1, 0, 0, "s"), Draw("x"))["messages"][-1]["content"].startswith(words)


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=40),
    st.text(alphabet="ab\n ()='", max_size=40),
    st.sampled_from(["", *PREAMBLES]),
    st.text(max_size=5),
)
def test_no_request_and_no_program_is_ever_changed(user: str, code: str, preamble: str, seed: str) -> None:
    answer = f"{preamble}\n\n{render_program(code)}" if preamble else render_program(code)
    wanted = Wanted(1, 0.37, 0.33, "s", donors=[row("q", "a")["messages"]])
    new = redraw_row(row(user, answer), wanted, Draw(seed))
    assert new["messages"][-2]["content"] == user.strip()
    assert new["messages"][-1]["content"].endswith(render_program(code))


@pytest.mark.parametrize("bad", ["not json\n", '{"no": "conversation"}\n'])
def test_a_row_that_cannot_be_read_is_an_error_with_its_line_and_nothing_is_written(
    bad: str, tmp_path: Path
) -> None:
    (tmp_path / "train.jsonl").write_text(json.dumps(row("q", "a")) + "\n" + bad)
    with pytest.raises(UserError, match=r"train\.jsonl:2"):
        normalize_dataset(tmp_path / "train.jsonl", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_finished_is_not_replaced(tmp_path: Path) -> None:
    data = story(tmp_path / "data")
    normalize_dataset(data, tmp_path / "out")
    with pytest.raises(UserError, match="exists already"):
        normalize_dataset(data, tmp_path / "out")


def test_a_system_message_that_lists_tools_as_json_stays_with_its_row(tmp_path: Path) -> None:
    def listing(name: str) -> str:
        return "You may use:\n" + json.dumps([{"name": name, "parameters": {"properties": {}}}])

    rows = [row(f"find {w}", f"[{t}()]", system=listing(t)) for w in WORDS[:50] for t in ("one", "two")]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    normalize_dataset(tmp_path / "train.jsonl", tmp_path / "out")
    made = [r["messages"] for r in read(tmp_path / "out" / "train.jsonl")]
    assert len(made) == 100
    assert all(m[0]["content"] == listing(m[-1]["content"].strip("[]()")) for m in made)


def test_rows_of_known_datasets_become_messages_and_lose_nothing(tmp_path: Path) -> None:
    tools = json.dumps([{"name": "one"}, {"name": "two"}])
    block = {"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}
    rows = [
        {"id": 7, "query": "find that", "answers": '[{"name": "one", "arguments": {}}]', "tools": tools},
        {
            "text": f"<s>[AVAILABLE_TOOLS] {tools}[/AVAILABLE_TOOLS][INST] find this [/INST] there</s>",
            "id": 8,
        },
        {"chat": "USER: find it\n\n\nASSISTANT: there <|endoftext|>", "system": "SYSTEM: Be kind to Ada."},
        {"instruction": ["odd"], "output": "there", "history": [["before", "after"]], "input": "x"},
        {"input": row("find them", "")["messages"][:1], "output": "there", "system_prompt": "Think of Ada."},
        {**row("find all", "there"), "system": [block]},
    ]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    wanted = Structure(system_message=1, multi_turn=0, preamble=0)
    normalize_dataset(tmp_path / "train.jsonl", tmp_path / "out", wanted)
    made = {r["messages"][-2]["content"]: r for r in read(tmp_path / "out" / "train.jsonl")}
    assert {"messages", "id", "tools"} == set(made["find that"]) == set(made["find this"])
    assert sorted(tool["name"] for tool in made["find this"]["tools"]) == ["one", "two"]
    assert made["find that"]["messages"][-1]["tool_calls"][0]["function"]["name"] == "one"
    assert made["find it"]["messages"][0]["content"] == "Be kind to Ada."
    odd = [m["content"] for m in made["['odd']\n\nx"]["messages"][1:]]
    assert odd == ["before", "after", "['odd']\n\nx", "there"]
    assert made["find them"]["messages"][0]["content"] == "Think of Ada."
    assert made["find all"]["messages"][0]["content"] == [block]
    assert all(set(r) == {"messages"} for said, r in made.items() if said not in ("find that", "find this"))


def test_tools_in_a_text_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    text = '[AVAILABLE_TOOLS] [{"name": [/AVAILABLE_TOOLS][INST] find it [/INST] there</s>'
    (tmp_path / "train.jsonl").write_text(json.dumps({"text": text}) + "\n")
    with pytest.raises(UserError, match=r"train\.jsonl:1: tools would be lost"):
        normalize_dataset(tmp_path / "train.jsonl", tmp_path / "out")
