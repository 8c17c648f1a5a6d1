"""The front door: help starts nothing, wrong usage is exit code 2, mistakes have no traceback."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from invoke.collection import Collection
from syrupy.assertion import SnapshotAssertion

from tests.support.commands import front
from tunewright.cli import tasks
from tunewright.cli.invoke_program import asks_for_help

ROOT = Path(__file__).parents[3]


def inv(*arguments: str, cwd: Path = ROOT, plain: bool = False) -> subprocess.CompletedProcess[str]:
    program = ["-m", "invoke"] if plain else ["-m", "tunewright.cli"]
    return subprocess.run(
        [sys.executable, *program, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


TASKS = sorted(Collection.from_module(tasks).task_names)


def test_the_agreed_tasks_are_listed() -> None:
    agreed = {
        "data.generate", "data.families", "data.from-log", "data.normalize", "data.merge", "audit", "sql", "plan",
        "train", "runs", "status", "logs",
        "attach", "cancel", "resume", "pull", "clean", "validate", "score", "compare", "promote", "rollback",
        "models", "serve", "host.check", "host.setup", "test", "lint", "bench", "image", "docs",
    }  # fmt: skip
    listing = inv("--list").stdout.splitlines()[2:]
    listed = {line.split()[0] for line in listing if line.startswith("  ") and line[2] != " "}
    assert agreed <= listed
    assert listed == set(TASKS)


@pytest.mark.parametrize("arguments", [["--list"], ["train", "--help"], ["audit", "--help"]], ids=" ".join)
def test_help_as_a_whole(arguments: list[str], snapshot: SnapshotAssertion) -> None:
    assert front(*arguments).stdout == snapshot


@pytest.mark.parametrize("name", TASKS)
def test_help_behind_a_task_prints_help_and_starts_nothing(name: str) -> None:
    done = front(name, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Usage: inv[oke] [--core-opts] {name}")
    assert done.stderr == ""


def test_a_task_is_known_with_a_dash_and_with_an_underscore() -> None:
    assert front("data.from_log", "--help").stdout == front("data.from-log", "--help").stdout != ""
    done = front("data.from_log", "--log", "data.from_log", "--out", "out.jsonl")
    assert done.returncode == 2
    assert "No such file" in done.stderr


@pytest.mark.parametrize("name", TASKS)
def test_every_flag_of_every_task_is_explained(name: str) -> None:
    options = front("--help", name).stdout.split("Options:")[1]
    unexplained = [line for line in options.splitlines() if line.startswith("  --") and len(line.split()) < 2]
    assert unexplained == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train", "--no-such-flag"], "No idea what '--no-such-flag' is"),
        (["trian"], "No idea what 'trian' is"),
        (["train", "--recipe"], "recipe"),
        (["train", "--host", "mac", "--host", "--detach"], "Flag '--host' needed value"),
        (["train", "--recipe", "nope"], "no recipe 'nope'"),
        (["train", "--data", "nowhere"], "no data at nowhere"),
        (["status", "--run", "no-such-run"], "no run"),
        (["audit", "--data", "nowhere.jsonl"], "nowhere.jsonl"),
        (["score"], "one of --predictions and --run is needed"),
        (["compare", "--a", "x"], "two models are needed"),
        (["data.generate", "--seed", "abc"], "'abc' is not a number"),
        (["data.merge", "--data", "x", "--out", "y", "--valid", "half"], "'half' is not a number"),
        (["audit", "--html", "docs"], "docs is a folder"),
        (["audit", "--json", "README.md/audit.json"], "README.md is not a folder"),
        (["data.normalize", "--data", "x", "--out", "README.md/x"], "README.md is not a folder"),
        (["data.merge", "--data", "x", "--out", "README.md/x"], "README.md is not a folder"),
    ],
)
def test_wrong_usage_is_told_in_lines_and_exits_with_2(arguments: list[str], says: str) -> None:
    done = front(*arguments)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 4


def test_an_unknown_host_exits_with_4_and_leaves_no_run_behind(tmp_path: Path) -> None:
    before = set((ROOT / "runs").glob("*"))
    done = inv("host.check", "--host", "no-such-host.invalid")
    assert done.returncode == 4, done.stderr
    assert "no-such-host.invalid" in done.stderr
    assert "Traceback" not in done.stderr
    assert set((ROOT / "runs").glob("*")) == before


def test_tasks_are_found_from_any_folder(tmp_path: Path) -> None:
    assert "train" in inv("--list", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    "arguments",
    [["--list"], ["train", "--no-such-flag"], ["trian"], ["audit", "--help"], ["audit", "--data", "nowhere"]],
    ids=" ".join,
)
def test_plain_invoke_says_and_exits_the_same(arguments: list[str]) -> None:
    plain, ours = inv(*arguments, plain=True), inv(*arguments)
    assert (plain.returncode, plain.stdout, plain.stderr) == (ours.returncode, ours.stdout, ours.stderr)


def test_invoke_outside_the_environment_says_in_a_line_what_to_type(tmp_path: Path) -> None:
    # An Invoke of the user's own: its Python has nothing of ours.
    code = "import sys; sys.modules['tunewright.cli.invoke_program'] = None; from invoke.main import program; program.run()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, "train", "--host", "mac"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.endswith("type: ./inv train --host mac\n")


def test_messages_name_the_launcher() -> None:
    sources = [
        *(ROOT / "packages").rglob("*.py"),
        *(ROOT / "packages").rglob("*.sql"),
        *(ROOT / "docs").rglob("*.md"),
    ]
    tasks = "|".join(re.escape(name) for name in TASKS)
    named = [
        f"{path.relative_to(ROOT)}: {found}"
        for path in sources
        for found in re.findall(rf"(?<!run )\binvoke (?:{tasks})\b", path.read_text(encoding="utf-8"))
    ]
    assert named == []


@pytest.mark.parametrize("arguments", [["--list"], ["--help", "train"], ["sql", "SELECT 1"], ["models"]])
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("both", [False, True], ids=["stdout", "both"])
def test_a_reader_that_goes_away_ends_it_without_a_traceback(
    arguments: list[str], unbuffered: str, both: bool
) -> None:
    command = [sys.executable, "-m", "tunewright.cli", *arguments]
    # Without a buffer the first print finds out, with one the last flush does.
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    errors = subprocess.STDOUT if both else subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=errors
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        said = process.stderr.read() if process.stderr else b""
    assert process.returncode == 141
    assert said == b""


def test_an_interrupt_that_a_library_calls_by_another_name_is_an_interrupt(tmp_path: Path) -> None:
    code = """
