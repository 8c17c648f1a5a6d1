"""How long runs take and wait, from events."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.contract.recipe import Recipe
from tunewright.contract.run import STAGES, Event, RunFolder, RunSpec, Stage
from tunewright.contract.run_times import (
    TimeLeft,
    ordinal,
    stage_seconds,
    time_left,
    typical_seconds,
)

START = datetime(2026, 11, 28, 10, tzinfo=UTC)
TYPICAL: dict[Stage, float] = {"train": 600, "fuse": 20, "quantize": 30, "fidelity": 40, "predict": 300}


def event(stage: str, kind: str, at: float = 0, **data: Any) -> Event:
    time = (START + timedelta(seconds=at)).isoformat()
    return Event(seq=1, time=time, stage=stage, kind=kind, data=data)


def left(*events: Event, at: float = 0, typical: dict[Stage, float] | None = None) -> TimeLeft:
    found = TYPICAL if typical is None else typical
    return time_left(events, found, START + timedelta(seconds=at))


def test_what_a_run_still_takes() -> None:
    assert left() == TimeLeft(990, True)
    training = event("train", "stage_start", total=100)
    assert left(training, at=100) == TimeLeft(890, True)
    told = event("train", "progress", 100, step=10, seconds_left=900.0)
    assert left(training, told, at=200) == TimeLeft(800 + 390, True), (
        "its own word is newer than what is usual"
    )
    unknown = event("train", "progress", 100, step=1, seconds_left=None)
    assert left(training, unknown, at=100) == TimeLeft(890, True)
    assert left(training, told, event("train", "stage_end", 1000, seconds=1000.0), at=1000) == TimeLeft(
        390, True
    )
    assert left(training, told, at=10_000) == TimeLeft(390, True), "late, and not before it began"
    predicting = event("predict", "stage_start", 2000, total=0)
    assert left(training, told, predicting, at=2100) == TimeLeft(200, True)


def test_what_is_not_known_is_not_guessed() -> None:
    assert left(typical={}) == TimeLeft(0, False)
    training = event("train", "stage_start", total=100)
    assert left(training, at=50, typical={}) == TimeLeft(0, False)
    told = event("train", "progress", step=10, seconds_left=900.0)
    assert left(training, told, at=300, typical={}) == TimeLeft(600, False)
    assert left(training, told, at=300, typical={"fuse": 20}) == TimeLeft(620, False)


@given(st.dictionaries(st.sampled_from(STAGES), st.floats(0, 1e6)), st.floats(0, 1e6))
def test_time_left_is_never_negative(typical: dict[Stage, float], at: float) -> None:
    found = left(event("fuse", "stage_start"), at=at, typical=typical)
    assert found.seconds >= 0
    assert found.complete == all(stage in typical for stage in STAGES[1:])


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (TimeLeft(5400, True), "about 90 minutes"),
        (TimeLeft(7500, True), "about 2 h 5 min"),
        (TimeLeft(5, True), "about 1 minute"),
        (TimeLeft(1200, False), "at least 20 minutes"),
        (TimeLeft(0, False), "time not known"),
    ],
)
def test_times_as_people_say_them(time: TimeLeft, text: str) -> None:
    assert str(time) == text


def test_places_as_people_say_them() -> None:
    places = [1, 2, 3, 4, 11, 12, 13, 21, 22, 101, 111]
    assert " ".join(map(ordinal, places)) == "1st 2nd 3rd 4th 11th 12th 13th 21st 22nd 101st 111th"


def test_a_stage_that_was_interrupted_tells_no_time() -> None:
    begun, ended = event("train", "stage_start"), event("train", "stage_end", seconds=50.0)
    assert stage_seconds([begun, ended], 2) == {"train": 100.0}
    assert stage_seconds([begun, begun, ended]) == {}
    assert stage_seconds([begun, ended, begun, ended]) == {"train": 50.0}, "--fresh did it twice"


def test_earlier_runs_of_the_same_recipe_tell_what_is_usual(tmp_path: Path) -> None:
    def run(name: str, *events: Event, steps: int = 100, recipe: str = "r") -> Recipe:
        folder = RunFolder(tmp_path / name)
        folder.path.mkdir()
        found = Recipe.model_validate(
            {"schema": 1, "name": recipe, "model": {"base": "/m"}, "train": {"steps": steps}}
        )
        folder.write_spec(
            RunSpec(id=name, created="", recipe=found, data={}, suites={}, environment="", host=name)
        )
        folder.events.write_text("".join(e.model_dump_json() + "\n" for e in events))
        return found

    def took(stage: str, seconds: float) -> tuple[Event, Event]:
        return event(stage, "stage_start"), event(stage, "stage_end", seconds=seconds)

    run("1", *took("train", 100), *took("fuse", 7))
    run("2", *took("train", 30), event("fuse", "stage_reused"), steps=50)
    run("3", *took("train", 999), recipe="other")
    recipe = run("4", event("train", "stage_start"))
    (tmp_path / "5").mkdir()
    (tmp_path / "5" / "spec.json").write_text("{}")
    assert typical_seconds(tmp_path, recipe) == {"train": 60.0, "fuse": 7.0}
    assert typical_seconds(tmp_path / "nowhere", recipe) == {}
