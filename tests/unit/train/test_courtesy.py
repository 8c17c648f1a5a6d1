"""When runs pause: on the owner's word, and in hours that may go past midnight; and what a paused run says of itself."""

import os
from datetime import datetime, time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.contract.errors import UserError
from tunewright.contract.run import Event, RunFolder, Status
from tunewright.contract.run_times import time_left
from tunewright.train.courtesy import Courtesy, go_on, held_by_group, pause, processes, why_paused
from tunewright.train.host_config import parse_hours
from tunewright.train.run_events import LEAST_STALL, UNKNOWN_STALL, WEIGH, Cancelled, Journal

NIGHT = datetime(2026, 11, 29, 23, 30)
NOON = datetime(2026, 11, 29, 12, 0)


def test_a_pause_lasts_until_it_is_taken_back(tmp_path: Path) -> None:
    assert why_paused(tmp_path, NOON) == ""
    pause(tmp_path, NOON)
    pause(tmp_path, NIGHT)
    assert why_paused(tmp_path, NIGHT) == "paused at the machine since 29 November 12:00"
    assert go_on(tmp_path)
    assert not go_on(tmp_path)
    assert why_paused(tmp_path, NIGHT) == ""


@pytest.mark.parametrize(
    ("hours", "at", "why"),
    [
        ("22:00-07:00", NIGHT, "quiet hours until 07:00"),
        ("22:00-07:00", NOON, ""),
        ("9:00-17:30", NOON, "quiet hours until 17:30"),
        ("12:00-12:01", NOON, "quiet hours until 12:01"),
        ("11:00-12:00", NOON, ""),
    ],
)
def test_hours(tmp_path: Path, hours: str, at: datetime, why: str) -> None:
    (tmp_path / "host.toml").write_text(f'quiet = ["01:00-01:01", "{hours}"]\n')
    assert why_paused(tmp_path, at) == why


@given(st.times(), st.times(), st.times())
def test_of_hours_and_their_complement_exactly_one_holds(
    tmp_path_factory: pytest.TempPathFactory, begin: time, end: time, at: time
) -> None:
    begin, end, at = (t.replace(second=0, microsecond=0) for t in (begin, end, at))
    if begin == end:
        return
    folder = tmp_path_factory.getbasetemp()
    found: list[bool] = []
    for one, other in ((begin, end), (end, begin)):
        (folder / "host.toml").write_text(f'quiet = ["{one:%H:%M}-{other:%H:%M}"]\n')
        found.append(bool(why_paused(folder, datetime.combine(NOON, at))))
    assert sorted(found) == [False, True]


@pytest.mark.parametrize(
    "text", ["", "22:00", "24:00-07:00", "22:60-07:00", "22:00-07:00x", "07:00-07:00", "٢٢:00-07:00"]
)
def test_what_names_no_hours_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not like|at the same time"):
        parse_hours(text)


def test_a_file_that_cannot_be_read_asks_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "host.toml").write_text("quiet = [")
    assert why_paused(tmp_path, NIGHT) == ""


class Asked(Courtesy):
    """An owner who wants a pause of so many looks, during each of which an hour passes."""

    def __init__(self, clock: list[float], looks: int, held: int = 0, cap: int | None = None) -> None:
        self.clock, self.looks, self.holds, self.memory_cap = clock, looks, held, cap
        self.journal: Journal | None = None
        self.seen: list[Status] = []

    def why_paused(self) -> str:
        self.looks -= 1
        return "quiet hours until 07:00" if self.looks >= 0 else ""

    def wait(self) -> None:
        self.clock[0] += 3600
        if self.journal is not None:
            self.journal.beat()
            status = RunFolder(self.journal._folder.path).read_status()  # pyright: ignore[reportPrivateUsage]
            assert status is not None
            self.seen.append(status)

    def held(self) -> int:
        return self.holds


def train(folder: Path, clock: list[float], asked: Asked | None, steps: int = 20) -> Journal:
    journal = Journal(RunFolder(folder), os.getpid(), lambda: clock[0])
    if asked is not None:
        asked.journal = journal
        journal.obey(asked)
    journal.begin("train", 100)
    for step in range(1, steps + 1):
        clock[0] += 1
        journal.progress(step)
    return journal


