"""Transfers next to `scp`, through one sshd, on loopback and through a slower link; and what a changed dataset costs.

Ours hash and flush what they bring, which `scp` does not. Only ratios of the same run count: the share of scp's speed, the
median of several pairs that take turns. Goals: 0.8 for large files on loopback, 0.95 through the link, 3.0 for small files.
The link is a proxy in a process of its own that both go through; that it limits is checked by the rate that scp reaches.
Then come the time left that is told after five seconds, through a slow link, and a dataset that is sent again with one row
changed (goal: at most 2 MB) and with all rows changed (control: all of it). The goals were set for 500 MB up, 1 GB down.

    python benchmarks/transfer.py [--megabytes 100] [--times 3] [--gbit 1] [--delay-ms 0] [--only loopback|link|eta|changes]
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.support.slow_link import slow_link
from tests.support.ssh_files import SshClient, TestServer
from tests.support.sshd import SSHD, start_sshd
from tunewright.contract.atomic import sha256_file
from tunewright.contract.manifest import FileEntry
from tunewright.remote.chunks import SentFiles, cut
from tunewright.remote.host import Host, open_host
from tunewright.remote.transfer import Wanted, blob_path, get_files, put_blobs

SMALL, SMALL_BYTES = 300, 20_000
ROW = 1_000  # bytes
ETA_BYTES, ETA_RATE = 60_000_000, 5e6  # twelve seconds
PARTS = ("loopback", "link", "eta", "changes")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--megabytes", type=int, default=100, help="of the file that goes up; twice that comes down"
    )
    parser.add_argument("--times", type=int, default=3, help="pairs of transfers; their median counts")
    parser.add_argument("--gbit", type=float, default=1.0, help="the link's Gbit/s, each way")
    parser.add_argument("--delay-ms", type=float, default=0.0, help="the link's delay, each way")
    parser.add_argument("--only", choices=PARTS, action="append", help="the parts to run; all without it")
    given = parser.parse_args()
    size, only = given.megabytes * 1_000_000, given.only or PARTS
    if not SSHD.is_file():
        sys.exit(f"no {SSHD}: install openssh-server")
    began = time.monotonic()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as name, start_sshd(Path(name, "sshd"), uv=False) as server:
        folder = Path(name)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        ssh = SshClient(folder / "ssh")
        os.environ["TUNEWRIGHT_SSH_CONFIG"] = str(ssh.config)
        ssh.add("loopback", server)
        if "loopback" in only:
            print("\non loopback")
            Pairs(ssh, "loopback", folder, given.times).run(size, 0.8)
        if "link" in only:
            rate = given.gbit * 1e9 / 8
            print(f"\nthrough a link of {given.gbit:g} Gbit/s with a delay of {given.delay_ms:g} ms each way")
            with slow_link(server.port, rate=rate, delay=given.delay_ms / 1000) as port:
                ssh.add("link", server, port=port)
                Pairs(ssh, "link", folder, given.times, rate).run(size, 0.95)
        if "eta" in only:
            time_left(ssh, server, folder)
        if "changes" in only:
            print()
            with open_host("loopback", folder) as host:
                changes(host, folder, size)
    print(f"\nload {os.getloadavg()[0]:.1f}; {time.monotonic() - began:.0f} s in all")


class Pairs:
    """Transfers of scp and of ours that take turns over one link."""

    def __init__(
        self, ssh: SshClient, alias: str, folder: Path, times: int, limit: float | None = None
    ) -> None:
        self.scp = ["scp", "-q", "-F", str(ssh.config)]
        self.alias, self.folder, self.times, self.limit = alias, folder / alias, times, limit
        self.fastest = 0.0  # scp's, bytes per second

    def run(self, size: int, goal: float) -> None:
        """Print how our transfers compare with scp's."""
        there, here = self.folder / "there", self.folder / "here"
        for folder in (there, here):
            folder.mkdir(parents=True)
        up, down = written(self.folder / "up", size), written(there / "down", 2 * size)
        some = [written(there / "small" / str(number), SMALL_BYTES) for number in range(SMALL)]
        large, small = wanted([down], here / "ours"), wanted(some, here / "ours")
        print(f"{'transfer':<24}{'scp s':>8}{'ours s':>8}{'share of scp':>14}{'all of them':>18}{'goal':>6}")
        with open_host(self.alias, self.folder) as host:
            blob = Path(blob_path(host, sha256_file(up)))
            naming: list[float] = []

            def send() -> None:
                began = time.monotonic()
                sha256 = sha256_file(up)
                naming.append(time.monotonic() - began)
                put_blobs(host, {sha256: up}, quiet)

            pairs = self.row(
                f"{size // 1_000_000} MB up",
                lambda: call([*self.scp, str(up), f"{self.alias}:{there}/up"]),
                send,
                goal,
                size,
                lambda: forget(there / "up", blob),
            )
            known = statistics.median(
                one / (other - name) for (one, other), name in zip(pairs, naming, strict=True)
            )
            print(
                f"  of ours, {statistics.median(naming):.2f} s name the file by its hash (share without them: {known:.2f}); "
                f"its chunks are found afterwards in {seconds(lambda: cut(up)):.2f} s, which do not count",
                flush=True,
            )
            self.row(
                f"{2 * size // 1_000_000} MB down",
                lambda: call([*self.scp, f"{self.alias}:{down}", str(here / "scp")]),
                lambda: get_files(host, large, quiet),
                goal,
                2 * size,
                lambda: forget(here / "scp", here / "ours"),
            )
            self.row(
                f"{SMALL} files of {SMALL_BYTES // 1000} KB down",
                lambda: call([*self.scp, "-r", f"{self.alias}:{there}/small", str(here / "scp")]),
                lambda: get_files(host, small, quiet),
                3.0,
                0,  # files as small as these never fill the link
                lambda: forget(here / "scp", here / "ours"),
            )
        shutil.rmtree(self.folder)
        if self.limit:
            share = self.fastest / self.limit
            print(
                f"{'kept' if share <= 1.05 else 'BROKEN'}: scp reached at most {share:.0%} of the link's rate"
            )
            if share < 0.8:
                print(
                    "this machine is too busy for the link: its processors limit both, and the shares are theirs"
                )

    def row(
        self,
        label: str,
        scp: Callable[[], object],
        ours: Callable[[], object],
        goal: float,
        size: int,
        clear: Callable[[], object],
    ) -> list[tuple[float, float]]:
        """Time both in turns, after the files are in memory; return the pairs. `clear` removes what they brought."""
        pairs: list[tuple[float, float]] = []
        for _ in range(self.times):
            pairs.append((seconds(scp), seconds(ours)))
            SentFiles().wait()
            clear()
        shares = [one / other for one, other in pairs]
        share = statistics.median(shares)
        self.fastest = max(self.fastest, size / min(one for one, _ in pairs))
        one, other = (statistics.median(column) for column in zip(*pairs))
        print(
            f"{label:<24}{one:>8.2f}{other:>8.2f}{share:>14.2f}{' '.join(f'{s:.2f}' for s in shares):>18}"
            f"{goal:>6.2f}  {'kept' if share >= goal else 'BROKEN'}",
            flush=True,
        )
        return pairs


