"""Datasets of any shape merge; nothing leaks, nothing is doubled, nothing is lost in silence."""

import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.chat.merge import merge_datasets
from tunewright.chat.message import first_tool
from tunewright.chat.split import Linked, divide
from tunewright.contract.errors import UserError
from tunewright.contract.manifest import DatasetManifest

CODE = "<tool_call><function=execute_code>\n<parameter=code>\nresult = {}('a')\n</parameter>\n</function></tool_call>"


def write(path: Path, rows: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def rows_of(folder: Path) -> dict[str, list[dict[str, Any]]]:
    return {
        path.stem: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for path in folder.glob("*.jsonl")
    }


def chat(request: str, answer: str, **meta: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "messages": [{"role": "user", "content": request}, {"role": "assistant", "content": answer}]
    }
    return row | ({"meta": meta} if meta else {})


def many(tool: str, count: int, **meta: str) -> list[dict[str, Any]]:
    return [
        chat(f"{tool} request {n} about thing{n} in file{n}.py", CODE.format(tool), **meta)
        for n in range(count)
    ]


def test_shapes_of_all_kinds_become_messages(tmp_path: Path) -> None:
    data = write(
        tmp_path / "mixed.jsonl",
        [
            chat("one", "two"),
            {"conversations": [{"from": "human", "value": "three"}, {"from": "gpt", "value": "four"}]},
            {"instruction": "five", "output": "six"},
            {"prompt": "seven", "completion": "eight"},
        ],
    )
    merge_datasets([data], tmp_path / "out", valid=0)
    found = rows_of(tmp_path / "out")
    assert {row["messages"][0]["content"] for row in found["train"]} == {"one", "three", "five", "seven"}
    assert all([m["role"] for m in row["messages"]] == ["user", "assistant"] for row in found["train"])


def test_each_tool_is_in_each_split_and_shares_are_met(tmp_path: Path) -> None:
    data = write(tmp_path / "a.jsonl", many("goto_definition", 60) + many("read_file", 40))
    manifest = merge_datasets([data], tmp_path / "out", valid=0.2)
    assert abs(manifest.splits["valid"].examples - 20) <= 1
    assert set(manifest.facts["counts"]["valid"]) == {"goto_definition", "read_file"}


def test_clusters_near_duplicates_and_first_turns_stay_together(tmp_path: Path) -> None:
    rows = [
        chat(f"alpha beta gamma delta number {n} epsilon zeta eta theta", "x", cluster=f"c{n // 4}")
        for n in range(40)
    ]
    rows += many("read_file", 60)
    data = write(tmp_path / "a.jsonl", rows)
    merge_datasets([data], tmp_path / "out", valid=0.3)
    found = rows_of(tmp_path / "out")
    clusters = {
        split: {row.get("meta", {}).get("cluster") for row in found[split]} - {None} for split in found
    }
    assert not clusters["train"] & clusters["valid"]


def test_doubles_are_dropped_and_counted(tmp_path: Path) -> None:
    data = write(tmp_path / "a.jsonl", [chat("same", "same")] * 3 + many("read_file", 10))
    manifest = merge_datasets([data], tmp_path / "out", valid=0.1)
    assert manifest.facts["doubles_dropped"] == 2
    assert sum(split.examples for split in manifest.splits.values()) == 11


def test_answers_that_nobody_should_give_are_dropped_and_counted(tmp_path: Path) -> None:
    rated = [{"prompt": f"q{n} {'ab'[n % 2]}", "completion": f"a{n}", "label": n % 2 == 0} for n in range(10)]
    pair = {"prompt": "which", "chosen": "this one", "rejected": "that one"}
    manifest = merge_datasets([write(tmp_path / "a.jsonl", [*rated, pair])], tmp_path / "out", valid=0)
    said = {row["messages"][-1]["content"] for row in rows_of(tmp_path / "out")["train"]}
    assert said == {"a0", "a2", "a4", "a6", "a8", "this one"}
    assert manifest.facts["unwanted_dropped"] == 5
    assert manifest.facts["read"] == 11


def test_whether_an_answer_is_trained_on_is_kept(tmp_path: Path) -> None:
    row = chat("one", "two")
    row["messages"][-1]["weight"] = 0
    merge_datasets([write(tmp_path / "a.jsonl", [row])], tmp_path / "out", valid=0)
    (kept,) = rows_of(tmp_path / "out")["train"]
    assert kept["messages"][-1]["weight"] == 0


def test_a_tool_that_drowns_the_others_is_cut_to_the_ratio(tmp_path: Path) -> None:
    data = write(tmp_path / "a.jsonl", many("read_file", 90) + many("hover", 10) + many("typecheck", 10))
    manifest = merge_datasets([data], tmp_path / "out", ratio=2)
    assert manifest.facts["cut"] == {"read_file": 70}
    kept = merge_datasets([data], tmp_path / "all", balance="none")
    assert not kept.facts["cut"]


def test_the_same_inputs_give_the_same_bytes_and_are_not_merged_twice(tmp_path: Path) -> None:
    data = write(tmp_path / "a.jsonl", many("read_file", 30) + many("hover", 30))
    merge_datasets([data], tmp_path / "one")
    merge_datasets([data], tmp_path / "two")
    for name in ("train.jsonl", "valid.jsonl"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    before = (tmp_path / "one" / "dataset.json").read_bytes()
    merge_datasets([data], tmp_path / "one")
    assert (tmp_path / "one" / "dataset.json").read_bytes() == before
    with pytest.raises(UserError, match="other inputs"):
        merge_datasets([data], tmp_path / "one", seed=2)


def test_lineage_names_each_input_with_its_hash(tmp_path: Path) -> None:
    data = write(tmp_path / "set" / "train.jsonl", many("read_file", 9))
    write(tmp_path / "set" / "valid.jsonl", many("hover", 9))
    merge_datasets([tmp_path / "set"], tmp_path / "out")
    manifest = DatasetManifest.model_validate_json((tmp_path / "out" / "dataset.json").read_bytes())
    assert [Path(entry.path).name for entry in manifest.lineage] == ["train.jsonl", "valid.jsonl"]
    assert manifest.lineage[0].path == str(data)
    assert all(len(entry.sha256) == 64 for entry in manifest.lineage)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"messages": [{"role": "user", "content": "a"}]}\n{"x": 1}\n', r"a\.jsonl:2: no conversation"),
        ('{"messages": [', r"a\.jsonl:1: not a JSON document"),
        ("", r"a\.jsonl: the file is empty"),
        ("\n\n", r"a\.jsonl: no examples"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_written(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(UserError, match=message):
        merge_datasets([tmp_path / "a.jsonl"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


@pytest.mark.parametrize("options", [{"valid": 1.0}, {"valid": -0.1}, {"ratio": 0.5}])
def test_shares_that_make_no_sense_are_refused(tmp_path: Path, options: dict[str, float]) -> None:
    data = write(tmp_path / "a.jsonl", many("read_file", 3))
    with pytest.raises(UserError):
        merge_datasets([data], tmp_path / "out", **options)  # pyright: ignore[reportArgumentType]
    with pytest.raises(UserError, match="nothing to merge"):
        merge_datasets([], tmp_path / "out")


@pytest.mark.parametrize(("repositories", "straddling"), [(1, ["repo0"]), (10, [])])
def test_repositories_that_could_not_be_held_apart_are_named(
    tmp_path: Path, repositories: int, straddling: list[str]
) -> None:
    rows = [
        chat(f"a{n} b{n} c{n} d{n}", CODE.format("look"), corpus=f"repo{n % repositories}==1")
        for n in range(60)
    ]
    made = merge_datasets([write(tmp_path / "a.jsonl", rows)], tmp_path / "out", valid=0.3)
    assert made.facts["repositories_in_several_splits"] == straddling
    nameless = write(tmp_path / "b.jsonl", many("read_file", 20))
    assert not merge_datasets([nameless], tmp_path / "none").facts["repositories_in_several_splits"]


def test_where_a_merged_dataset_cannot_be_put_is_told_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("not a row\n")
    with pytest.raises(UserError, match="cannot be made"):
        merge_datasets([tmp_path / "a.jsonl"], tmp_path / "a.jsonl" / "out")


def test_repositories_are_kept_apart_and_bridges_left_out() -> None:
    rows = [
        Linked(
            label="t", request=f"unique{n} words{n} here{n}", first=f"first {n}", repository=f"repo{n % 5}"
        )
        for n in range(100)
    ]
    rows.append(Linked(label="t", request="some other thing", first="first 0", repository="repo1"))
    division = divide(rows, {"train": 0.8, "valid": 0.2}, Random(1))
    assert division.repositories_apart
    assert division.bridges == (100,)
    homes = {split: {rows[n].repository for n in numbers} for split, numbers in division.splits.items()}
    assert not homes["train"] & homes["valid"]
    assert len(division.splits["valid"]) == 20


@given(
    st.lists(
        st.builds(
            Linked,
            label=st.sampled_from(["", "a", "b"]),
            request=st.text("abcd ", max_size=12),
            first=st.sampled_from(["", "x", "y", "z"]),
            cluster=st.sampled_from(["", "c1", "c2", "c3"]),
            repository=st.sampled_from(["", "r1", "r2", "r3"]),
        ),
        max_size=60,
    ),
    st.floats(0, 0.5),
    st.integers(0, 99),
)
def test_every_row_is_in_one_split_or_a_bridge_and_nothing_tied_is_parted(
    rows: list[Linked], share: float, seed: int
) -> None:
    division = divide(rows, {"train": 1 - share, "valid": share}, Random(seed))
    placed = [n for numbers in division.splits.values() for n in numbers] + list(division.bridges)
    assert sorted(placed) == list(range(len(rows)))
    side = {n: split for split, numbers in division.splits.items() for n in numbers}
    for kind in ("first", "cluster"):
        found: dict[str, set[str]] = {}
        for n, split in side.items():
            if value := getattr(rows[n], kind):
                found.setdefault(value, set()).add(split)
        assert all(len(splits) == 1 for splits in found.values())


@pytest.mark.parametrize(
    ("messages", "tool"),
    [
        ([{"role": "assistant", "content": CODE.format("hover")}], "hover"),
        (
            [{"role": "assistant", "content": "<tool_call>\n<function=grep>\n</function>\n</tool_call>"}],
            "grep",
        ),
        (
            [
                {
                    "role": "assistant",
                    "content": '<tool_call>\n{"name": "grep", "arguments": {}}\n</tool_call>',
                }
            ],
            "grep",
        ),
        ([{"role": "assistant", "content": '[TOOL_CALLS] [{"name": "grep", "arguments": {}}]'}], "grep"),
        ([{"role": "assistant", "content": "[grep(text='a')]"}], "grep"),
        ([{"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "grep"}}]}], "grep"),
        ([{"role": "user", "content": CODE.format("hover")}, {"role": "assistant", "content": "no"}], ""),
        ([{"role": "assistant", "content": "<tool_call>{torn"}], ""),
    ],
)
def test_the_first_tool_is_found_in_every_syntax(messages: list[dict[str, Any]], tool: str) -> None:
    assert first_tool(messages) == tool


def test_balance_by_family_uses_the_rows_own_word(tmp_path: Path) -> None:
    rows = (
        many("read_file", 20, family="common")
        + many("hover", 2, family="rare")
        + many("typecheck", 2, family="odd")
    )
    manifest = merge_datasets(
        [write(tmp_path / "a.jsonl", rows)], tmp_path / "out", balance="family", ratio=1
    )
    assert manifest.facts["cut"] == {"common": 18}
    families = Counter(row["meta"]["family"] for split in rows_of(tmp_path / "out").values() for row in split)
    assert families["common"] == 2


def test_tools_that_cannot_be_read_are_not_lost_in_silence(tmp_path: Path) -> None:
    tools = json.dumps([{"name": "look"}])
    good, cut = (
        {**chat(f"request {n}", "answer"), "tools": text} for n, text in enumerate((tools, tools[:-3]))
    )
    merge_datasets([write(tmp_path / "good.jsonl", [good])], tmp_path / "out", valid=0)
    assert rows_of(tmp_path / "out")["train"][0]["tools"] == [{"name": "look"}]
    with pytest.raises(UserError, match=r"bad\.jsonl:2: tools is text that is not JSON"):
        merge_datasets([write(tmp_path / "bad.jsonl", [good, cut])], tmp_path / "two", valid=0)


def test_a_bases_own_answers_that_are_held_out_stay_held_out(tmp_path: Path) -> None:
    def own(text: str) -> dict[str, Any]:
        return chat(text, "It said so.", source="rehearsed")

    rehearsed = tmp_path / "rehearsed"
    write(rehearsed / "train.jsonl", [own(f"what is thing{n} made of and why") for n in range(20)])
    held_out = [
        "who wrote the first compiler",
        "tool_a request 3 about thing3 in file3.py",
        "when is a queue a stack",
    ]
    write(rehearsed / "test.jsonl", [own(text) for text in held_out])
    data = write(tmp_path / "data" / "train.jsonl", [*many("tool_a", 20), *many("tool_b", 20)]).parent
    # Rows of anybody else's test split are divided like all others.
    write(data / "test.jsonl", [chat("an ordinary row of a test split", "Yes.")])
    for valid in (0.0, 0.3):
        made = merge_datasets([data, rehearsed], tmp_path / f"out{valid}", valid=valid, balance="none")
        rows = rows_of(tmp_path / f"out{valid}")
        assert [row["messages"][0]["content"] for row in rows["test"]] == [held_out[0], held_out[2]]
        assert made.facts["rehearsed_held_out"] == 2
        assert made.facts["rehearsed_dropped"] == 1
        asked = {row["messages"][0]["content"] for split in ("train", "valid") for row in rows.get(split, [])}
        assert "an ordinary row of a test split" in asked
        assert len(asked) == 61
    again = merge_datasets([tmp_path / "out0.3"], tmp_path / "again", balance="none")
    assert again.splits["test"].sha256 == made.splits["test"].sha256
