"""Trying again: for what may pass (a broken connection, a host that sleeps), never for what will not."""

import time
from collections.abc import Callable
from typing import TypeVar

from tunewright.contract.errors import HostError

Result = TypeVar("Result")
WAITS = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # seconds before each further attempt; the last one repeats


class Unreachable(HostError):
    """The host does not answer now and may later: worth trying again."""


class ConnectionLost(Unreachable):
    """A connection that stood has broken."""


def wait_before(attempt: int) -> float:
    """Seconds to wait before attempt 1, 2, …"""
    return WAITS[min(attempt, len(WAITS)) - 1]


def persist(
    action: Callable[[], Result],
    report: Callable[[str], None],
    progress: Callable[[], object] = lambda: None,
    tries: int = 6,
) -> Result:
    """Do `action` until it ends, again after each Unreachable; `tries` failures without progress give up.

    `action` must be able to go on from where it was. Raises what it raises.
    """
    failures = 0
    last = progress()
    while True:
        try:
            return action()
        except Unreachable as error:
            now = progress()
            failures = failures + 1 if now == last else 1
            last = now
            if failures >= tries:
                raise
            wait = wait_before(failures)
            report(f"{error.message}; trying again in {wait:g} s")
            time.sleep(wait)
