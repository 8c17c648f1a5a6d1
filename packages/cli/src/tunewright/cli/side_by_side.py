"""The same work on several hosts at once: a thread each, a table of what came out, the worst exit code."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tunewright.contract.console import spoken_by
from tunewright.contract.errors import ExitCode, UserError
from tunewright.remote.host import LOCAL

T = TypeVar("T")
# From good to bad: what a user has to do grows.
ORDER = (ExitCode.DONE, ExitCode.INCONCLUSIVE, ExitCode.FAILED, ExitCode.HOST, ExitCode.USAGE)


def hosts_named(given: Sequence[str]) -> list[str]:
    """The hosts of a repeatable `--host`; `local` where none is named. Raises UserError for one that is named twice."""
    for number, host in enumerate(given):
        if host in given[:number]:
            raise UserError(
                f"--host {host} is given twice", "A host works on one run at a time: name each host once."
            )
    return list(given) or [LOCAL]


def on_each(
    hosts: Sequence[str], work: Callable[[str], T], meanwhile: Callable[[], object] = lambda: None
) -> list[T | UserError]:
    """Do `work` for every host at the same time, and `meanwhile` here; what each gave, or the mistake it ended with, in
    the order of `hosts`.

    What `work` says begins with the host's name. Any other exception passes through. An interrupt does not wait.
    """

    def named(host: str) -> T | UserError:
        with spoken_by(host):
            try:
                return work(host)
            except UserError as error:
                return error

    pool = ThreadPoolExecutor(len(hosts))
    try:
        futures = [pool.submit(named, host) for host in hosts]
        meanwhile()
        return [future.result() for future in futures]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def worst(codes: Iterable[int]) -> int:
    """The exit code of a command that did several things."""
    return max(codes, key=lambda code: ORDER.index(ExitCode(code)), default=0)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text in columns; the first row names them."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows
    )
