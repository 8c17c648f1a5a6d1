"""What a transfer says of itself: what has arrived, and when the rest will have."""

import re

from hypothesis import given
from hypothesis import strategies as st

from tests.support.clock import Clock
from tunewright.remote.meter import Meter


def as_seconds(text: str) -> float:
    if text.endswith(" s"):
        return float(text.removesuffix(" s"))
    days, _, clock = text.rpartition(", ")
    hours, minutes, seconds = map(int, clock.split(":"))
    return int(days.split()[0] if days else 0) * 86400 + hours * 3600 + minutes * 60 + seconds


@given(
    rate=st.floats(1e4, 1e9),
    seconds=st.floats(12, 10_000),
    steps=st.lists(st.floats(0.01, 0.5), min_size=1, max_size=20),
    begun=st.floats(0, 0.9),
)
def test_the_time_left_is_right_within_a_fifth_after_five_seconds(
    rate: float, seconds: float, steps: list[float], begun: float
) -> None:
    """At a constant speed, in uneven steps; what an earlier attempt brought is not taken for speed."""
    clock, said = Clock(), list[tuple[float, str]]()
    at = int(rate * seconds * begun)
    total = at + int(rate * seconds)
    meter = Meter(lambda line: said.append((clock.now, line)), "sending file", total, clock)
    clock.now += 300  # an outage
    meter.start(at)
    began = clock.now
    while clock.now - began < 9:
        for step in steps:
            clock.now += step
            meter.moved_to(at + int(rate * (clock.now - began)))
    late = [(now - began, line) for now, line in said if now - began >= 5]
    assert late
    for after, line in late:
        found = re.fullmatch(r"sending file: ([\d.]+) of ([\d.]+) MB, about (.+) left", line)
        assert found, line
        assert abs(as_seconds(found[3]) - (seconds - after)) <= 1 + 0.2 * (seconds - after)
        assert abs(float(found[1]) * 1e6 - (at + rate * after)) <= 0.06e6


def test_a_speed_that_changed_is_the_one_that_counts() -> None:
    clock = Clock()
    meter = Meter(lambda _: None, "sending file", 200_000_000, clock)
    meter.start(0)
    done = 0
    for rate in (10_000_000, 1_000_000):
        for _ in range(12):
            clock.now += 1
            done += rate
            meter.moved_to(done)
    left = meter.seconds_left()
    assert left is not None
    assert abs(left - (200_000_000 - done) / 1_000_000) < 1


def test_a_transfer_that_does_not_move_names_no_time() -> None:
    clock, said = Clock(), list[str]()
    meter = Meter(said.append, "sending file", 1_000_000, clock)
    meter.start(500_000)
    clock.now += 3
    meter.moved_to(500_000)
    assert said == ["sending file: 0.5 of 1.0 MB"]
