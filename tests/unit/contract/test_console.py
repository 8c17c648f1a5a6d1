"""Progress: how much is done, and how long the rest takes."""

import pytest

from tests.support.clock import Clock
from tunewright.contract.console import Progress


@pytest.fixture
def clock() -> Clock:
    return Clock(0.0)


def test_the_time_left_goes_by_the_pace_since_the_first_was_told(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    tell = Progress("data", clock)
    clock.now = 30  # engines start
    for done in range(1, 101):
        tell("generate", done, 400)
        clock.now += 0.5
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "data      generate 1 of 400"
    assert lines[-1] == "data      generate 97 of 400, about 0:02:32 left"


def test_a_few_say_nothing_about_the_rest_and_the_last_has_none_left(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    tell = Progress("predict", clock)
    for done in (1, 10, 12, 20):
        clock.now += 3
        tell("answer", done, 20)
    assert capsys.readouterr().err.splitlines() == [
        "predict   answer 1 of 20",
        "predict   answer 10 of 20",
        "predict   answer 12 of 20, about 4.4 s left",
        "predict   answer 20 of 20",
    ]


def test_what_has_not_ended_counts_as_work(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    tell = Progress("predict", clock)
    for worth in (0.0, 15.0):
        clock.now += 5
        tell("answer", 0, 30, worth)
    assert capsys.readouterr().err.splitlines()[-1] == "predict   answer 0 of 30, about 5.0 s left"


def test_what_is_over_at_once_and_what_counts_in_shares_say_no_time(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    tell = Progress("audit", clock)
    tell("reading", 50, 100)
    clock.now = 3
    tell.share("reading", 0.5)
    assert capsys.readouterr().err == "audit     reading: 50%\n"
