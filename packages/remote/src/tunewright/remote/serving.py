"""A run's model served on its host, and reached through a port of this machine."""

import json
import socket
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from tunewright.contract.errors import HostError, UserError
from tunewright.contract.manifest import MANIFEST, read_manifest
from tunewright.contract.run import RunFolder
from tunewright.remote.host import LOCAL, Host
from tunewright.remote.process import HeldProcess, hold_process
from tunewright.remote.tunnel import Tunnel, listen_on
from tunewright.remote.worker_client import WORKER_SETTINGS, find_on_host

TELL = 5.0  # seconds between two words about loading


@dataclass(frozen=True)
class Served:
    """A model that answers at `url` (`http://localhost:8080/v1`) under the id `model`."""

    model: str
    url: str
    process: HeldProcess

    def wait(self, on_row: Callable[[Any], None] | None = None) -> None:
        """Until it ends by itself; `on_row` gets the rows of a log. Raises HostError then; Ctrl-C passes through."""
        while True:
            try:
                line = self.process.next_line(timeout=0.5)
            except EOFError:
                break
            if line is None and self.process.ended.is_set():
                break
            answer = _answer(line)
            if on_row is not None and "row" in answer:
                on_row(answer["row"])
        raise HostError(
            f"the server of {self.model} has ended, or the connection to it broke",
            "What still runs on the host ends by itself within a minute. Start it again: ./inv serve",
        )


def model_on_host(host: Host, run: RunFolder) -> PurePosixPath:
    """The folder of a run's quantized model on `host`: where the run was, or here when it was pulled.

    Raises UserError when it is not there.
    """
    if host.name == LOCAL and read_manifest(run.stage("quantize")) is not None:
        return PurePosixPath(run.stage("quantize").resolve())
    folder = find_on_host(host, run).there("quantize")
    if host.size(folder / MANIFEST) is None:
        raise UserError(
            f"run {run.path.name} has no quantized model on {host.name}",
            f"See how far it came: ./inv status --run {run.path.name}",
        )
    return folder


@contextmanager
def serve_model(
    host: Host,
    python: str,
    folder: PurePosixPath,
    name: str,
    port: int,
    report: Callable[[str], None],
    *,
    log: bool = False,
) -> Generator[Served]:
    """Serve the model in `folder` on the host as `name`, at `port` of this machine, while the block runs.

    `python` is the host's environment. With `log` the host hands over each chat request with its answer, for `Served.wait`,
    and keeps none of it. Raises HostError when it cannot be served and UserError when the port is taken.
    """
    argv = [python, "-P", "-m", "tunewright.train.serve", "--model", str(folder), "--name", name]
    argv += ["--log"] if log else []
    with ExitStack() as stack:
        listener: socket.socket | None = None
        if host.name == LOCAL:
            argv += ["--port", str(port)]
        else:
            listener = stack.enter_context(listen_on(port))
            port = int(listener.getsockname()[1])
        process, link = hold_process(host, argv, WORKER_SETTINGS, report)
        if link is not None:
            stack.callback(link.close)
        stack.callback(process.release)
        far = _wait_until_ready(host, process, name, report)
        if listener is not None and link is not None:
            stack.callback(Tunnel(listener, link.transport, far).close)
        else:
            port = far
        yield Served(name, f"http://localhost:{port}/v1", process)


def _wait_until_ready(host: Host, process: HeldProcess, name: str, report: Callable[[str], None]) -> int:
    """The port on the host's loopback, once the model answers."""
    began = told = time.monotonic()
    while True:
        try:
            line = process.next_line(timeout=0.5)
        except EOFError:
            raise HostError(
                f"{host.name}: the server of {name} ended before it was ready", "Its last words are above."
            ) from None
        answer = _answer(line)
        if "port" in answer:
            report(f"loaded {name} in {time.monotonic() - began:.0f} s")
            return int(answer["port"])
        if "error" in answer:
            raise HostError(f"{host.name}: {answer['error']}", str(answer.get("hint", "")))
        if time.monotonic() - told >= TELL:
            told = time.monotonic()
            report(f"loading {name}, {told - began:.0f} s")


def _answer(line: str | None) -> dict[str, Any]:
    """The server's one line; a login shell's banner before it is passed over."""
    try:
        value = json.loads(line or "null")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
