"""`data.merge` and `data.normalize` take what `audit` takes: compressed, arrays, Parquet; and miss no row in silence."""

import gzip
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
import zstandard

from tests.support.commands import front

CODE = "<tool_call><function=execute_code>\n<parameter=code>\nresult = look('{}')\n</parameter>\n</function></tool_call>"


def row(name: str) -> dict[str, Any]:
    request = {"role": "user", "content": f"where is {name} kept, and who wrote {name}_{len(name)} first?"}
    return {"messages": [request, {"role": "assistant", "content": CODE.format(name)}]}


@pytest.fixture
def forms(tmp_path: Path) -> dict[str, Path]:
    """The same kind of rows in each form, other rows in each."""
    lines = ["".join(json.dumps(row(f"{form}{n}")) + "\n" for n in range(5)).encode() for form in "abcd"]
    paths = {
        name: tmp_path / name for name in ("a.jsonl", "b.jsonl.gz", "c.jsonl.zst", "d.json", "e.parquet")
    }
    paths["a.jsonl"].write_bytes(b"\xef\xbb\xbf" + lines[0].replace(b"\n", b"\r\n"))
    paths["b.jsonl.gz"].write_bytes(gzip.compress(lines[1]))
    paths["c.jsonl.zst"].write_bytes(zstandard.compress(lines[2]))
    paths["d.json"].write_text(json.dumps([row(f"d{n}") for n in range(5)]))
    (tmp_path / "plain.jsonl").write_text("".join(json.dumps(row(f"e{n}")) + "\n" for n in range(5)))
    duckdb.execute(
        f"COPY (FROM read_json('{tmp_path}/plain.jsonl')) TO '{paths['e.parquet']}' (FORMAT parquet)"
    )
    return paths


def test_every_form_is_merged(forms: dict[str, Path], tmp_path: Path) -> None:
    named = [part for path in forms.values() for part in ("--data", path)]
    done = front("data.merge", *named, "--out", tmp_path / "out", "--valid", "0.2")
    assert done.returncode == 0, done.stderr
    said = {
        json.loads(line)["messages"][0]["content"].split()[2]
        for path in (tmp_path / "out").glob("*.jsonl")
        for line in path.read_text().splitlines()
    }
    assert said == {f"{form}{n}" for form in "abcde" for n in range(5)}
    lineage = json.loads((tmp_path / "out" / "dataset.json").read_text())["lineage"]
    assert [Path(entry["path"]).name for entry in lineage] == list(forms)


def test_every_form_is_normalized(forms: dict[str, Path], tmp_path: Path) -> None:
    for name, path in forms.items():
        done = front("data.normalize", "--data", path, "--out", tmp_path / f"out-{name}")
        assert done.returncode == 0, done.stderr
        assert len((tmp_path / f"out-{name}" / "train.jsonl").read_text().splitlines()) == 5


@pytest.mark.parametrize("task", ["data.merge", "data.normalize"])
def test_a_file_that_ends_early_is_an_error_and_nothing_is_written(
    task: str, forms: dict[str, Path], tmp_path: Path
) -> None:
    for name in ("b.jsonl.gz", "c.jsonl.zst", "d.json"):
        path = forms[name]
        path.write_bytes(path.read_bytes()[:-20])
        done = front(task, "--data", path, "--out", tmp_path / "out")
        assert done.returncode == 2, (name, done.stdout)
        assert f"{name}:" in done.stderr
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "out").exists()


def test_repositories_in_several_splits_are_named(tmp_path: Path) -> None:
    rows = [row(f"thing{n}") | {"meta": {"corpus": "ours==1"}} for n in range(20)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    done = front("data.merge", "--data", tmp_path / "a.jsonl", "--out", tmp_path / "out", "--valid", "0.3")
    assert done.returncode == 0, done.stderr
    assert "note      rows of ours are in more than one split" in done.stderr
