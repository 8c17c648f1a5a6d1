"""What this machine is: since when it runs, whether it killed somebody for memory, which BLAS it has."""

import ctypes.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

PRELOAD = "libopenblas.so.0"


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


def openblas() -> str | None:
    """The name to preload, or None: not Linux, or not installed.

    mlx's Linux wheel carries reference BLAS; with OpenBLAS in its place a matrix product is some 30 times
    as fast.
    """
    if not sys.platform.startswith("linux"):
        return None
    try:
        ctypes.CDLL(PRELOAD)
    except OSError:
        return ctypes.util.find_library("openblas")
    return PRELOAD


def worker_environment(environment: dict[str, str]) -> dict[str, str]:
    """`environment` with what a worker needs added: OpenBLAS before everything else, and its threads."""
    changed = dict(environment)
    library = openblas()
    if library is not None:
        loaded = changed.get("LD_PRELOAD", "").split(":")
        if not any("openblas" in name for name in loaded):
            changed["LD_PRELOAD"] = ":".join([library, *filter(None, loaded)])
        # A small model's products are too small to share out: two threads were slower than one.
        changed.setdefault("OPENBLAS_NUM_THREADS", "1")
    # glibc gives large buffers back to the kernel and asks for them again at every step; keeping them saves
    # about a tenth of a training on a CPU. macOS has no such variables.
    changed.setdefault("MALLOC_MMAP_THRESHOLD_", str(1 << 32))
    changed.setdefault("MALLOC_TRIM_THRESHOLD_", str(1 << 34))
    changed.setdefault("TOKENIZERS_PARALLELISM", "false")
    changed.setdefault("PYTHONUNBUFFERED", "1")
    return changed


def has_compiler() -> bool:
    """Whether mlx can compile kernels: on Linux it calls g++ at run time, elsewhere it needs nothing."""
    return not sys.platform.startswith("linux") or shutil.which("g++") is not None


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
