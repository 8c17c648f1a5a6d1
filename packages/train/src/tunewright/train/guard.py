"""A run's guard: it waits for the run's turn, starts the worker, and starts it again after a death that may pass.

It imports nothing heavy and computes nothing, so that what kills a worker leaves it alive. When it is killed itself the
worker goes on without it: lock and turn belong to whichever of the two is left.
"""

import os
import signal
import subprocess
import sys
import time
import traceback

from tunewright.contract.manifest import now
from tunewright.contract.run import FINAL_STATES, RunFolder, Status
from tunewright.train.deaths import cause_of_death, last_status, last_word, may_go_on, resumes_of
from tunewright.train.failures import explain
from tunewright.train.lock import Lock, Owner, read_owner
from tunewright.train.machine import keep_awake, worker_environment
from tunewright.train.queue import Turn, wait_for_turn
from tunewright.train.run_events import Cancelled, Journal, record_death, record_resumption

HANDED_DOWN = 10.0  # seconds that who started us may take to write down that we own the lock
PAUSE = 2.0  # seconds before a worker is started again


class Guard:
    """Guards one run. `resumed` and `memory_deaths` count what happened since somebody started it."""

    def __init__(self, run: RunFolder, lock: Lock, resumed: int = 0, memory_deaths: int = 0) -> None:
        self._run = run
        self._lock = lock
        self._leader = os.getpgid(0) == os.getpid()
        self._resumed = resumed
        self._memory_deaths = memory_deaths
        self._stopping = False
        self._journal: Journal | None = None
        self._worker: subprocess.Popen[bytes] | None = None

    def work(self, *, fresh: bool, handed_down: bool) -> Status:
        """Bring the run to its end, and return its final status. `handed_down`: another process took the lock for us."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)
        keep_awake()
        # Whoever handed the lock down writes the owner once more: not after us.
        until = time.monotonic() + (HANDED_DOWN if handed_down else 0)
        while time.monotonic() < until and getattr(read_owner(self._run.path), "pid", 0) != os.getpid():
            time.sleep(0.01)
        self._own(os.getpid())
        turn = self._wait()
        if isinstance(turn, Status):
            return turn
        try:
            while True:
                seen = len(self._run.read_events())
                owner = self._work_once(turn, fresh=fresh)
                ended = self._end(owner)
                if ended is not None:
                    return ended
                fresh = fresh and not any(e.kind == "stage_start" for e in self._run.read_events()[seen:])
        finally:
            turn.end()

    def _stop(self, *_: object) -> None:
        self._stopping = True
        if self._journal is not None:
            self._journal.cancelled.set()
        if self._worker is not None:
            self._worker.send_signal(signal.SIGTERM)

    def _own(self, pid: int, log_offset: int | None = None) -> Owner:
        size = self._run.log.stat().st_size if self._run.log.exists() else 0
        return self._lock.write_owner(
            pid,
            leader=self._leader,
            log_offset=size if log_offset is None else log_offset,
            resumed=self._resumed,
            memory_deaths=self._memory_deaths,
        )

    def _wait(self) -> Turn | Status:
        journal = self._journal = Journal(self._run, os.getpid(), state="queued")
        if self._stopping:
            journal.cancelled.set()
        with journal.alive():
            try:
                turn = wait_for_turn(self._run, journal)
                journal.its_turn()
            except Cancelled:
                return journal.close("cancelled")
            except BaseException as error:  # noqa: BLE001 - whatever it is, status.json must say that it failed
                known = explain(error, self._run.path)
                if known is None:
                    traceback.print_exception(error)
                message = known.message if known else f"{type(error).__name__}: {error}"
                return journal.close(
                    "failed", message, known.hint if known else "worker.log has the traceback."
                )
            finally:
                self._journal = None
        journal.release()
        return turn

    def _work_once(self, turn: Turn, *, fresh: bool) -> Owner:
        """One worker from its start to its end."""
        offset = self._run.log.stat().st_size if self._run.log.exists() else 0
        command = [
            sys.executable,
            "-P",
            "-m",
            "tunewright.train.worker",
            "work",
            "--run",
            str(self._run.path),
        ]
        command += ["--lock", str(self._lock.descriptor), "--turn", str(turn.descriptor)]
        sys.stderr.write(f"--- worker started {now()}\n")
        sys.stderr.flush()
        # Libraries print what they please; standard output holds the guard's one line.
        self._worker = subprocess.Popen(
            [*command, *(["--fresh"] if fresh else [])],
            stdin=subprocess.DEVNULL,
            stdout=2,
            env=worker_environment(dict(os.environ)),
            pass_fds=(self._lock.descriptor, turn.descriptor),
        )
        owner = self._own(self._worker.pid, offset)
        if self._stopping:
            self._worker.send_signal(signal.SIGTERM)
        self._worker.wait()
        self._worker = None
        self._own(os.getpid(), offset)
        return owner

    def _end(self, owner: Owner) -> Status | None:
        """The final status; None when the worker is to be started again."""
        found = last_word(self._run) or Status(state="running")
        if found.state in FINAL_STATES:
            return found
        if self._stopping:
            return Journal(self._run, 0).close("cancelled")
        death, limit = cause_of_death(self._run, owner), resumes_of(self._run)
        if not may_go_on(death, self._resumed, self._memory_deaths, limit):
            ended = last_status(found, death, self._resumed)
            record_death(self._run, ended)
            return ended
        self._resumed += 1
        self._memory_deaths += death.kind == "memory"
        record_resumption(self._run, found, death, self._resumed, limit, os.getpid())
        until = time.monotonic() + PAUSE
        while not self._stopping and time.monotonic() < until:
            time.sleep(0.1)
        return None
