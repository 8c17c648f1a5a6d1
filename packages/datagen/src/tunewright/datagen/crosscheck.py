"""Compares what ty says about code with what jedi says; an example is kept only where both agree."""

import json
from pathlib import Path
from typing import Any

from tunewright.datagen.helper_process import Worker, WorkerDied
from tunewright.datagen.program import Call
from tunewright.datagen.toolbox import Toolbox, fitting_names
from tunewright.datagen.workspace import ToolTimeout

TIMEOUT = 120.0  # seconds for one answer
CHECKED = frozenset({"goto_definition", "find_references", "completion"})

Place = tuple[str, int, int]  # file, line, column


class JediFailed(Exception):
    """Jedi raised an error of its own; the text is its kind."""


class Jedi:
    """A jedi process, started at the first question and again after it was lost."""

    def __init__(self, timeout: float = TIMEOUT) -> None:
        self.timeout = timeout
        self._worker = Worker("tunewright.datagen.jedi_worker")

    def close(self) -> None:
        """End the process; harmless when there is none."""
        self._worker.close()

    def ask(self, ask: str, box: Toolbox, file: str, line: int, column: int) -> list[tuple[Place, bool]]:
        """`definition` or `references`: places inside the repository, and whether each is a definition.

        A place outside has an empty file. Raises JediFailed, or ToolTimeout after which jedi starts afresh.
        """
        reply = self._reply(ask, box, file, line, column)
        return [
            ((box.workspace.relative(Path(path)) or "" if path else "", row, place), is_definition)
            for path, row, place, is_definition in reply["places"]
        ]

    def completions(self, box: Toolbox, file: str, line: int, column: int) -> list[str]:
        """Names that could be typed there. Raises as `ask` does."""
        return self._reply("completion", box, file, line, column)["names"]

    def _reply(self, ask: str, box: Toolbox, file: str, line: int, column: int) -> dict[str, Any]:
        root = str(box.workspace.repo)
        question = {"ask": ask, "root": root, "file": file, "line": line, "column": column}
        try:
            reply: dict[str, Any] = self._worker.ask(question, self.timeout)
        except TimeoutError as error:
            raise ToolTimeout(f"jedi did not answer within {self.timeout:g} seconds") from error
        except WorkerDied as error:
            raise JediFailed("gone") from error
        if "error" in reply:
            raise JediFailed(str(reply["error"]))
        return reply


class CrossCheck:
    """Judges calls of the tools in `CHECKED`; verdicts are kept. Of completions the names are compared, not their types."""

    def __init__(self, jedi: Jedi) -> None:
        self._jedi = jedi
        self._known: dict[str, str | None] = {}

    def reason(self, call: Call, box: Toolbox) -> str | None:
        """Why the call's result cannot be relied on; None when both engines say the same."""
        if call.tool not in CHECKED:
            return None
        key = json.dumps([box.workspace.corpus.label, call.tool, call.arguments], sort_keys=True)
        if key not in self._known:
            self._known[key] = self._judge(call, box)
        return self._known[key]

    def _judge(self, call: Call, box: Toolbox) -> str | None:
        file, line = str(call.arguments["file"]), int(call.arguments["line"])
        if call.tool == "completion":
            column = box.column_after(file, line, str(call.arguments["prefix"]))
        else:
            column = box.column_of(file, line, str(call.arguments["symbol"]))
        if column is None:
            return None  # it isn't there, which needs no engine to see
        try:
            if call.tool == "goto_definition":
                theirs = {place[:2] for place, _ in self._jedi.ask("definition", box, file, line, column)}
                ours = {(item["file"], item["line"]) for item in call.result["locations"]}
            elif call.tool == "completion":
                names = fitting_names(self._jedi.completions(box, file, line, column), call.result["prefix"])
                labels = [item["label"] for item in call.result["completions"]]
                theirs = names[: len(labels)], len(names) > len(labels)
                ours = labels, call.result["truncated"]
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
