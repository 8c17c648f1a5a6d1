"""A TCP proxy that breaks connections on purpose: cut, stalled or corrupted at a count of bytes."""

import socket
import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

PIECE = 16384


@dataclass(frozen=True)
class Fault:
    """What happens to one connection after `after` bytes in a direction; `up` is towards the server."""

    kind: Literal["cut", "stall", "corrupt"]
    direction: Literal["up", "down"]
    after: int


class FaultyProxy:
    """Listens on loopback and passes bytes to `target`. Each new connection takes the next of `faults`."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.faults: deque[Fault] = deque()
        self.connections = 0
        self.refusing = False
        self.watch: Callable[[str, int], None] | None = None  # told of each piece: its direction, its bytes
        self._passing = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._closed = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refusing:
                client.close()
                continue
            self.connections += 1
            fault = self.faults.popleft() if self.faults else None
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=10)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            self._open += [client, server]
            for source, sink, direction in ((client, server, "up"), (server, client, "down")):
                own = fault if fault and fault.direction == direction else None
                threading.Thread(target=self._pass, args=(source, sink, direction, own), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, direction: str, fault: Fault | None) -> None:
        passed = 0
        self._passing += 1
        with suppress(OSError):
            while piece := source.recv(PIECE):
                if self.watch:
                    self.watch(direction, len(piece))
                if fault and passed + len(piece) > fault.after:
                    if fault.kind == "stall":
                        self._closed.wait()  # silent, and still open
                        return
                    if fault.kind == "cut":
                        sink.sendall(piece[: max(0, fault.after - passed)])
                        break
                    at = max(0, fault.after - passed)
                    piece = piece[:at] + bytes([piece[at] ^ 0x55]) + piece[at + 1 :]
                    fault = None
                sink.sendall(piece)
                passed += len(piece)
        self._passing -= 1
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def alive(self) -> bool:
        """Whether a connection is open."""
        return self._passing > 0

    def cut_now(self) -> None:
        """Break every open connection."""
        for end in self._open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._closed.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut_now()
        for end in self._open:
            end.close()


@contextmanager
def faulty_proxy(target: int) -> Generator[FaultyProxy]:
    """A proxy before the port `target`, closed at the end."""
    proxy = FaultyProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
