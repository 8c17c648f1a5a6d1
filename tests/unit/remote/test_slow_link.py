"""The proxy of limited speed that transfers are measured through: it limits, it delays, and it loses nothing."""

import os
import socket
import threading
import time

from tests.support.slow_link import BURST, slow_link

SIZE = 3_000_000


def answer(listener: socket.socket) -> None:
    """Send all back that comes, when it has come."""
    client, _ = listener.accept()
    with client:
        data = received(client)
        client.sendall(data)


def received(end: socket.socket) -> bytes:
    pieces: list[bytes] = []
    while piece := end.recv(1 << 16):
        pieces.append(piece)
    return b"".join(pieces)


def round_trip(data: bytes, rate: float, delay: float) -> float:
    """Seconds until all is back."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer, args=(listener,), daemon=True).start()
        with (
            slow_link(listener.getsockname()[1], rate=rate, delay=delay) as port,
            socket.create_connection(("127.0.0.1", port), timeout=60) as client,
        ):
            began = time.monotonic()
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            assert received(client) == data
            return time.monotonic() - began


def test_bytes_take_the_time_of_the_rate_each_way() -> None:
    least = 2 * (SIZE / 10e6 - BURST)
    assert round_trip(os.urandom(SIZE), 10e6, 0) >= least


def test_a_delay_is_added_each_way() -> None:
    assert round_trip(b"x", 1e9, 0.15) >= 0.3
