"""A TCP proxy of a fixed rate, and of a fixed delay: a network of that speed, in a process of its own.

    python tests/support/slow_link.py PORT BYTES_PER_SECOND DELAY_IN_SECONDS

It prints the port of loopback that it listens on.
"""

import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

PIECE = 1 << 17  # bytes
BURST = 0.02  # seconds of the rate that a line may catch up, after it was idle or its thread was late


class Line:
    """One direction of the link, shared by all connections: a token bucket."""

    def __init__(self, rate: float, delay: float) -> None:
        self.rate, self.delay = rate, delay
        self._free = 0.0  # when the bytes that were taken so far have left
        self._lock = threading.Lock()

    def send_time(self, size: int) -> float:
        """When so many bytes have left, by the monotonic clock."""
        with self._lock:
            self._free = max(self._free, time.monotonic() - BURST) + size / self.rate
            return self._free

    def forward(self, source: socket.socket, sink: socket.socket) -> None:
        """Pass all bytes on, then the end of them."""
        held = int(self.rate * self.delay / PIECE) + 16  # pieces on their way
        pieces: queue.Queue[tuple[float, bytes]] = queue.Queue(held)
        threading.Thread(target=self._deliver, args=(pieces, sink), daemon=True).start()
        with suppress(OSError):
            while piece := source.recv(PIECE):
                _wait_until(self.send_time(len(piece)))
                pieces.put((time.monotonic() + self.delay, piece))
        pieces.put((0.0, b""))

    def _deliver(self, pieces: "queue.Queue[tuple[float, bytes]]", sink: socket.socket) -> None:
        open_ = True
        while (due_piece := pieces.get())[1]:
            _wait_until(due_piece[0])
            try:
                if open_:
                    sink.sendall(due_piece[1])
            except OSError:  # whoever sends is told by its own end
                open_ = False
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


def _wait_until(when: float) -> None:
    if (left := when - time.monotonic()) > 0:
        time.sleep(left)


def _serve(target: int, rate: float, delay: float) -> None:
    up, down = Line(rate, delay), Line(rate, delay)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            client, _ = listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", target), timeout=10)
            except OSError:
                client.close()
                continue
            for end in (client, server):
                end.settimeout(None)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for line, source, sink in ((up, client, server), (down, server, client)):
                threading.Thread(target=line.forward, args=(source, sink), daemon=True).start()


@contextmanager
def slow_link(target: int, *, rate: float, delay: float = 0.0) -> Generator[int]:
    """The port of a proxy before the port `target`: `rate` bytes a second each way, `delay` seconds each way."""
    command = [sys.executable, str(Path(__file__)), str(target), str(rate), str(delay)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout is None or not (port := process.stdout.readline()):
            raise AssertionError("the slow link did not start")
        yield int(port)
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    _serve(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
