"""Tools that users bring along as Python functions, called in a process of their own and with a time limit."""

from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from tunewright.datagen.helper_process import Worker, WorkerDied
from tunewright.datagen.rejections import Rejected

SECONDS = 10.0  # for one call
LIVES = 3  # calls that a function may hang in or die in; after these it is called no more


class OwnTools:
    """The functions `names` of a user's file. Close it to end its process."""

    def __init__(self, file: Path, names: Collection[str], seconds: float = SECONDS) -> None:
        self.names = frozenset(names)
        self.seconds = seconds
        self._worker = Worker("tunewright.datagen.tool_worker", str(file))
        self._lost: Counter[str] = Counter()
        self._why: dict[str, str] = {}  # how a function was lost the last time

    def close(self) -> None:
        self._worker.close()

    def bound(self, root: Path) -> dict[str, Callable[..., dict[str, Any]]]:
        """Each function by its name, as a tool of the repository at `root`. Calls raise Rejected."""
        return {name: self._tool(name, root) for name in sorted(self.names)}

    def _tool(self, name: str, root: Path) -> Callable[..., dict[str, Any]]:
        def called(**arguments: Any) -> dict[str, Any]:
            if self._lost[name] >= LIVES:
                raise Rejected(f"{name} is given up", f"{self._why[name]}, {LIVES} times")
            question = {"tool": name, "arguments": arguments, "root": str(root)}
            try:
                answer = self._worker.ask(question, self.seconds)
            except (TimeoutError, WorkerDied) as error:
                self._lost[name] += 1
                slow = isinstance(error, TimeoutError)
                self._why[name] = (
                    f"took longer than {self.seconds:g} seconds" if slow else "ended its process"
                )
                raise Rejected(f"{name} {self._why[name]}") from error
            if "failed" in answer:
                raise Rejected(answer["failed"], answer["detail"])
            return answer["result"]

        return called
