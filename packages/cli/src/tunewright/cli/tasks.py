"""The tasks, thin: each parses its flags and calls one function.

Nothing heavy is imported before a task needs it: `--list` and `--help` answer at once.
"""

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit

from tunewright.cli import (
    cards,
    curves,
    data,
    dev_tasks,
    hosts,
    judge,
    new_project,
    probing,
    recipes,
    rehearsing,
    runs,
    serve_task,
    suites,
    validating,
)
from tunewright.cli.invoke_program import ROOT, command
from tunewright.cli.pipeline import attach_to, finish, say_detached


@command(
    iterable=["host", "recipe"],
    host=f"{hosts.HOST} (default: local); repeatable: one run on each",
    recipe=f"{hosts.CHOSEN_RECIPE}; repeatable: one for each host, in their order",
    data="a dataset: a folder with train.jsonl and valid.jsonl (default: the recipe's own, generated)",
    detach="start it and return; `attach` comes back to it",
    force="go on although the audit failed; the report says so",
    fresh="do finished stages again",
)
def train(
    c: Context,
    host: list[str] = [],
    recipe: list[str] = [],
    data: str = "",
    detach: bool = False,
    force: bool = False,
    fresh: bool = False,
) -> None:
    """Audit, ship, train, fuse, quantize, check, predict, pull, score and report."""
    from tunewright.cli.side_by_side import hosts_named
    from tunewright.cli.start_job import prepare_jobs, start_job
    from tunewright.remote.bundle import require_shipment
    from tunewright.remote.host import open_host

    require_shipment(ROOT)
    jobs = prepare_jobs(hosts_named(host), recipe, data, force)
    if len(jobs) > 1:
        from tunewright.cli.sweep import sweep

        if code := sweep(jobs, fresh=fresh, detach=detach):
            raise Exit(code=code)
        return
    ((place, job),) = jobs.items()
    with open_host(place, ROOT) as machine:
        run, status = start_job(job, machine, fresh)
    if detach:
        say_detached(run, status)
    else:
        attach_to(place, run)
        finish(run)


ns = Collection(
    train,
    data.audit,
    data.sql,
    new_project.new,
    *probing.TASKS,
    *runs.TASKS,
    *judge.TASKS,
    hosts.plan,
    *serve_task.TASKS,
    *validating.TASKS,
    *cards.TASKS,
    *curves.TASKS,
    *dev_tasks.TASKS,
    data=Collection(*data.TASKS, *rehearsing.TASKS),
    host=Collection(*hosts.TASKS),
    recipe=Collection(*recipes.TASKS),
    suite=Collection(*suites.TASKS),
)
