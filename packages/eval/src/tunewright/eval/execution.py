"""Answers' programs run in a world: what they call, what they print, and how they end.

The sandbox is pydantic-monty, an interpreter without files or network. What it lacks (`yield`, `del`, most of the
standard library) runs in an isolated Python (`isolated.py`); where that cannot be had, the run is `unjudged`.
"""

import ast
import posixpath
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import pydantic_monty as monty

from tunewright.contract.catalog import Tool
from tunewright.eval.isolated import Isolated, NotIsolated, Stopped
from tunewright.eval.worlds import World

SECONDS = 2.0
MEMORY = 256 << 20  # bytes
LONGEST = 1 << 20  # bytes printed
CALLS = 2_000

# Errors that are the program's own in any Python; every other one may be a gap of the sandbox.
_OWN = frozenset({"IndexError", "KeyError", "ZeroDivisionError", "AssertionError"})
_PATHS = frozenset({"file", "path", "filename", "file_path", "filepath"})


@dataclass(frozen=True)
class WorldCall:
    """One call as it was answered. `arguments` are bound by name, defaults filled in, paths normalized."""

    tool: str
    arguments: Mapping[str, Any]
    result: Any


@dataclass(frozen=True)
class WorldRun:
    """What a program did in one world. `error` names the exception that ended it; `unjudged` says why it was not run."""

    calls: tuple[WorldCall, ...] = ()
    output: str = ""
    error: str = ""
    message: str = ""
    stopped: bool = False  # killed at a limit: no other world is worth trying
    unjudged: str = ""


class Executor:
    """Both sandboxes, each started when first needed. A context manager."""

    def __init__(self, isolate: bool = True) -> None:
        self._pool: monty.Monty | None = None
        self._isolated = Isolated() if isolate else None

    def __enter__(self) -> "Executor":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._pool is not None:
            self._pool.__exit__(None, None, None)
            self._pool = None
        if self._isolated is not None:
            self._isolated.close()

    def run(self, sources: Sequence[str], world: World) -> WorldRun:
        """Run an answer's programs, one after the other in one namespace."""
        if not any(_needs_python(source) for source in sources):
            found = self._in_monty(sources, world)
            if not found.error or found.error in _OWN or found.stopped:
                return found
        else:
            found = WorldRun(error="not run", message="the sandbox cannot run it")
        own = found.error == "AttributeError" and "'SimpleNamespace'" in found.message
        return found if own else self._in_python(sources, world, found)

    def _in_monty(self, sources: Sequence[str], world: World) -> WorldRun:
        if self._pool is None:
            if find_spec("opentelemetry") is None:
                # The sandbox looks for it at every run; a miss is remembered, or it costs as much as a program.
                sys.modules.setdefault("opentelemetry", None)  # type: ignore[arg-type]
            self._pool = monty.Monty(max_processes=1)
            self._pool.__enter__()
        calls: list[WorldCall] = []
        printed = monty.CollectString(max_bytes=LONGEST)

        def offer(tool: Tool) -> Any:
            def called(*positional: Any, **named: Any) -> Any:
                return _record(answer_call(world, tool, positional, named, calls))

            return called

        offered = {tool.name: offer(tool) for tool in world.catalog.tools}
        try:
            limits: Any = {"max_feed_duration_secs": SECONDS, "max_memory": MEMORY}
            with self._pool.checkout(limits=limits) as session:
                for source in sources:
                    session.feed_run(source, external_lookup=offered, print_callback=printed)
        except monty.MontyError as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            name, _, message = lines[-1].partition(": ")
            stopped = name in ("TimeoutError", "MemoryError") or isinstance(error, monty.MontyCrashedError)
            return WorldRun(tuple(calls), _text(printed), name.strip(), message[:300], stopped)
        except _TooManyCalls:
            return WorldRun(tuple(calls), _text(printed), "TooManyCalls", "it calls tools without end", True)
        return WorldRun(tuple(calls), _text(printed))

    def _in_python(self, sources: Sequence[str], world: World, instead: WorldRun) -> WorldRun:
        if self._isolated is None:
            return WorldRun(error=instead.error, unjudged=f"{instead.error}: {instead.message}")
        calls: list[WorldCall] = []
        shown: list[str] = []

        def answer(name: str, positional: list[Any], named: dict[str, Any]) -> Any:
            tool = world.catalog.tool(name)
            if tool is None:
                raise TypeError(f"there is no tool {name}")
            return answer_call(world, tool, tuple(positional), named, calls)

        try:
            error, message = self._isolated.run(sources, world.catalog.tool_names, answer, shown.append)
        except NotIsolated as reason:
            return WorldRun(unjudged=f"{instead.error}: {instead.message}; {reason}")
        except Stopped as reason:
            return WorldRun(tuple(calls), "".join(shown), "Stopped", str(reason), True)
        if "can't start new thread" in message:
            return WorldRun(unjudged="it starts a thread")
        return WorldRun(tuple(calls), "".join(shown), error, message)


