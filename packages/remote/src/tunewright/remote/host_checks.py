"""What is only found by trying it on a host: commands, files, speed, memory under pressure, other runs."""

import json
import time

from tunewright.contract.errors import HostError
from tunewright.contract.visible import one_line
from tunewright.remote.environment import Environment
from tunewright.remote.host import LOCAL, Host
from tunewright.remote.host_facts import probe_swap
from tunewright.remote.host_queue import read_queue
from tunewright.remote.preflight import HostFinding
from tunewright.remote.retry import Unreachable

SWAPPING = 1 << 20  # bytes a second that are not an accident
QUIET_SHELL = "at the top of its start file: case $- in *i*) ;; *) return ;; esac"
BLAS = {
    "package": "OpenBLAS, which comes with the environment",
    "system": "the system's OpenBLAS",
    "reference": "mlx's own BLAS, which is slow",
    "metal": "Metal",
}


def check_access(host: Host) -> list[HostFinding]:
    """Whether commands run and files move, over SSH. Raises Unreachable when the connection breaks."""
    if host.name == LOCAL:
        return [HostFinding("reach", "pass", "this machine")]
    began = time.monotonic()
    done = host.run(["/bin/sh", "-c", ":"])
    taken = (time.monotonic() - began) * 1000
    found = [HostFinding("reach", "pass", f"answers in {taken:.0f} ms; its key {host.key} is in known_hosts")]
    if done.code:
        said = one_line(done.stderr.decode(errors="replace"))
        return [*found, HostFinding("shell", "fail", f"runs no command: {said}", f"ssh {host.name} true")]
    if noise := (done.greeting + done.stderr).decode(errors="replace").strip():
        found.append(
            HostFinding(
                "shell",
                "warn",
                f"its start files print before every command, which is passed over: {one_line(noise, 60)}",
                QUIET_SHELL,
            )
        )
    else:
        found.append(HostFinding("shell", "pass", "runs commands, and prints nothing of its own"))
    try:
        host.size(host.root)
    except Unreachable:
        raise
    except HostError as error:
        return [*found, HostFinding("sftp", "fail", error.message.removeprefix(f"{host.name}: "), error.hint)]
    return [*found, HostFinding("sftp", "pass", "moves files")]


def check_swap(host: Host) -> HostFinding:
    """Whether the host moves memory to its disk now. Raises HostError."""
    rate = probe_swap(host)
    if rate is None:
        return HostFinding("swap", "warn", "it does not tell whether it swaps", "vm_stat; swapon --show")
    if rate < SWAPPING:
        return HostFinding("swap", "pass", "does not grow")
    return HostFinding(
        "swap",
        "warn",
        f"grows by {rate / 1e6:,.0f} MB a second: memory is short",
        "close what holds it: ps -A -o rss=,comm= | sort -rn | head",
    )


def check_product(host: Host, environment: Environment) -> HostFinding:
    """How fast the environment on the host multiplies two matrices, and with what. Raises HostError."""
    done = host.run([environment.python, "-P", "-m", "tunewright.train.blas"], timeout=300)
    try:
        answer = json.loads(done.text.splitlines()[-1])
        name, speed = str(answer["name"]), float(answer["gflops"])
    except (ValueError, IndexError, KeyError, TypeError):
        reason = one_line(done.reason)
        return HostFinding("product", "fail", f"mlx does not start there: {reason}", _setup(host))
    what = BLAS.get(name, one_line(name, 40))
    if speed <= 0:
        return HostFinding(
            "product", "fail", f"two matrices could not be multiplied with {what}", _setup(host)
        )
    shown = f"{speed:,.0f} GFLOP/s with {what}" + ("" if name == "metal" else ", on one thread")
    if name == "reference":
        return HostFinding("product", "warn", shown, "install g++ there; see the line on the compiler")
    return HostFinding("product", "pass", shown)


def check_queue(host: Host, environment: Environment) -> HostFinding:
    """Whether a run that is started now would have to wait. Starts nothing. Raises HostError."""
    queue = read_queue(host, environment.python, look=True)
    see = f"./inv queue --host {host.name}"
    if queue.paused:
        return HostFinding("queue", "warn", f"{queue.paused}: a new run waits until that is over", see)
    if queue.at_work is None and not queue.waiting:
        return HostFinding("queue", "pass", "no run is at work, and none waits")
    at_work = (
        f"{queue.at_work.run} is at work ({queue.at_work.left})" if queue.at_work else "no run is at work"
    )
    waiting = f", {len(queue.waiting)} wait" if queue.waiting else ""
    return HostFinding("queue", "warn", f"{at_work}{waiting}: a new run waits its turn", see)


def _setup(host: Host) -> str:
    return f"./inv host.setup --host {host.name}"
