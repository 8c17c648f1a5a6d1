"""Is a host fit for a run? Facts in, findings out."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from tunewright.contract.errors import HostError
from tunewright.contract.sizes import size, size_pair
from tunewright.remote.host import LOCAL
from tunewright.remote.host_facts import HostFacts

GIB = 1 << 30
CLOCK = 30.0  # seconds that two clocks may differ
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
    """One thing about the host that matters; `hint` is the command, or what else to do, that fixes it."""

    check: str  # `reach`, `shell`, `sftp`, `system`, `uv`, `folder`, `disk`, `memory`, `sleep`, …
    severity: Literal["fail", "warn", "pass"]
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.severity}  {self.check:<9} {self.message}" + (f"; {self.hint}" if self.hint else "")


@dataclass(frozen=True)
class Need:
    """What a host must have for `what`, in bytes; no `memory_budget`: memory is not judged."""

    what: str  # `recipe smollm2`, `the environment`
    disk: int = 0
    memory: int = 0
    memory_budget: int | None = None  # that training may use
    memory_source: str = ""  # why so much


def require_fit(name: str, findings: Iterable[HostFinding]) -> list[HostFinding]:
    """The findings. Raises HostError with the first that makes the host of that name unfit."""
    found = list(findings)
    for finding in found:
        if finding.severity == "fail":
            raise HostError(f"{name}: {finding.message}", finding.hint)
    return found


def worst_first(findings: Iterable[HostFinding]) -> list[HostFinding]:
    """What fails, then what is doubtful, then what is well, each in the order it came."""
    order = {"fail": 0, "warn": 1, "pass": 2}
    return sorted(findings, key=lambda finding: order[finding.severity])


def judge_facts(
    facts: HostFacts, root: PurePosixPath, need: Need | None = None, name: str = LOCAL
) -> list[HostFinding]:
    """Every finding about the host `name`, what fails first. `root` is our folder there."""
    return worst_first(
        [
            *_system(facts),
            *_uv(facts),
            *_folder(facts, root),
            judge_disk(facts.disk_free_bytes, root, need, name),
            *_memory(facts, need),
            *_power(facts),
            *_clock(facts),
            *_compiler(facts),
        ]
    )


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
    return [HostFinding("system", "pass", shown + (f" ({facts.chip})" if facts.chip else "") + memory)]


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
    found = [HostFinding("uv", "pass", f"{facts.uv_version or 'uv'} at {facts.uv}")]
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
    return [HostFinding("folder", "pass", "the volume does not tell upper from lower case")]


def judge_disk(free: int | None, root: PurePosixPath, need: Need | None, name: str) -> HostFinding:
    """Whether `free` bytes on the volume of `root` are enough."""
    if free is None:
        return HostFinding("disk", "warn", f"free space at {root} is unknown", f"df -h {root}")
    if need is None:
        return HostFinding("disk", "pass", f"{size(free)} free at {root}")
    has, needs = size_pair(free, need.disk)
    shown = f"{has} free at {root}, {need.what} needs {needs}"
    if free < need.disk:
        return HostFinding("disk", "fail", shown, f"make room there: ./inv clean --host {name}")
    return HostFinding("disk", "pass", shown)


def judge_memory(need: Need) -> HostFinding | None:
    """Whether training fits into its budget; None when one of the two is not known."""
    if need.memory_budget is None or not need.memory:
        return None
    needs, has = size_pair(need.memory, need.memory_budget)
    shown = f"{need.what} needs about {needs} to train, of {has} ({need.memory_source})"
    if need.memory > need.memory_budget:
        return HostFinding(
            "memory",
            "fail",
            shown,
            "lower train.batch_size or train.max_seq_length in the recipe, or take a smaller base",
        )
    return HostFinding("memory", "pass", shown)


def _memory(facts: HostFacts, need: Need | None) -> list[HostFinding]:
    judged = judge_memory(need) if need else None
    found = [judged] if judged else []
    wanted = max(2 * GIB, need.memory if need else 0)
    if facts.available_bytes is not None and facts.available_bytes < wanted:
        program = "top -o mem" if facts.system == "Darwin" else "top -o %MEM"
        found.append(
            HostFinding(
                "memory",
                "warn",
                f"only {size(facts.available_bytes)} of memory is free now",
                f"close what holds it: {program}",
            )
        )
    return found


def _install_compiler(system: str) -> str:
    """The command that installs g++ on a Linux distribution, by the name that it gives itself."""
    name = system.lower()
    for marks, command in _COMPILERS.items():
        if any(mark in name for mark in marks):
            return f"Install it: {command}"
    return "Install g++ with the system's package manager."


def _power(facts: HostFacts) -> list[HostFinding]:
    """What lets a machine sleep or a kernel be ended in the middle of a run."""
    found: list[HostFinding] = []
    if facts.on_mains is False:
        found.append(
            HostFinding("power", "warn", "on battery: it will sleep, and train slowly", "plug it in")
        )
    if facts.system != "Darwin":
        return found
    if facts.on_mains:
        found.append(HostFinding("power", "pass", "on mains"))
    if facts.sleep_minutes:
        found.append(
            HostFinding(
                "sleep",
                "warn",
                f"sleeps after {facts.sleep_minutes} minutes on mains, and does not answer then; a run keeps it awake",
                "sudo pmset -c sleep 0",
            )
        )
    elif facts.sleep_minutes == 0:
        found.append(HostFinding("sleep", "pass", "never sleeps on mains"))
    if facts.display_held or facts.display_minutes == 0:
        why = "a program keeps its display lit" if facts.display_held else "its display never sleeps"
        found.append(
            HostFinding(
                "display",
                "warn",
                f"{why}: macOS ends long GPU kernels while one is lit",
                "pmset displaysleepnow" + ("" if facts.display_held else "; sudo pmset -c displaysleep 5"),
            )
        )
    elif facts.display_minutes:
        found.append(
            HostFinding("display", "pass", f"its display sleeps after {facts.display_minutes} minutes")
        )
    if facts.filevault is not None:
        found.append(
            HostFinding("filevault", "pass", "off: a restart needs nobody")
            if not facts.filevault
            else HostFinding(
                "filevault",
                "pass",
                "on: after a restart nothing answers until somebody unlocks the disk",
                "for a planned restart: sudo fdesetup authrestart",
            )
        )
    return found


def _clock(facts: HostFacts) -> list[HostFinding]:
    ahead = facts.clock_ahead
    if ahead is None:
        return []
    if abs(ahead) <= CLOCK:
        return [HostFinding("clock", "pass", "as this machine's")]
    shown = f"{abs(ahead):,.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
    fix = "sudo sntp -sS time.apple.com" if facts.system == "Darwin" else "sudo timedatectl set-ntp true"
    return [HostFinding("clock", "warn", shown, f"on whichever of the two is wrong: {fix}")]


def _compiler(facts: HostFacts) -> list[HostFinding]:
    if facts.system != "Linux":
        return []
    if facts.compiler is not None:
        return [HostFinding("compiler", "pass", f"g++ at {facts.compiler}")]
    return [
        HostFinding(
            "compiler",
            "warn",
            "no g++: on a CPU it trains without compiled kernels, and without the OpenBLAS that comes with us",
            _install_compiler(facts.os_version),
        )
    ]
