"""The same examples in other syntaxes, with tools to choose from, about other repositories."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.small_dataset import ROOT, small_recipe
from tunewright.chat.calls import Call
from tunewright.cli.pipeline import own_dataset
from tunewright.contract.catalog import load_catalog
from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Recipe, Structure
from tunewright.datagen.example_builder import CALLS_ONLY
from tunewright.datagen.families.direct import questions
from tunewright.datagen.generate import generate_dataset
from tunewright.datagen.round_trip import calls_of

pytestmark = pytest.mark.slow

TEMPLATE = (
    "{%- for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{%- for c in m.tool_calls or [] %}\n<tool_call>\n"
    '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}\n</tool_call>{% endfor %}'
    "<|im_end|>\n{% endfor %}"
)
UTIL = "def helper_one(x):\n    return x\n\n\ndef helper_two(y):\n    return helper_one(y) + helper_one(2)\n"
MAIN = "from pkg.util import helper_one, helper_two\n\n\ndef start():\n    return helper_one(1) + helper_two(3)\n"


def checkout(folder: Path) -> Path:
    (folder / "pkg").mkdir(parents=True)
    (folder / "pkg" / "__init__.py").write_text("")
    (folder / "pkg" / "util.py").write_text(UTIL)
    (folder / "pkg" / "main.py").write_text(MAIN)
    (folder / "pkg" / "bad.py").write_text("def (:\n")
    (folder / "pkg" / "data.py").write_bytes(b"\xff\x00")
    (folder / "loop").symlink_to(folder)
    return folder


def recipe(**changes: Any) -> Recipe:
    small = small_recipe(10, 4)
    tools = ("goto_definition", "find_references", "read_file")
    data = small.data.model_copy(update={"tools": tools, "valid": 0.3, **changes})
    return small.model_copy(update={"data": data})


def rows(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "train.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_every_syntax_makes_the_same_calls(tmp_path: Path) -> None:
    repo = checkout(tmp_path / "repo")
    catalog = load_catalog("coding")
    found: dict[str, list[list[Call]]] = {}
    syntaxes = ("qwen_xml", "hermes_json", "openai", "pythonic", "mistral")
    for syntax in syntaxes:
        out = tmp_path / syntax
        generate_dataset(recipe(syntax=syntax), out, repos=[repo], template=TEMPLATE, root=ROOT)
        found[syntax] = [
            [
                call
                for m in row["messages"]
                if m["role"] == "assistant"
                for call in calls_of(m, syntax, catalog)
            ]
            for row in rows(out)
        ]
        assert all(row["tools"] for row in rows(out))
        assert {row["messages"][0]["content"] for row in rows(out)} == {CALLS_ONLY}
        for row, calls in zip(rows(out), found[syntax]):
            results = sum(message["role"] == "tool" for message in row["messages"])
            assert results == len(calls) or (results, len(calls)) == (0, 1)
            assert "result." not in row["messages"][-1]["content"]
    assert any(found["openai"])
    assert all(calls == found["openai"] for calls in found.values())


def test_several_single_calls_stand_in_an_example_with_the_result_of_each(tmp_path: Path) -> None:
    plan = recipe(syntax="openai", navigation=40, other=1, structure=Structure(multi_turn=1.0))
    generate_dataset(plan, tmp_path / "out", repos=[checkout(tmp_path / "repo")], root=ROOT)
    catalog = load_catalog("coding")
    several = 0
    for row in rows(tmp_path / "out"):
        roles = [m["role"] for m in row["messages"]]
        calls = [m for m in row["messages"] if m["role"] == "assistant" and calls_of(m, "openai", catalog)]
        several += len(calls) > 1
        assert roles.count("tool") == len(calls) or (roles.count("tool"), len(calls)) == (0, 1)
    assert several


def test_a_recipe_s_own_system_message_stays_as_it_is(tmp_path: Path) -> None:
    repo = checkout(tmp_path / "repo")
    plan = recipe(syntax="pythonic", system="Call what helps.")
    generate_dataset(plan, tmp_path / "out", repos=[repo], root=ROOT)
    assert {row["messages"][0]["content"] for row in rows(tmp_path / "out")} == {"Call what helps."}


def test_tools_are_offered_and_a_missing_one_is_told_honestly(tmp_path: Path) -> None:
    repo = checkout(tmp_path / "repo")
    generate_dataset(recipe(offered=True, navigation=20), tmp_path / "out", repos=[repo], root=ROOT)
    made = rows(tmp_path / "out")
    assert all("\n\nTools:\n- " in row["messages"][0]["content"] for row in made)
    refused = [row for row in made if row["meta"]["family"] == "irrelevance" and "scenario" in row["meta"]]
    assert refused
    for row in refused:
        assert row["messages"][-1]["content"].startswith("None of my tools does that.")
        assert "tool" not in row["meta"]


def test_a_share_of_the_examples_lists_tools_and_a_missing_tool_is_always_among_them(tmp_path: Path) -> None:
    repo = checkout(tmp_path / "repo")
    generate_dataset(recipe(offered=0.8, navigation=40), tmp_path / "out", repos=[repo], root=ROOT)
    made = rows(tmp_path / "out")
    listed = ["\n\nTools:\n- " in row["messages"][0]["content"] for row in made]
    assert 0.7 < sum(listed) / len(listed) < 0.9
    refused = [
        shown
        for row, shown in zip(made, listed)
        if row["messages"][-1]["content"].startswith("None of my tools")
    ]
    assert refused
    assert all(refused)


def test_with_two_tools_a_missing_one_is_told_beside_look_alikes(tmp_path: Path) -> None:
    repo = checkout(tmp_path / "repo")
    plan = recipe(offered=1, navigation=20, other=20, tools=("goto_definition", "find_references"))
    generate_dataset(plan, tmp_path / "out", repos=[repo], root=ROOT)
    said = [row["messages"][-1]["content"] for row in rows(tmp_path / "out")]
    assert any(text.startswith("None of my tools does that. I only have ") for text in said)


def test_next_to_a_list_nothing_is_explained_or_denied_against_it(tmp_path: Path) -> None:
    repo = checkout(tmp_path / "repo")
    structure = recipe().data.structure.model_copy(update={"multi_turn": 1.0})
    plan = recipe(
        offered=1,
        navigation=24,
        other=60,
        tools=("read_file", "run_command", "write_file"),
        structure=structure,
    )
    generate_dataset(plan, tmp_path / "out", repos=[repo], root=ROOT)
    known = {question.text: question for question in questions(load_catalog("coding"))}
    explained = 0  # denials are too rare here to count on: test_tool_sampling.py has one next to each list
    for row in rows(tmp_path / "out"):
        listed = set(re.findall(r"^- (\w+)\(", row["messages"][0]["content"], re.MULTILINE))
        assert listed
        for message in row["messages"]:
            question = known.get(message["content"]) if message["role"] == "user" else None
            if question is not None:
                assert set(question.tools) <= listed
                explained += bool(question.tools)
                if question.family == "irrelevance":
                    assert "run_command" not in listed
    assert explained


def test_where_single_calls_list_a_shell_nothing_is_denied(tmp_path: Path) -> None:
    repo = checkout(tmp_path / "repo")
    plan = recipe(syntax="openai", navigation=1, other=24, tools=("read_file", "run_command"))
    generate_dataset(plan, tmp_path / "out", repos=[repo], root=ROOT)
    assert not [row for row in rows(tmp_path / "out") if row["meta"]["family"] == "irrelevance"]


def test_a_checkout_is_trained_on_and_valid_is_about_other_repositories(tmp_path: Path) -> None:
    repo = checkout(tmp_path / "repo")
    manifest = generate_dataset(recipe(), tmp_path / "out", repos=[repo], root=ROOT)
    assert {row["meta"].get("corpus") for row in rows(tmp_path / "out")} - {None} == {"repo==files"}
    assert any(entry.path == "repo==files" for entry in manifest.lineage)


FOLDERS = '''
from pathlib import Path
from pydantic import BaseModel


class Listing(BaseModel):
    success: bool
    count: int


def list_folder(root: Path, path: str, least: int = 0) -> Listing:
    """List the files of a folder."""
    folder = root / path
    files = [f for f in folder.iterdir() if f.stat().st_size >= least] if folder.is_dir() else []
    return Listing(success=bool(files), count=len(files))


def resize(path: str, size: int) -> Listing:
    """Resize an image."""
    return Listing(success=False, count=size)
'''


def test_tools_of_the_users_own_are_asked_what_they_can_do_and_others_are_named(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(FOLDERS)
    plan = recipe(catalog=str(tmp_path / "own.py"), tools=())
    generate_dataset(plan, tmp_path / "out", root=ROOT)
    said = [
        m["content"] for row in rows(tmp_path / "out") for m in row["messages"] if m["role"] == "assistant"
    ]
    programs = [text for text in said if "list_folder(path=" in text]
    assert programs
    assert not [text for text in programs if '.py"' in text]
    assert any(", least=" in text for text in programs)
    facts = json.loads((tmp_path / "out" / "dataset.json").read_text())
    reasons = [reason for family in facts["facts"]["ledger"].values() for reason in family["rejected"]]
    assert "resize requires what no place in a repository gives, or returns nothing to ask for" in reasons


def test_more_than_a_repository_can_show_is_said_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "a.py").write_text("x = 1\n")
    with pytest.raises(UserError, match="nothing new to show"):
        generate_dataset(recipe(), tmp_path / "out", repos=[tmp_path / "repo"], root=ROOT)
    assert not (tmp_path / "out").exists()


PARTLY_BROKEN = """
import time
from pathlib import Path
from pydantic import BaseModel

