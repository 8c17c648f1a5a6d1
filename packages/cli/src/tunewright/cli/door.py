"""The door frame: how Invoke is started here, and how errors leave.

Three things Invoke does not do by itself: wrong usage exits with 2, `--help` after any task prints help and
starts nothing, and a user's mistake is told in two lines without a traceback. Everything works under plain
`invoke` too, but for the exit code of a misspelt flag, which is Invoke's own 1.
"""

import errno
import functools
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from invoke.collection import Collection
from invoke.exceptions import Exit, ParseError
from invoke.program import Program
from invoke.tasks import task

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[5]
HELP_FLAGS = {"--help", "-h"}


# What a disk may say to whoever writes to it: no bug, and nothing that a traceback explains.
_DISK = {
    errno.ENOSPC: "Make room, or name another place; what was there before is unharmed.",
    errno.EDQUOT: "Make room, or name another place; what was there before is unharmed.",
    errno.EROFS: "Name a place that can be written to.",
    errno.EACCES: "Name a place that you may read and write.",
    errno.EPERM: "Name a place that you may read and write.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
}


def command(
    *, task_name: str | None = None, iterable: Sequence[str] = (), **flags: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """An Invoke task whose mistakes leave as messages; `flags` holds each flag's help.

    Short flags are off: Invoke hands out letters by the order of parameters, so that adding one changes
    what the others mean, and `-h` would be `--host`.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        made = task(
            guard(function), name=task_name, iterable=list(iterable), help=flags, auto_shortflags=False
        )
        return cast("Callable[..., None]", made)

    return decorate


def guard(function: Callable[..., None]) -> Callable[..., None]:
    """Turn a user's mistake into its message and exit code; let bugs keep their traceback."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> None:
        cache_bytecode()
        # A positional argument swallows `--help`; no value of ours ever looks like that.
        if HELP_FLAGS & {value for value in (*args[1:], *kwargs.values()) if isinstance(value, str)}:
            raise Exit(f"help for this task: invoke --help {function.__name__}", 2)
        try:
            with one_interrupt():
                function(*args, **kwargs)
        except KeyboardInterrupt:
            # Not by way of the interpreter's end: libraries that were stopped in the middle complain about it at length.
            print("stopped; what was finished is kept", file=sys.stderr, flush=True)
            sys.stdout.flush()
            os._exit(130)
        except BrokenPipeError:
            raise Exit(code=reader_gone()) from None
        except Exception as error:
            from tunewright.contract.errors import UserError

            if isinstance(error, UserError):
                raise Exit(f"error: {error}", int(error.exit_code)) from None
            if isinstance(error, OSError) and error.errno in _DISK and error.filename is not None:
                raise Exit(f"error: {error.filename}: {error.strerror}\n  {_DISK[error.errno]}", 2) from None
            raise

    return guarded


def cache_bytecode() -> None:
    """Undo Invoke's `sys.dont_write_bytecode = True`: it would have every command compile every module again."""
    sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)


@contextmanager
def one_interrupt() -> Generator[None]:
    """Let the first Ctrl-C end the work, and those of the next second not disturb what is cleared away then.

    A launcher may pass on the signal that the terminal has sent already. Who presses once more after that second is done
    with waiting.
    """
    first: list[float] = []

    def interrupt(_signal: int, _frame: object) -> None:
        if not first:
            first.append(time.monotonic())
            raise KeyboardInterrupt
        if time.monotonic() - first[0] > 1:
            os._exit(130)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except Exception as error:
        if first:  # a library that was interrupted may call it by another name
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, before)


