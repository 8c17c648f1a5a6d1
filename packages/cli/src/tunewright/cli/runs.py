"""Tasks that look after runs."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.exceptions import Exit

from tunewright.cli.invoke_program import ROOT, command
from tunewright.cli.pipeline import RUNS, attach_to, finish, say_detached, stop_it, told_when_interrupted
from tunewright.contract.console import say

if TYPE_CHECKING:
    from tunewright.contract.run import RunFolder, Status

RECIPE = "a recipe's name, or the path of a .toml file"
RUN = "a run's id, or a unique beginning or end of it (default: the latest)"


def find(run: str, host: str = "") -> "RunFolder":
    """The run that is meant; of the runs of `host` alone, where one is named. Raises UserError when there is none."""
    from tunewright.contract.errors import UserError
    from tunewright.contract.run import find_run
    from tunewright.remote.job import list_runs

    if host and not run:
        of_host = list_runs(ROOT, host)
        if not of_host:
            raise UserError(f"no run is on {host}", "See the runs there are: ./inv runs")
        run = of_host[-1].id
    folder = find_run(RUNS, run)
    if host and (place := folder.read_spec().host) != host:
        raise UserError(f"run {folder.path.name} is on {place}, not on {host}", f"Use --host {place}")
    return folder


@command(
    run=RUN,
    host="the latest run of this host",
)
def attach(c: Context, run: str = "", host: str = "") -> None:
    """Come back to a run: follow it to its end, then pull, score and report."""
    folder = find(run, host)
    attach_to(folder.read_spec().host, folder)
    finish(folder)


@command(
    run=RUN,
    fresh="do finished stages again",
    detach="start it and return; `attach` comes back to it",
)
def resume(c: Context, run: str = "", fresh: bool = False, detach: bool = False) -> None:
    """Start a stopped run again from where it was, and attach to it."""
    from tunewright.remote.host import open_host
    from tunewright.remote.job import resume_run

    folder = find(run)
    host = folder.read_spec().host
    with (
        told_when_interrupted(
            lambda: (
                f"what has arrived is kept; go on: ./inv resume --run {folder.path.name}; "
                f"in case it was started: {stop_it(folder)}"
            )
        ),
        open_host(host, ROOT) as machine,
    ):
        status = resume_run(machine, folder, fresh=fresh)
    if detach:
        say_detached(folder, status)
    else:
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
    iterable=["host"],
    run=RUN,
    host="the latest run of this host; repeatable: a table, one line for each host",
)
def status(c: Context, run: str = "", host: list[str] = []) -> None:
    """A run's state, asked of its host."""
    from tunewright.remote.host import open_host
    from tunewright.remote.job import run_status

    if len(host) > 1:
        several_statuses(run, host)
        return
    folder = find(run, *host)
    with open_host(folder.read_spec().host, ROOT) as machine:
        state = run_status(machine, folder)
    print(f"{folder.path.name}: {state_text(state)}")
    for line in details(state):
        print(f"  {line}")


def state_text(state: "Status") -> str:
    """A status in a few words."""
    where = f" in {state.stage}" if state.stage else ""
    step = f", step {state.step} of {state.steps}" if state.steps else ""
    waits = f", {state.message}" if state.place else ""
    still = " (paused)" if state.paused else " (stalled)" if state.stalled else ""
    return f"{state.state}{waits}{still}{where}{step}"


def details(state: "Status") -> list[str]:
    """What else a status says, and what to do about it."""
    return [line for line in ("" if state.place else state.message, state.hint) if line]


def several_statuses(run: str, hosts: Sequence[str]) -> None:
    """A table of the latest run of each host; exit code 4 when one of them does not answer."""
    from tunewright.cli.side_by_side import hosts_named, on_each, table, worst
    from tunewright.contract.errors import UserError
    from tunewright.contract.visible import one_line
    from tunewright.remote.host import open_host
    from tunewright.remote.job import list_runs, run_status

    if run:
        raise UserError("--run is on one host", "Leave --host away: ./inv status --run RUN")

    def ask(host: str) -> tuple[str, str, list[str]]:
        with open_host(host, ROOT) as machine:
            rows = list_runs(ROOT, host)
            if not rows:
                return "-", "no run of this checkout", []
            state = run_status(machine, find(rows[-1].id))
        return rows[-1].id, state_text(state), details(state)

    names = hosts_named(hosts)
    rows, notes, codes = [("host", "run", "state")], list[str](), list[int]()
    for host, answer in zip(names, on_each(names, ask)):
        if isinstance(answer, UserError):
            rows.append((host, "-", f"error: {one_line(answer.message, 100)}"))
            notes += [f"{host}: {line}" for line in str(answer).split("\n")]
            codes.append(int(answer.exit_code))
        else:
            rows.append((host, answer[0], answer[1]))
            notes += [f"{host}: {line}" for line in answer[2]]
    print(table(rows), *notes, sep="\n")
    if code := worst(codes):
        raise Exit(code=code)


