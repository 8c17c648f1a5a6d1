"""How Invoke is started here, and how errors leave.

Three things Invoke does not do by itself: wrong usage exits with 2, `--help` after any task prints help and
starts nothing, and a user's mistake is told in two lines without a traceback.
"""

import functools
import re
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from invoke.collection import Collection
from invoke.exceptions import Exit, ParseError
from invoke.program import Program
from invoke.tasks import task

from tunewright.contract.console import spell_commands, spelled
from tunewright.contract.exits import ended, reader_gone

T = TypeVar("T")
HELP_FLAGS = {"--help", "-h"}
_CODE = Path(__file__).resolve().parents[5]
IN_CHECKOUT = (_CODE / "packages" / "cli" / "pyproject.toml").is_file()
# Recipes, suites, data and runs are in the checkout that this code belongs to; installed from a wheel, where the user is:
# in a folder that `tunewright new` made.
ROOT = _CODE if IN_CHECKOUT else Path.cwd()


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
            raise Exit(spelled(f"help for this task: ./inv --help {function.__name__}"), 2)
        if code := ended(lambda: function(*args, **kwargs)):
            raise Exit(code=code)

    return guarded


def cache_bytecode() -> None:
    """Undo Invoke's `sys.dont_write_bytecode = True`: it would have every command compile every module again."""
    sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)


def need_checkout() -> None:
    """Raise UserError where the code is installed from wheels: a checkout's own files are needed."""
    from tunewright.contract.errors import UserError

    if not IN_CHECKOUT:
        raise UserError(
            "this task works on a checkout of Tunewright, and this is an installed copy",
            "Clone the repository, and run the task there by its launcher, inv.",
        )


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


def main() -> None:
    """The command `tunewright`: every task as a subcommand."""
    spell_commands(("./inv ", "tunewright "))
    Front("tunewright").run()


def need_values(arguments: Sequence[str], collection: Collection) -> None:
    """Raise ParseError for a repeatable flag without a value: Invoke runs the task as if the flag had not been given."""
    # Not out of the parser's contexts: making them takes the help texts out of the tasks, and no later --help has any.
    repeatable = {
        spelled: {f"--{name.replace('_', '-')}" for name in collection[task].iterable}
        for task, aliases in collection.task_names.items()
        for spelled in (task, *aliases)
    }
    flags: set[str] = set()  # of the task that was named last
    for token, following in zip(arguments, (*arguments[1:], "--")):
        flags = repeatable.get(token, flags)
        if token in flags and re.match("-.", following):
            raise ParseError(f"Flag {token!r} needed value and was not given one!")


def stats_without_query(arguments: Sequence[str]) -> list[str]:
    """`sql --stats NAME` needs no query. Invoke knows no positional argument that may be left out: a blank is put there."""
    given = list(arguments)
    if "sql" in given and any(re.match("--stats(=|$)", argument) for argument in given):
        after = given.index("sql") + 1
        if after < len(given) and given[after].startswith("-"):
            given.insert(after, " ")
    return given


class Front(Program):
    """Invoke's program with our tasks, whatever folder it is started from."""

    def __init__(self, name: str = "invoke") -> None:
        binary, names = ("inv[oke]", ["inv", "invoke"]) if name == "invoke" else (name, [name])
        super().__init__(name=name, binary=binary, binary_names=names)

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
        """Our tasks, not those of the folder that the user is in."""
        cache_bytecode()
        from tunewright.cli import tasks

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
        names = self._task_names()
        # Invoke itself knows a task by one spelling only.
        dashed = {name.replace("-", "_"): name for name in names}
        self.core.unparsed[:] = [dashed.get(token, token) for token in self.core.unparsed]
        task = asks_for_help(self.core.unparsed, names)
        if task is not None:
            self.core.unparsed[:] = []
            self.args.help.value = task
        with usage_errors():
            need_values(self.core.unparsed, self.collection)
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
        raise Exit(spelled(f"error: {error}\n{hint}"), 2) from None
    except ValueError as error:  # from int() or float(), which Invoke calls and does not guard
        value = str(error).rpartition(": ")[2]
        hint = "  See its flags: ./inv TASK --help"
        raise Exit(spelled(f"error: {value} is not a number, and its flag wants one\n{hint}"), 2) from None
