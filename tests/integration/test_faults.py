"""Kills while a run is shipped, trained and pulled: nothing is lost, and nothing is said that is not so.

`./inv bench --only faults` does the same twenty times each.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from tests.support.commands import wait
from tests.support.fault_trials import (
    PHASES,
    REPEAT,
    ROWS,
    VICTIMS,
    Lab,
    Moment,
    Phase,
    Victim,
    run_trial,
)
from tests.support.faults import faulty_proxy
from tests.support.ssh_files import TestServer
from tests.support.sshd import start_sshd
from tunewright.remote.pull import PULLED

pytestmark = [pytest.mark.sshd, pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    with start_sshd(tmp_path_factory.mktemp("faults")) as server:
        yield server


# A host in training loses its worker alone with seed 1; with seed 3 it is restarted.
TRIALS = [*((victim, phase, 1) for victim in VICTIMS for phase in PHASES), ("host", "training", 3)]


@pytest.mark.parametrize(("victim", "phase", "seed"), TRIALS)
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
    assert ("the machine was restarted" in trial.seen) == (seed == 3)


def test_five_cuts_in_one_training_lose_nothing_and_are_told(
    server: TestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short ones; `./inv bench --only faults` waits for a minute each."""
    monkeypatch.setenv("TUNEWRIGHT_SSH_CONFIG", "")  # put back at the end
    trial = run_trial(tmp_path, server, "cuts", "training", Random(1), cut_seconds=1)
    assert trial.problems == ()
    assert trial.seen.startswith("cut 5 times for 1 s, the last time at step 42 of 60; connection ")
    assert trial.seen.endswith("was open")


TRAIN = """
schema = 1
name = "light"
[model]
base = "/nowhere"
[train]
steps = 60
checkpoint_every = 3
[[suites]]
path = "suites/small.jsonl"
"""


@pytest.fixture
def lab(server: TestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A lab whose faults come when a test says so."""
    monkeypatch.setenv("TUNEWRIGHT_SSH_CONFIG", "")
    with faulty_proxy(server.port) as proxy:
        lab = Lab(tmp_path, server, proxy, "ctrl-c", "shipping", Random(5))
        proxy.watch = None
        yield lab
        lab.end()


def ended(
    lab: Lab,
    *command: str,
    ctrl_c: tuple[str, int] | None = None,
    written: Callable[[], int] = lambda: 1,
) -> tuple[int, str]:
    """Run a command, with a Ctrl-C after so many bytes up or down; its exit code, and what it said.

    Nothing more passes until some of these bytes are `written`: what has passed may still be in memory.
    """
    direction, goal = ctrl_c or ("up", 1 << 40)

    def strike() -> str:
        wait(lambda: written() > 0)
        return lab.interrupt()

    lab.moment = Moment(direction, goal, lambda: True, strike)
    lab.proxy.watch = lab.moment.passed
    before = lab.said.stat().st_size if lab.said.exists() else 0
    lab.start_client(*command)
    assert lab.client is not None
    code = lab.client.wait(180)
    assert bool(lab.moment.seen) == bool(ctrl_c), lab.said.read_text()
    return code, lab.said.read_bytes()[before:].decode()


def test_train_again_after_ctrl_c_while_shipping_goes_on(lab: Lab) -> None:
    """Nothing is made or sent twice, and one run is there at the end."""
    shutil.rmtree(lab.run.path)
    recipe = lab.checkout / "recipes" / "light.toml"
    recipe.parent.mkdir()
    recipe.write_text(TRAIN)
    train = ("train", "--host", "mac", "--recipe", str(recipe), "--data", str(lab.checkout / "data"))

    def sent() -> int:
        return max((path.stat().st_size for path in (lab.root / "blobs").glob(".*.part")), default=0)

    code, said = ended(lab, *train, ctrl_c=("up", ROWS // 2), written=sent)
    (run,) = (lab.checkout / "runs").iterdir()
    assert code == 130, said
    assert (
        "nothing was started, and what has arrived is kept; go on: the same command again, "
        f"or ./inv resume --run {run.name}\n"
    ) in said
    assert not (lab.root / "runs" / run.name).exists()
    lab.proxy.cut_now()
    wait(lambda: not lab.proxy.alive() and not lab.sessions())  # nobody writes to the part any more
    arrived = sent()
    assert arrived > 0
    code, said = ended(lab, *train)
    assert code == 0, said
    assert f"going on with {run.name}, which was never started" in said
    assert ROWS - arrived < lab.moment.moved["up"] < ROWS - arrived + 300_000
    assert [path.name for path in (lab.checkout / "runs").iterdir()] == [run.name]
    assert (run / PULLED).exists()


def test_ctrl_c_while_pulling_keeps_what_has_come(lab: Lab) -> None:
    code, said = ended(lab, str(lab.run.path))
    assert code == 0, said
    shutil.rmtree(lab.run.stage("train"))
    pull = ("pull", "--run", lab.run.path.name, "--models")

    def received() -> int:
        return sum(path.stat().st_size for path in lab.run.path.glob(".train.pull/*"))

    code, said = ended(lab, *pull, ctrl_c=("down", REPEAT * 64), written=received)
    assert code == 130, said
    assert f"what has come is kept; go on: ./inv {' '.join(pull)}\n" in said
    assert not lab.run.stage("train").exists(), "half a stage is never in its place"
    came = received()
    assert came > 0
    lab.proxy.cut_now()  # what the first command no longer takes is not counted for the second
    wait(lambda: not lab.proxy.alive())
    code, said = ended(lab, *pull)
    assert code == 0, said
    assert lab.moment.moved["down"] < REPEAT * 128 - came + 100_000
    lab.codes, lab.victim = [0], "connection"
    assert lab.problems() == ["the fault did not happen in shipping"]


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


def no_way_back(lab: Lab) -> None:
    lab.victim = "ctrl-c"


def cut_untold(lab: Lab) -> None:
    lab.victim = "cuts"


def end_late(lab: Lab) -> None:
    lab.ending = 100.0


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
        (no_way_back, "it does not say how to come back"),
        (cut_untold, "of 5 cuts it told 0, and 0 times"),
        (end_late, "it ended 100 s after Ctrl-C"),
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
    finished.seen, finished.victim, finished.ending = seen, "laptop", 0.0
    assert any(words in problem for problem in found), found
    assert finished.problems() == []
