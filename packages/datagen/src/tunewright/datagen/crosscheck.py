"""Compares what ty says about code with what jedi says; an example is kept only where both agree."""

import contextlib
import json
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tunewright.datagen.program import Call
from tunewright.datagen.tools import Toolbox
from tunewright.datagen.workspace import ToolTimeout

TIMEOUT = 30.0  # seconds for one answer

Place = tuple[str, int, int]  # file, line, column


class JediFailed(Exception):
    """Jedi raised an error of its own; the text is its kind."""


class Jedi:
    """A jedi process, started at the first question and again after it was lost."""

    def __init__(self, timeout: float = TIMEOUT) -> None:
        self.timeout = timeout
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str | None] = queue.Queue()

    def close(self) -> None:
        """End the process; harmless when there is none."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._process = None

    def ask(self, ask: str, box: Toolbox, file: str, line: int, column: int) -> list[tuple[Place, bool]]:
        """`definition` or `references`: places inside the repository, and whether each is a definition.

        A place outside has an empty file. Raises JediFailed, or ToolTimeout after which jedi starts afresh.
        """
        process = self._started()
        root = str(box.workspace.repo)
        question = {"ask": ask, "root": root, "file": file, "line": line, "column": column}
        reply: dict[str, Any] = {"error": "gone"}
        try:
            if process.stdin is not None:
                process.stdin.write(json.dumps(question) + "\n")
                process.stdin.flush()
            text = self._answers.get(timeout=self.timeout)
            if text is not None:
                reply = json.loads(text)
            else:
                self.close()
        except queue.Empty as error:
            self.close()
            raise ToolTimeout(f"jedi did not answer within {self.timeout:g} seconds") from error
        except OSError:
            self.close()
        if "error" in reply:
            raise JediFailed(str(reply["error"]))
        return [
            ((box.workspace.relative(Path(path)) or "" if path else "", row, place), is_definition)
            for path, row, place, is_definition in reply["places"]
        ]

    def _started(self) -> "subprocess.Popen[str]":
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._answers = queue.Queue()
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tunewright.datagen.jedi_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
            )
            threading.Thread(target=_read, args=(self._process, self._answers), daemon=True).start()
        return self._process


def _read(process: "subprocess.Popen[str]", answers: "queue.Queue[str | None]") -> None:
    with contextlib.suppress(OSError, ValueError):
        for line in process.stdout or ():
            answers.put(line)
    answers.put(None)


class CrossCheck:
    """Judges calls of goto_definition and find_references; verdicts are kept."""

    def __init__(self, jedi: Jedi) -> None:
        self._jedi = jedi
        self._known: dict[str, str | None] = {}

    def reason(self, call: Call, box: Toolbox) -> str | None:
        """Why the call's result cannot be relied on; None when both engines say the same."""
        if call.tool not in ("goto_definition", "find_references"):
            return None
        key = json.dumps([box.workspace.corpus.label, call.tool, call.arguments], sort_keys=True)
        if key not in self._known:
            self._known[key] = self._judge(call, box)
        return self._known[key]

    def _judge(self, call: Call, box: Toolbox) -> str | None:
        file, line = str(call.arguments["file"]), int(call.arguments["line"])
        column = box.column_of(file, line, str(call.arguments["symbol"]))
        if column is None:
            return None  # nothing stands there, which needs no engine to see
        try:
            if call.tool == "goto_definition":
                theirs = {place[:2] for place, _ in self._jedi.ask("definition", box, file, line, column)}
                ours = {(item["file"], item["line"]) for item in call.result["locations"]}
            else:
                with_declaration = bool(call.arguments.get("include_declaration", False))
                theirs = {
                    place
                    for place, is_definition in self._jedi.ask("references", box, file, line, column)
                    if with_declaration or not is_definition
                }
                if not with_declaration:
                    theirs = {p for p in theirs if p[0] and p[1] not in box.import_lines(p[0])}
                ours = {(item["file"], item["line"], item["column"]) for item in call.result["references"]}
        except JediFailed:
            return "jedi failed"
        except ToolTimeout:
            return "jedi took too long"
        return None if ours == theirs else "ty and jedi disagree"
