"""Tasks that look after runs."""

from typing import TYPE_CHECKING

from invoke.context import Context

from tunewright.cli.door import ROOT, command
from tunewright.cli.steps import RUNS, attach_to, finish, say

if TYPE_CHECKING:
    from tunewright.contract.run import RunFolder

RECIPE = "a recipe's name, or the path of a .toml file"
RUN = "a run's id, or a unique beginning or end of it (default: the latest)"


def find(run: str) -> "RunFolder":
    """The run that is meant."""
    from tunewright.contract.run import find_run

    return find_run(RUNS, run)


@command(
    run=RUN,
)
def attach(c: Context, run: str = "") -> None:
    """Come back to a run: follow it to its end, then pull, score and report."""
    folder = find(run)
    attach_to(folder.read_spec().host, folder)
    finish(folder)


@command(
    run=RUN,
    fresh="do finished stages again",
)
def resume(c: Context, run: str = "", fresh: bool = False) -> None:
    """Start a stopped run again from where it was, and attach to it."""
    from tunewright.remote.host import open_host
    from tunewright.remote.job import resume_run

    folder = find(run)
    host = folder.read_spec().host
    with open_host(host, ROOT) as machine:
        resume_run(machine, folder, fresh=fresh)
    attach_to(host, folder)
    finish(folder)


@command(
    host="only runs of this host",
)
def runs(c: Context, host: str = "") -> None:
    """List the runs, the latest last."""
    from tunewright.remote.job import list_runs

    rows = list_runs(ROOT, host or None)
    if not rows:
        say("no runs yet; start one: ./inv train")
    for row in rows:
        print(row)


@command(
    run=RUN,
)
def status(c: Context, run: str = "") -> None:
    """Where a run stands, asked of its host."""
    from tunewright.remote.host import open_host
    from tunewright.remote.job import run_status

    folder = find(run)
    with open_host(folder.read_spec().host, ROOT) as machine:
        state = run_status(machine, folder)
    where = f" in {state.stage}" if state.stage else ""
    step = f", step {state.step} of {state.steps}" if state.steps else ""
    print(f"{folder.path.name}: {state.state}{where}{step}")
    for line in (state.message, state.hint):
        if line:
            print(f"  {line}")


@command(
    run=RUN,
    lines="how many of the last lines",
)
def logs(c: Context, run: str = "", lines: int = 50) -> None:
    """The end of a run's log on its host."""
    from tunewright.remote.host import open_host
    from tunewright.remote.job import run_log

    folder = find(run)
    with open_host(folder.read_spec().host, ROOT) as machine:
        print(run_log(machine, folder, lines), end="")


@command(
    run=RUN,
)
def cancel(c: Context, run: str = "") -> None:
    """Stop a run on its host; `resume` goes on from its last checkpoint."""
    from tunewright.remote.host import open_host
    from tunewright.remote.job import cancel_run

    folder = find(run)
    with open_host(folder.read_spec().host, ROOT) as machine:
        state = cancel_run(machine, folder)
    print(f"{folder.path.name}: {state.state}")


@command(
    run=RUN,
)
def pull(c: Context, run: str = "") -> None:
    """Bring a run's results home again; what is here and whole is not fetched twice."""
    from tunewright.remote.host import open_host
    from tunewright.remote.job import pull_run

    folder = find(run)
    with open_host(folder.read_spec().host, ROOT) as machine:
        pull_run(machine, folder, say)
    print(folder.path)


@command(
    host="the host to look at",
    keep="how many of the latest runs stay",
    yes="really remove",
)
def clean(c: Context, host: str = "local", keep: int = 5, yes: bool = False) -> None:
    """Show what old runs hold on a host, and with --yes remove it there; pulled results stay."""
    from tunewright.remote.host import open_host
    from tunewright.remote.job import clean_runs

    with open_host(host, ROOT) as machine:
        for line in clean_runs(machine, ROOT, keep=keep, remove=yes):
            print(line)
    if not yes:
        say("nothing was removed; do it with --yes")


TASKS = (runs, status, logs, attach, cancel, resume, pull, clean)