def time_left(ssh: SshClient, server: TestServer, folder: Path) -> None:
    """Print how far the first estimate after five seconds is from the time that was left (goal: 20 %)."""
    print(f"\n{'time left, told':<24}{'after s':>9}{'told s':>8}{'true s':>8}{'off by':>8}{'goal':>6}")
    with slow_link(server.port, rate=ETA_RATE) as port:
        ssh.add("slow", server, port=port)
        with open_host("slow", folder) as host:
            path = written(folder / "eta", ETA_BYTES)
            sha256 = sha256_file(path)
            told_right("up", lambda report: put_blobs(host, {sha256: path}, report))
            down = wanted([Path(blob_path(host, sha256))], folder / "eta_down")
            told_right("down", lambda report: get_files(host, down, report))


def told_right(label: str, transfer: Callable[[Callable[[str], None]], object]) -> None:
    said: list[tuple[float, str]] = []
    began = time.monotonic()
    transfer(lambda line: said.append((time.monotonic() - began, line)))
    whole = time.monotonic() - began
    for after, line in said:
        if after >= 5 and (found := re.search(r"([\d.]+) s left", line)):
            told, true = float(found[1]), whole - after
            off = abs(told - true) / true
            verdict = "kept" if off <= 0.2 else "BROKEN"
            print(
                f"{label:<24}{after:>9.1f}{told:>8.1f}{true:>8.1f}{off:>8.0%}{'20%':>6}  {verdict}",
                flush=True,
            )
            return
    print(f"{label:<24}nothing was told after five seconds  BROKEN")


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
    SentFiles().wait()
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


def seconds(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def forget(*paths: Path) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def call(command: list[str]) -> None:
    subprocess.run(command, check=True, timeout=300)


def quiet(_: str) -> None:
    """A benchmark says its figures alone."""


if __name__ == "__main__":
    main()
