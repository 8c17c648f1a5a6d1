"""A sweep: one run on each of several hosts, started together, followed in one display, each judged for itself."""

from collections.abc import Generator, Mapping
from queue import SimpleQueue
from typing import TYPE_CHECKING

from invoke.exceptions import Exit

from tunewright.cli.invoke_program import ROOT
from tunewright.cli.pipeline import finish, left_alone, require_done, say_detached, told_when_interrupted
from tunewright.cli.side_by_side import on_each, table, worst
from tunewright.cli.start_job import Job, start_job
from tunewright.contract.console import say
from tunewright.contract.errors import HostError, UserError
from tunewright.contract.visible import one_line

if TYPE_CHECKING:
    from tunewright.contract.run import Event, RunFolder

RESULTS = {0: "passed", 1: "failed", 3: "inconclusive"}  # of a run, by its exit code


def sweep(jobs: "Mapping[str, Job | HostError]", *, fresh: bool, detach: bool) -> int:
    """Start every host's job; unless detached, follow all and bring their results home. The worst exit code.

    A host that fails is told, and holds up no other. Ctrl-C leaves what runs alone, and says how to come back to each.
    """
    from tunewright.remote.host import open_host

    runs: dict[str, RunFolder] = {}

    def start(host: str) -> None:
        with open_host(host, ROOT) as machine:
            runs[host], status = start_job(jobs[host], machine, fresh)
        if detach:
            say_detached(runs[host], status)

    with told_when_interrupted(lambda: "\n".join(_left(host, runs.get(host)) for host in jobs)):
        outcomes = dict(zip(jobs, on_each(list(jobs), start)))
        if runs and not detach:
            outcomes |= _follow({host: runs[host] for host in jobs if host in runs})
    ends = {host: _end(host, runs.get(host), outcomes[host], detach) for host in jobs}
    rows = [(host, runs[host].path.name if host in runs else "-", text) for host, (text, _) in ends.items()]
    print(table([("host", "run", "result"), *rows]))
    return worst(code for _, code in ends.values())


def _follow(runs: "Mapping[str, RunFolder]") -> "dict[str, UserError | None]":
    """Follow runs to their ends and pull them, all at once and in one display; the mistake that each ended with, if any."""
    from tunewright.remote.host import open_host
    from tunewright.remote.job import follow_run, pull_run
    from tunewright.remote.progress import show_side_by_side

    said: SimpleQueue[tuple[str, Event | str] | None] = SimpleQueue()

    def follow(host: str) -> None:
        try:
            with open_host(host, ROOT) as machine:
                for event in follow_run(machine, runs[host]):
                    said.put((host, event))
                pull_run(machine, runs[host], lambda text: said.put((host, text)))
            require_done(runs[host])
        finally:
            said.put(None)

    def heard() -> "Generator[tuple[str, Event | str]]":
        left = len(runs)
        while left:
            word = said.get()
            if word is None:
                left -= 1
            else:
                yield word

    found = on_each(list(runs), follow, lambda: show_side_by_side(heard(), list(runs)))
    return dict(zip(runs, found))


def _end(host: str, run: "RunFolder | None", failure: UserError | None, detach: bool) -> tuple[str, int]:
    """What became of a host's run, and its exit code. A run that was pulled is scored and reported here."""
    code = 0
    if failure is None and run is not None and not detach:
        print(f"{host}: {run.path.name}")
        try:
            finish(run)
        except Exit as end:
            code = end.code
        except UserError as error:
            failure = error
    if failure is not None:
        say(f"{host}  error: {failure}")
        return f"error: {one_line(failure.message, 100)}", int(failure.exit_code)
    return "started" if detach else RESULTS[code], code


def _left(host: str, run: "RunFolder | None") -> str:
    """What is said of a host when the sweep is interrupted."""
    if run is not None:
        return f"{host}: {left_alone(run)}"
    return (
        f"{host}: what has arrived is kept; go on: the same command with --host {host} alone; "
        f"in case it was started: ./inv status --host {host}"
    )
