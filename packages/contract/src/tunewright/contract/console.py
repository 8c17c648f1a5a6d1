"""What a command says on standard error while it works: lines, progress, and hints that name the command in use."""

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

FEWEST = 10  # of what is counted, before its pace says when the rest will be done

_spellings: list[tuple[str, str]] = []
_speaker: ContextVar[str] = ContextVar("speaker", default="")


def spell_commands(*spellings: tuple[str, str]) -> None:
    """Set how this process names the commands that messages write as `./inv TASK`, as pairs of (written, said)."""
    _spellings[:] = spellings


def spelled(text: str) -> str:
    """A message with its commands named as the user of this process types them."""
    for written, said in _spellings:
        text = text.replace(written, said)
    return text


def say(text: str) -> None:
    """Print a line for the person watching. Standard output is kept for results."""
    said = "\n".join(_speaker.get() + line for line in spelled(text).split("\n"))
    print(("\x1b[2K" if sys.stderr.isatty() else "") + said, file=sys.stderr, flush=True)


@contextmanager
def spoken_by(name: str) -> Generator[None]:
    """Let every line that this thread says in the block begin with a name, as several speak at once."""
    token = _speaker.set(f"{name}  ")
    try:
        yield
    finally:
        _speaker.reset(token)


def seconds_text(value: Any) -> str:
    """`6.5 s`, `42 s`, `1:23:45`; `?` for anything that is not a number."""
    if not isinstance(value, int | float):
        return "?"
    if value < 60:
        return f"{value:.0f} s" if value >= 10 else f"{value:.1f} s"
    return str(timedelta(seconds=round(value)))


class Progress:
    """One step's progress: a line rewritten on a terminal, a line every few seconds otherwise.

    What is over within the first seconds says nothing.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._clock = clock
        self._last = clock()
        # When each was first told of, and how much was done then.
        self._begun: dict[str, tuple[float, float]] = {}

    def share(self, what: str, done: float) -> None:
        """Progress of a step that counts in shares of 1. Its parts take different times, so no time left is given."""
        self._tell(f"{what}: {done:.0%}")

    def __call__(self, what: str, done: int, total: int, worth: float | None = None) -> None:
        """`worth` is the work done including what is unfinished; the time left is estimated from it."""
        reached = done if worth is None else max(done, worth)
        at = self._clock()
        since, first = self._begun.setdefault(what, (at, reached))
        line = f"{what} {done:,} of {total:,}"
        if reached - first >= FEWEST and total > reached:
            line += f", about {seconds_text((at - since) / (reached - first) * (total - reached))} left"
        self._tell(line)

    def _tell(self, text: str) -> None:
        at = self._clock()
        terminal = sys.stderr.isatty()
        if at - self._last < (0.2 if terminal else 2):
            return
        self._last = at
        line = f"{_speaker.get()}{self.name:<9} {text}"
        # On a terminal the cursor goes back to the line's start: whatever is said next writes over it.
        print(
            f"\x1b[2K{line}\r" if terminal else line,
            end="" if terminal else "\n",
            file=sys.stderr,
            flush=True,
        )
