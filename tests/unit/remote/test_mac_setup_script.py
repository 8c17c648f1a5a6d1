"""`infra/mac/setup.sh`, on a Mac look-alike."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.mac import make_mac

SCRIPT = Path(__file__).parents[3] / "infra" / "mac" / "setup.sh"
CUSTOM = """Battery Power:
 sleep                1
AC Power:
 womp                 1
 sleep                {sleep}
 displaysleep         {display}
 disksleep            0
"""


def set_up(
    folder: Path,
    *arguments: str,
    sleep: int = 0,
    display: int = 5,
    version: str = "15.6.1",
    arch: str = "arm64",
) -> subprocess.CompletedProcess[str]:
    mac = make_mac(folder / "bin", version=version, arch=arch)
    commands = {
        "pmset": f'[ "$1 $2" = "-g custom" ] && cat <<\'END\'\n{CUSTOM.format(sleep=sleep, display=display)}END',
        "sudo": f'echo "$@" >> "{folder}/sudo.log"',
        "nc": "exit 0",
        "fdesetup": "echo 'FileVault is On.'",
    }
    for name, body in commands.items():
        (mac / name).write_text(f"#!/bin/sh\n{body}\n")
        (mac / name).chmod(0o755)
    home = folder / "home"
    (home / ".local" / "bin").mkdir(parents=True)
    uv = home / ".local" / "bin" / "uv"
    uv.write_text("#!/bin/sh\necho uv 0.13.9\n")
    uv.chmod(0o755)
    environment = {"PATH": f"{mac}:{os.environ['PATH']}", "HOME": str(home)}
    return subprocess.run(
        ["/bin/sh", str(SCRIPT), *arguments], env=environment, capture_output=True, text=True, check=False
    )


def test_a_mac_that_is_ready_is_told_so(tmp_path: Path) -> None:
    done = set_up(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "This Mac is ready" in done.stdout
    assert "FileVault is on" in done.stdout
    assert done.stderr == ""


def test_looking_changes_nothing(tmp_path: Path) -> None:
    done = set_up(tmp_path, sleep=10, display=0)
    assert done.returncode == 1
    assert "sudo pmset -c sleep 0" in done.stdout
    assert not (tmp_path / "sudo.log").exists()


def test_applying_sets_only_what_is_wrong(tmp_path: Path) -> None:
    done = set_up(tmp_path, "--apply", sleep=10, display=0)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "sudo.log").read_text() == "pmset -c sleep 0 displaysleep 5\n"


def test_a_mac_that_is_too_old_is_told_so(tmp_path: Path) -> None:
    done = set_up(tmp_path, version="13.7")
    assert done.returncode == 1
    assert "macOS 14" in done.stdout


def test_an_intel_mac_is_told_so(tmp_path: Path) -> None:
    done = set_up(tmp_path, arch="x86_64")
    assert done.returncode == 1
    assert "M-series" in done.stdout


def test_it_is_for_macs_only(tmp_path: Path) -> None:
    done = subprocess.run(["/bin/sh", str(SCRIPT)], capture_output=True, text=True, check=False)
    if os.uname().sysname == "Darwin":
        pytest.skip("this is a Mac")
    assert done.returncode == 2
    assert "uv and g++" in done.stderr
