"""How a mistake is told to the person who made it.

A `UserError` is printed as one or two lines without a traceback; every other exception is a bug of ours
and keeps its traceback.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process returns; other people's scripts rely on these numbers."""

    DONE = 0
    FAILED = 1  # a gate or a check failed
    USAGE = 2  # wrong usage or bad input
    INCONCLUSIVE = 3
    HOST = 4  # the host could not be reached or is not fit


class UserError(Exception):
    """Something the user can put right.

    `message` says what is wrong and where (`file:line` when there is one); `hint` says what to do next.
    """

    exit_code = ExitCode.USAGE

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class HostError(UserError):
    """The host could not be reached, refused us, or is not fit for the work (exit code 4)."""

    exit_code = ExitCode.HOST


class CheckFailed(UserError):
    """A check or a gate said no (exit code 1)."""

    exit_code = ExitCode.FAILED
