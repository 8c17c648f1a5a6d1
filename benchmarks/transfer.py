"""Transfers next to `scp`, through one sshd on loopback, and what a changed dataset costs.

Ours hash and flush what they bring, which `scp` does not. Only ratios of the same run count: the share of scp's speed. Goals
on loopback: 0.8 for large files, 3.0 for small ones. Then a dataset is sent again with one row changed (goal: at most 2 MB)
and with all rows changed (control: all of it). It takes under two minutes on two busy cores; the goals were set for 500 MB.

    python benchmarks/transfer.py [--megabytes 100]
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.support.ssh_files import SshClient
from tests.support.sshd import SSHD, start_sshd
from tunewright.contract.atomic import sha256_file
from tunewright.contract.manifest import FileEntry
from tunewright.remote.host import Host, open_host
from tunewright.remote.transfer import Wanted, get_files, put_blobs

SMALL, SMALL_BYTES = 300, 20_000
ROW = 1_000  # bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--megabytes", type=int, default=100, help="of the file that goes up; twice that comes down"
    )
    size = parser.parse_args().megabytes * 1_000_000
    if not SSHD.is_file():
        sys.exit(f"no {SSHD}: install openssh-server")
    began = time.monotonic()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as name, start_sshd(Path(name, "sshd")) as server:
        folder = Path(name)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        ssh = SshClient(folder / "ssh")
        ssh.add("mac", server)
        os.environ["TUNEWRIGHT_SSH_CONFIG"] = str(ssh.config)
        there = folder / "there"
        there.mkdir()
        with open_host("mac", folder) as host:
            speeds(host, folder, there, size, ["scp", "-q", "-F", str(ssh.config)])
            changes(host, folder, size)
    print(f"{time.monotonic() - began:.0f} s in all")


def speeds(host: Host, folder: Path, there: Path, size: int, scp: list[str]) -> None:
    """Print how our transfers compare with scp's."""
    print(f"{'transfer':<24}{'scp s':>8}{'ours s':>8}{'share of scp':>14}{'goal':>6}")
    up, down = written(folder / "up", size), written(there / "down", 2 * size)
    some = [written(there / "small" / str(number), SMALL_BYTES) for number in range(SMALL)]
    large, small = wanted([down], folder / "down2"), wanted(some, folder / "small2")
    row(
        f"{size // 1_000_000} MB up",
        lambda: call([*scp, str(up), f"mac:{there}/up"]),
        lambda: put_blobs(host, {sha256_file(up): up}, quiet),
        0.8,
    )
    (there / "up").unlink()
    row(
        f"{2 * size // 1_000_000} MB down",
        lambda: call([*scp, f"mac:{down}", str(folder / "down1")]),
        lambda: get_files(host, large, quiet),
        0.8,
    )
    for path in (down, folder / "down1"):
        path.unlink()
    shutil.rmtree(folder / "down2")
    row(
        f"{SMALL} files of {SMALL_BYTES // 1000} KB down",
        lambda: call([*scp, "-r", f"mac:{there}/small", str(folder / "small1")]),
        lambda: get_files(host, small, quiet),
        3.0,
    )


def changes(host: Host, folder: Path, size: int) -> None:
    """Print how much of a changed dataset is sent."""
    print(f"{'dataset sent again':<24}{'of MB':>8}{'MB sent':>9}{'seconds':>9}{'goal':>14}")
    random = Random(1)
    rows = [row_of(random) for _ in range(size // ROW)]
    send(host, folder, "first", rows, "all")
    rows[len(rows) // 2] = row_of(random)
    send(host, folder, "one row changed", rows, "at most 2 MB")
    send(host, folder, "all rows changed", [row_of(random) for _ in rows], "all (control)")


def send(host: Host, folder: Path, label: str, rows: list[bytes], goal: str) -> None:
    path = folder / "train.jsonl"
    path.write_bytes(b"".join(rows))
    sha256 = sha256_file(path)
    began = time.monotonic()
    sent = put_blobs(host, {sha256: path}, quiet)
    seconds = time.monotonic() - began
    total = path.stat().st_size
    print(f"{label:<24}{total / 1e6:>8.0f}{sent / 1e6:>9.2f}{seconds:>9.1f}{goal:>14}", flush=True)


def row_of(random: Random) -> bytes:
    return b'{"messages": "' + random.randbytes((ROW - 17) // 2).hex().encode() + b'"}\n'


def written(path: Path, size: int) -> Path:
    path.parent.mkdir(exist_ok=True)
    piece = os.urandom(1 << 20)
    with path.open("wb") as file:
        for at in range(0, size, len(piece)):
            file.write(piece[: min(len(piece), size - at)])
    return path


def wanted(files: list[Path], target: Path) -> list[Wanted]:
    """What a manifest on the host would say of the files."""
    return [
        (
            PurePosixPath(path),
            target / path.name,
            FileEntry(sha256=sha256_file(path), size=path.stat().st_size),
        )
        for path in files
    ]


def row(label: str, scp: Callable[[], object], ours: Callable[[], object], goal: float) -> None:
    """Both are timed after the files are in memory, scp first."""
    seconds: list[float] = []
    for work in (scp, ours):
        began = time.monotonic()
        work()
        seconds.append(time.monotonic() - began)
    print(
        f"{label:<24}{seconds[0]:>8.1f}{seconds[1]:>8.1f}{seconds[0] / seconds[1]:>14.2f}{goal:>6.1f}",
        flush=True,
    )


def call(command: list[str]) -> None:
    subprocess.run(command, check=True, timeout=300)


def quiet(_: str) -> None:
    """A benchmark says its figures alone."""


if __name__ == "__main__":
    main()
