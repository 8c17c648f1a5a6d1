"""A worker's death is told as what it was, to whoever is attached and to whoever asks later. With the real worker,
whose stages compute nothing where the test is not about what they compute."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests.support.commands import Inv, commands_on, end_worker, real_recipe, real_run, there, wait
from tests.support.random_qwen3 import write_model
from tunewright.contract.recipe import Recipe
from tunewright.contract.run import RunFolder, Status
from tunewright.remote import follow
from tunewright.remote.host import open_host
from tunewright.remote.job import follow_run
from tunewright.train.lock import LOCK, Owner, is_held, read_owner

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
METAL = "[METAL] Command buffer execution failed: "


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def inv(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Inv:
    monkeypatch.setattr(follow, "POLL", 0.05)
    monkeypatch.setattr(follow, "SILENCE", 3.0)
    return commands_on(checkout, monkeypatch)


Begin = Callable[..., RunFolder]


@pytest.fixture
def begin(checkout: Path) -> Generator[Begin]:
    """Start a run and wait until it trains; whatever is left of it is killed at the end. Without a recipe, a light run that
    takes minutes."""
    runs: list[RunFolder] = []

    host = checkout / ".tunewright" / "host"
    host.mkdir(parents=True, exist_ok=True)
    (host / "host.toml").write_text("resumes = 0\n")

    def start(recipe: Recipe | None = None, *, trains: bool = True, limit: int = 0) -> RunFolder:
        endless = real_recipe(Path("/nowhere"), steps=20_000, checkpoint_every=50)
        run = real_run(checkout, recipe or endless, limit=limit, light=recipe is None)
        runs.append(run)
        if trains:
            wait(lambda: (there(run).read_status() or Status(state="queued")).step > 3)
        return run

    yield start
    for run in runs:
        end_worker(there(run).path)


def kill(run: RunFolder, number: int = signal.SIGKILL) -> None:
    """End a run's worker; with SIGKILL its guard before it, as a restart does, so that nobody is left to see the death."""
    owner = read_owner(there(run).path)
    if owner is not None and is_held(there(run).path):
        if number == signal.SIGKILL and (guard := guard_of(owner.pid)):
            os.kill(guard, number)
        os.kill(owner.pid, number)
        if number == signal.SIGKILL:
            wait(lambda: not is_held(there(run).path))


def guard_of(worker: int) -> int:
    """The process that started a worker and watches it; 0 where it is gone."""
    parent = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])
    command = Path(f"/proc/{parent}/cmdline").read_bytes()
    return parent if b"tunewright.train" in command or b"light_worker" in command else 0


def owned(run: RunFolder, **changes: object) -> None:
    """Change what is on file about the worker."""
    path = there(run).path / LOCK
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def killed(run: RunFolder) -> None:
    kill(run)


def out_of_memory(run: RunFolder) -> None:
    owner = Owner.model_validate_json((there(run).path / LOCK).read_bytes())
    owned(run, memory_kills=owner.memory_kills - 1)
    kill(run)


def watchdog(run: RunFolder) -> None:
    with there(run).log.open("a") as log:
        log.write(METAL + "(0000000e:kIOGPUCommandBufferCallbackErrorImpactingInteractivity)\n")
    kill(run)


def gpu_memory(run: RunFolder) -> None:
    with there(run).log.open("a") as log:
        log.write(METAL + "Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)\n")
    kill(run)


def rebooted(run: RunFolder) -> None:
    owned(run, boot="another")
    kill(run)


def crashed(run: RunFolder) -> None:
    kill(run, signal.SIGSEGV)
    wait(lambda: not is_held(there(run).path))


DEATHS = [
    (killed, "the worker was killed"),
    (out_of_memory, "the worker is gone, and the kernel has killed a process for lack of memory"),
    (watchdog, "macOS stopped the GPU work because it made the display stutter"),
    (gpu_memory, "the GPU ran out of memory"),
    (rebooted, "the host was restarted while the worker ran"),
    (crashed, "the worker crashed: Fatal Python error: Segmentation fault"),
]