def reader_gone() -> int:
    """The exit code when the reader of our output went away (`| head`); no later flush of either stream complains."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(nowhere, stream.fileno())
    return 141


def need(**flags: object) -> None:
    """Raise UserError for a flag that must be given and was not; Invoke does not enforce that."""
    from tunewright.contract.errors import UserError

    missing = [f"--{name}" for name, value in flags.items() if not value]
    if missing:
        raise UserError(f"{' and '.join(missing)} must be given", "What each flag is for: ./inv TASK --help")


def one_of(flag: str, value: str, choices: Sequence[T]) -> T:
    """The choice that `value` names. Raises UserError with the choices there are."""
    from tunewright.contract.errors import UserError

    for choice in choices:
        if choice == value:
            return choice
    raise UserError(f"--{flag} {value!r} is none of {', '.join(map(str, choices))}", "Choose one of them.")


def asks_for_help(arguments: Sequence[str], tasks: set[str]) -> str | None:
    """The task whose help is wanted: the last one named before `--help`."""
    named: str | None = None
    for argument in arguments:
        if argument in HELP_FLAGS:
            return named
        if argument in tasks:
            named = argument
    return None


def stats_without_query(arguments: Sequence[str]) -> list[str]:
    """`sql --stats NAME` needs no query. Invoke knows no positional argument that may be left out: a blank is put there."""
    given = list(arguments)
    if "sql" in given and any(re.match("--stats(=|$)", argument) for argument in given):
        after = given.index("sql") + 1
        if after < len(given) and given[after].startswith("-"):
            given.insert(after, " ")
    return given


class Front(Program):
    """Invoke's program with this checkout's tasks, whatever folder it is started from."""

    def __init__(self) -> None:
        super().__init__(name="invoke", binary="inv[oke]", binary_names=["inv", "invoke"])

    def run(self, argv: list[str] | None = None, exit: bool = True) -> None:
        """As Invoke's; `--list | head` ends without a traceback."""
        try:
            try:
                super().run(argv, exit)
            except SystemExit:
                # Invoke ends everything but a finished task this way. What is still in the buffer has to be written
                # here: when the interpreter finds at its end that the reader is gone, it exits with 120.
                sys.stdout.flush()
                raise
            sys.stdout.flush()
        except BrokenPipeError:
            sys.exit(reader_gone())

    def print_version(self) -> None:
        """Ours, not Invoke's."""
        from importlib.metadata import version

        print(f"tunewright {version('tunewright-contract')}")

    def load_collection(self) -> None:
        """This checkout's tasks, not those of the folder that the user stands in."""
        cache_bytecode()
        import tasks

        self.collection = Collection.from_module(tasks, loaded_from=str(ROOT))

    def parse_core(self, argv: list[str] | None) -> None:
        """As Invoke's, but wrong usage is exit code 2."""
        with usage_errors():
            super().parse_core(argv)

    def parse_tasks(self) -> None:
        """Answer `--help` before a task's own arguments are looked at."""
        # Invoke writes a flag of one letter with one dash only; we say --a and --b like every other flag.
        self.core.unparsed[:] = [re.sub(r"^--(?=\w(=|$))", "-", token) for token in self.core.unparsed]
        self.core.unparsed[:] = stats_without_query(self.core.unparsed)
        task = asks_for_help(self.core.unparsed, self._task_names())
        if task is not None:
            self.core.unparsed[:] = []
            self.args.help.value = task
        with usage_errors():
            super().parse_tasks()

    def parse_cleanup(self) -> None:
        """As Invoke's, but wrong usage is exit code 2."""
        with usage_errors():
            super().parse_cleanup()

    def _task_names(self) -> set[str]:
        names: dict[str, list[str]] = self.collection.task_names
        return set(names).union(*names.values())


@contextmanager
def usage_errors() -> Generator[None]:
    """Turn Invoke's complaint about the command line into exit code 2 with a hint."""
    try:
        yield
    except ParseError as error:
        hint = "  See the tasks: ./inv --list; the flags of one: ./inv TASK --help"
        raise Exit(f"error: {error}\n{hint}", 2) from None
    except ValueError as error:  # from int() or float(), which Invoke calls and does not guard
        value = str(error).rpartition(": ")[2]
        raise Exit(f"error: {value} is no number, and its flag wants one\n  ./inv TASK --help", 2) from None
