"""Drawing a run: bars on a terminal, plain lines otherwise.

Takes events and nothing else; what is drawn can be told apart from how by `describe`, which is pure.
"""

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import IO, Any

from tunewright.contract.console import seconds_text
from tunewright.contract.encoding import tool_tokens_text
from tunewright.contract.recipe import Recipe
from tunewright.contract.run import Event
from tunewright.contract.visible import one_line, visible

QUIET = 5.0  # seconds between two plain progress lines of one stage
NAME_WIDTH = 9


def show_events(
    events: Iterable[Event],
    recipe: Recipe,
    terminal: bool | None = None,
    stream: IO[str] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Draw events until they end, on standard error. `terminal` None: as the stream is.

    Ctrl-C and errors pass through; what was drawn stays.
    """
    target = stream or sys.stderr
    if target.isatty() if terminal is None else terminal:
        _draw_bars(events, recipe, target)
    else:
        _draw_lines(events, target, clock)


def show_side_by_side(
    heard: Iterable[tuple[str, Event | str]],
    hosts: Sequence[str],
    terminal: bool | None = None,
    stream: IO[str] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Draw the events of one run on each of `hosts` until they end, on standard error: a bar for each host on a terminal,
    else lines that begin with the host's name. Texts among the events are shown as they are."""
    target = stream or sys.stderr
    if target.isatty() if terminal is None else terminal:
        _draw_bar_of_each(heard, hosts, target)
        return
    width = max(map(len, hosts))
    said = dict.fromkeys(hosts, -QUIET)
    for host, word in heard:
        if isinstance(word, Event) and word.kind in ("progress", "loss"):
            if clock() - said[host] < QUIET:
                continue
            said[host] = clock()
        if (line := describe(word) if isinstance(word, Event) else word) is not None:
            _write_line(target, f"{host:<{width}}  {line}")


def _write_line(stream: IO[str], line: str) -> None:
    """Write a line at once."""
    stream.write(line + "\n")
    stream.flush()


def _draw_bar_of_each(
    heard: Iterable[tuple[str, Event | str]], hosts: Sequence[str], stream: IO[str]
) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    width = max(map(len, hosts))
    progress = Progress(
        TextColumn(f"{{task.fields[host]:<{width}}}"),
        TextColumn(f"{{task.fields[stage]:<{NAME_WIDTH}}}"),
        BarColumn(bar_width=30),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=Console(file=stream, force_terminal=True),
        refresh_per_second=8,
    )
    bars = {host: progress.add_task("", total=1, host=escape(host), stage="", note="") for host in hosts}
    with progress:
        for host, word in heard:
            bar = bars[host]
            if isinstance(word, str):
                progress.update(bar, note=escape(word))
                continue
            step, total = _whole(word.data.get("step")), _whole(word.data.get("total"))
            if word.kind == "stage_start":
                stage = escape(visible(word.stage))
                # A reset forgets every field that it is not given.
                progress.reset(bar, total=total or 1, completed=step, host=escape(host), stage=stage, note="")
            elif word.kind == "progress":
                progress.update(
                    bar, completed=step, total=total or None, note=_left(word.data.get("seconds_left"))
                )
            elif word.kind == "loss":
                note = f"loss {_number(word.data.get('loss'))}{_pace(word.data)}"
                progress.update(bar, completed=step, note=note)
            elif word.kind == "stage_end":
                progress.update(bar, completed=progress.tasks[bar].total or 1, note="done")
            elif word.kind != "validation" and (line := describe(word)) is not None:
                progress.console.print(escape(f"{host}  {line}"), highlight=False)


def describe(event: Event) -> str | None:
    """The event as a plain line; None for kinds that say nothing to a reader."""
    data = event.data
    name = f"{visible(event.stage):<{NAME_WIDTH}}"
    match event.kind:
        case "queued":
            return f"{'queue':<{NAME_WIDTH}} queued, {one_line(str(data.get('message', '')))}"
        case "turn":
            return f"{'queue':<{NAME_WIDTH}} its turn, after {seconds_text(data.get('waited'))}"
        case "stage_start":
            total, step = _whole(data.get("total")), _whole(data.get("step"))
            of = f" of {total}" if total else ""
            text = f"goes on at {step}{of}" if step else f"starts{f', {total} steps' if total else ''}"
        case "tool_tokens":
            text = f"trained tokens by tool: {one_line(tool_tokens_text(data.get('tokens')), 1000)}"
        case "progress":
            total = _whole(data.get("total"))
            text = f"{_whole(data.get('step'))} of {total}{_left(data.get('seconds_left'))}"
        case "loss":
            text = f"step {_whole(data.get('step'))}: loss {_number(data.get('loss'))}" + _pace(data)
        case "validation":
            text = f"step {_whole(data.get('step'))}: validation loss {_number(data.get('loss'))}"
        case "warning" | "error" | "lost":
            message, hint = (visible(str(data.get(key) or "")) for key in ("message", "hint"))
            ended = "" if not hint or message.endswith((".", "!", "?")) else "."
            return f"{name} {event.kind}: {message}{ended} {hint}".rstrip()
        case "paused":
            text = one_line(str(data.get("message", "")))
        case "unpaused":
            text = f"goes on after a pause of {seconds_text(data.get('seconds'))}"
        case "resumed":
            times = f"{_whole(data.get('times'))} of {_whole(data.get('limit'))} times"
            text = f"goes on by itself from its last checkpoint, {times}"
        case "stage_end":
            text = f"done in {seconds_text(data.get('seconds'))}"
        case "stage_reused":
            text = "done before, with the same inputs"
        case "cancelled":
            return "cancelled"
        case _:
            return None
    return f"{name} {text}"


def _draw_lines(events: Iterable[Event], stream: IO[str], clock: Callable[[], float]) -> None:
    """Every change of stage, and at most one line of progress every few seconds."""
    said = -QUIET
    for event in events:
        if event.kind in ("progress", "loss"):
            if clock() - said < QUIET:
                continue
            said = clock()
        if (line := describe(event)) is not None:
            _write_line(stream, line)


def _draw_bars(events: Iterable[Event], recipe: Recipe, stream: IO[str]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    console = Console(file=stream, force_terminal=True)
    progress = Progress(
        TextColumn(f"{{task.fields[stage]:<{NAME_WIDTH}}}"),
        BarColumn(bar_width=30),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        refresh_per_second=8,
    )
    bars: dict[str, TaskID] = {}
    with progress:
        for event in events:
            data = event.data
            step = _whole(data.get("step"))
            bar = bars.get(event.stage)
            if event.kind == "stage_start":
                total = _whole(data.get("total")) or (recipe.train.steps if event.stage == "train" else 1)
                if bar is not None:
                    progress.remove_task(bar)
                bars[event.stage] = progress.add_task(
                    "", total=total, completed=step, stage=escape(visible(event.stage)), note=""
                )
            elif event.kind == "progress" and bar is not None:
                total = _whole(data.get("total")) or None
                progress.update(bar, completed=step, total=total, note=_left(data.get("seconds_left")))
            elif event.kind == "loss" and bar is not None:
                progress.update(bar, completed=step, note=f"loss {_number(data.get('loss'))}" + _pace(data))
            elif event.kind == "stage_end" and bar is not None:
                total = progress.tasks[progress.task_ids.index(bar)].total
                progress.update(bar, completed=total or 1, note="done")
                progress.stop_task(bar)
            elif event.kind != "validation" and (line := describe(event)) is not None:
                style = (
                    "red" if event.kind in ("error", "lost") else "yellow" if event.kind == "warning" else ""
                )
                progress.console.print(escape(line), style=style, highlight=False)


def _left(value: Any) -> str:
    if not isinstance(value, int | float) or value < 0:
        return ""
    return f", about {seconds_text(value)} left"


def _pace(data: dict[str, Any]) -> str:
    pace = data.get("tokens_per_second")
    return f", {pace:,.0f} tokens/s" if isinstance(pace, int | float) and pace > 0 else ""


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, int | float) else 0


def _number(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) else "?"
