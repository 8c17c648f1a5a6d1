"""The laptop's side of a trial, by the real commands: `faults_client.py CHECKOUT RUN`, or `… CHECKOUT COMMAND FLAG…`.

With a run: `resume` where it was never started, else `attach`. Nothing is scored afterwards, because the light worker
computes nothing that could be; and no environment is installed, because the worker is the tests' own.
"""

import sys
from pathlib import Path

from tests.support.commands import light_environment
from tunewright.cli import base_files, host_settings, inputs, pipeline, runs, start_job, sweep, tasks
from tunewright.cli.invoke_program import Front
from tunewright.contract.run import RunFolder
from tunewright.remote import environment, follow, retry
from tunewright.remote.host import open_host
from tunewright.remote.job import run_status


def main() -> None:
    checkout = Path(sys.argv[1])
    use_checkout(checkout)
    # Shorter than a user's, so that a trial takes seconds.
    follow.POLL, follow.SILENCE, retry.WAITS = 0.05, 1.0, (0.05, 0.1, 0.2)
    command = sys.argv[2:]
    if Path(command[0]).is_absolute():
        command = [verb_for(checkout, RunFolder(Path(command[0]))), "--run", Path(command[0]).name]
    Front().run(["inv", *command])


def verb_for(checkout: Path, run: RunFolder) -> str:
    """What `status` names as the way on."""
    with open_host(run.read_spec().host, checkout) as machine:
        return "resume" if run_status(machine, run).hint.startswith("./inv resume") else "attach"


def use_checkout(checkout: Path) -> None:
    """Let the commands work in a checkout of the test's own, with the light worker."""
    work = checkout / ".tunewright"
    places = {"ROOT": checkout, "RUNS": checkout / "runs", "WORK": work, "PROBES": work / "probes"}
    for module in (base_files, inputs, pipeline, runs, start_job, sweep, tasks):
        for name in places.keys() & vars(module).keys():
            setattr(module, name, places[name])
    host_settings.HOSTS = checkout / "hosts.toml"
    runs.finish = tasks.finish = sweep.finish = no_scores
    environment.install_environment = lambda host, root, report: light_environment(checkout / ".light")


def no_scores(run: RunFolder) -> None:
    """Stands in for `finish`."""


if __name__ == "__main__":
    main()
