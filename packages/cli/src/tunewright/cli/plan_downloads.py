"""How much of the package index a host's environment is, from the lock alone."""

import re
import tomllib
from collections.abc import Mapping
from typing import Any

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9_.-]+)==(?P<version>[^\s;\\]+)(?:\s*;\s*(?P<marker>[^\\]*))?")
PLATFORMS = {"Darwin": "darwin", "Linux": "linux"}  # `uname -s` -> sys_platform
UNPACKED = 3.7  # times the wheels' size: measured on Linux, 61 MB of wheels are 227 MB


def download_bytes(lock: str, requirements: str, system: str, arch: str) -> int:
    """Bytes of the wheels that a host of that kind fetches, at most: of several that fit, the largest.

    `lock` is uv.lock's text and `requirements` what was exported from it.
    """
    packages: Mapping[tuple[str, str], Any] = {
        (package["name"], package.get("version", "")): package
        for package in tomllib.loads(lock).get("package", [])
    }
    largest: dict[str, int] = {}
    for line in requirements.splitlines():
        pin = _PIN.match(line)
        if pin is None or not _wanted(pin["marker"] or "", PLATFORMS.get(system, "")):
            continue
        package = packages.get((pin["name"], pin["version"]), {})
        sizes = [
            int(wheel.get("size", 0))
            for wheel in package.get("wheels", [])
            if _fits(str(wheel.get("url", wheel.get("filename", ""))), system, arch)
        ]
        # Two versions of one package stand for two versions of Python; a host takes one.
        largest[pin["name"]] = max([largest.get(pin["name"], 0), *sizes])
    return sum(largest.values())


def _wanted(marker: str, platform: str) -> bool:
    """Whether a marker may hold on a platform, going by its platform alone."""
    equal = re.findall(r"sys_platform == '(\w+)'", marker)
    unequal = re.findall(r"sys_platform != '(\w+)'", marker)
    return (not equal or platform in equal) and platform not in unequal


def _fits(url: str, system: str, arch: str) -> bool:
    name = url.rpartition("/")[2]
    if name.endswith("-none-any.whl"):
        return True
    mark = "macosx" if system == "Darwin" else "manylinux"
    return mark in name and (f"_{arch}." in name or "universal2" in name)
