"""Kills while a run is shipped, trained and pulled: nothing is lost, and nothing is said that is not so.

`./inv bench --only faults` does the same twenty times each.
"""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from tests.support.commands import wait
from tests.support.fault_trials import PHASES, VICTIMS, Lab, Phase, Victim, run_trial
from tests.support.faults import faulty_proxy
from tests.support.ssh_files import TestServer
from tests.support.sshd import start_sshd
from tunewright.remote.pull import PULLED

pytestmark = [pytest.mark.sshd, pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    with start_sshd(tmp_path_factory.mktemp("faults")) as server:
        yield server


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("victim", VICTIMS)
def test_nothing_is_lost_by_a_kill(
    victim: Victim,
    phase: Phase,
    seed: int,
    server: TestServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TUNEWRIGHT_SSH_CONFIG", "")  # put back at the end
    trial = run_trial(tmp_path, server, victim, phase, Random(f"{victim} {phase} {seed}"))
    assert trial.problems == ()
    assert "alive" in trial.seen or "open" in trial.seen, "the fault hit something"


def test_ctrl_c_leaves_the_run_alone_and_says_how_to_come_back_and_how_to_stop(
    server: TestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNEWRIGHT_SSH_CONFIG", "")
    with faulty_proxy(server.port) as proxy:
        lab = Lab(tmp_path, server, proxy, "laptop", "training", Random(5))

        def interrupt() -> str:
            wait(lambda: "train     " in lab.said.read_text())  # it follows
            assert lab.client is not None
            lab.client.send_signal(signal.SIGINT)
            lab.client.wait(60)
            assert lab.trains()
            return "alive"

        lab.kill_laptop = interrupt  # type: ignore[method-assign]
        try:
            lab.go()
        finally:
            lab.end()
    name = lab.run.path.name
    assert lab.clients == 1
    assert (
        f"the run goes on: come back with: ./inv attach --run {name}; stop it: ./inv cancel --run {name}"
        in lab.said.read_text()
    )


@pytest.fixture(scope="module")
def finished(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A run that a kill of the laptop's process was survived by."""
    with pytest.MonkeyPatch.context() as patch, faulty_proxy(server.port) as proxy:
        patch.setenv("TUNEWRIGHT_SSH_CONFIG", "")
        lab = Lab(tmp_path_factory.mktemp("run"), server, proxy, "laptop", "training", Random(3))
        lab.go()
        yield lab
        lab.end()


def flip(lab: Lab) -> None:
    path = lab.run.path / "quantize" / "model.safetensors"
    path.write_text("X" + path.read_text()[1:])


def forget_an_event(lab: Lab) -> None:
    lines = lab.run.events.read_bytes().splitlines(keepends=True)
    lab.run.events.write_bytes(b"".join(lines[:3] + lines[4:]))


def say_lost(lab: Lab) -> None:
    lab.run.status.write_text(lab.run.status.read_text().replace('"done"', '"lost"'))


def not_pulled(lab: Lab) -> None:
    (lab.run.path / PULLED).unlink()


def say_something_untrue(lab: Lab) -> None:
    lab.said.write_text(f"{lab.said.read_text()}error: run x ended as running\n")


def leave_a_part(lab: Lab) -> None:
    (lab.root / "blobs" / ".half.part").touch()


def start_twice(lab: Lab) -> None:
    lab.there.log.write_text(lab.there.log.read_text() + "--- worker started again\n")


def no_fault(lab: Lab) -> None:
    lab.seen = ""


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (flip, "quantize is not whole here"),
        (forget_an_event, "the events here are not those there"),
        (say_lost, "the laptop says lost"),
        (not_pulled, "it does not say that it was pulled"),
        (say_something_untrue, "it said 'ended as'"),
        (leave_a_part, "left on the host"),
        (start_twice, "2 workers were started"),
        (no_fault, "the fault did not happen"),
    ],
)
def test_each_loss_would_be_found(finished: Lab, harm: Callable[[Lab], None], words: str) -> None:
    assert finished.problems() == []
    kept = {path: path.read_bytes() for path in finished.run.path.rglob("*") if path.is_file()}
    kept |= {path: path.read_bytes() for path in (finished.said, finished.there.log)}
    seen, blobs = finished.seen, set((finished.root / "blobs").iterdir())
    harm(finished)
    found = finished.problems()
    for path, data in kept.items():
        path.write_bytes(data)
    for path in set((finished.root / "blobs").iterdir()) - blobs:
        path.unlink()
    finished.seen = seen
    assert any(words in problem for problem in found), found
    assert finished.problems() == []
