"""Trials with a fault: one of laptop, host and connection is killed, or the command gets a Ctrl-C, while a run is shipped,
trained or pulled.

The run goes over a real sshd through a proxy that counts bytes, so that the moment is a number drawn by a seed and not a
matter of time. A trial says what it saw at that moment: a trial whose fault did not happen counts as failed.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Literal, get_args

from tests.support.commands import end_worker, light_environment, real_recipe
from tests.support.faults import FaultyProxy, faulty_proxy
from tests.support.light_worker import FILES, after
from tests.support.remote_runs import make_checkout
from tests.support.ssh_files import SshClient, TestServer
from tunewright.contract.exits import INTERRUPTED
from tunewright.contract.manifest import damaged_files, read_manifest
from tunewright.contract.run import FINAL_STATES, RunFolder, Status
from tunewright.remote.host import open_host
from tunewright.remote.new_run import new_run
from tunewright.remote.pull import PULLED
from tunewright.train.lock import LOCK, is_held, read_owner

Victim = Literal["laptop", "host", "connection", "ctrl-c", "cuts"]
Phase = Literal["shipping", "training", "pulling"]
VICTIMS: tuple[Victim, ...] = ("laptop", "host", "connection", "ctrl-c")
CUTS = 5  # of one training, for a trial of cuts
CUT_SECONDS = 60.0
PHASES: tuple[Phase, ...] = get_args(Phase)
REPOSITORY = Path(__file__).parents[2]
CLIENT = (sys.executable, "-m", "tests.support.faults_client")
ROWS = 3_000_000  # bytes of the dataset
REPEAT = 70_000  # of a stage's text: 4.5 MB a file, above what is read through SFTP
PULLED_BYTES = REPEAT * (2 * 64 + 8 + 2 * 7)  # of train, fidelity and predictions
STEPS = 60
EVERY = 3  # steps between two checkpoints
PARTS = (-signal.SIGKILL, INTERRUPTED)  # exit codes after which the user types a command again
PROMPT = 30.0  # seconds after Ctrl-C, on a busy machine; a command that waits for the other side takes 120
PATIENCE = 180.0  # seconds for a trial


@dataclass(frozen=True)
class Trial:
    """What happened: where the fault hit, what was alive then, and what was wrong afterwards (nothing should be)."""

    victim: Victim
    phase: Phase
    seen: str
    problems: tuple[str, ...]
    seconds: float
    sent: int  # bytes to the host, all connections together


class Moment:
    """The moment of the fault: counts bytes of one direction while the run is in its phase, and strikes once."""

    def __init__(
        self, direction: str, goal: int, in_phase: Callable[[], bool], strike: Callable[[], str]
    ) -> None:
        self.direction, self.goal, self.in_phase, self.strike = direction, goal, in_phase, strike
        self.moved = {"up": 0, "down": 0}
        self.seen = ""
        self._counted = 0
        self._lock = threading.Lock()

    def passed(self, direction: str, count: int) -> None:
        with self._lock:
            self.moved[direction] += count
            if self.seen or direction != self.direction or not self.in_phase():
                return
            self._counted += count
            if self._counted < self.goal:
                return
            self.seen = f"at byte {self._counted:,} {direction}; {self.strike()}"


def run_trial(
    folder: Path,
    server: TestServer,
    victim: Victim,
    phase: Phase,
    random: Random,
    cut_seconds: float = CUT_SECONDS,
) -> Trial:
    """One run with one fault, in a new folder; for `cuts` with `CUTS` of them, in training. `server` has no other run."""
    began = time.monotonic()
    with faulty_proxy(server.port) as proxy:
        lab = Lab(folder, server, proxy, victim, phase, random)
        try:
            if victim == "cuts":
                lab.cut_often(cut_seconds)
            else:
                lab.go()
            problems = lab.problems()
        finally:
            lab.end()
        seen, sent = lab.moment.seen or lab.seen, lab.moment.moved["up"]
    return Trial(victim, phase, seen, tuple(problems), time.monotonic() - began, sent)


class Lab:
    def __init__(
        self,
        folder: Path,
        server: TestServer,
        proxy: FaultyProxy,
        victim: Victim,
        phase: Phase,
        random: Random,
    ) -> None:
        self.server, self.proxy, self.victim, self.phase = server, proxy, victim, phase
        ssh = SshClient(folder / "ssh")
        # Where cuts or bytes are counted, a keepalive that comes late on a busy machine must not make one more connection.
        patience = "60" if victim in ("cuts", "ctrl-c") else "2"
        alive = {"ServerAliveInterval": "1", "ServerAliveCountMax": patience}
        ssh.add("mac", server, port=proxy.port, options=alive)
        self.environment = {**os.environ, "TUNEWRIGHT_SSH_CONFIG": str(ssh.config)}
        self.checkout = make_checkout(folder / "checkout")
        row = '{"messages": [{"role": "user", "content": "%s"}, {"role": "assistant", "content": "hi"}]}\n'
        rows = (row % random.randbytes(500).hex() for _ in range(ROWS // 1070))
        (self.checkout / "data" / "train.jsonl").write_text("".join(rows))
        self.said = folder / "said.txt"
        self.root = server.root
        self.root.mkdir(exist_ok=True)
        (self.root / "repeat").write_text(str(REPEAT))
        os.environ["TUNEWRIGHT_SSH_CONFIG"] = str(ssh.config)
        with open_host("mac", self.checkout) as host:
            environment = light_environment(self.checkout / ".light")
            recipe = real_recipe(Path("/nowhere"), steps=STEPS, checkpoint_every=EVERY)
            self.run = new_run(self.checkout, recipe, self.checkout / "data", None, None, host, environment)
        self.there = RunFolder(self.root / "runs" / self.run.path.name)
        self.client: subprocess.Popen[bytes] | None = None
        self.clients = 0
        self.codes: list[int] = []  # of the commands
        self.seen = ""
        self.restarts = random.random() < 0.5  # the machine; else only its worker is killed
        self.hold = self.root / "hold"
        self.step = random.randrange(EVERY, STEPS - EVERY)
        if phase == "training":
            self.hold.write_text(str(self.step))
        self.heard_the_end = False  # when Ctrl-C was typed
        self.struck_at = self.ending = 0.0  # of Ctrl-C: when, and how long the command took to end then
        strikes = {
            "laptop": self.kill_laptop,
            "host": self.kill_sessions,
            "connection": self.cut,
            "ctrl-c": self.interrupt,
            "cuts": self.cut,
        }
        direction, goal, in_phase = (
            ("up", random.randrange(10_000, ROWS - 100_000), self.ships)
            if phase == "shipping"
            else ("down", random.randrange(0, PULLED_BYTES), self.pulls)
        )
        never: Callable[[], bool] = lambda: False  # noqa: E731 - training is struck at a step
        self.moment = Moment(direction, goal, never if phase == "training" else in_phase, strikes[victim])
        proxy.watch = self.moment.passed

    # Where the run is, by the files of both sides.

    def ships(self) -> bool:
        return not self.there.spec.exists()

    def trains(self) -> bool:
        status = self.there.read_status()
        return status is not None and status.stage == "train" and is_held(self.there.path)

    def pulls(self) -> bool:
        status = self.there.read_status()
        return status is not None and status.state == "done" and not (self.run.path / PULLED).exists()

    # The faults. Each returns what it saw, and fails when there was nothing to kill.

    def kill_laptop(self) -> str:
        client = self.client
        assert client is not None
        assert client.poll() is None, "the laptop's process is not there"
        client.kill()
        return f"the laptop's process {client.pid} was alive"

    def interrupt(self) -> str:
        client = self.client
        assert client is not None
        assert client.poll() is None, "the laptop's process is not there"
        heard = self.run.read_status()
        self.heard_the_end = heard is not None and heard.state in FINAL_STATES
        self.struck_at = time.monotonic()
        client.send_signal(signal.SIGINT)
        return f"the laptop's process {client.pid} was alive"

    def kill_sessions(self) -> str:
        """The host's side of every connection: sshd's children, and theirs."""
        killed = [pid for pid in self.sessions() if b"tunewright" not in command_of(pid)]
        assert killed, "no session is there"
        for pid in killed:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return f"{len(killed)} processes of the host's sessions were alive"

    def sessions(self) -> list[int]:
        """The processes of the host's side of every connection."""
        return descendants(int((self.server.home.parent / "sshd.pid").read_text()))

    def cut(self) -> str:
        before = self.proxy.connections
        assert self.proxy.alive(), "no connection is there"
        self.proxy.cut_now()
        return f"connection {before} was open"

    def kill_worker(self) -> str:
        owner = read_owner(self.there.path)
        assert owner is not None
        assert is_held(self.there.path), "no worker is there"
        if not self.restarts:
            os.kill(owner.pid, signal.SIGKILL)
            return f"worker {owner.pid} was alive"
        # Before the kill: whoever asked between the two would find a worker that was killed without a restart.
        lock = self.there.path / LOCK
        lock.write_text(json.dumps(json.loads(lock.read_text()) | {"boot": "the one before"}))
        os.killpg(os.getpgid(owner.pid), signal.SIGKILL)
        return f"worker {owner.pid} and its guard were alive, and the machine was restarted"

    def go(self) -> None:
        """From the first command to the end of the last one."""
        until = time.monotonic() + PATIENCE
        self.start_client()
        if self.phase == "training":
            self.wait_for_step(self.step, until)
            self.wait_for_words("train     starts", 1, until)  # it follows
            strike = {
                "laptop": self.kill_laptop,
                "host": self.kill_worker,
                "connection": self.cut,
                "ctrl-c": self.interrupt,
            }[self.victim]
            self.seen = f"held at step {self.step} of {STEPS}; {strike()}"
            self.hold.unlink()
        while True:
            code = self.wait_for_end(until)
            if code not in PARTS or self.clients > 2:
                return
            self.start_client()

    def cut_often(self, seconds: float) -> None:
        """One command, whose connection is cut again and again in training while the worker goes on."""
        until = time.monotonic() + PATIENCE + CUTS * seconds
        steps = [STEPS * number // (CUTS + 2) for number in range(1, CUTS + 2)]
        self.hold.write_text(str(steps[0]))
        self.start_client()
        for number, (step, later) in enumerate(pairwise(steps), 1):
            self.wait_for_step(step, until)
            self.wait_for_words("train     starts", 1, until)  # it follows
            self.proxy.refusing = True
            seen = self.cut()
            self.hold.write_text(str(later))
            time.sleep(seconds)
            self.wait_for_step(later, until)  # without the laptop
            self.proxy.refusing = False
            self.wait_for_words("connected to mac again", number, until)
            self.seen = (
                f"cut {number} times for {seconds:g} s, the last time at step {step} of {STEPS}; {seen}"
            )
        self.hold.unlink()
        self.wait_for_end(until)

    def wait_for_step(self, step: int, until: float) -> None:
        """Wait until the worker has come to that step, and has saved what it can of it."""
        checkpoint = self.there.path / ".train.partial" / "checkpoint.json"
        least = step - step % EVERY
        while not (self.trains() and checkpoint.exists() and json.loads(checkpoint.read_text())[0] >= least):
            assert time.monotonic() < until, f"it never came to step {step}: {self.said.read_text()}"
            time.sleep(0.02)

    def wait_for_words(self, words: str, times: int, until: float) -> None:
        """Wait until the command has said something so often."""
        while self.said.read_text().count(words) < times:
            assert time.monotonic() < until, f"it never said {words!r}: {self.said.read_text()}"
            time.sleep(0.02)

    def wait_for_end(self, until: float) -> int:
        """The exit code of the command that runs."""
        assert self.client is not None
        code = self.client.wait(max(1.0, until - time.monotonic()))
        self.codes.append(code)
        if code == INTERRUPTED:
            self.ending = time.monotonic() - self.struck_at
        return code

    def start_client(self, *command: str) -> None:
        """What a user does after his laptop's process was killed or interrupted: what `status` tells him."""
        self.clients += 1
        with self.said.open("ab") as said:
            self.client = subprocess.Popen(
                [*CLIENT, str(self.checkout), *(command or [str(self.run.path)])],
                cwd=REPOSITORY,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    def problems(self) -> list[str]:
        """What was lost, and what was said that is not so."""
        said = self.said.read_text(errors="replace")
        found = [f"the fault did not happen in {self.phase}"] if not (self.moment.seen or self.seen) else []
        wanted = {"laptop": [-signal.SIGKILL, 0], "ctrl-c": [INTERRUPTED, 0]}.get(self.victim, [0])
        found += [f"the commands ended with {self.codes}: {said[-600:]}"] if self.codes != wanted else []
        if self.victim == "ctrl-c" and not any(f"{words}\n" in said for words in self.ways_back()):
            found.append(f"it does not say how to come back: {said[-600:]}")
        if self.victim == "cuts":
            told = [
                said.count(words) for words in ("the run goes on, trying again", "connected to mac again")
            ]
            if told[0] < CUTS or told[1] != CUTS:
                found.append(
                    f"of {CUTS} cuts it told {told[0]}, and {told[1]} times that it was connected again"
                )
        if self.ending > PROMPT:
            found.append(f"it ended {self.ending:.0f} s after Ctrl-C")
        found += [f"it said {word!r}: {said[-600:]}" for word in ("Traceback", "ended as") if word in said]
        status = self.run.read_status() or Status(state="queued")
        found += [f"the laptop says {status.state}"] if status.state != "done" else []
        found += [] if (self.run.path / PULLED).exists() else ["it does not say that it was pulled"]
        if not self.there.events.exists():
            return [*found, "the run never began"]
        if self.run.events.read_bytes() != self.there.events.read_bytes():
            found.append("the events here are not those there")
        events = self.there.read_events()
        if [event.seq for event in events] != list(range(1, len(events) + 1)):
            found.append("an event is missing, or there twice")
        starts = self.there.log.read_text().count("--- worker started")
        deaths = self.victim == "host" and self.phase == "training"
        if starts != 1 + deaths or [e.kind for e in events].count("resumed") != deaths:
            found.append(f"{starts} workers were started")
        why = "the host was restarted while the worker ran" if self.restarts else "the worker was killed"
        found += [
            f"it went on after {event.data['message']!r}"
            for event in events
            if event.kind == "resumed" and not str(event.data["message"]).startswith(why)
        ]
        for stage, names in FILES.items():
            out = self.run.stage(stage)
            if stage == "fuse":
                continue
            manifest = read_manifest(out)
            if manifest is None or damaged_files(out, manifest):
                found.append(f"{stage} is not whole here")
                continue
            text = after(STEPS) if stage == "train" else stage
            found += [
                f"{stage}/{name} is not what was made"
                for name in names
                if (out / name).read_text() != text * REPEAT
            ]
        leftovers = [path.name for path in (self.root / "blobs").iterdir() if path.name.endswith(".part")]
        found += [f"left on the host: {', '.join(leftovers)}"] if leftovers else []
        hidden = [
            path.name for path in self.run.path.iterdir() if path.is_dir() and path.name.startswith(".")
        ]
        found += [f"left on the laptop: {', '.join(hidden)}"] if hidden else []
        return found

    def ways_back(self) -> list[str]:
        """What may be said after a Ctrl-C."""
        name = self.run.path.name
        back, stop = f"come back with: ./inv attach --run {name}", f"stop it: ./inv cancel --run {name}"
        if self.phase == "shipping":
            return [
                f"what has arrived is kept; go on: ./inv resume --run {name}; in case it was started: {stop}"
            ]
        kept, goes_on = f"what has come is kept: {back}", f"the run goes on: {back}; {stop}"
        if self.phase == "training":
            return [goes_on]
        return [kept] if self.heard_the_end else [kept, goes_on]

    def end(self) -> None:
        """Nothing of the trial stays alive."""
        if self.client is not None:
            self.client.kill()
            self.client.wait()
        for name in ("hold", "repeat"):
            (self.root / name).unlink(missing_ok=True)
        end_worker(self.there.path)


def descendants(pid: int) -> list[int]:
    """The processes that a process started, and those that they did."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(
                int(stat.parent.name)
            )
    found: list[int] = []
    left = list(parents.get(pid, []))
    while left:
        found.append(left.pop())
        left += parents.get(found[-1], [])
    return found


def command_of(pid: int) -> bytes:
    """A process's command line; empty when it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
