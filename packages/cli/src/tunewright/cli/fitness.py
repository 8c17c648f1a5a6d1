"""Is a host fit for a recipe: what `host.check` prints, and what `train` demands before anything is shipped."""

from pathlib import Path
from typing import TYPE_CHECKING

from tunewright.cli.invoke_program import ROOT
from tunewright.contract.console import say

if TYPE_CHECKING:
    from tunewright.cli.plan_text import Plan
    from tunewright.contract.base_lock import BaseLock
    from tunewright.contract.recipe import Recipe
    from tunewright.remote.host import Host
    from tunewright.remote.preflight import HostFinding, Need


def check_host(recipe: "Recipe", host: "Host", lock: "BaseLock | None") -> "list[HostFinding]":
    """Everything about the host that matters to a run of the recipe, what fails first. Changes nothing there.

    Raises HostError when the connection breaks.
    """
    from tunewright.cli.planning import make_plan
    from tunewright.remote.environment import installed_environment
    from tunewright.remote.host_checks import check_access, check_product, check_queue, check_swap
    from tunewright.remote.host_facts import probe_host
    from tunewright.remote.preflight import HostFinding, judge_facts, worst_first

    access = check_access(host)
    if any(finding.severity == "fail" for finding in access):
        return worst_first(access)
    facts = probe_host(host)
    plan = make_plan(recipe, host, lock, facts=facts)
    own = judge_facts(facts, host.root, need_of(plan), host.name)
    found = [*access, *own, check_swap(host)]
    see = f"./inv plan --recipe {recipe.name} --host {host.name}"
    of_host = {finding.message for finding in judge_facts(facts, host.root, None, host.name)}
    found += [HostFinding("recipe", "fail", why, see) for why in plan.against if why not in of_host]
    doubts = [why for why in plan.warnings if why not in of_host]
    found += [HostFinding("recipe", "warn", why, see) for why in (*plan.unknowns, *doubts)]
    environment = installed_environment(host, ROOT, say)
    if environment is None:
        setup = f"./inv host.setup --host {host.name}"
        found.append(HostFinding("product", "warn", "not measured: our environment is not there yet", setup))
    else:
        found += [check_product(host, environment), check_queue(host, environment)]
    return worst_first(found)


def require_environment_fits(host: "Host") -> "list[HostFinding]":
    """What is known of the host. Raises HostError when nothing can run there, or the environment has no room."""
    from tunewright.cli.planning import environment_cargo
    from tunewright.remote.host_facts import probe_host
    from tunewright.remote.preflight import Need, judge_facts, require_fit

    facts = probe_host(host)
    _, unpacked = environment_cargo(host, facts)
    need = Need("the environment", disk=unpacked)
    return require_fit(host.name, judge_facts(facts, host.root, need, host.name))


def require_plan_fits(recipe: "Recipe", host: "Host", lock: "BaseLock | None", data: Path) -> None:
    """Say what the plan has against training on `data` there. Raises HostError when its disk has no room.

    Bytes on a disk are counted. Memory is estimated, within a third, and a run may still fit: that is only said.
    """
    from tunewright.cli.planning import make_plan
    from tunewright.remote.preflight import judge_disk, judge_memory, require_fit

    plan = make_plan(recipe, host, lock, data=data)
    need = need_of(plan)
    require_fit(host.name, [judge_disk(plan.disk_free, host.root, need, host.name)])
    memory = judge_memory(need)
    if memory and memory.severity == "fail":
        say(f"host      warning: {memory.message}\n  {memory.hint}")


def need_of(plan: "Plan") -> "Need":
    """What a planned run needs of its host."""
    from tunewright.remote.preflight import Need

    return Need(
        f"recipe {plan.recipe.name}",
        plan.disk_needed,
        plan.memory_needed,
        plan.memory_budget,
        plan.memory_source,
    )
