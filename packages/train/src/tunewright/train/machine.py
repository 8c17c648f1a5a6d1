"""What this machine is: since when it runs, whether it killed somebody for memory, what a worker needs on it."""

import os
import shutil
import subprocess
from pathlib import Path

from tunewright.train.blas import blas_environment


def boot_id() -> str:
    """A string that changes with every boot; empty when the machine does not tell."""
    linux = Path("/proc/sys/kernel/random/boot_id")
    if linux.exists():
        return linux.read_text().strip()
    # bootsessionuuid rather than boottime: the time is corrected when the clock is.
    for name in ("kern.bootsessionuuid", "kern.boottime"):
        try:
            answer = subprocess.run(
                ["/usr/sbin/sysctl", "-n", name], capture_output=True, text=True, timeout=5, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if answer.returncode == 0 and answer.stdout.strip():
            return answer.stdout.strip()
    return ""


def memory_kills() -> int:
    """How many processes the kernel killed for lack of memory since boot; 0 where it does not count."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def worker_environment(environment: dict[str, str]) -> dict[str, str]:
    """`environment` with what a worker needs added: the fastest BLAS before everything else, and its threads."""
    changed = blas_environment(environment)
    # glibc gives large buffers back to the kernel and asks for them again at every step; keeping them saves
    # about a tenth of a training on a CPU. macOS has no such variables.
    changed.setdefault("MALLOC_MMAP_THRESHOLD_", str(1 << 32))
    changed.setdefault("MALLOC_TRIM_THRESHOLD_", str(1 << 34))
    changed.setdefault("TOKENIZERS_PARALLELISM", "false")
    changed.setdefault("PYTHONUNBUFFERED", "1")
    return changed


def keep_awake() -> subprocess.Popen[bytes] | None:
    """Keep a Mac from sleeping for as long as this process lives; None where there is no caffeinate.

    `-w` makes caffeinate wait for us, so that signals reach the worker itself. Never `-d`: a lit display
    brings the GPU watchdog.
    """
    program = shutil.which("caffeinate") or shutil.which("caffeinate", path="/usr/bin")
    if program is None:
        return None
    return subprocess.Popen(
        [program, "-i", "-m", "-s", "-w", str(os.getpid())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def physical_memory() -> int:
    """Bytes of memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
