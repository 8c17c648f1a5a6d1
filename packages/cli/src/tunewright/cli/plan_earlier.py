"""What earlier runs say about how long a recipe takes on a host."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tunewright.cli.plan_text import Earlier
from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Recipe
from tunewright.contract.run import STAGES, Event, RunFolder


def find_earlier(runs: Path, recipe: Recipe, host: str) -> Earlier | None:
    """The latest finished run of the recipe on the host, scaled to the recipe's steps; None without one."""
    for spec in sorted(runs.glob("*/spec.json"), reverse=True):
        run = RunFolder(spec.parent)
        try:
            found = run.read_spec()
        except UserError:
            continue  # of another version
        old = found.recipe
        if found.host != host or old.name != recipe.name or old.model != recipe.model:
            continue
        work = recipe.train.steps * recipe.train.batch_size / (old.train.steps * old.train.batch_size)
        if (earlier := read_earlier(run.path.name, run.read_events(), work)) is not None:
            return earlier
    return None


def read_earlier(run: str, events: Sequence[Event], work: float) -> Earlier | None:
    """Seconds by stage from a run's events, training times `work`; None unless it trained to its end itself.

    A stage that was taken from another run, and one that was interrupted, did not take its time here.
    """
    seconds: dict[str, float] = {}
    started: dict[str, int] = {}
    for event in events:
        if event.kind == "stage_start":
            started[event.stage] = int(event.data.get("step") or 0)
        elif event.kind == "stage_end" and not started.get(event.stage):
            taken = event.data.get("seconds")
            if isinstance(taken, int | float) and event.stage in STAGES:
                seconds[event.stage] = float(taken) * (work if event.stage == "train" else 1)
    if "train" not in seconds:
        return None
    losses = [event.data for event in events if event.kind == "loss"]
    tokens = _last(losses, "tokens")
    trained = seconds["train"] / work
    return Earlier(
        run=run,
        seconds={stage: seconds[stage] for stage in STAGES if stage in seconds},
        tokens_per_second=tokens / trained if tokens and trained else None,
        peak_memory=max(_numbers(losses, "peak_memory"), default=None),
    )


def _numbers(rows: Iterable[dict[str, Any]], key: str) -> list[int]:
    return [int(row[key]) for row in rows if isinstance(row.get(key), int | float)]


def _last(rows: Sequence[dict[str, Any]], key: str) -> int:
    return (_numbers(rows, key) or [0])[-1]
