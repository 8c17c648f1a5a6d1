"""How far a transfer is, and how long the rest takes."""

import time
from collections import deque
from collections.abc import Callable

from tunewright.contract.console import seconds_text

Report = Callable[[str], None]
EVERY = 2.0  # seconds between two lines
STEP = 0.1  # seconds between two places that are kept
SPAN = 10.0  # seconds of the past that the speed is taken from


class Meter:
    """Says every two seconds how many bytes have arrived, and when all will have, at the speed of the last ten seconds."""

    def __init__(
        self, report: Report, label: str, total: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.report, self.label, self.total, self._clock = report, label, total, clock
        self.done = 0
        self._said = clock()
        self._past: deque[tuple[float, int]] = deque()

    def start(self, done: int) -> None:
        """Go on from so many bytes: an earlier attempt, and the time without a connection, say nothing of the speed."""
        self.done = done
        self._past = deque([(self._clock(), done)])

    def moved_to(self, done: int) -> None:
        """So many bytes have arrived."""
        self.done = done
        now = self._clock()
        if len(self._past) > 1 and now - self._past[-2][0] < STEP:
            self._past.pop()
        self._past.append((now, done))
        while len(self._past) > 2 and self._past[1][0] <= now - SPAN:
            self._past.popleft()
        if now - self._said >= EVERY:
            self._said = now
            left = self.seconds_left()
            told = "" if left is None else f", about {seconds_text(left)} left"
            self.report(f"{self.label}: {done / 1e6:.1f} of {self.total / 1e6:.1f} MB{told}")

    def seconds_left(self) -> float | None:
        """Seconds until all has arrived; None before anything has."""
        (then, before), (now, done) = self._past[0], self._past[-1]
        if done <= before or now <= then:
            return None
        return max(0, self.total - done) * (now - then) / (done - before)
