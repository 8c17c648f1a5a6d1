"""Runs of two laptops take turns on one host. Over a real sshd and on this machine."""

import os
import signal
import threading
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests.support.commands import Inv, commands_on, end_worker, real_recipe, real_run, wait
from tests.support.remote_runs import make_checkout
from tests.support.ssh_files import SshClient, TestServer
from tunewright.contract.run import RunFolder, Status
from tunewright.remote import follow
from tunewright.remote.host import open_host
from tunewright.remote.pull import PULLED
from tunewright.train.lock import is_held, read_owner

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(params=[pytest.param("mac", marks=pytest.mark.sshd), "local"])
def place(request: pytest.FixtureRequest, ssh: SshClient) -> str:
    """A host's name: over SSH, and this machine."""
    if request.param == "mac":
        server: TestServer = request.getfixturevalue("openssh")
        ssh.add("mac", server)
    return str(request.param)


class Lab:
    """A host, and the runs begun on it from any checkout."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.begun: list[RunFolder] = []

    def begin(self, checkout: Path, steps: int = 20_000) -> RunFolder:
        with open_host(self.name, checkout) as host:
            root = Path(host.root)
        root.mkdir(parents=True, exist_ok=True)
        (root / "host.toml").write_text("resumes = 0\n")  # what is killed here stays dead
        recipe = real_recipe(Path("/nowhere"), steps=steps, checkpoint_every=50)
        run = real_run(checkout, recipe, host_name=self.name, light=True)
        self.begun.append(RunFolder(root / "runs" / run.path.name))
        return run

    def there(self, run: RunFolder) -> RunFolder:
        return next(folder for folder in self.begun if folder.path.name == run.path.name)

    def status(self, run: RunFolder) -> Status:
        return self.there(run).read_status() or Status(state="queued")

    def trains(self, run: RunFolder) -> bool:
        return self.status(run).step > 0

    def kill(self, run: RunFolder) -> None:
        folder = self.there(run).path
        owner = read_owner(folder)
        if owner is not None and is_held(folder):
            os.kill(owner.pid, signal.SIGKILL)
            wait(lambda: not is_held(folder))


@pytest.fixture
def lab(place: str) -> Generator[Lab]:
    lab = Lab(place)
    yield lab
    for run in reversed(lab.begun):
        end_worker(run.path)


@pytest.fixture
def laptop(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Inv]:
    """The commands as one of two laptops has them."""
    monkeypatch.setattr(follow, "POLL", 0.05)
    return lambda checkout: commands_on(checkout, monkeypatch)


def test_two_laptops_share_a_host(
    lab: Lab, laptop: Callable[[Path], Inv], checkout: Path, tmp_path: Path
) -> None:
    # On this machine a host's folder belongs to one checkout: only over SSH two of them share one.
    other = make_checkout(tmp_path / "other") if lab.name != "local" else checkout
    first = lab.begin(checkout)
    wait(lambda: lab.trains(first))
    second, third = lab.begin(other), lab.begin(checkout)

    # As soon as the run at work knows how long its training takes; of the stages after it nothing is known here.
    wait(lambda: lab.status(second).message.startswith("1st; at least "))
    inv = laptop(other)
    said = inv("status", "--run", second.path.name)
    assert said.out.startswith(f"{second.path.name}: queued, 1st; at least ")
    assert f"At work is {first.path.name}." in said.out
    assert "queued" in inv("runs").out

    inv = laptop(checkout)
    assert inv("status", "--run", third.path.name).out.startswith(f"{third.path.name}: queued, 2nd; ")
    shown = inv("queue", "--host", lab.name).out.splitlines()
    assert shown[0] == lab.name
    assert shown[1].startswith(f"  at work  {first.path.name} in train, step ")
    assert [line.split(";")[0].split() for line in shown[2:]] == [
        ["1st", second.path.name],
        ["2nd", third.path.name],
    ]
    wrong = inv("queue", "--host", lab.name, "--first", first.path.name)
    assert (wrong.code, "waits on" in wrong.err) == (2, True), "it works already"
    shown = inv("queue", "--host", lab.name, "--first", third.path.name[-8:]).out.splitlines()
    assert [line.split(";")[0].split()[1] for line in shown[2:]] == [third.path.name, second.path.name]

    # Whoever is killed at work does not block the others, and the new order holds.
    lab.kill(first)
    wait(lambda: lab.trains(third))
    assert lab.status(second).state == "queued"
    wait(lambda: lab.status(second).place == 1)

    inv = laptop(other)
    assert inv("cancel", "--run", second.path.name).out == f"{second.path.name}: cancelled\n"
    inv = laptop(checkout)
    assert len(inv("queue", "--host", lab.name).out.splitlines()) == 2
    assert inv("cancel", "--run", third.path.name).out == f"{third.path.name}: cancelled\n"
    assert inv("queue", "--host", lab.name).out == f"{lab.name}: no run is at work, and none waits\n"
    assert [event.kind for event in lab.there(second).read_events()][-1] == "cancelled"
    assert "stage_start" not in [event.kind for event in lab.there(second).read_events()]


@pytest.mark.parametrize("place", ["local"], indirect=True)
def test_whoever_attaches_to_a_waiting_run_is_told_and_comes_to_its_end(
    lab: Lab, laptop: Callable[[Path], Inv], checkout: Path
) -> None:
    first = lab.begin(checkout)
    wait(lambda: lab.trains(first))
    second = lab.begin(checkout, steps=4)
    second.status.unlink()

    def end_the_first() -> None:
        wait(second.status.exists)  # whoever attached has looked
        lab.kill(first)

    killer = threading.Thread(target=end_the_first)
    killer.start()
    told = laptop(checkout)("attach", "--run", second.path.name)
    killer.join()
    assert "queue     queued, 1st; " in told.err
    assert told.err.index("queued, 1st") < told.err.index("train     starts")
    assert "ended as" not in told.err
    assert lab.status(second).state == "done"
    assert (second.path / PULLED).is_file()


@pytest.mark.parametrize("place", ["local"], indirect=True)
def test_a_laptop_without_a_run_or_environment_there_is_told_what_to_do(
    lab: Lab, laptop: Callable[[Path], Inv], checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tunewright.remote import host_queue

    monkeypatch.setattr(host_queue, "installed_environment", lambda *_: None)  # pyright: ignore[reportUnknownLambdaType]
    said = laptop(checkout)("queue")
    assert said.code == 4
    assert "./inv host.setup --host local" in said.err
