"""A run's life, as the laptop sees it: ship, start, follow, ask, cancel, resume, pull.

Everything that a new process needs to go on is in the run's folder, so the laptop's process may be killed at
any moment.
"""

import re
import shutil
import time
from collections.abc import Callable, Iterator

from tunewright.contract.errors import HostError
from tunewright.contract.run import FINAL_STATES, RunFolder, Status
from tunewright.contract.visible import visible
from tunewright.remote.follow import follow_run, write_status
from tunewright.remote.host import MOST_LOG, Host, read_file, read_tail
from tunewright.remote.new_run import earlier_unstarted, new_run
from tunewright.remote.pull import PULLED, pull_run
from tunewright.remote.retry import Unreachable, persist
from tunewright.remote.run_list import RunRow, list_runs
from tunewright.remote.transfer import link_blobs, make_folders, put_blobs, whole_files, write_file
from tunewright.remote.worker_client import ask_worker, find_on_host

__all__ = [
    "RunRow",
    "cancel_run",
    "follow_log",
    "follow_run",
    "go_on_with_earlier",
    "list_runs",
    "new_run",
    "pull_run",
    "resume_run",
    "run_log",
    "run_status",
    "ship_run",
    "start_run",
]
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
LOG_TAIL = 1 << 18  # bytes of the log looked at for its last lines


def go_on_with_earlier(run: RunFolder, report: Callable[[str], None]) -> RunFolder:
    """An earlier run of the same inputs that was never started, in place of this new one; else this one."""
    earlier = earlier_unstarted(run)
    if earlier is None:
        return run
    report(f"going on with {earlier.path.name}, which was never started")
    shutil.rmtree(run.path)
    return earlier


def ship_run(host: Host, run: RunFolder, report: Callable[[str], None]) -> None:
    """Bring a run's inputs to its host: each file once, verified; `spec.json` last, so that its presence
    means that all is there. May be repeated. Raises HostError."""
    place = find_on_host(host, run)
    inputs = {
        sha256: (folder / f"{name}.jsonl")
        for hashes, folder in ((place.spec.data, run.data), (place.spec.suites, run.suites))
        for name, sha256 in hashes.items()
    }
    links = [
        (sha256, place.there(f"inputs/{kind}/{name}.jsonl"))
        for hashes, kind in ((place.spec.data, "data"), (place.spec.suites, "suites"))
        for name, sha256 in hashes.items()
    ]
    spec = run.spec.read_bytes()

    def ship() -> int:
        if read_file(host, place.there("spec.json")) == spec and all(whole_files(host, links)):
            return 0
        sent = put_blobs(host, inputs, report)
        make_folders(host, place.there("inputs/data"), place.there("inputs/suites"))
        link_blobs(host, links)
        write_file(host, place.there("spec.json"), spec)
        return sent

    sent = persist(ship, report)
    report(f"shipped to {host.name}: {len(inputs)} files, {sent / 1e6:.1f} MB sent")


def start_run(host: Host, run: RunFolder, fresh: bool = False) -> Status:
    """Start the run's worker, detached; nothing happens when it runs already. With `fresh`, stages that are
    finished are done again. Its status says the run's place in the queue. Raises HostError."""
    place = find_on_host(host, run)
    # What was pulled is not all of it any more.
    (run.path / PULLED).unlink(missing_ok=True)
    flags = ("--fresh",) if fresh else ()
    status = persist(lambda: ask_worker(host, place, "start", *flags), _silent)
    write_status(run, status)
    return status


def resume_run(host: Host, run: RunFolder, fresh: bool = False) -> Status:
    """Start a stopped run again; it goes on from its last checkpoint. What the host lost is shipped again."""
    ship_run(host, run, _silent)
    return start_run(host, run, fresh)


def run_status(host: Host, run: RunFolder) -> Status:
    """The run's status, asked of its worker; also written to the laptop's copy. Raises HostError."""
    place = find_on_host(host, run)
    try:
        if persist(lambda: host.size(place.there("spec.json")), _silent) is None:
            return not_there(host.name, run)
        status = persist(lambda: ask_worker(host, place, "status"), _silent)
    except Unreachable as error:
        raise HostError(error.message, f"{error.hint} {last_heard(run)}".strip()) from error
    if status.state == "queued" and not status.heartbeat:
        return status.model_copy(
            update={"message": "it was never started", "hint": f"./inv resume --run {place.spec.id}"}
        )
    write_status(run, status)
    return status


def cancel_run(host: Host, run: RunFolder) -> Status:
    """Stop the run's worker; a run that has ended stays as it is. Raises HostError."""
    place = find_on_host(host, run)
    status = persist(lambda: ask_worker(host, place, "cancel"), _silent)
    write_status(run, status)
    return status


def run_log(host: Host, run: RunFolder, lines: int) -> str:
    """The last `lines` lines of the worker's log on the host; empty when there is none. Raises HostError."""
    place = find_on_host(host, run)
    most = min(MOST_LOG, max(LOG_TAIL, 400 * lines))
    text = shown(persist(lambda: read_tail(host, place.there("worker.log"), most), _silent) or b"")
    return "".join(line + "\n" for line in text.splitlines()[-max(0, lines) :] if lines > 0)


def follow_log(
    host: Host, run: RunFolder, lines: int, sleep: Callable[[float], None] = time.sleep
) -> Iterator[str]:
    """Yield the last `lines` lines of the worker's log, then what is added to it in whole lines, until the run has ended."""
    place = find_on_host(host, run)
    log = place.there("worker.log")
    at = persist(lambda: host.size(log), _silent) or 0
    yield run_log(host, run, lines)
    while True:
        # Asked before the log is read: what the worker said last is then in it.
        ended = persist(lambda: ask_worker(host, place, "status"), _silent).state in FINAL_STATES
        if (persist(lambda: host.size(log), _silent) or 0) < at:
            at = 0  # the log began anew
        added = persist(lambda at=at: read_file(host, log, at, MOST_LOG), _silent) or b""
        whole = added if ended else added[: added.rfind(b"\n") + 1]
        at += len(whole)
        if whole:
            yield shown(whole)
        if ended:
            return
        sleep(1)


def shown(log: bytes) -> str:
    """A piece of a log without what steers a terminal."""
    text = _COLOUR.sub("", log.decode(errors="replace")).replace("\r\n", "\n").replace("\r", "\n")
    return visible(text, len(text))


def not_there(host: str, run: RunFolder) -> Status:
    """The status of a run that its host does not have: shipping was interrupted, or it was removed there."""
    hint = f"./inv resume --run {run.path.name}"
    known = run.read_status()
    if known is None:
        message = f"it was never started: shipping it to {host} was interrupted"
        return Status(state="queued", message=message, hint=hint)
    update = {
        "message": f"{host} does not have it any more",
        "hint": f"To do it again: {hint}",
        "stalled": False,
    }
    return known.model_copy(update=update)


def last_heard(run: RunFolder) -> str:
    """What the laptop's copy says of a run whose host does not answer."""
    status = run.read_status()
    if status is None:
        return "Nothing was heard of this run yet."
    where = f" in {status.stage}, step {status.step} of {status.steps}" if status.stage else ""
    since = f" at {status.heartbeat[:19].replace('T', ' ')} UTC" if status.heartbeat else ""
    return f"Last heard{since}: {status.state}{where}." + (
        "" if status.state in FINAL_STATES else " A run goes on without the laptop."
    )


def _silent(_: str) -> None:
    """A short question is asked again without a word."""