@command(
    host="the host to look at: local, or a name from ~/.ssh/config",
    first="a waiting run that is to be the next one: its id, or a unique beginning or end of it",
)
def queue(c: Context, host: str = "local", first: str = "") -> None:
    """The run at work on a host, and those that wait for their turn; --first makes one the next."""
    from tunewright.remote.host import open_host
    from tunewright.remote.host_queue import python_on, read_queue

    with open_host(host, ROOT) as machine:
        python = python_on(machine, ROOT, say)
        found = read_queue(machine, python)
        if first:
            found = read_queue(machine, python, found.find(first))
    print(found)


@command(
    run=RUN,
    lines="how many of the last lines",
    follow="go on with what the worker prints, until the run has ended",
)
def logs(c: Context, run: str = "", lines: int = 50, follow: bool = False) -> None:
    """The end of a run's log on its host."""
    from tunewright.remote.host import open_host
    from tunewright.remote.job import follow_log, run_log

    folder = find(run)
    with open_host(folder.read_spec().host, ROOT) as machine:
        if not follow:
            print(run_log(machine, folder, lines), end="")
            return
        for text in follow_log(machine, folder, lines):
            print(text, end="", flush=True)


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
    models="the quantized model too, whatever the recipe says",
)
def pull(c: Context, run: str = "", models: bool = False) -> None:
    """Bring a run's results home again; what is here and whole is not fetched twice."""
    from tunewright.remote.host import open_host
    from tunewright.remote.job import pull_run

    folder = find(run)
    again = f"./inv pull --run {folder.path.name}{' --models' if models else ''}"
    with (
        told_when_interrupted(lambda: f"what has come is kept; go on: {again}"),
        open_host(folder.read_spec().host, ROOT) as machine,
    ):
        pull_run(machine, folder, say, models=models)
    print(folder.path)


@command(
    host="the host to look at (default: local, or the host of --run)",
    run="only this run, even when it is among the latest",
    keep="how many of the latest runs stay",
    float_copies="only the fused models, which are made again from the adapters",
    failed="only runs that failed, were cancelled or were lost; with --run, give up its checkpoint",
    yes="remove without asking",
)
def clean(
    c: Context,
    host: str = "",
    run: str = "",
    keep: int = 5,
    float_copies: bool = False,
    failed: bool = False,
    yes: bool = False,
) -> None:
    """Show what runs hold on a host and what of it is safe to remove, then ask; --yes removes it."""
    from tunewright.contract.errors import UserError
    from tunewright.remote.cleanup import plan_cleanup, remove_planned
    from tunewright.remote.cleanup_plan import Choice
    from tunewright.remote.host import LOCAL, open_host

    only = find(run) if run else None
    place = only.read_spec().host if only else LOCAL
    if only and host and host != place:
        raise UserError(f"run {only.path.name} is on {place}, not on {host}", f"Use --host {place}")
    choice = Choice(keep, only.path.name if only else "", float_copies, failed)
    with open_host(host or place, ROOT) as machine:
        plan = plan_cleanup(machine, ROOT, protected_runs(), choice, say)
        print(plan)
        if plan.empty:
            say("nothing can be removed safely")
            return
        size = f"{plan.bytes_going / 1e6:,.1f} MB"
        if not yes and not confirmed(f"Remove what goes, {size}, from {machine.name}?"):
            say(f"nothing was removed; {size} would go with --yes")
            return
        # Somebody may have promoted a run while the question stood there.
        plan = plan.without(protected_runs())
        say(f"removed {remove_planned(machine, plan, say) / 1e6:,.1f} MB")


def protected_runs() -> dict[str, str]:
    """Runs of which nothing may be removed, and why. Raises UserError when the registry cannot be read."""
    from tunewright.eval.registry import promoted_runs, read_registry

    stack = promoted_runs(read_registry(ROOT / "models"))
    earlier = dict.fromkeys(stack, "a rollback would need it (models/registry.jsonl)")
    return earlier | dict.fromkeys(stack[-1:], "its model is in use (models/registry.jsonl)")


def confirmed(question: str) -> bool:
    """Ask on a terminal; without one the answer is no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


TASKS = (runs, status, queue, logs, attach, cancel, resume, pull, clean)
