"""The processes of one machine that train one model together: mlx's own ring, over loopback.

On a CPU mlx computes a model's graph on one thread, but for large products, and a second stream in the same process
brings little. So a batch is cut into shards, always as many, whose gradients are added in the order of the shards: one
process that computes them all and several that share them out give the same bytes, and a run may be resumed with
another number of them.

`python -m tunewright.train.ranks --run DIR` is another rank than the first: it trains the same run in step with the
worker that started it, writes nothing, and ends when that one does.
"""

import argparse
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunewright.contract.run import RunFolder
from tunewright.train.machine import physical_memory

SHARDS = 2  # of a batch on a CPU, whatever the machine
COUNT = "TUNEWRIGHT_RANKS"  # how many processes train, where it is set; else as cores and memory allow
COPIES = (
    6  # of the model's float weights that one process may take: itself, its gradients' graph, what else runs
)
STARTING = 300.0  # seconds that another rank may take to be ready


@dataclass(frozen=True)
class Ring:
    """This process among those that train together. Alone, it is the whole ring."""

    rank: int = 0
    size: int = 1
    group: Any = None
    # Called before the ranks exchange numbers. A rank that waits for another inside mlx keeps a core busy: while the first
    # one pauses, the others wait for its word instead.
    meet: Callable[[], None] = lambda: None

    def mine(self, count: int) -> range:
        """Which of `count` shards this rank computes; the other ranks compute the others."""
        return range(self.rank, count, self.size)

    def gather(self, part: Any, count: int) -> Any:
        """Every shard's row, in order of shards. part: (own, n), the rows of `mine(count)`, filled up with zeros to
        as many as the first rank has; returns (count, n)."""
        import mlx.core as mx

        if self.size == 1:
            return part
        self.meet()
        every = mx.distributed.all_gather(part[None], group=self.group, stream=mx.cpu)
        return every.swapaxes(0, 1).reshape(-1, part.shape[-1])[:count]


ALONE = Ring()


def wanted_ranks(model_bytes: int) -> int:
    """How many processes to train with, given the bytes of the model's weights: one on a GPU, else by cores and memory."""
    import mlx.core as mx

    if mx.default_device() != mx.Device(mx.cpu):
        return 1
    if os.environ.get(COUNT, "").isdigit():
        return max(1, min(SHARDS, int(os.environ[COUNT])))
    fitting = physical_memory() // max(1, COPIES * model_bytes)
    return max(1, min(SHARDS, _cores(), fitting))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def ring_of(run: RunFolder, size: int, warn: Callable[[str, str], Any]) -> Generator[Ring]:
    """Start the other ranks for a run and yield this process's place among them; they end with the block.

    Where another one cannot be started, this process trains alone, with the same result, and says so.
    """
    if size < 2:
        yield ALONE
        return
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        hosts = Path(folder, "hosts.json")
        hosts.write_text(json.dumps([[f"127.0.0.1:{port}"] for port in _free_ports(size)]))
        others = [stack.enter_context(_other(run, rank, hosts)) for rank in range(1, size)]
        if not all(_ready(process) for process in others):
            warn("a second training process did not start; one trains alone, more slowly", "See worker.log.")
            yield ALONE
            return

        def call() -> None:
            for process in others:
                with contextlib.suppress(OSError):  # mlx tells that it is gone
                    os.write(process.stdin.fileno() if process.stdin else -1, b".")

        yield _join(0, hosts, call)


@contextlib.contextmanager
def _other(run: RunFolder, rank: int, hosts: Path) -> Generator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-P", "-m", "tunewright.train.ranks", "--run", str(run.path)]
    process = subprocess.Popen(
        [*command, "--rank", str(rank), "--hosts", str(hosts)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd="/",
    )
    try:
        yield process
    finally:
        # Its standard input is its lease of life; what it has not finished nobody needs.
        process.kill()
        process.communicate()


def _ready(process: "subprocess.Popen[bytes]") -> bool:
    """Whether a rank says that it is ready, before it ends or its time is over."""
    alarm = threading.Timer(STARTING, process.kill)
    alarm.start()
    try:
        return process.stdout is not None and process.stdout.readline().strip() == b"ready"
    finally:
        alarm.cancel()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _join(rank: int, hosts: Path, meet: Callable[[], None]) -> Ring:
    import mlx.core as mx

    os.environ |= {"MLX_RANK": str(rank), "MLX_HOSTFILE": str(hosts)}
    group = mx.distributed.init(strict=True, backend="ring")
    return Ring(group.rank(), group.size(), group, meet)


class Silent:
    """The report of a rank that is not the first: nobody hears it."""

    def event(self, kind: str, stage: str | None = None, /, **data: Any) -> None: ...
    def warning(self, message: str, hint: str = "") -> None: ...
    def progress(
        self, step: int, total: int | None = None, left: float | None = None, worth: float | None = None
    ) -> None: ...
    def begin(self, stage: str, total: int) -> None: ...
    def resume_at(self, step: int) -> None: ...
    def end(self, facts: dict[str, Any]) -> None: ...
    def check(self) -> None: ...


def main() -> int:
    """Train in step with the first rank until it is done; the exit code is 0."""
    parser = argparse.ArgumentParser(prog="python -m tunewright.train.ranks")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--rank", type=int, required=True)
    parser.add_argument("--hosts", type=Path, required=True)
    options = parser.parse_args()
    calls = threading.Semaphore(0)
    threading.Thread(target=live_with_parent, args=[calls], daemon=True).start()
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print what they please
    from tunewright.train.base import find_base
    from tunewright.train.stages import Work, make_trainer
    from tunewright.train.staging import workspace

    run = RunFolder(options.run)
    spec = run.read_spec()
    work = Work(run, spec, find_base(spec.recipe.model, run.path.parent.parent / "bases"), Silent())
    trainer = make_trainer(work, workspace(run.path, "train"))
    answer.write("ready\n")
    answer.flush()

    def wait() -> None:
        calls.acquire()

    trainer.join(_join(options.rank, options.hosts, wait))
    trainer.run()
    return 0


def live_with_parent(calls: threading.Semaphore | None = None) -> None:
    """End when standard input does: whoever started this process is gone. Each byte until then is one of `calls`."""
    while said := os.read(0, 1024):
        if calls is not None:
            calls.release(len(said))
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
