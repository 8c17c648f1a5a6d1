"""An SSH server inside the test's process: another implementation than OpenSSH, to hold us to the protocol."""

import asyncio
import os
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncssh

from tests.support.ssh_files import TestServer, make_home, make_key, public_key, uv_cache


@contextmanager
def start_asyncssh(
    folder: Path,
    *,
    uv: bool = True,
    environment: Mapping[str, str] | None = None,
    locked: threading.Event | None = None,
) -> Generator[TestServer]:
    """Serve shell commands and SFTP on loopback, in a thread with its own event loop.

    While `locked` is set, only passwords are taken: a Mac whose disk waits to be unlocked.
    """
    home = make_home(folder, uv)
    host_key = make_key(folder / "host_key")
    client_key = make_key(folder / "client_key")
    authorized = folder / "authorized_keys"
    authorized.write_text(public_key(client_key) + "\n")
    session = {
        "HOME": str(home),
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        "UV_CACHE_DIR": str(uv_cache()),
        "USER": os.environ.get("USER", "test"),
        **(environment or {}),
    }

    connections: list[asyncssh.SSHServerConnection] = []

    class Server(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            connections.append(conn)

        def begin_auth(self, username: str) -> bool:
            if locked is not None and locked.is_set():
                # With authorized keys on file asyncssh offers keys, whatever its server object says.
                vars(connections[-1])["_public_key_auth"] = False
            return True

        def password_auth_supported(self) -> bool:
            return locked is not None

    async def serve(process: "asyncssh.SSHServerProcess[bytes]") -> None:
        child = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            process.command or "exit 0",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=session,
            cwd=home,
        )
        # By hand: asyncssh's own redirection leaves a task behind when a connection is cut.
        await asyncio.gather(
            _copy(process.stdin, child.stdin),
            _copy(child.stdout, process.stdout),
            _copy(child.stderr, process.stderr),
        )
        process.exit(await child.wait())

    async def listen() -> Any:
        return await asyncssh.create_server(
            Server,
            "127.0.0.1",
            0,
            server_host_keys=[str(host_key)],
            authorized_client_keys=str(authorized),
            process_factory=serve,
            sftp_factory=True,
            encoding=None,
        )

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="asyncssh", daemon=True)
    thread.start()
    try:
        server = asyncio.run_coroutine_threadsafe(listen(), loop).result(20)
        port = server.sockets[0].getsockname()[1]
        yield TestServer(port=port, home=home, host_key=host_key, client_key=client_key)
        asyncio.run_coroutine_threadsafe(_stop(server, connections), loop).result(20)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _copy(source: Any, sink: Any) -> None:
    with suppress(OSError, asyncssh.Error):
        while piece := await source.read(1 << 16):
            sink.write(piece)
            await sink.drain()
    if isinstance(sink, asyncio.StreamWriter):
        sink.close()


async def _stop(server: Any, connections: list[asyncssh.SSHServerConnection]) -> None:
    server.close()
    await server.wait_closed()
    for connection in connections:
        connection.abort()
        await connection.wait_closed()
