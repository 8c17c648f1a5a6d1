"""The last step of an installation, which several laptops may take on a host at once."""

import json
import subprocess
import sys
from pathlib import Path

from tunewright.remote import environment as environments


def finish(root: Path, number: int, command: str) -> "subprocess.CompletedProcess[str]":
    """One installer's last step."""
    folder = root / "envs" / f".{number}"
    folder.mkdir(parents=True)
    script = environments._FINISH  # pyright: ignore[reportPrivateUsage]
    argv = [sys.executable, "-P", "-c", script, str(folder), str(root / "envs" / "hash"), command]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_the_owners_command_is_whole_whatever_another_installer_is_writing(tmp_path: Path) -> None:
    other = tmp_path / "tunewright-host.part"
    other.mkdir()  # under a name that both use, not even a file could be opened
    for number in (1, 2):
        done = finish(tmp_path, number, f"#!/bin/sh\necho {number}\n")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["versions"]["python"]
        owners = tmp_path / "tunewright-host"
        said = subprocess.run([owners], capture_output=True, text=True, check=True)
        assert said.stdout == f"{number}\n"
        assert owners.stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in tmp_path.iterdir()) == ["envs", "tunewright-host", other.name]
    (installed,) = (tmp_path / "envs").iterdir()
    assert [path.name for path in installed.iterdir()] == ["environment.json"]