import os, signal, time
from tunewright.cli.invoke_program import guard

def query(c):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
    except KeyboardInterrupt:
        raise RuntimeError("Query interrupted")

guard(query)(None)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 130
    assert done.stderr == "stopped; what was finished is kept\n"


def test_a_second_interrupt_during_the_farewell_does_not_change_the_exit_code(tmp_path: Path) -> None:
    """uv passes on the signal that the terminal has already sent, and it may arrive late."""
    code = """
import os, signal, sys, time
from tunewright.contract.exits import ended

class Interrupting:
    def write(self, text):
        os.kill(os.getpid(), signal.SIGINT)
        return sys.__stderr__.write(text)

    def flush(self):
        sys.__stderr__.flush()

def work():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)

sys.stderr = Interrupting()
ended(work)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 130, done.stderr
    assert done.stderr == "stopped; what was finished is kept\n"


def test_a_bug_keeps_its_traceback(tmp_path: Path) -> None:
    code = "from tunewright.cli.invoke_program import guard\ndef broken(c): raise KeyError('a bug')\nguard(broken)(None)\n"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Traceback" in done.stderr
    assert "a bug" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "task"),
    [
        (["train", "--help"], "train"),
        (["train", "--host", "mac", "-h"], "train"),
        (["--help"], None),
        (["sql", "SELECT 1", "--help"], "sql"),
        (["train"], None),
    ],
)
def test_help_is_meant_for_the_task_named_before_it(arguments: list[str], task: str | None) -> None:
    assert asks_for_help(arguments, {"train", "sql"}) == task
