"""What commands write: never over an input, never in the place of a device, a pipe or a link."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.commands import front

ROOT = Path(__file__).parents[3]
TOOL = {"type": "function", "function": {"name": "get", "description": "d", "parameters": {"type": "object"}}}


def inv(*arguments: str, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tunewright.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1"},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=100,
    )


def write_rows(path: Path, rows: int = 12) -> Path:
    def row(number: int) -> str:
        call = {"id": "c", "type": "function", "function": {"name": "get", "arguments": "{}"}}
        asked = {"role": "user", "content": f"what is the value of entry {number} of the table {number * 7}"}
        answer = {"role": "assistant", "content": None, "tool_calls": [call]}
        return json.dumps({"messages": [asked, answer], "tools": [TOOL]})

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(row(number) + "\n" for number in range(rows)))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def refused(folder: Path, arguments: Sequence[str], says: str) -> None:
    before = contents(folder)
    done = front(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert contents(folder) == before


@pytest.mark.parametrize("flag", ["--json", "--html", "--sarif"])
@pytest.mark.parametrize("named", ["path", "relative", "link", "inode", "folder"])
def test_an_audit_never_replaces_its_data(tmp_path: Path, flag: str, named: str) -> None:
    data = write_rows(tmp_path / "set" / "train.jsonl")
    out = {
        "path": data,
        "folder": data,
        "relative": tmp_path / "set" / ".." / "set" / "train.jsonl",
        "link": tmp_path / "link.json",
        "inode": tmp_path / "other.json",
    }[named]
    if named == "link":
        out.symlink_to(data)
    elif named == "inode":
        os.link(data, out)
    given = data.parent if named == "folder" else data
    refused(tmp_path, ["audit", "--data", str(given), flag, str(out)], "is an input")


@pytest.mark.parametrize("flag", ["baseline", "config", "recipe"])
def test_an_audit_replaces_none_of_its_other_inputs(tmp_path: Path, flag: str) -> None:
    data = write_rows(tmp_path / "train.jsonl")
    named = tmp_path / f"named{'.json' if flag == 'baseline' else '.toml'}"
    recipe = (ROOT / "recipes" / "tiny.toml").read_text()
    named.write_text({"baseline": '{"findings": []}', "config": "", "recipe": recipe}[flag])
    arguments = ["audit", "--data", str(data), f"--{flag}", str(named), "--json", str(named)]
    refused(tmp_path, arguments, "is an input")


@pytest.mark.parametrize("task", ["data.merge", "data.normalize"])
@pytest.mark.parametrize("named", ["file", "folder", "link"])
def test_a_dataset_is_never_made_in_the_place_of_its_data(tmp_path: Path, task: str, named: str) -> None:
    data = write_rows(tmp_path / "set" / "train.jsonl")
    link = tmp_path / "link"
    link.symlink_to(data.parent)
    given, out = {
        "file": (data, data), "folder": (data.parent, data.parent), "link": (data.parent, link)
    }[named]  # fmt: skip
    refused(tmp_path, [task, "--data", str(given), "--out", str(out)], "is an input")


def test_scores_never_replace_predictions_or_their_suite(tmp_path: Path) -> None:
    suite = tmp_path / "navigation.jsonl"
    suite.write_bytes((ROOT / "suites" / "navigation.jsonl").read_bytes())
    predictions = tmp_path / "predictions.jsonl"
    predictions.write_text("{}\n")
    for out in (suite, predictions):
        arguments = ["score", "--predictions", str(predictions), "--suite", str(suite), "--json", str(out)]
        refused(tmp_path, arguments, "is an input")


def test_a_suite_is_known_by_its_name_and_a_folder_is_no_predictions(tmp_path: Path) -> None:
    predictions = tmp_path / "predictions.jsonl"
    predictions.write_text("{}\n")
    refused(
        tmp_path, ["score", "--predictions", str(predictions), "--suite", "navigation"], "predictions.jsonl"
    )
    refused(tmp_path, ["score", "--predictions", str(tmp_path)], f"./inv score --run {tmp_path}")


@pytest.mark.parametrize(
    ("first", "second"), [("-", "-"), ("-", "/dev/stdout"), ("{0}/x", "{0}/x"), ("{0}/x", "{0}/y/../x")]
)
def test_two_outputs_never_go_to_one_place(tmp_path: Path, first: str, second: str) -> None:
    data = write_rows(tmp_path / "train.jsonl")
    (tmp_path / "y").mkdir()
    named = ["--json", first.format(tmp_path), "--sarif", second.format(tmp_path)]
    refused(tmp_path, ["audit", "--data", str(data), *named], "two outputs go to")


def test_a_device_is_written_into(tmp_path: Path) -> None:
    data, node = write_rows(tmp_path / "train.jsonl"), tmp_path / "null"
    try:
        os.mknod(node, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        node.read_bytes()
    except OSError:
        pytest.skip("only root makes devices")
    done = inv("audit", "--data", str(data), "--json", str(node), "--html", str(node), "--sarif", str(node))
    assert done.returncode in (0, 1), done.stderr
    assert stat.S_ISCHR(node.lstat().st_mode)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["null", "train.jsonl"]


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    data, pipe = write_rows(tmp_path / "train.jsonl"), tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as reader:
        read = reader.submit(pipe.read_bytes)
        done = front("audit", "--data", str(data), "--json", str(pipe))
        assert json.loads(read.result(timeout=60))["dataset"]["files"][0]["examples"] == 12
    assert done.returncode in (0, 1), done.stderr
    assert stat.S_ISFIFO(pipe.lstat().st_mode)


@pytest.mark.parametrize("target", ["-", "/dev/stdout", "/proc/self/fd/1", "/dev/fd/1"])
def test_standard_output_carries_the_json_and_nothing_else(tmp_path: Path, target: str) -> None:
    data, out = write_rows(tmp_path / "train.jsonl"), tmp_path / "out"
    if target != "-" and not Path(target).exists():
        pytest.skip(f"this system has no {target}")
    # A file, for a pipe could not be truncated by mistake.
    with out.open("wb") as file:
        file.write(b"before\n")
        file.flush()
        done = inv("audit", "--data", str(data), "--json", target, stdout=file.fileno())
    assert done.returncode in (0, 1), done.stderr
    before, _, written = out.read_text().partition("\n")
    assert before == "before"
    assert json.loads(written)["schema"] == 1


def test_a_full_device_is_told_without_a_traceback(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    done = inv("audit", "--data", str(write_rows(tmp_path / "train.jsonl")), "--json", "/dev/full")
    assert done.returncode == 2
    assert "/dev/full" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_output_in_the_datas_folder_may_be_written_again(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "train.jsonl")
    for _ in range(2):
        done = front("audit", "--data", str(data.parent), "--json", str(tmp_path / "audit.json"))
        assert done.returncode in (0, 1), done.stderr


def test_a_split_that_is_a_link_to_another_split_leaks_whole(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "train.jsonl")
    (tmp_path / "valid.jsonl").symlink_to(data.name)
    done = front("audit", "--data", str(tmp_path), "--json", "-")
    report = json.loads(done.stdout)
    assert [file["split"] for file in report["dataset"]["files"]] == ["train", "valid"]
    leaks = [finding for finding in report["findings"] if finding["check"] == "split.leak_exact"]
    assert [(leak["severity"], leak["effect"]) for leak in leaks] == [("fail", 1.0)]
    assert done.returncode == 1
