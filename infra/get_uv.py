"""Put the locked uv into a folder: standard library only, for a machine that has nothing but Python.

    python3 infra/get_uv.py FOLDER

Its address and its hash are in uv.lock, like those of everything else that is installed. The file is
verified before it is unpacked, and appears under its name whole or not at all.
"""

import hashlib
import io
import os
import platform
import re
import sys
import tempfile
import tomllib
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "uv.lock"
MACHINES = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "arm64|aarch64", "aarch64": "arm64|aarch64"}


def wheel_pattern(system: str, machine: str, libc: str) -> re.Pattern[str]:
    """What the file name of this machine's wheel looks like."""
    architecture = MACHINES.get(machine.lower(), re.escape(machine))
    if system == "Darwin":
        return re.compile(rf"-macosx_\d+_\d+_({architecture})\.whl$")
    family = "manylinux" if libc == "glibc" else "musllinux"
    return re.compile(rf"[-.]{family}[0-9_]*_({architecture})(\.|$)")


def find_wheel(lock: str, pattern: re.Pattern[str]) -> tuple[str, str]:
    """The address and `sha256` of uv's wheel. Raises LookupError when this kind of machine has none."""
    for package in tomllib.loads(lock)["package"]:
        if package["name"] == "uv":
            for wheel in package["wheels"]:
                if pattern.search(wheel["url"].rsplit("/", 1)[1]):
                    return wheel["url"], wheel["hash"].removeprefix("sha256:")
    raise LookupError(f"uv offers no build for {platform.system()} on {platform.machine()}")


def unpack(wheel: bytes, sha256: str, folder: Path) -> Path:
    """Take `uv` out of a verified wheel. Raises ValueError when its hash is another one."""
    if hashlib.sha256(wheel).hexdigest() != sha256:
        raise ValueError("the file that came is not the one that was locked")
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        member = next(name for name in archive.namelist() if name.endswith("/scripts/uv"))
        program = archive.read(member)
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".uv.", dir=folder)
    with os.fdopen(descriptor, "wb") as file:
        file.write(program)
    temporary = Path(name)
    temporary.chmod(0o755)
    return temporary.replace(folder / "uv")


def main(folder: Path) -> str | None:
    """Do it; what went wrong, if anything did."""
    try:
        pattern = wheel_pattern(platform.system(), platform.machine(), platform.libc_ver()[0])
        address, sha256 = find_wheel(LOCK.read_text(encoding="utf-8"), pattern)
        with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310 (https, from the lock)
            unpack(answer.read(), sha256, folder)
    except (urllib.error.URLError, TimeoutError) as error:
        return f"uv could not be fetched ({error})\n  Check the network, or install uv yourself, and run this again."
    except (LookupError, ValueError, OSError) as error:
        return f"uv could not be installed ({error})\n  Install uv yourself, and run this again."
    return None


if __name__ == "__main__":
    if problem := main(Path(sys.argv[1])):
        sys.exit(f"inv: {problem}")
