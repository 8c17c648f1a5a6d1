"""What earlier runs say about how long a recipe takes on a host."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tunewright.cli.plan_text import Earlier
from tunewright.contract.recipe import Recipe
from tunewright.contract.run import Event
from tunewright.contract.run_times import earlier_runs, stage_seconds


def find_earlier(runs: Path, recipe: Recipe, host: str) -> Earlier | None:
    """The latest finished run of the recipe on the host, scaled to the recipe's steps; None without one."""
    for run, work in earlier_runs(runs, recipe, host):
        if (earlier := read_earlier(run.path.name, run.read_events(), work)) is not None:
            return earlier
    return None


def read_earlier(run: str, events: Sequence[Event], work: float) -> Earlier | None:
    """Seconds by stage from a run's events, training times `work`; None unless it trained to its end itself."""
    seconds = stage_seconds(events, work)
    if "train" not in seconds:
        return None
    losses = [event.data for event in events if event.kind == "loss"]
    tokens = _last(losses, "tokens")
    trained = seconds["train"] / work
    return Earlier(
        run=run,
        seconds={str(stage): taken for stage, taken in seconds.items()},
        tokens_per_second=tokens / trained if tokens and trained else None,
        peak_memory=max(_numbers(losses, "peak_memory"), default=None),
    )


def _numbers(rows: Iterable[dict[str, Any]], key: str) -> list[int]:
    return [int(row[key]) for row in rows if isinstance(row.get(key), int | float)]


def _last(rows: Sequence[dict[str, Any]], key: str) -> int:
    return (_numbers(rows, key) or [0])[-1]
