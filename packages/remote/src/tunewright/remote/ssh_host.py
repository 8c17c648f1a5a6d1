"""A machine reached over SSH."""

import errno
import stat
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath

from paramiko import Channel, SFTPClient, SFTPFile, SSHException

from tunewright.contract.errors import HostError
from tunewright.remote.connection import SshLink, open_connection
from tunewright.remote.host import (
    CHUNK,
    MOST_GREETING,
    MOST_SAID,
    Completed,
    GreetingError,
    login_command,
    too_much_said,
    without_greeting,
)
from tunewright.remote.login_keys import fingerprint
from tunewright.remote.retry import ConnectionLost, Unreachable

FOLDER = "tunewright"  # in the home folder on the host
_WINDOW = 1 << 24  # bytes in flight: paramiko's 2 MiB holds a fast or a far link back
# Of a command's output. paramiko moves all that waits at each read, so that a window of 16 MiB takes twice the time.
_OUTPUT_WINDOW, _OUTPUT_PACKET = 1 << 22, 1 << 17
_BLOCK = 1 << 20  # bytes that a file is read by, on the host and here
_STEP = 1 << 12  # bytes that it is read by up to the next block
# Bytes of a write request. OpenSSH takes 256 KiB, and each request costs paramiko an answer and a packet more. Other servers
# may take 32 KiB alone, and so may whatever a sshd_config calls for SFTP: after a connection that broke no more is asked.
_REQUEST, _OPENSSH_REQUEST = 1 << 15, 1 << 17
CLOSING = 3.0  # seconds that closing a connection may take after Ctrl-C
STALLED = 120.0  # seconds without a byte until a transfer is given up; it goes on over a new connection
# Bytes up to which a file is read by SFTP requests, one after another. Above, a command reads it: requests in flight are
# paramiko's `prefetch`, which on a busy machine takes the first answer for the last, and then reads everything twice.
_SFTP_READ = 1 << 17
_DD = f'exec <"$1" && /bin/dd bs={_STEP} skip="$2" count="$3" && exec /bin/dd bs={_BLOCK}'
_NETWORK = frozenset(
    {errno.EPIPE, errno.ECONNRESET, errno.ECONNABORTED, errno.ETIMEDOUT, errno.EBADF, errno.ENOTCONN}
)


