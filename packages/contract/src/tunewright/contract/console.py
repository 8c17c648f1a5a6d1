"""What a command says on standard error while it works: lines, progress, and hints that name the command in use."""

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

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


class Progress:
    """One step's progress: a line rewritten on a terminal, a line every few seconds otherwise.

    What is over within the first seconds says nothing.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.last = time.monotonic()

    def share(self, what: str, done: float) -> None:
        """Progress of a step that counts in shares of 1."""
        self(f"{what}:", round(done * 100), 100)

    def __call__(self, what: str, done: int, total: int) -> None:
        at = time.monotonic()
        terminal = sys.stderr.isatty()
        if at - self.last < (0.2 if terminal else 2):
            return
        self.last = at
        line = f"{_speaker.get()}{self.name:<9} {what} {done:,} of {total:,}"
        # On a terminal the cursor goes back to the line's start: whatever is said next writes over it.
        print(
            f"\x1b[2K{line}\r" if terminal else line,
            end="" if terminal else "\n",
            file=sys.stderr,
            flush=True,
        )