def test_a_pause_of_hours_is_no_stall_and_costs_the_stage_no_time(tmp_path: Path) -> None:
    clock = [0.0]
    asked = Asked(clock, looks=3)
    journal = train(tmp_path, clock, asked)
    assert [(status.paused, status.stalled) for status in asked.seen] == [(True, False)] * 3
    assert asked.seen[0].message == "quiet hours until 07:00; it keeps 0.0 GB of memory"
    assert "tunewright-host resume" in asked.seen[0].hint
    journal.beat()
    status = RunFolder(tmp_path).read_status() or Status(state="lost")
    assert (status.paused, status.stalled, status.message, status.step) == (False, False, "", 20)
    journal.end({})
    events = RunFolder(tmp_path).read_events()
    kinds = [event.kind for event in events]
    assert kinds.count("paused") == kinds.count("unpaused") == 1
    assert next(event for event in events if event.kind == "unpaused").data["seconds"] == 3 * 3600
    assert events[-1].data["seconds"] == 20, "of work"
    lefts = [event.data["seconds_left"] for event in events if event.kind == "progress"]
    assert lefts[-1] == pytest.approx(80), "a second a step, as before the pause"
    journal.release()


def test_the_same_silence_without_a_pause_is_a_stall(tmp_path: Path) -> None:
    clock = [0.0]
    journal = train(tmp_path, clock, None)
    clock[0] += max(LEAST_STALL, UNKNOWN_STALL) + 3600
    journal.beat()
    status = RunFolder(tmp_path).read_status() or Status(state="lost")
    assert (status.paused, status.stalled) == (False, True)
    journal.release()


def test_a_paused_run_may_be_cancelled(tmp_path: Path) -> None:
    clock = [0.0]
    asked = Asked(clock, looks=1_000_000)
    journal = Journal(RunFolder(tmp_path), os.getpid(), lambda: clock[0])
    journal.obey(asked)
    journal.begin("train", 100)

    def stop() -> None:
        clock[0] += 1
        if asked.looks < 999_990:
            journal.cancelled.set()

    asked.wait = stop  # type: ignore[method-assign]
    clock[0] += 1
    with pytest.raises(Cancelled):
        journal.progress(1)
    assert journal.close("cancelled").paused is False


@pytest.mark.parametrize(("held", "ends"), [(2_000_000_001, True), (2_000_000_000, False)])
def test_a_run_above_its_cap_ends_with_what_to_lower(tmp_path: Path, held: int, ends: bool) -> None:
    clock = [0.0]
    journal = train(tmp_path, clock, Asked(clock, 0, held=held, cap=2_000_000_000))
    clock[0] += WEIGH
    journal._weigh()  # pyright: ignore[reportPrivateUsage] - the heartbeat's thread does
    if not ends:
        journal.progress(21)
        journal.release()
        return
    with pytest.raises(UserError, match=r"held 2\.00 GB of memory; the host's owner allows 2 GB") as error:
        journal.progress(21)
    assert "memory_gb" in error.value.hint
    journal.release()


def test_what_is_left_of_a_paused_run_does_not_get_less() -> None:
    def event(seq: int, minute: int, kind: str, **data: float) -> Event:
        return Event(
            seq=seq, time=f"2026-11-29T10:{minute:02}:00+00:00", stage="predict", kind=kind, data=data
        )

    events = [
        event(1, 0, "stage_start"),
        event(2, 10, "progress", seconds_left=1200.0),
        event(3, 12, "paused"),
    ]
    later = datetime.fromisoformat("2026-11-29T20:00:00+00:00")
    assert time_left(events, {}, later).seconds == 1200 - 120
    assert time_left([*events, event(4, 50, "unpaused")], {}, later).seconds == 0


def test_memory_is_that_of_the_group() -> None:
    own = next(process for process in processes() if process.pid == os.getpid())
    assert own.held > 10_000_000
    assert held_by_group(os.getpgid(0)) >= own.held // 2
    assert held_by_group(1 << 30) == 0
