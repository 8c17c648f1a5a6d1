"""The tasks, thin: each parses its flags and calls one function.

Nothing heavy is imported before a task needs it: `--list` and `--help` answer at once.
"""

from invoke.collection import Collection
from invoke.context import Context

from tunewright.cli import (
    cards,
    curves,
    data,
    dev_tasks,
    hosts,
    judge,
    probing,
    recipes,
    rehearsing,
    runs,
    serve_task,
    suites,
    validating,
)
from tunewright.cli.inputs import prepare_inputs
from tunewright.cli.invoke_program import ROOT, command, need_sources
from tunewright.cli.pipeline import (
    attach_to,
    audit_gate,
    choose_dataset,
    come_back,
    finish,
    say_detached,
    stop_it,
    told_when_interrupted,
)
from tunewright.contract.console import say


@command(
    host=hosts.HOST,
    recipe=hosts.CHOSEN_RECIPE,
    data="a dataset: a folder with train.jsonl and valid.jsonl (default: the recipe's own, generated)",
    detach="start it and return; `attach` comes back to it",
    force="go on although the audit failed; the report says so",
    fresh="do finished stages again",
)
def train(
    c: Context,
    host: str = "local",
    recipe: str = "",
    data: str = "",
    detach: bool = False,
    force: bool = False,
    fresh: bool = False,
) -> None:
    """Audit, ship, train, fuse, quantize, check, predict, pull, score and report."""
    from tunewright.cli.base_model import bring_base, pinned_recipe
    from tunewright.cli.fitness import require_environment_fits, require_plan_fits
    from tunewright.cli.host_settings import choose_recipe
    from tunewright.remote.environment import install_environment
    from tunewright.remote.host import open_host
    from tunewright.remote.job import go_on_with_earlier, new_run, ship_run, start_run
    from tunewright.remote.packaged_model import install_base

    need_sources()
    plan, lock = pinned_recipe(choose_recipe(recipe, host))
    dataset = choose_dataset(plan, data)
    audited = audit_gate(dataset, plan, force)
    inputs = prepare_inputs(plan, dataset, host, audited.left_out)
    with open_host(host, ROOT) as machine:
        for finding in require_environment_fits(machine):
            if finding.severity == "warn":
                say(f"host      warning: {finding.message}\n  {finding.hint}")
        with told_when_interrupted(
            lambda: "nothing was started; the same command goes on where this one was"
        ):
            environment = install_environment(machine, ROOT, say)
            require_plan_fits(plan, machine, lock, inputs.folder)
            install_base(machine, environment, plan.model.base, say)
            bring_base(machine, environment, lock)
        run = new_run(
            ROOT,
            plan,
            inputs.folder,
            audited.report,
            audited.forced,
            machine,
            environment,
            prepared=inputs.suites,
            origin=inputs.origin,
            base_note=inputs.base_note,
        )
        run = go_on_with_earlier(run, say)
        with told_when_interrupted(
            lambda: (
                "nothing was started, and what has arrived is kept; go on: the same command again, "
                f"or ./inv resume --run {run.path.name}"
            )
        ):
            ship_run(machine, run, say)
        with told_when_interrupted(
            lambda: f"the run may have been started: {come_back(run)}; {stop_it(run)}"
        ):
            status = start_run(machine, run, fresh=fresh)
    if detach:
        say_detached(run, status)
    else:
        attach_to(host, run)
        finish(run)


ns = Collection(
    train,
    data.audit,
    data.sql,
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
