"""Trying again."""

import pytest

from tunewright.contract.errors import HostError
from tunewright.remote import retry
from tunewright.remote.retry import ConnectionLost, Unreachable, persist, wait_before


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "WAITS", (0.0, 0.001))


def test_what_may_pass_is_tried_again() -> None:
    answers = iter([ConnectionLost("broken"), Unreachable("asleep"), 7])
    said: list[str] = []

    def action() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert persist(action, said.append) == 7
    assert said == ["broken; trying again in 0 s", "asleep; trying again in 0.001 s"]


@pytest.mark.parametrize("error", [HostError("no such key"), ValueError("a bug")])
def test_what_will_not_pass_is_not(error: Exception) -> None:
    calls: list[int] = []

    def action() -> None:
        calls.append(1)
        raise error

    with pytest.raises(type(error)):
        persist(action, lambda _: None)
    assert calls == [1]


def test_as_long_as_it_gets_on_it_goes_on() -> None:
    done = [0]

    def action() -> int:
        done[0] += 1
        if done[0] < 50:
            raise ConnectionLost("broken")
        return done[0]

    assert persist(action, lambda _: None, progress=lambda: done[0], tries=3) == 50


def test_without_progress_it_gives_up() -> None:
    calls: list[int] = []

    def action() -> None:
        calls.append(1)
        raise ConnectionLost("broken")

    with pytest.raises(ConnectionLost):
        persist(action, lambda _: None, tries=4)
    assert len(calls) == 4


def test_waits_grow_and_stop_growing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    waits = [wait_before(attempt) for attempt in range(1, 20)]
    assert waits == sorted(waits)
    assert waits[0] <= 1
    assert waits[-1] == 30
