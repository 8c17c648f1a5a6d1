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
Swapouts:                                %SWAPOUTS%.
"Translation faults":                 123456789.
"""
SYSCTL = {
    "hw.memsize": "68719476736",
    "iogpu.wired_limit_mb": "57344",
    "kern.boottime": f"{{ sec = {BOOT}, usec = 123456 }} Sat Nov 22 08:26:40 2026",
    "machdep.cpu.brand_string": "Apple M2 Ultra",
}
CUSTOM = """Battery Power:
 sleep                1
 displaysleep         2
AC Power:
 Sleep On Power Button 1
 sleep                {sleep} (sleep prevented by powerd)
 displaysleep         {display}
"""
ASSERTIONS = """Assertion status system-wide:
   BackgroundTask                 0
   PreventUserIdleDisplaySleep    {held}
   PreventUserIdleSystemSleep     1
Listed by owning process:
  pid 321(powerd): PreventUserIdleDisplaySleep named: "prevent sleep while display is on"
"""
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
    sleep: int = 0,
    display: int = 10,
    held: bool = False,
    filevault: str = "Off",
    swapouts: int = 0,
) -> Path:
    """Write the commands into `folder` and return it. Each look finds `swapouts` more pages swapped out."""
    folder.mkdir(parents=True)
    values = SYSCTL | (sysctl or {})
    cases = "\n".join(f"  {name}) echo '{value}' ;;" for name, value in values.items())
    scripts = {
        "uname": f'case "$1" in -m) echo {arch} ;; *) echo Darwin ;; esac',
        "sw_vers": f"echo {version}",
        # Like the real one, silent on standard output for a name that it does not know.
        "sysctl": f'[ "$1" = -n ] && shift\ncase "$1" in\n{cases}\n  *) exit 1 ;;\nesac',
        "pmset": f"""case "$2" in
  custom) cat <<'END'\n{CUSTOM.format(sleep=sleep, display=display)}END\n;;
  assertions) cat <<'END'\n{ASSERTIONS.format(held=int(held))}END\n;;
  *) echo "{power}"; echo " -InternalBattery-0 (id=1234)	95%; charged; 0:00 remaining" ;;
esac""",
        "fdesetup": f"echo 'FileVault is {filevault}.'",
        "vm_stat": f"""count={folder}/swapouts
[ {swapouts} = 0 ] || echo $(($(cat $count 2>/dev/null || echo 0) + {swapouts})) >$count
cat <<END\n{VM_STAT.replace("%SWAPOUTS%", "$(cat $count 2>/dev/null || echo 123456)")}END""",
        # A volume's name may hold spaces.
        "df": "echo 'Filesystem 1024-blocks Used Available Capacity Mounted on'\n"
        f"echo '/dev/disk3s5 971350180 400000000 {free_kib} 45% /System/Volumes/My Data'",
    }
    for name, body in scripts.items():
        path = folder / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
    return folder
