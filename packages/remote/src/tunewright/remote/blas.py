"""How fast a host multiplies matrices, asked of its own environment."""

import json
from collections.abc import Callable
from pathlib import Path

from tunewright.remote.environment import installed_environment
from tunewright.remote.host import Host
from tunewright.remote.preflight import HostFinding

NAMES = {
    "package": "OpenBLAS, which comes with the environment",
    "system": "the system's OpenBLAS",
    "reference": "mlx's own BLAS, which is slow",
}


def check_blas(host: Host, root: Path, report: Callable[[str], None]) -> list[HostFinding]:
    """Which BLAS a worker on the host would use, and how fast it is, measured; empty where mlx needs none.

    Before the environment is installed that is not known, and said so.
    """
    environment = installed_environment(host, root, report)
    if environment is None:
        return [
            HostFinding(
                "blas", "info", f"measured once the environment is there: ./inv host.setup --host {host.name}"
            )
        ]
    done = host.run([environment.python, "-P", "-m", "tunewright.train.blas"], timeout=300)
    try:
        answer = json.loads(done.text.splitlines()[-1])
    except (ValueError, IndexError):
        return [
            HostFinding("blas", "warn", f"could not be measured: {done.reason}", "See what keeps it busy.")
        ]
    if not answer:
        return []
    speed = f"{NAMES.get(answer['name'], answer['name'])}: {answer['gflops']:.0f} GFLOP/s on one thread"
    if answer["name"] == "reference":
        return [HostFinding("blas", "warn", speed, "Install g++ on the host; see the line on the compiler.")]
    return [HostFinding("blas", "info", speed)]
