"""`infra/mac/drill.sh`: what it writes down of the commands that it runs. The commands themselves are tested elsewhere."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "infra" / "mac" / "drill.sh"


def drill(
    checkout: Path, *arguments: str, failing: str = "nothing"
) -> tuple[subprocess.CompletedProcess[str], str]:
    """The drill in a checkout whose `inv` only says where it is; `failing` is a task that ends with 4."""
    (checkout / "infra" / "mac").mkdir(parents=True)
    shutil.copy(SCRIPT, checkout / "infra" / "mac")
    inv = checkout / "inv"
    inv.write_text(
        f'#!/bin/sh\necho "$@" >>asked\necho "in $PWD of $HOME"\n[ "$1" != {failing} ] || exit 4\n'
    )
    inv.chmod(0o755)
    home = checkout.parent / "somebody"
    done = subprocess.run(
        ["/bin/sh", str(checkout / "infra" / "mac" / "drill.sh"), *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    written = [path.read_text() for path in checkout.glob("drill-*.txt")]
    assert len(written) <= 1
    return done, "".join(written)


def test_the_transcript_has_each_command_its_end_and_its_exit_code(tmp_path: Path) -> None:
    done, transcript = drill(tmp_path / "checkout", "mac-studio")
    assert done.returncode == 0, done.stdout + done.stderr
    asked = (tmp_path / "checkout" / "asked").read_text().splitlines()
    assert [line for line in transcript.splitlines() if line.startswith("== ")] == [f"== {a}" for a in asked]
    assert transcript.count("-- exit 0 after ") == len(asked) == 12
    assert "12 as expected, 0 not" in transcript


def test_the_default_recipe_is_trained_when_asked_for(tmp_path: Path) -> None:
    drill(tmp_path / "checkout", "mac-studio", "--real")
    assert "train --host mac-studio --fresh\n" in (tmp_path / "checkout" / "asked").read_text()


def test_a_command_that_fails_is_told_and_the_drill_goes_on(tmp_path: Path) -> None:
    done, transcript = drill(tmp_path / "checkout", "mac-studio", failing="host.setup")
    assert done.returncode == 1
    assert re.search(r"^-- exit 4 after \d+ s: NOT as expected, which is 0$", transcript, re.MULTILINE)
    assert "== clean --host mac-studio" in transcript
    assert "11 as expected, 1 not" in transcript


def test_names_of_folders_are_masked(tmp_path: Path) -> None:
    _, transcript = drill(tmp_path / "checkout", "mac-studio")
    assert "in CHECKOUT of HOME" in transcript
    assert str(tmp_path) not in transcript


@pytest.mark.parametrize("arguments", [(), ("--real",), ("mac-studio", "--all")])
def test_wrong_usage_runs_nothing(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done, transcript = drill(tmp_path / "checkout", *arguments)
    assert done.returncode == 2
    assert not transcript
    assert not (tmp_path / "checkout" / "asked").exists()
