"""A Mac look-alike: commands with a Mac's names and outputs, in a folder to put first in PATH."""

from pathlib import Path

BOOT = 1_763_800_000
VM_STAT = """Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                             3000000.
Pages active:                            500000.
Pages inactive:                          400000.
Pages speculative:                        10000.
Pages throttled:                              0.
Pages wired down:                        300000.
Pages purgeable:                           5000.
"Translation faults":                 123456789.
"""
SYSCTL = {
    "hw.memsize": "68719476736",
    "iogpu.wired_limit_mb": "57344",
    "kern.boottime": f"{{ sec = {BOOT}, usec = 123456 }} Sat Nov 22 08:26:40 2026",
    "machdep.cpu.brand_string": "Apple M2 Ultra",
}
MAINS = "Now drawing from 'AC Power'"
BATTERY = "Now drawing from 'Battery Power'"


def make_mac(
    folder: Path,
    *,
    version: str = "15.6.1",
    arch: str = "arm64",
    power: str = MAINS,
    free_kib: int = 500_000_000,
    sysctl: dict[str, str] | None = None,
) -> Path:
    """Write the commands into `folder` and return it."""
    folder.mkdir(parents=True)
    values = SYSCTL | (sysctl or {})
    cases = "\n".join(f"  {name}) echo '{value}' ;;" for name, value in values.items())
    scripts = {
        "uname": f'case "$1" in -m) echo {arch} ;; *) echo Darwin ;; esac',
        "sw_vers": f"echo {version}",
        # Like the real one, silent on standard output for a name that it does not know.
        "sysctl": f'[ "$1" = -n ] && shift\ncase "$1" in\n{cases}\n  *) exit 1 ;;\nesac',
        "pmset": f'echo "{power}"\necho " -InternalBattery-0 (id=1234)	95%; charged; 0:00 remaining"',
        "vm_stat": f"cat <<'END'\n{VM_STAT}END",
        # A volume's name may hold spaces.
        "df": "echo 'Filesystem 1024-blocks Used Available Capacity Mounted on'\n"
        f"echo '/dev/disk3s5 971350180 400000000 {free_kib} 45% /System/Volumes/My Data'",
    }
    for name, body in scripts.items():
        path = folder / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
    return folder
