"""One command on several hosts: a run on each, one display, one table, and the worst exit code."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.commands import Said, wait
from tests.support.fault_trials import CLIENT, REPOSITORY
from tests.support.remote_runs import make_checkout
from tests.support.ssh_files import SshClient, TestServer, refusing_port
from tests.support.sshd import start_sshd
from tunewright.contract.run import RunFolder
from tunewright.remote.pull import PULLED

pytestmark = [pytest.mark.sshd, pytest.mark.timeout(300)]
RECIPE = """
schema = 1
name = "{name}"
[model]
base = "/nowhere"
[train]
steps = {steps}
checkpoint_every = 3
[[suites]]
path = "suites/small.jsonl"
"""


@dataclass
class Laptop:
    """A checkout with two recipes, and the hosts `one` and `two`; a third name, `gone`, leads nowhere."""

    checkout: Path
    ssh: SshClient
    servers: dict[str, TestServer]

    def start(self, *command: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*CLIENT, str(self.checkout), *command],
            cwd=REPOSITORY,
            env={**os.environ, "TUNEWRIGHT_SSH_CONFIG": str(self.ssh.config)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def type(self, *command: str) -> Said:
        with self.start(*command) as process:
            try:
                out, err = process.communicate(timeout=200)
            finally:
                process.kill()
        return Said(process.returncode, out, err)

    def train(
        self, *hosts: str, recipes: tuple[str, ...] = ("short",), more: tuple[str, ...] = ()
    ) -> list[str]:
        named = [word for host in hosts for word in ("--host", host)]
        chosen = [
            word for name in recipes for word in ("--recipe", str(self.checkout / "recipes" / f"{name}.toml"))
        ]
        return ["train", *named, *chosen, "--data", str(self.checkout / "data"), *more]

    def runs(self) -> dict[str, RunFolder]:
        """By host; there is one on each."""
        found = [RunFolder(path) for path in sorted((self.checkout / "runs").glob("2*"))]
        by_host = {run.read_spec().host: run for run in found}
        assert len(by_host) == len(found)
        return by_host

    def training(self) -> set[str]:
        """The hosts whose run trains, as the laptop has heard."""
        if not (self.checkout / "runs").exists():
            return set()
        states = {host: run.read_status() for host, run in self.runs().items()}
        return {host for host, state in states.items() if state and state.stage == "train"}


@pytest.fixture
def laptop(tmp_path: Path) -> Iterator[Laptop]:
    checkout = make_checkout(tmp_path / "checkout")
    (checkout / "recipes").mkdir()
    for name, steps in (("short", 10), ("long", 100_000)):
        (checkout / "recipes" / f"{name}.toml").write_text(RECIPE.format(name=name, steps=steps))
    ssh = SshClient(tmp_path / "ssh")
    with start_sshd(tmp_path / "one") as one, start_sshd(tmp_path / "two") as two, refusing_port() as port:
        servers = {"one": one, "two": two}
        for name, server in servers.items():
            ssh.add(name, server)
        ssh.add("gone", one, port=port)
        yield Laptop(checkout, ssh, servers)


def rows(table: str) -> dict[str, list[str]]:
    """A printed table's lines, by their first word."""
    return {line.split()[0]: re.split(r"  +", line.strip()) for line in table.splitlines() if line.strip()}


def test_a_sweep_runs_on_every_host_and_says_what_came_of_each(laptop: Laptop) -> None:
    said = laptop.type(*laptop.train("one", "two"))
    assert said.code == 0, said.err
    runs = laptop.runs()
    assert set(runs) == {"one", "two"}
    found = rows(said.out)
    for host, run in runs.items():
        assert found[host] == [host, run.path.name, "passed"]
        there = RunFolder(laptop.servers[host].root / "runs" / run.path.name)
        assert run.events.read_bytes() == there.events.read_bytes()
        assert (run.path / PULLED).exists()
        # Every line of a host is told from the other's.
        assert re.search(rf"^{host}  +shipped to {host}: ", said.err, re.MULTILINE)
        assert re.search(rf"^{host}  +train     done in", said.err, re.MULTILINE)
    assert said.err.count("audit  ") == 1, "the same data is audited once"


def test_a_recipe_for_each_host_and_one_that_does_not_answer(laptop: Laptop) -> None:
    """What answers is done; the exit code is the worst one."""
    (laptop.checkout / "recipes" / "other.toml").write_text(RECIPE.format(name="other", steps=5))
    said = laptop.type(*laptop.train("one", "gone", "two", recipes=("short", "short", "other")))
    assert said.code == 4, said.err
    found = rows(said.out)
    assert found["one"][2] == found["two"][2] == "passed"
    assert found["gone"][1] == "-"
    assert found["gone"][2].startswith("error: gone")
    assert re.search(r"^gone  error: gone .*refused", said.err, re.MULTILINE)
    assert {host: run.read_spec().recipe.name for host, run in laptop.runs().items()} == {
        "one": "short",
        "two": "other",
    }


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["--host", "one", "--host", "one"], "--host one is given twice"),
        (
            ["--host", "one", "--host", "two", *["--recipe", "tiny"] * 3],
            "--recipe is given 3 times and --host 2",
        ),
        (["--recipe", "tiny", "--recipe", "tiny"], "--recipe is given 2 times and --host 1"),
    ],
)
def test_what_cannot_be_a_sweep_is_refused(command: list[str], words: str, laptop: Laptop) -> None:
    said = laptop.type("train", *command)
    assert said.code == 2
    assert words in said.err
    assert not (laptop.checkout / "runs").exists()


def test_ctrl_c_leaves_every_run_alone_and_status_shows_them_in_a_table(laptop: Laptop) -> None:
    with laptop.start(*laptop.train("one", "two", recipes=("long",))) as process:
        try:
            wait(lambda: process.poll() is not None or laptop.training() == {"one", "two"})
            assert process.poll() is None, process.communicate()
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
            assert time.monotonic() - began < 30
            assert process.returncode == 130
            runs = laptop.runs()
            for host, run in runs.items():
                name = run.path.name
                assert (
                    f"{host}: the run goes on: come back with: ./inv attach --run {name}; "
                    f"stop it: ./inv cancel --run {name}\n"
                ) in err
            said = laptop.type("status", "--host", "one", "--host", "gone", "--host", "two")
            assert said.code == 4, said.err
            found = rows(said.out)
            for host, run in runs.items():
                assert found[host][:2] == [host, run.path.name]
                assert found[host][2].startswith("running in train, step ")
            assert found["gone"][2].startswith("error: gone")
            one = laptop.type("status", "--host", "one")
            assert one.code == 0
            assert one.out.startswith(f"{runs['one'].path.name}: running in train")
        finally:
            process.kill()
            said = [laptop.type("cancel", "--run", run.path.name).out for run in laptop.runs().values()]
    assert all(line.endswith(": cancelled\n") for line in said)


def test_detached_runs_are_started_and_told(laptop: Laptop) -> None:
    said = laptop.type(*laptop.train("one", "two", more=("--detach",)))
    assert said.code == 0, said.err
    found = rows(said.out)
    for host, run in laptop.runs().items():
        assert found[host] == [host, run.path.name, "started"]
        assert f"{host}  detached  come back with: ./inv attach --run {run.path.name}\n" in said.err
        done = laptop.type(str(run.path))
        assert done.code == 0, done.err
        assert (run.path / PULLED).exists()