class Count(BaseModel):
    words: int

def count_words(root: Path, path: str) -> Count:
    \"\"\"How many words a file has.\"\"\"
    return Count(words=len((root / path).read_text().split()))

def broken(path: str) -> Count:
    \"\"\"How many lines a file has.\"\"\"
    raise RuntimeError("boom")
"""


def test_own_tools_that_fail_cost_their_rows_and_are_counted(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PARTLY_BROKEN)
    plan = recipe(catalog=str(tmp_path / "mine.py"), tools=(), navigation=4, other=16)
    made = generate_dataset(plan, tmp_path / "out", root=ROOT)
    assert {row["meta"].get("tool") for row in rows(tmp_path / "out")} == {None, "count_words"}
    assert made.facts["ledger"]["field_access"]["rejected"]["broken raised RuntimeError"] > 0


def test_where_only_broken_tools_are_left_their_reason_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PARTLY_BROKEN)
    plan = recipe(catalog=str(tmp_path / "mine.py"), tools=("broken",), navigation=4, other=16)
    with pytest.raises(
        UserError, match=r"nothing new to show for broken.*broken raised RuntimeError \(boom\), \d+ times"
    ):
        generate_dataset(plan, tmp_path / "out", repos=[checkout(tmp_path / "repo")], root=ROOT)


def test_where_a_dataset_cannot_be_put_is_told_before_anything_is_made(tmp_path: Path) -> None:
    def began(*_: object) -> None:
        pytest.fail("it began")

    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be made"):
        generate_dataset(recipe(), tmp_path / "file" / "out", report=began, root=ROOT)


def test_a_template_that_drops_what_is_said_stops_with_a_reason(tmp_path: Path) -> None:
    repo = checkout(tmp_path / "repo")
    with pytest.raises(UserError, match="could not be written"):
        generate_dataset(
            recipe(), tmp_path / "out", repos=[repo], template="{{ messages | length }}", root=ROOT
        )
    assert not (tmp_path / "out").exists()


def test_the_base_model_s_own_template_is_asked_without_being_named(tmp_path: Path) -> None:
    repo, base = checkout(tmp_path / "repo"), tmp_path / "base"
    base.mkdir()
    (base / "tokenizer.json").write_text("{}")
    (base / "chat_template.jinja").write_text("{{ messages | length }}")
    plan = recipe()
    plan = plan.model_copy(update={"model": plan.model.model_copy(update={"base": str(base)})})
    with pytest.raises(UserError, match="could not be written"):
        own_dataset(plan, tmp_path / "out", repos=[repo])
    (base / "chat_template.jinja").write_text(TEMPLATE)
    _, made = own_dataset(plan, tmp_path / "out", repos=[repo])
    assert made.splits


def test_a_family_of_the_users_own_is_generated(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        '[[family]]\nname = "mine.words"\nkind = "discrimination"\ntools = ["read_file"]\nneeds = "file"\n'
        'requests = ["wordiest line of {path}? just how many words", "count the words of the wordiest line in {path}"]\n'
        "program = '''\nsource = read_file($path)\n"
        "print(max(len(text.split()) for text in source.content.splitlines()))\n'''\n"
        'answers = ["The wordiest line of {path} has {out} {out:word|words}."]\n',
        encoding="utf-8",
    )
    asked = recipe(tools=("read_file",), families=(str(tmp_path / "mine.toml"),), other=10)
    made = generate_dataset(asked, tmp_path / "out", repos=[checkout(tmp_path / "repo")], root=ROOT)
    mine = [row for row in rows(tmp_path / "out") if row["meta"].get("scenario") == "mine.words"]
    assert mine
    assert all('read_file("pkg/' in str(row["messages"]) for row in mine)
    assert str(tmp_path / "mine.toml") in {entry.path for entry in made.lineage}