class SshHost:
    """A host of the user's ssh config. The connection is opened when needed, and again after it broke."""

    uv_candidates: tuple[str, ...] = ()

    def __init__(self, name: str) -> None:
        self.name = name
        self._link: SshLink | None = None
        self._sftp: SFTPClient | None = None
        self._root: PurePosixPath | None = None
        self._lock = threading.RLock()
        self._request = _OPENSSH_REQUEST
        self._key = ""  # of the host that was first met: a later connection must lead to the same
        self._connect()

    @property
    def key(self) -> str:
        return self._key

    @property
    def root(self) -> PurePosixPath:
        if self._root is None:
            done = self.run(["/bin/sh", "-c", 'printf %s "$HOME"'])
            home = done.stdout.decode(errors="replace")
            if done.code or not home.startswith("/") or not home.isprintable():
                raise HostError(
                    f"{self.name}: no usable home folder ({home!r})", "Does the account have a shell?"
                )
            self._root = PurePosixPath(home) / FOLDER
        return self._root

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | Iterable[bytes] = b"",
        env: Mapping[str, str] | None = None,
        timeout: float = 120,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        command = login_command(argv, env)
        with self._guard():
            link = self._connect()
            channel = link.transport.open_session(
                window_size=_OUTPUT_WINDOW, max_packet_size=_OUTPUT_PACKET, timeout=30
            )
            try:
                channel.exec_command(command)
                done = _converse(channel, argv[0], stdin, timeout, on_line)
            finally:
                channel.close()
            if done.code == -1 and not link.alive:
                raise ConnectionLost(f"{self.name}: the connection broke", "Try again.")
            return done

    def size(self, path: PurePosixPath) -> int | None:
        with self._guard():
            try:
                return self._files().stat(str(path)).st_size
            except (FileNotFoundError, NotADirectoryError):
                return None

    def stream(self, path: PurePosixPath, offset: int = 0) -> Generator[bytes]:
        with self._guard(path):
            # To open a pipe waits for its writer, so it is asked before what this is.
            if not stat.S_ISREG(self._files().stat(str(path)).st_mode or 0):
                raise HostError(f"{self.name}: {path} is not a regular file", "Remove it from the host.")
            with _closing(self._files().open(str(path), "rb")) as file:
                # Of the open file: the name may lead to another one a moment later.
                size = file.stat().st_size or 0
                if size - offset <= _SFTP_READ:
                    yield from _read(file, offset, size)
                    return
            yield from self._long_file(path, offset)

    def _long_file(self, path: PurePosixPath, offset: int) -> Iterator[bytes]:
        """A long file from `offset` on through a command's output. Whole blocks make large packets."""
        channel = self._connect().transport.open_session(
            window_size=_OUTPUT_WINDOW, max_packet_size=_OUTPUT_PACKET, timeout=30
        )
        skip, known = divmod(offset, _STEP)
        count = (_BLOCK - skip * _STEP % _BLOCK) // _STEP
        with channel:
            channel.exec_command(
                login_command(["/bin/sh", "-c", _DD, "dd", str(path), str(skip), str(count)])
            )
            channel.shutdown_write()
            channel.settimeout(STALLED)
            for piece in without_greeting(iter(lambda: channel.recv(_BLOCK), b"")):
                if known < len(piece):
                    yield piece[known:]
                known = max(0, known - len(piece))
            if (code := channel.recv_exit_status()) != 0:
                raise EOFError(f"reading ended with code {code}")

    def append(
        self,
        path: PurePosixPath,
        offset: int,
        pieces: Iterable[bytes],
        arrived: Callable[[int], object] = lambda _: None,
    ) -> None:
        with self._guard(path):
            files = self._files()
            with _closing(_open_to_write(files, path)) as file:
                file.truncate(offset)
                file.seek(offset)
                file.set_pipelined(True)
                openssh = "OpenSSH" in self._connect().transport.remote_version
                file.MAX_REQUEST_SIZE = self._request if openssh else _REQUEST
                end = seen = offset
                channel = files.sock
                window = channel.out_window_size
                for piece in pieces:
                    try:
                        file.write(piece)
                    except (OSError, EOFError, SSHException):
                        self._request = _REQUEST
                        raise
                    end += len(piece)
                    # The server opens its window again by what it has taken out of it.
                    room = channel.out_window_size
                    window = max(window, room)
                    seen = max(seen, end - (window - room))
                    arrived(seen)
                # Pipelined writes lose their errors in paramiko; the size, asked after them, does not.
                if (size := file.stat().st_size) != end:
                    raise HostError(
                        f"{self.name}: only {size} of {end} bytes of {path} could be written",
                        "The host's disk is full, or over its quota: make room, or `./inv clean`.",
                    )

    def close(self) -> None:
        """Close the connection. Never raises."""
        with self._lock:
            link, self._link, self._sftp = self._link, None, None
        if link:
            link.close()

    def _connect(self) -> SshLink:
        with self._lock:  # a file that is sent is hashed by a second command
            if self._link is None or not self._link.alive:
                self.close()
                link = open_connection(self.name)
                shown = fingerprint(link.transport.get_remote_server_key())
                if self._key and shown != self._key:
                    link.close()
                    raise HostError(
                        f"{self.name} leads to another host than a moment ago: it shows {shown}, before it was {self._key}",
                        "Find out which machine answers to that name.",
                    )
                self._key, self._link = shown, link
            return self._link

    def _files(self) -> SFTPClient:
        link = self._connect()
        if self._sftp is None:
            try:
                self._sftp = SFTPClient.from_transport(link.transport, window_size=_WINDOW)
            except (SSHException, EOFError):
                if not link.alive:
                    raise
            if self._sftp is None:
                raise HostError(
                    f"{self.name}: its SSH server transfers no files",
                    "Its sshd_config needs a line `Subsystem sftp internal-sftp`; then restart sshd.",
                )
            if (channel := self._sftp.get_channel()) is not None:
                channel.settimeout(STALLED)
        return self._sftp

    @contextmanager
    def _guard(self, path: PurePosixPath | None = None) -> Generator[None]:
        """Tell a broken connection from a refused file; drop a broken connection, so the next call makes one.

        FileNotFoundError passes through: the caller asked.
        """
        try:
            yield
        except KeyboardInterrupt:
            # It may have come in the middle of a packet: the server waits for the rest, and nothing is answered any more.
            # It may also have left one of paramiko's locks held, for which closing would wait forever.
            closing = threading.Thread(target=self.close, daemon=True)
            closing.start()
            closing.join(CLOSING)
            raise
        except (Unreachable, FileNotFoundError):
            raise
        except HostError:
            raise
        except (OSError, EOFError, SSHException) as error:
            broken = self._link is None or not self._link.alive or _is_network(error)
            if broken:
                self.close()
                raise ConnectionLost(
                    f"{self.name}: the connection broke ({str(error) or type(error).__name__})",
                    "What runs on the host goes on; try again.",
                ) from error
            where = f" {path}" if path else ""
            raise HostError(
                f"{self.name}:{where}: {_plain(error)}", "Is the disk full, or the folder not yours?"
            ) from error


