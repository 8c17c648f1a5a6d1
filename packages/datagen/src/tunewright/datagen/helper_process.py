"""A process that answers questions, one JSON line each way. It may hang or die: that costs one answer, not the work."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from typing import Any

READY_SECONDS = 60.0  # for the process to start and to load what it needs


class WorkerDied(Exception):
    """The process ended before it had answered."""


class Worker:
    """`python -m module`, started at the first question and again after it was lost.

    It says `{}` when it is ready, and answers every line with one line.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        self._command = [sys.executable, "-P", "-m", module, *arguments]
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str | None] = queue.Queue()

    def ask(self, question: object, seconds: float) -> Any:
        """The answer. Raises TimeoutError or WorkerDied; the next question meets a new process then."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        return self._exchange(question, seconds)

    def close(self) -> None:
        """End the process and what it started; harmless when there is none."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, 9)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _start(self) -> None:
        self.close()
        self._answers = queue.Queue()
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        threading.Thread(target=_read, args=(self._process, self._answers), daemon=True).start()
        self._exchange(None, READY_SECONDS)

    def _exchange(self, question: object, seconds: float) -> Any:
        try:
            if question is not None and self._process is not None and self._process.stdin is not None:
                self._process.stdin.write(json.dumps(question) + "\n")
                self._process.stdin.flush()
            text = self._answers.get(timeout=seconds)
        except queue.Empty as error:
            self.close()
            raise TimeoutError(f"no answer within {seconds:g} seconds") from error
        except OSError as error:
            self.close()
            raise WorkerDied from error
        except BaseException:
            self.close()  # whose answer would be taken for the next one's
            raise
        if text is None:
            self.close()
            raise WorkerDied
        return json.loads(text)


def _read(process: "subprocess.Popen[str]", answers: "queue.Queue[str | None]") -> None:
    with contextlib.suppress(OSError, ValueError):
        for line in process.stdout or ():
            answers.put(line)
    answers.put(None)