@pytest.mark.parametrize(
    ("die", "message", "attached"),
    [(die, message, False) for die, message in DEATHS] + [(*DEATHS[0], True), (*DEATHS[4], True)],
)
def test_a_death_is_told_as_what_it_was(
    die: Callable[[RunFolder], None], message: str, attached: bool, inv: Inv, begin: Begin
) -> None:
    run = begin()
    name = run.path.name
    if attached:
        killer = threading.Timer(1, die, [run])
        killer.start()
        told = inv("attach", "--run", name)
        killer.join()
    else:
        die(run)
        told = inv("attach", "--run", name)
    assert told.code == 1
    assert f"run {name} ended as lost: {message}" in told.err
    assert "ended as running" not in told.err
    # Whoever asks afterwards hears the same, also after a pull, and after the machine forgot.
    assert inv("pull", "--run", name).code == 0
    owned(run, boot="yet another", memory_kills=1 << 40)
    for _ in range(2):
        assert (
            f"lost in train, step {(run.read_status() or Status(state='queued')).step} of 20000\n  {message}"
            in (inv("status", "--run", name).out)
        )
    last = run.read_events()[-1]
    assert (last.kind, last.data["message"][: len(message)]) == ("lost", message)


def test_a_loss_that_is_not_finite_is_told(inv: Inv, begin: Begin, model: Path) -> None:
    recipe = real_recipe(model, steps=50)
    wild = recipe.model_copy(update={"train": recipe.train.model_copy(update={"learning_rate": 1e30})})
    run = begin(wild, trains=False)
    told = inv("attach", "--run", run.path.name)
    assert told.code == 1
    assert "ended as failed: the " in told.err
    assert "is not a finite number" in told.err
    assert "Lower train.learning_rate" in told.err


def test_a_full_disk_is_told(inv: Inv, begin: Begin, model: Path) -> None:
    """A limit on file sizes replaces a full disk: the adapters do not fit, the status does."""
    run = begin(real_recipe(model, steps=50), trains=False, limit=16)
    told = inv("attach", "--run", run.path.name)
    assert told.code == 1
    assert "ended as failed: the disk is full" in told.err


def test_a_finished_run_whose_status_was_torn_is_done_and_attach_ends(
    inv: Inv, begin: Begin, model: Path
) -> None:
    run = begin(real_recipe(model), trains=False)
    wait(lambda: (there(run).read_status() or Status(state="queued")).state == "done")
    there(run).status.write_text('{"state": "do')
    assert inv("status", "--run", run.path.name).out == f"{run.path.name}: done in predict\n"
    told = inv("attach", "--run", run.path.name)
    assert told.code in (0, 1, 3)
    assert "ended as" not in told.err
    assert run.report.is_file()


def test_a_stopped_process_is_stalled_and_not_dead(inv: Inv, begin: Begin, checkout: Path) -> None:
    run = begin()
    kill(run, signal.SIGSTOP)
    time.sleep(0.3)
    status = json.loads(there(run).status.read_text())
    there(run).status.write_text(json.dumps(status | {"heartbeat": "2026-11-28T10:00:00.000+00:00"}))
    asked = inv("status", "--run", run.path.name).out
    assert ": running (stalled) in train, step" in asked
    assert "the worker's process is there" in asked
    with open_host("local", checkout) as host:
        told: list[str] = []
        for event in follow_run(host, run):
            if event.seq == 0:
                told.append(str(event.data["message"]))
                if len(told) == 1:
                    kill(run, signal.SIGCONT)
                else:
                    kill(run)
    assert told[0].startswith("stalled: the worker's process is there")
    assert told[1] == "the worker goes on"
    assert (run.read_status() or Status(state="queued")).state == "lost"