def _open_to_write(files: SFTPClient, path: PurePosixPath) -> SFTPFile:
    try:
        return files.open(str(path), "r+b")
    except FileNotFoundError:
        pass
    try:
        file = files.open(str(path), "wb")
        file.chmod(0o600)  # the server's umask is not ours
        return file
    except FileNotFoundError as error:
        raise HostError(
            f"cannot write {path}: its folder is not there", "Was it removed meanwhile?"
        ) from error


@contextmanager
def _closing(file: SFTPFile) -> Generator[SFTPFile]:
    """Close the file; when the block failed its reason counts, not what closing says then."""
    try:
        yield file
    except KeyboardInterrupt:
        raise  # closing waits for an answer that may never come
    except BaseException:
        with suppress(Exception):
            file.close()
        raise
    file.close()


def _read(file: SFTPFile, offset: int, size: int) -> Iterator[bytes]:
    if size <= offset:
        return
    file.seek(offset)
    left = size - offset
    while left > 0 and (piece := file.read(min(CHUNK, left))):
        left -= len(piece)
        yield piece


def _is_network(error: BaseException) -> bool:
    if isinstance(error, EOFError | TimeoutError | SSHException):
        return True
    return isinstance(error, OSError) and (error.errno in _NETWORK or str(error) == "Socket is closed")


def _plain(error: BaseException) -> str:
    return {"Failure": "the server says no more than 'failure'"}.get(str(error), str(error))


def _converse(
    channel: Channel,
    name: str,
    stdin: bytes | Iterable[bytes],
    timeout: float,
    on_line: Callable[[str], None] | None,
) -> Completed:
    """Feed a command and collect what it says, both pipes at once, so that neither can fill and block."""
    errors: list[bytes] = []
    deadline = time.monotonic() + timeout

    def listen() -> None:
        rest, said = b"", 0
        with suppress(OSError):
            while piece := channel.recv_stderr(CHUNK):
                said += len(piece)
                if said <= MOST_SAID:
                    errors.append(piece)
                *lines, rest = (rest[-CHUNK:] + piece).split(b"\n")
                for line in lines:
                    if on_line and (text := line.decode(errors="replace").strip()):
                        on_line(text)

    def feed() -> None:
        with suppress(OSError):  # a command that does not read its input may end before it is all sent
            for piece in [stdin] if isinstance(stdin, bytes) else stdin:
                channel.sendall(piece)
            channel.shutdown_write()

    threads = [threading.Thread(target=job, daemon=True) for job in (listen, feed)]
    for thread in threads:
        thread.start()
    output: list[bytes] = []

    def heard() -> Iterator[bytes]:
        said = 0
        with suppress(TimeoutError):
            while piece := channel.recv(CHUNK):
                said += len(piece)
                if said > MOST_SAID:
                    raise too_much_said(name)
                yield piece
                channel.settimeout(max(0.01, deadline - time.monotonic()))

    channel.settimeout(timeout)
    greeting = bytearray()
    refusal = b""
    try:
        output += without_greeting(heard(), greeting)
    except GreetingError as error:  # the account cannot run commands, and says why on either pipe
        refusal = error.args[0]
        if len(refusal) > MOST_GREETING:
            raise HostError(
                f"the login shell printed {len(refusal) / 1e6:.1f} MB before {name} began",
                "Look at what the account's start files print (.bashrc, .zshenv, config.fish).",
            ) from None
    channel.status_event.wait(max(0.01, deadline - time.monotonic()))
    if time.monotonic() >= deadline and not channel.exit_status_ready():
        raise HostError(f"{name} did not end in {timeout:g} s on the host", "See what keeps it busy.")
    for thread in threads:
        thread.join(5)
    code = channel.recv_exit_status()
    said = b"".join(errors) or refusal
    return Completed(code or (1 if refusal else 0), b"".join(output), said, bytes(greeting))
