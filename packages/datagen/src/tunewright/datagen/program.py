"""Run a code-mode program in a sandbox, with real tools behind the names it calls."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace, TracebackType
from typing import Any

import pydantic_monty as monty

SECONDS = 5.0  # of a program's own work; the tools' time is not counted


class ProgramFailed(Exception):
    """The program raised, or used what the sandbox does not have; the text says which."""


@dataclass(frozen=True)
class Call:
    """One call as it really happened."""

    tool: str
    arguments: dict[str, Any]
    result: dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What a program printed, and the calls it made, in order."""

    stdout: str
    calls: tuple[Call, ...]


Tool = Callable[..., dict[str, Any]]


class Sandbox:
    """A worker process that interprets programs; it has no files, no network and no imports of ours."""

    def __init__(self) -> None:
        self._pool = monty.Monty(max_processes=1)

    def __enter__(self) -> "Sandbox":
        self._pool.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.__exit__(kind, error, trace)

    def run(self, code: str, tools: Mapping[str, Tool], parameters: Mapping[str, tuple[str, ...]]) -> Outcome:
        """Run `code`; `parameters` names each tool's parameters in order.

        Raises ProgramFailed. An exception that a tool itself raised on the host passes through unchanged,
        unless the program caught it.
        """
        calls: list[Call] = []
        raised: list[Exception] = []

        def offer(name: str, tool: Tool) -> Tool:
            def called(*positional: Any, **named: Any) -> Any:
                arguments = dict(zip(parameters[name], positional, strict=False)) | named
                try:
                    result = tool(**arguments)
                except Exception as error:
                    raised.append(error)
                    raise
                calls.append(Call(name, arguments, result))
                return record(result)

            return called

        printed = monty.CollectString(max_bytes=1 << 20)
        offered = {name: offer(name, tool) for name, tool in tools.items()}
        try:
            with self._pool.checkout(limits={"max_feed_duration_secs": SECONDS}) as session:
                session.feed_run(code, external_lookup=offered, print_callback=printed)
        except monty.MontyError as error:
            if raised:
                raise raised[-1] from error
            raise ProgramFailed(str(error).strip().splitlines()[-1]) from error
        return Outcome(printed.output, tuple(calls))


def record(value: Any) -> Any:
    """A JSON value as the sandbox sees it: objects become records whose keys are attributes."""
    if isinstance(value, dict):
        fields = SimpleNamespace(**{key: record(item) for key, item in value.items()})
        return monty.ClassInstance(fields, eager_attrs="all")
    if isinstance(value, list):
        return [record(item) for item in value]
    return value
