"""SHA-256 on a host: of files that it has, and of one that is arriving."""

import queue
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath

from tunewright.contract.errors import HostError
from tunewright.remote.host import Host

STEP = 8 << 20  # bytes after which the host is told to read on
LONGEST = 7 * 86400.0  # seconds that a file may take to arrive
END = 60.0  # seconds that the host may take for the last bytes, and more for a large file

# OpenSSL uses the processor's instructions for SHA-256: a quarter of the time of coreutils 9.1. It is asked for a known hash
# first: LibreSSL and an OpenSSL that refuses its work do not answer like that. Linux has sha256sum, macOS shasum, and
# sha256sum from 15 on.
SUM = """
case "$(openssl version 2>/dev/null) $(openssl dgst -sha256 -r </dev/null 2>/dev/null)" in
  OpenSSL*" e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 "*) digest() { openssl dgst -sha256 -r; } ;;
  *) if command -v sha256sum >/dev/null 2>&1; then digest() { sha256sum; }; else digest() { shasum -a 256; }; fi ;;
esac
sum() { digest <"$1" | cut -c1-64; }
"""
# Each line of standard input says that the file has grown; their end, that no more comes, be it for a broken connection.
_ARRIVING = (
    SUM
    + """
found=$(
  {
    at=0
    while read -r _; do
      now=$(wc -c <"$1") || continue
      now=$(($now / 1048576))
      [ "$now" -gt "$at" ] || continue
      dd if="$1" bs=1048576 skip="$at" count="$((now - at))" 2>/dev/null
      at=$now
    done
    dd if="$1" bs=1048576 skip="$at" 2>/dev/null
  } | digest | cut -c1-64
)
[ "$found" = "$3" ] || exit 9
chmod 400 "$1" && mv -f "$1" "$2"
"""
)
# The script comes in the first line: what follows is for it to read, and no shell that the account logs in with sees it.
_FIRST_LINE = 'IFS= read -r script && eval "$(printf %b "$script")"'


class Arriving:
    """A file that grows on a host, which hashes it meanwhile and gives it its final name when its content is right.

    Whatever goes wrong leaves the file as it is, not `published`: it has to be verified as a whole then.
    """

    def __init__(self, host: Host, part: PurePosixPath, final: PurePosixPath, sha256: str) -> None:
        self._host = host
        self._argv = ["/bin/sh", "-c", _FIRST_LINE, "sh", str(part), str(final), sha256]
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._lines.put(_ARRIVING.replace("\\", "\\0134").replace("\n", "\\0012").encode() + b"\n")
        self._told = 0
        self.published = False
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        with suppress(HostError, OSError):
            done = self._host.run(self._argv, stdin=iter(self._lines.get, None), timeout=LONGEST)
            self.published = done.code == 0

    def moved_to(self, done: int) -> None:
        """So many bytes have arrived."""
        if done - self._told >= STEP:
            self._told = done
            self._lines.put(b"\n")

    def end(self) -> None:
        """No more bytes come."""
        self._lines.put(None)

    def finish(self, patience: float = END) -> None:
        """No more bytes come; wait until the host has hashed the rest, for so many seconds."""
        self.end()
        self._thread.join(patience)


@contextmanager
def arriving(
    host: Host, part: PurePosixPath, final: PurePosixPath, sha256: str, size: int
) -> Generator[Arriving]:
    """Follow a file of so many bytes that this block sends."""
    file = Arriving(host, part, final, sha256)
    try:
        yield file
    except KeyboardInterrupt:  # whoever asked for an end waits for nothing
        file.end()
        raise
    except BaseException:
        file.finish()
        raise
    file.finish(END + size / 5e6)
