"""Is a host fit for a run? Facts in, findings out."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from tunewright.contract.errors import HostError
from tunewright.remote.host import Host
from tunewright.remote.probe import HostFacts, probe_host

GIB = 1 << 30
NEEDED = 3 * GIB  # the environment (about 1 GiB with the cache) and a tiny run
PROTECTED = ("desktop", "documents", "downloads")  # macOS refuses these to a program started over SSH
OLDEST_MACOS = 14
OLDEST_GLIBC = (2, 35)
_COMPILERS = {
    ("debian", "ubuntu", "mint", "pop!_os"): "sudo apt-get install g++",
    ("fedora", "red hat", "centos", "rocky", "alma", "amazon"): "sudo dnf install gcc-c++",
    ("suse",): "sudo zypper install gcc-c++",
    ("arch", "manjaro"): "sudo pacman -S gcc",
}


@dataclass(frozen=True)
class HostFinding:
    """One thing about the host that matters."""

    check: str  # `uv`, `disk`, `folder`, `system`, `power`, `memory`, `compiler`
    severity: Literal["fail", "warn", "info"]
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.severity:<5} {self.check:<9} {self.message}" + (
            f"\n      {self.hint}" if self.hint else ""
        )


def check_host(host: Host, root: Path, needed_bytes: int = NEEDED) -> list[HostFinding]:
    """Look at the host and judge it for `needed_bytes` of disk. `root` is the checkout. Changes nothing.

    Raises HostError when it cannot be looked at.
    """
    del root  # every host is judged alike; the checkout is where a local one keeps its folder
    return judge_facts(probe_host(host), host.root, needed_bytes)


def require_fit(host: Host, root: Path, needed_bytes: int = NEEDED) -> list[HostFinding]:
    """Raises HostError with the first thing that makes the host unfit; returns the findings otherwise."""
    findings = check_host(host, root, needed_bytes)
    for finding in findings:
        if finding.severity == "fail":
            raise HostError(f"{host.name}: {finding.message}", finding.hint)
    return findings


def judge_facts(facts: HostFacts, root: PurePosixPath, needed_bytes: int = NEEDED) -> list[HostFinding]:
    """Every finding, what fails first."""
    findings = [
        *_system(facts),
        *_uv(facts),
        *_folder(facts, root),
        *_disk(facts, root, needed_bytes),
        *_comfort(facts),
    ]
    order = {"fail": 0, "warn": 1, "info": 2}
    return sorted(findings, key=lambda finding: order[finding.severity])


def _system(facts: HostFacts) -> list[HostFinding]:
    shown = f"{facts.system} {facts.os_version} on {facts.arch}".replace("Darwin", "macOS")
    if facts.translated:
        return [
            HostFinding(
                "system", "fail", "the shell runs under Rosetta, as an Intel program", "Use a native shell."
            )
        ]
    if facts.system == "Darwin":
        major = re.match(r"\d+", facts.os_version)
        if facts.arch != "arm64":
            return [
                HostFinding(
                    "system",
                    "fail",
                    f"{shown}: mlx needs Apple Silicon",
                    "Choose a Mac with an M-series chip.",
                )
            ]
        if major and int(major[0]) < OLDEST_MACOS:
            return [
                HostFinding(
                    "system", "fail", f"{shown}: mlx needs macOS {OLDEST_MACOS} or later", "Update macOS."
                )
            ]
    elif facts.system == "Linux":
        if facts.glibc is None or facts.glibc < OLDEST_GLIBC:
            return [
                HostFinding(
                    "system",
                    "fail",
                    f"{shown}: mlx needs glibc {OLDEST_GLIBC[0]}.{OLDEST_GLIBC[1]} or later",
                    "Use a newer distribution (Debian 12, Ubuntu 22.04, Fedora 36).",
                )
            ]
    else:
        return [
            HostFinding("system", "fail", f"{shown}: not supported", "A host is macOS on arm64, or Linux.")
        ]
    memory = f", {facts.memory_bytes / GIB:.0f} GiB of memory" if facts.memory_bytes else ""
    return [HostFinding("system", "info", shown + (f" ({facts.chip})" if facts.chip else "") + memory)]


def _uv(facts: HostFacts) -> list[HostFinding]:
    if facts.uv is None:
        hint = (
            "Install it there: `brew install uv`, or see https://docs.astral.sh/uv/getting-started/installation/."
            if facts.system == "Darwin"
            else "Install it there: https://docs.astral.sh/uv/getting-started/installation/."
        )
        return [
            HostFinding(
                "uv", "fail", "no uv: not in ~/.local/bin, /opt/homebrew/bin, /usr/local/bin or PATH", hint
            )
        ]
    found = [HostFinding("uv", "info", f"{facts.uv_version or 'uv'} at {facts.uv}")]
    if facts.python is None:
        found.append(
            HostFinding(
                "python",
                "warn",
                "no Python 3.11 or later: uv will download one",
                "Without internet on the host, install Python 3.11+ there first.",
            )
        )
    return found


def _folder(facts: HostFacts, root: PurePosixPath) -> list[HostFinding]:
    try:
        inside = root.relative_to(facts.home).parts
    except ValueError:
        inside = ()
    if (
        facts.system == "Darwin"
        and inside
        and (inside[0].lower() in PROTECTED or inside[:2] == ("Library", "Mobile Documents"))
    ):
        return [
            HostFinding(
                "folder",
                "fail",
                f"{root} is inside {inside[0]}, which macOS guards or syncs away",
                "Keep the checkout, or the host's folder, elsewhere in the home folder.",
            )
        ]
    if not facts.writable:
        return [HostFinding("folder", "fail", f"{root} cannot be written", "Is the folder yours?")]
    if not facts.case_insensitive:
        return []
    return [HostFinding("folder", "info", "the volume does not tell upper from lower case")]


def _disk(facts: HostFacts, root: PurePosixPath, needed: int) -> list[HostFinding]:
    free = facts.disk_free_bytes
    if free is None:
        return [HostFinding("disk", "warn", f"free space at {root} is unknown")]
    shown = f"{free / GIB:.1f} GiB free at {root}"
    if free < needed:
        return [
            HostFinding(
                "disk",
                "fail",
                f"{shown}, needed are {needed / GIB:.1f} GiB",
                "Remove old runs there (`./inv clean --host NAME`), or make room.",
            )
        ]
    return [HostFinding("disk", "info", shown)]


def _install_compiler(system: str) -> str:
    """The command that installs g++ on a Linux distribution, by the name that it gives itself."""
    name = system.lower()
    for marks, command in _COMPILERS.items():
        if any(mark in name for mark in marks):
            return f"Install it: {command}"
    return "Install g++ with the system's package manager."


def _comfort(facts: HostFacts) -> list[HostFinding]:
    """What does not forbid a run, and may spoil it."""
    found: list[HostFinding] = []
    if facts.on_mains is False:
        found.append(
            HostFinding(
                "power",
                "warn",
                "on battery: it will sleep, and train slowly",
                "Plug it in before a long run.",
            )
        )
    if facts.system == "Linux" and facts.compiler is None:
        found.append(
            HostFinding(
                "compiler",
                "warn",
                "no g++: on a CPU it trains without compiled kernels, and without the OpenBLAS that comes with us",
                _install_compiler(facts.os_version),
            )
        )
    if facts.available_bytes is not None and facts.available_bytes < 2 * GIB:
        found.append(
            HostFinding(
                "memory",
                "warn",
                f"only {facts.available_bytes / GIB:.1f} GiB of memory is free",
                "Close what holds it.",
            )
        )
    return found