class _TooManyCalls(Exception):
    """A program that calls tools without end."""


def answer_call(
    world: World, tool: Tool, positional: tuple[Any, ...], named: Mapping[str, Any], calls: list[WorldCall]
) -> Any:
    """Bind a call, note it, and answer it from the world. Raises TypeError as a Python function would."""
    if len(calls) >= CALLS:
        raise _TooManyCalls
    arguments = bind(tool, positional, named)
    result = world.call(tool, arguments)
    calls.append(WorldCall(tool.name, arguments, result))
    return result


def bind(tool: Tool, positional: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by parameter name, defaults filled in. Raises TypeError for those that do not fit the signature."""
    names = tool.parameter_names
    if len(positional) > len(names):
        raise TypeError(f"{tool.name}() takes {len(names)} arguments but {len(positional)} were given")
    bound = dict(zip(names, positional))
    for name, value in named.items():
        if name not in names:
            raise TypeError(f"{tool.name}() got an unexpected keyword argument '{name}'")
        if name in bound:
            raise TypeError(f"{tool.name}() got multiple values for argument '{name}'")
        bound[name] = value
    for parameter in tool.parameters:
        if parameter.name not in bound:
            if parameter.required:
                raise TypeError(f"{tool.name}() missing 1 required argument: '{parameter.name}'")
            bound[parameter.name] = parameter.default
    return {name: canonical(name, bound[name]) for name in names}


def canonical(name: str, value: Any) -> Any:
    """An argument in its one form: `./a//b.py` is `a/b.py`, spaces in a command do not count."""
    if not isinstance(value, str):
        return value
    if name in _PATHS and value:
        return posixpath.normpath(value)
    if name == "command":
        try:
            return shlex.join(shlex.split(value))
        except ValueError:
            return value
    return value


def _needs_python(source: str) -> bool:
    """Whether the sandbox would run a program differently without saying so.

    It evaluates a generator expression at once, so one that calls something would call although nobody asks it to, and one
    that is printed would show what it holds; and a program that catches errors would go on as if its own world lacked
    what the sandbox lacks.
    """
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(
        isinstance(node, ast.Try | ast.TryStar)
        or (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("print", "str")
            and any(isinstance(argument, ast.GeneratorExp) for argument in node.args)
        )
        or (
            isinstance(node, ast.GeneratorExp)
            and any(isinstance(inner, ast.Call) for inner in ast.walk(node))
        )
        for node in nodes
    )


def _record(value: Any) -> Any:
    if isinstance(value, dict):
        fields = SimpleNamespace(**{str(key): _record(item) for key, item in value.items()})  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        return monty.ClassInstance(fields, eager_attrs="all")
    return [_record(item) for item in value] if isinstance(value, list) else value  # pyright: ignore[reportUnknownVariableType]


def _text(printed: Any) -> str:
    output: Any = printed.output
    return output if isinstance(output, str) else str(output)
