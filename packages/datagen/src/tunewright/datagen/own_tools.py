"""Tools that users bring along as Python functions, called in a process of their own and with a time limit."""

from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from tunewright.datagen.worker import Worker, WorkerDied

SECONDS = 10.0  # for one call
LIVES = 3  # calls that a function may hang in or die in; after these it is called no more


class ToolFailed(Exception):
    """A user's own tool gave no result. The text says which tool and why, `detail` what it said itself."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.detail = detail


class OwnTools:
    """The functions `names` of a user's file. Close it to end its process."""

    def __init__(self, file: Path, names: Collection[str], seconds: float = SECONDS) -> None:
        self.names = frozenset(names)
        self.seconds = seconds
        self._worker = Worker("tunewright.datagen.tool_worker", str(file))
        self._lost: Counter[str] = Counter()

    def close(self) -> None:
        self._worker.close()

    def bound(self, root: Path) -> dict[str, Callable[..., dict[str, Any]]]:
        """Each function by its name, as a tool of the repository at `root`. Calls raise ToolFailed."""
        return {name: self._tool(name, root) for name in sorted(self.names)}

    def _tool(self, name: str, root: Path) -> Callable[..., dict[str, Any]]:
        def called(**arguments: Any) -> dict[str, Any]:
            if self._lost[name] >= LIVES:
                raise ToolFailed(f"{name} is given up", f"{LIVES} calls hung or ended their process")
            question = {"tool": name, "arguments": arguments, "root": str(root)}
            try:
                answer = self._worker.ask(question, self.seconds)
            except TimeoutError as error:
                self._lost[name] += 1
                raise ToolFailed(f"{name} took longer than {self.seconds:g} seconds") from error
            except WorkerDied as error:
                self._lost[name] += 1
                raise ToolFailed(f"{name} ended its process") from error
            if "failed" in answer:
                raise ToolFailed(answer["failed"], answer["detail"])
            return answer["result"]

        return called
