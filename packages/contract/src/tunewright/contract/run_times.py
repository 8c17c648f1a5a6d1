"""How long a run takes: what its own events say, and those of earlier runs of the same recipe."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Recipe
from tunewright.contract.run import STAGES, Event, RunFolder, Stage

LOOKED_AT = 10  # earlier runs, for stages that the latest one took from another run


@dataclass(frozen=True)
class TimeLeft:
    """Seconds that work still takes; at least so many where not everything is known (`complete`)."""

    seconds: float
    complete: bool

    def __add__(self, other: "TimeLeft") -> "TimeLeft":
        return TimeLeft(self.seconds + other.seconds, self.complete and other.complete)

    def __str__(self) -> str:
        if not self.complete and self.seconds < 60:
            return "time not known"
        return f"{'about' if self.complete else 'at least'} {_rounded(self.seconds)}"


def _rounded(seconds: float) -> str:
    """`1 minute`, `90 minutes`, `2 h 5 min`."""
    minutes = max(1, round(seconds / 60))
    if minutes < 100:
        return f"{minutes} minute{'s' if minutes > 1 else ''}"
    return f"{minutes // 60} h {minutes % 60} min"


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `3rd`, `4th`, `11th`."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in (11, 12, 13) else ending}"


def stage_seconds(events: Sequence[Event], work: float = 1) -> dict[Stage, float]:
    """Seconds by stage, training times `work`.

    A stage that was taken from another run, and one that was interrupted, did not take its time here.
    """
    seconds: dict[str, float] = {}
    begun: dict[str, bool] = {}  # stages without an end so far: whether they went on with an interrupted one
    for event in events:
        if event.kind == "stage_start":
            begun[event.stage] = event.stage in begun or bool(event.data.get("step"))
        elif event.kind == "stage_end" and not begun.pop(event.stage, False):
            taken = event.data.get("seconds")
            if isinstance(taken, int | float):
                seconds[event.stage] = float(taken) * (work if event.stage == "train" else 1)
    return {stage: seconds[stage] for stage in STAGES if stage in seconds}


def earlier_runs(runs: Path, recipe: Recipe, host: str | None = None) -> Iterator[tuple[RunFolder, float]]:
    """Runs of the recipe's name and model in the folder `runs` (on `host` alone, where one is named), the latest first, each
    with how many times its training the recipe trains."""
    for spec in sorted(runs.glob("*/spec.json"), reverse=True):
        run = RunFolder(spec.parent)
        try:
            found = run.read_spec()
        except UserError:
            continue  # of another version
        old = found.recipe
        if (host is None or found.host == host) and (old.name, old.model) == (recipe.name, recipe.model):
            work = recipe.train.steps * recipe.train.batch_size / (old.train.steps * old.train.batch_size)
            yield run, work


def typical_seconds(runs: Path, recipe: Recipe) -> dict[Stage, float]:
    """Seconds by stage as the latest runs of the recipe in `runs` took; a stage that none of them did is missing."""
    found: dict[Stage, float] = {}
    for run, work in islice(earlier_runs(runs, recipe), LOOKED_AT):
        with suppress(ValueError):  # a damaged line
            found = stage_seconds(run.read_events(), work) | found
        if len(found) == len(STAGES):
            break
    return found


def time_left(events: Sequence[Event], typical: Mapping[Stage, float], now: datetime) -> TimeLeft:
    """How long a run still takes: the stage at work by its own word, those after it as long as they usually do."""
    starts = [n for n, event in enumerate(events) if event.kind == "stage_start"]
    if not starts:
        return _whole(STAGES, typical)
    start = events[starts[-1]]
    since = events[starts[-1] :]
    at = STAGES.index(start.stage) if start.stage in STAGES else 0
    later = _whole(STAGES[at + 1 :], typical)
    if any(event.kind == "stage_end" for event in since):
        return later
    told = [event for event in since if isinstance(event.data.get("seconds_left"), int | float)]
    total = float(told[-1].data["seconds_left"]) if told else typical.get(STAGES[at])
    if total is None:
        return TimeLeft(later.seconds, False)
    begun = datetime.fromisoformat((told[-1] if told else start).time)
    pauses = [event for event in since if event.kind in ("paused", "unpaused")]
    if pauses and pauses[-1].kind == "paused":
        now = datetime.fromisoformat(pauses[-1].time)  # nothing gets less until it goes on
    return later + TimeLeft(max(0.0, total - max(0.0, (now - begun).total_seconds())), True)


def _whole(stages: Sequence[Stage], typical: Mapping[Stage, float]) -> TimeLeft:
    return TimeLeft(
        sum(typical.get(stage, 0.0) for stage in stages), all(stage in typical for stage in stages)
    )
