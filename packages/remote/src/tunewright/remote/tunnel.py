"""A port of this machine that leads to a port of a host's own loopback, through an open connection."""

import socket
import threading
from contextlib import suppress

from paramiko import Channel, SSHException, Transport

from tunewright.contract.errors import HostError, UserError

LOOPBACK = "127.0.0.1"
PIECE = 1 << 16
PATIENCE = 30  # seconds that the host may take to open a channel


def listen_on(port: int) -> socket.socket:
    """A socket that listens on that port of this machine's loopback; 0: a free one.

    Raises UserError when it is taken.
    """
    hint = "Choose another one: --port"
    if not 0 <= port <= 65535:
        raise UserError(f"port {port} cannot be listened on: ports end at 65535", hint)
    try:
        return socket.create_server((LOOPBACK, port), backlog=32)
    except OSError as error:
        raise UserError(f"port {port} cannot be listened on: {error.strerror}", hint) from error


class Tunnel:
    """Leads every connection to `listener` to `port` on the host's loopback, until closed.

    Raises HostError when the host forbids it.
    """

    def __init__(self, listener: socket.socket, transport: Transport, port: int) -> None:
        self._listener = listener
        self._transport = transport
        self._port = port
        try:
            self._open(listener.getsockname()).close()
        except (OSError, EOFError, SSHException) as error:
            raise HostError(
                f"the host opens no tunnel ({error})", "Its sshd_config must not say AllowTcpForwarding no."
            ) from error
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Listen no more. What is connected ends with the connection it goes through."""
        # Closing alone would not wake the thread that accepts.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, address = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._lead, args=(near, address), daemon=True).start()

    def _open(self, address: tuple[str, int]) -> Channel:
        return self._transport.open_channel("direct-tcpip", (LOOPBACK, self._port), address, timeout=PATIENCE)

    def _lead(self, near: socket.socket, address: tuple[str, int]) -> None:
        with near:
            try:
                far = self._open(address)
            except (OSError, EOFError, SSHException):
                return  # the connection broke, or the server ended: its holder is told
            with far:
                back = threading.Thread(target=_copy_back, args=(far, near), daemon=True)
                back.start()
                _copy(near, far)
                back.join()


def _copy(near: socket.socket, far: Channel) -> None:
    with suppress(OSError):
        while piece := near.recv(PIECE):
            far.sendall(piece)
    with suppress(OSError):
        far.shutdown_write()


def _copy_back(far: Channel, near: socket.socket) -> None:
    with suppress(OSError):
        while piece := far.recv(PIECE):
            near.sendall(piece)
    # The other direction may still wait for a client that has gone.
    with suppress(OSError):
        near.shutdown(socket.SHUT_RDWR)
