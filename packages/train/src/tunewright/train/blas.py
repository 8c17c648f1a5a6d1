"""Which BLAS mlx computes with on Linux, and how fast it is.

mlx's Linux wheel carries reference BLAS, some 20 times slower than OpenBLAS. OpenBLAS comes with this package
(scipy-openblas32, NumPy's own build), every name of it prefixed; a shim gives the nine that mlx asks for their plain
names and is preloaded by whoever starts a worker. It is assembled once by the g++ that mlx needs on a CPU anyway.
A system's OpenBLAS takes its place only where it is measured to be faster.

`python -m tunewright.train.blas` prints one line of JSON: `{"name": …, "library": …, "gflops": …}`, measured on one
thread; on macOS, where mlx brings what it needs, on the GPU.
"""

import ctypes.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from tunewright.contract.atomic import sha256_json, write_bytes, write_json

SYMBOLS = (
    *("cblas_sgemm", "cblas_dgemm", "cblas_cgemm"),
    *("sgeqrf_", "dgeqrf_", "spotrf_", "dpotrf_", "ssyevd_", "dsyevd_"),
)
# A tail jump needs no signatures: the arguments stay where the caller put them.
_JUMPS = {"x86_64": "jmp scipy_{name}@PLT", "aarch64": "b scipy_{name}"}
COMPILERS = ("g++", "c++", "clang++", "gcc", "cc", "clang")
SYSTEM = ("libopenblas.so.0", "libopenblas.so")
CHOSEN = "TUNEWRIGHT_BLAS"  # set once a library is chosen: a process that starts itself again keeps it
MARGIN = 1.1  # how much faster a system's must be; less is noise, and a change of library changes last bits
MEASURING = 60.0  # seconds
# Best of three products of two 1024 x 1024 float32 matrices, after one that warms up; of a device that is named.
_MEASURE = """
import sys, time, mlx.core as mx
mx.set_default_device(getattr(mx, sys.argv[1]))
a, b = mx.random.normal((1024, 1024)), mx.random.normal((1024, 1024))
mx.eval(a, b)
best = 1e9
for _ in range(4):
    start = time.perf_counter()
    mx.eval(a @ b)
    best = min(best, time.perf_counter() - start)
print(2 * 1024**3 / best / 1e9)
"""


@dataclass(frozen=True)
class Blas:
    """A library that mlx can multiply with; `library` is what to preload, empty for mlx's own."""

    name: str  # `package`, `system` or `reference`
    library: str = ""


@dataclass(frozen=True)
class Measured(Blas):
    gflops: float = 0.0  # 10^9 float32 operations a second, one thread


def blas_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` with the BLAS to use preloaded on Linux; unchanged elsewhere, and where it was chosen before."""
    changed = dict(environment)
    if not sys.platform.startswith("linux") or CHOSEN in changed:
        return changed
    return _with(changed, choose_blas())


def _with(environment: Mapping[str, str], blas: Blas) -> dict[str, str]:
    changed = {**environment, CHOSEN: blas.name}
    if blas.library:
        changed["LD_PRELOAD"] = ":".join([blas.library, *filter(None, [environment.get("LD_PRELOAD", "")])])
    # A small model's products are too small to share out: two threads were slower than one.
    changed.setdefault("OPENBLAS_NUM_THREADS", "1")
    return changed


def choose_blas() -> Blas:
    """The fastest BLAS of this machine. Where there are two they are measured, once; the choice is kept."""
    package, system = packaged_blas(), system_blas()
    if package is None or system is None:
        return package or system or Blas("reference")
    kept = _cache() / f"blas-{sha256_json([_stamp(package), _stamp(system), _processor()])[:16]}.json"
    try:
        return {"package": package, "system": system}[json.loads(kept.read_text())["name"]]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    speeds = {blas.name: measure(blas) for blas in (package, system)}
    chosen = system if speeds["system"] > MARGIN * speeds["package"] else package
    try:
        write_json(kept, {"name": chosen.name, "gflops": speeds})
    except OSError:
        return package  # what cannot be kept must not depend on a measurement: the next one may differ
    return chosen


def packaged_blas() -> Blas | None:
    """OpenBLAS of our own environment behind its shim; None without it, or without a compiler."""
    jump = _JUMPS.get(platform.machine())
    try:
        library = Path(
            str(distribution("scipy-openblas32").locate_file("scipy_openblas32/lib/libscipy_openblas.so"))
        )
    except PackageNotFoundError:
        return None
    if jump is None or not library.is_file():
        return None
    source = "".join(
        f'__asm__(".globl {name}\\n.type {name},@function\\n{name}:\\n {jump.format(name=name)}\\n");\n'
        for name in SYMBOLS
    )
    shim = _cache() / f"blas-{sha256_json([source, str(library), library.stat().st_size])[:16]}.so"
    if not shim.is_file() and not _assemble(source, library, shim):
        return None
    return Blas("package", str(shim))


def _assemble(source: str, library: Path, shim: Path) -> bool:
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, shim.name)
        command = [compiler, "-x", "c", "-", "-shared", "-fPIC", "-o", str(made)]
        command += [f"-L{library.parent}", "-lscipy_openblas", f"-Wl,-rpath,{library.parent}"]
        try:
            subprocess.run(command, input=source.encode(), capture_output=True, timeout=MEASURING, check=True)
            write_bytes(shim, made.read_bytes())
        except (OSError, subprocess.SubprocessError):
            return False
    return True


def system_blas() -> Blas | None:
    """The system's OpenBLAS, if there is one."""
    for name in SYSTEM:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return Blas("system", name)
    found = ctypes.util.find_library("openblas")
    return Blas("system", found) if found else None


def measure(blas: Blas, device: str = "cpu") -> float:
    """10^9 operations a second that mlx reaches with a library on one thread, or on a `gpu`; 0 when it does not work."""
    clean = {name: value for name, value in os.environ.items() if name not in ("LD_PRELOAD", CHOSEN)}
    environment = _with({**clean, "OPENBLAS_NUM_THREADS": "1"}, blas)
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _MEASURE, device],
            env=environment,
            capture_output=True,
            text=True,
            timeout=MEASURING,
            check=True,
        )
        return round(float(done.stdout), 1)
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0.0


def has_compiler() -> bool:
    """Whether mlx can compile kernels: on Linux it calls g++ at run time, elsewhere it needs nothing."""
    return not sys.platform.startswith("linux") or shutil.which("g++") is not None


def _cache() -> Path:
    """A folder of this user's: the environment's own where it can be written."""
    prefix = Path(sys.prefix)
    if os.access(prefix, os.W_OK):
        return prefix
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tunewright"


def _stamp(blas: Blas) -> list[str | int]:
    path = Path(blas.library)
    return [blas.library, path.stat().st_size if path.is_file() else 0]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line for line in lines if line.startswith(("model name", "CPU part"))), platform.machine())


def main() -> int:
    """Say which BLAS a worker would use, and measure it."""
    if sys.platform.startswith("linux"):
        chosen = choose_blas()
        answer = asdict(Measured(chosen.name, chosen.library, measure(chosen))) | {"compiler": has_compiler()}
    else:
        answer = asdict(Measured("metal", "", measure(Blas("metal"), "gpu")))
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
