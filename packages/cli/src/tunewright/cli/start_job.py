"""The main job up to its start: what is done once on this machine, and what is done on the host."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tunewright.cli.inputs import Inputs, prepare_inputs
from tunewright.cli.invoke_program import ROOT
from tunewright.cli.pipeline import (
    Audited,
    audit_gate,
    choose_dataset,
    come_back,
    stop_it,
    told_when_interrupted,
)
from tunewright.contract.console import say

if TYPE_CHECKING:
    from tunewright.contract.base_lock import BaseLock
    from tunewright.contract.errors import HostError
    from tunewright.contract.recipe import Recipe
    from tunewright.contract.run import RunFolder, Status
    from tunewright.remote.host import Host


@dataclass(frozen=True)
class Job:
    """What a run will be made of, and where."""

    host: str
    recipe: "Recipe"
    lock: "BaseLock | None"
    audited: Audited
    inputs: Inputs


def prepare_jobs(
    hosts: Sequence[str], recipes: Sequence[str], data: str, force: bool
) -> "dict[str, Job | HostError]":
    """For each host: choose recipe and dataset, audit it, once for each recipe, and prepare it for the recipe's base.

    A host that had to be asked for the base's template and did not answer gets that in the job's place. Raises CheckFailed
    when an audit fails and is not forced.
    """
    from tunewright.cli.base_model import pinned_recipe
    from tunewright.cli.host_settings import choose_recipe
    from tunewright.contract.errors import HostError

    audits: dict[str, tuple[Recipe, BaseLock | None, Path, Audited]] = {}
    jobs: dict[str, Job | HostError] = {}
    for host, given in zip(hosts, recipes_for(hosts, recipes)):
        name = choose_recipe(given, host)
        if name not in audits:
            plan, lock = pinned_recipe(name)
            dataset = choose_dataset(plan, data)
            audits[name] = plan, lock, dataset, audit_gate(dataset, plan, force)
        plan, lock, dataset, audited = audits[name]
        try:
            inputs = prepare_inputs(plan, dataset, host, audited.left_out)
        except HostError as error:
            jobs[host] = error
        else:
            jobs[host] = Job(host, plan, lock, audited, inputs)
    return jobs


def recipes_for(hosts: Sequence[str], recipes: Sequence[str]) -> list[str]:
    """The recipe of each host: the same for all, or one each in the order of the hosts. An empty one is chosen by host.

    Raises UserError for any other number of them.
    """
    from tunewright.contract.errors import UserError

    if len(recipes) > 1 and len(recipes) != len(hosts):
        raise UserError(
            f"--recipe is given {len(recipes)} times and --host {len(hosts)}",
            "Name one recipe for all hosts, or one for each, in the same order.",
        )
    return list(recipes) if len(recipes) > 1 else [*recipes, ""][:1] * len(hosts)


def start_job(job: "Job | HostError", machine: "Host", fresh: bool) -> "tuple[RunFolder, Status]":
    """Bring environment, base and inputs to the host, and start the run there.

    Raises HostError when the host is not fit; what has arrived is kept, and the next call goes on.
    """
    if isinstance(job, Exception):
        raise job
    from tunewright.cli.base_model import bring_base
    from tunewright.cli.fitness import require_environment_fits, require_plan_fits
    from tunewright.remote.environment import install_environment
    from tunewright.remote.job import go_on_with_earlier, new_run, ship_run, start_run
    from tunewright.remote.packaged_model import install_base

    plan, lock, inputs = job.recipe, job.lock, job.inputs
    for finding in require_environment_fits(machine):
        if finding.severity == "warn":
            say(f"host      warning: {finding.message}\n  {finding.hint}")
    with told_when_interrupted(lambda: "nothing was started; the same command goes on where this one was"):
        environment = install_environment(machine, ROOT, say)
        require_plan_fits(plan, machine, lock, inputs.folder)
        install_base(machine, environment, plan.model.base, say)
        bring_base(machine, environment, lock)
    run = new_run(
        ROOT,
        plan,
        inputs.folder,
        job.audited.report,
        job.audited.forced,
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
    with told_when_interrupted(lambda: f"the run may have been started: {come_back(run)}; {stop_it(run)}"):
        return run, start_run(machine, run, fresh=fresh)
