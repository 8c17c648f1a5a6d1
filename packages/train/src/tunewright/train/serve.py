"""One model behind an OpenAI-compatible endpoint, and nothing else.

    python -m tunewright.train.serve --model FOLDER --name ID [--port N] [--log]

mlx-lm's own server lists every model in the machine's cache first, loads whatever model, adapter or draft a
request names (from the hub if need be), fetches the images a request links to, and answers pages of any
origin. Here a request must name the one model that is served; the rest is refused.

The server listens on 127.0.0.1 alone. It prints one line of JSON on standard output: `{"port": …}` once the
model answers, or `{"error": …, "hint": …}`. Whoever started it holds its standard input: it ends when that is
closed, or silent for `--patience` seconds, so that it never outlives a connection that was cut.
"""

import argparse
import contextlib
import json
import os
import select
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunewright.contract.errors import ExitCode, UserError

PATIENCE = 60.0  # seconds without a sign of life
LONGEST_ROW = 1_000_000  # bytes; whoever holds this process reads lines of 1 MiB
GRACE = 5.0  # seconds that answers at work may take to stop


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; the exit code is 0, or 2 for what cannot be served."""
    options = _parser().parse_args(arguments)
    from tunewright.train.machine import worker_environment

    # Set before the hub's client is imported: nothing is ever fetched here.
    wanted = worker_environment({**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"})
    if wanted != dict(os.environ):
        module = [sys.executable, "-P", "-m", "tunewright.train.serve"]
        os.execve(sys.executable, [*module, *(arguments or sys.argv[1:])], wanted)  # noqa: S606
    # Libraries print what they please; standard output holds our one line.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    stop = threading.Event()

    def end(*_: object) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    threading.Thread(target=_watch, args=(options.patience, stop), daemon=True).start()
    try:
        _serve(options, stop, answer)
    except UserError as error:
        _tell(answer, {"error": error.message, "hint": error.hint})
        return ExitCode.USAGE
    return ExitCode.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tunewright.train.serve", description="Serve one model.")
    parser.add_argument("--model", type=Path, required=True, help="a model's folder")
    parser.add_argument("--name", required=True, help="the id that requests must name")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument(
        "--patience",
        type=float,
        default=PATIENCE,
        help="seconds that standard input may be silent; 0: for ever",
    )
    parser.add_argument("--log", action="store_true", help="hand over each chat request with its answer")
    return parser


def _watch(patience: float, stop: threading.Event) -> None:
    """Wait for the end of standard input, or for its silence."""
    while True:
        ready, _, _ = select.select([0], [], [], patience or None)
        if not ready or not os.read(0, 4096):
            stop.set()
            return


def _serve(options: argparse.Namespace, stop: threading.Event, answer: Any) -> None:
    from tunewright.train.endpoint import Endpoint
    from tunewright.train.machine import keep_awake

    keep_awake()
    endpoint = Endpoint(options.model, options.name, options.port, RowWriter(answer) if options.log else None)
    try:
        if endpoint.wait_until_loaded(stop):
            _tell(answer, {"port": endpoint.port, "model": options.name})
            while not stop.wait(1):
                endpoint.check()
    finally:
        endpoint.close(GRACE)


class RowWriter:
    """Hands rows over, one line each; one that is too long or is not JSON is told on standard error instead."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self._lock = threading.Lock()  # requests are answered side by side

    def __call__(self, row: dict[str, Any]) -> None:
        try:
            line = json.dumps({"row": row}, allow_nan=False)
        except (ValueError, RecursionError) as error:
            sys.stderr.write(f"not logged: a request is not JSON ({error})\n")
            return
        if len(line) > LONGEST_ROW:
            sys.stderr.write(f"not logged: a request of {len(line):,} bytes\n")
            return
        with self._lock, contextlib.suppress(BrokenPipeError):
            self._answer.write(line + "\n")
            self._answer.flush()


def _tell(answer: Any, value: dict[str, Any]) -> None:
    try:
        answer.write(json.dumps(value, ensure_ascii=False) + "\n")
        answer.flush()
    except BrokenPipeError:
        return  # nobody listens any more; standard input says so too


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    # mlx-lm's generating thread may be in the middle of a long prompt; nothing is left to be saved.
    os._exit(code)
